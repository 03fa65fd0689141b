//! What `/proc` tells about processes: how much of a core they use, how much memory they had.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    thread::available_parallelism,
    time::Instant,
};

use support::TestChat;

/// Clock ticks per second in `/proc/<pid>/stat`; Linux has shown userspace 100 since 2.6.
const TICKS: f64 = 100.0;

/// The machine, as the report's first line.
pub(crate) fn machine() -> String {
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    format!("{cores} cores, {}", model.trim_start_matches([' ', '\t', ':']))
}

/// The most memory a process ever had, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Option<u64> {
    of_status(pid, "VmHWM:")
}

/// The memory a process has now, in bytes.
pub(crate) fn memory(pid: u32) -> Option<u64> {
    of_status(pid, "VmRSS:")
}

fn of_status(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The processors' time from one moment to another, by what used it.
pub(crate) struct Usage {
    start: Instant,
    ticks: HashMap<u32, u64>,
}

impl Usage {
    /// From now on.
    pub(crate) fn start(names: &HashMap<u32, String>) -> Self {
        let ticks = names.keys().filter_map(|pid| Some((*pid, ticks(*pid)?))).collect();
        Self { start: Instant::now(), ticks }
    }

    /// Until now: the share of one core in percent, the greatest first.
    pub(crate) fn shares(self, names: HashMap<u32, String>) -> Vec<(String, f64)> {
        let seconds = self.start.elapsed().as_secs_f64();
        let mut used: BTreeMap<String, u64> = BTreeMap::new();
        for (pid, name) in names {
            let before = self.ticks.get(&pid).copied().unwrap_or_default();
            *used.entry(name).or_default() += ticks(pid).unwrap_or(before).saturating_sub(before);
        }
        #[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^52")]
        let share = |ticks: u64| ticks as f64 / TICKS / seconds * 100.0;
        let mut shares: Vec<_> = used
            .into_iter()
            .map(|(name, ticks)| (name, share(ticks)))
            .filter(|(_, share)| *share >= 0.5)
            .collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }
}

/// Every process that takes part in the chat, with what it is called in the report.
pub(crate) async fn names(chat: &TestChat) -> HashMap<u32, String> {
    let mut names = HashMap::from([
        (std::process::id(), "load generator".to_owned()),
        (chat.stack.gateway_pid(), "gateway".to_owned()),
    ]);
    for binary in chat.stack.functions().await {
        for process in chat.stack.processes(&binary).await {
            names.insert(process.pid, binary.clone());
        }
    }
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        match command.trim() {
            "postgres" => names.insert(pid, "Postgres".to_owned()),
            "redis-server" => names.insert(pid, "Redis".to_owned()),
            _ => None,
        };
    }
    names
}

/// User and system time of a process; the fields are counted after its name, which may hold spaces.
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}
