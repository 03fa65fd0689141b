//! The greatest memory of the processes, read from the kernel now and then.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// For how long a figure is taken for the newest; reading one costs some 20 µs.
const FRESH: Duration = Duration::from_millis(100);

/// How many processes are remembered before those that are long gone are forgotten.
const REMEMBERED: usize = 1024;

/// Figures by process.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    read: HashMap<u32, (Instant, Option<u64>)>,
}

impl Memory {
    /// The most physical memory that a process has had so far, in bytes; none if it is gone.
    pub(crate) fn greatest(&mut self, process: u32) -> Option<u64> {
        let now = Instant::now();
        match self.read.get(&process) {
            Some((at, bytes)) if now - *at < FRESH => *bytes,
            _ => {
                let bytes = high_water_mark(process);
                if self.read.len() == REMEMBERED {
                    self.read.clear();
                }
                self.read.insert(process, (now, bytes));
                bytes
            }
        }
    }
}

fn high_water_mark(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_memory_and_a_missing_one_has_none() {
        let mut memory = Memory::default();

        assert!(memory.greatest(std::process::id()).unwrap() > 1024 * 1024);
        assert_eq!(memory.greatest(u32::MAX), None);
    }
}
