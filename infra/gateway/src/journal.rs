//! What happened: one record per invocation and the lines the functions print.
//!
//! What happened also goes to the console's memory, with the lines of each invocation.
//!
//! A thread of its own writes to stderr and to the logs directory, so no request ever waits for a disk or a
//! terminal. Entries are written in the order they were sent.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::console::{Activity, Memory};
use crate::functions::{Execution, Pending};

/// What a line takes besides its text, roughly.
const LINE_OVERHEAD: usize = 128;

/// The bytes of lines that wait to be written.
static LINES: Semaphore = Semaphore::const_new(16 * 1024 * 1024);

/// The name of the file of records, without its ending.
const RECORDS: &str = "gateway";

/// How long entries gather before the next write.
const BATCH: Duration = Duration::from_millis(20);

/// The sending half; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    entries: Sender<Entry>,
    activity: Arc<Activity>,
}

/// The writing thread, to be closed when everything was sent.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    entries: Sender<Entry>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Entry {
    Invocation(Arc<Record>),
    Line { function: Arc<str>, invocation: u64, text: Vec<u8>, _room: Option<SemaphorePermit<'static>> },
    Note(String),
    Close,
}

/// What is told of one invocation.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The number of the invocation, for the console.
    #[serde(skip)]
    pub(crate) invocation: Option<u64>,
    /// When the invocation was over, or its client left.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) time: Option<OffsetDateTime>,
    /// The function's logical id.
    pub(crate) function: String,
    /// The route key that led to it.
    pub(crate) route: String,
    /// The request id of the API, which clients see too.
    pub(crate) api_request_id: String,
    /// The connection, for the WebSocket API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection_id: Option<String>,
    /// Method and path as requested, for the HTTP API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<String>,
    /// The status given to the client; none when the client had left or nothing is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Milliseconds the function took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<f64>,
    /// Milliseconds the event waited for a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queued: Option<f64>,
    /// Milliseconds of the cold start, if this was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) init_duration: Option<f64>,
    /// Lambda's request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// That an asynchronous event is given up for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) discarded: Option<Discarded>,
}

/// The end of an asynchronous event without success, as the record for its on-failure destination tells it.
#[derive(Debug, Serialize)]
pub(crate) struct Discarded {
    /// `RetriesExhausted` or `EventAgeExceeded`.
    pub(crate) condition: &'static str,
    /// How often the function was given it.
    pub(crate) attempts: usize,
    /// The on-failure destination that AWS would deliver it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<String>,
}

/// A record that is sent when dropped, so an invocation whose client left is told too.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    journal: &'a Journal,
    record: Record,
}

impl Report<'_> {
    /// The record to complete.
    pub(crate) fn record(&mut self) -> &mut Record {
        &mut self.record
    }

    /// Says which invocation the record is about.
    pub(crate) fn follow(&mut self, pending: &Pending) {
        self.record.invocation = Some(pending.invocation);
    }

    /// Notes how the function ran.
    pub(crate) fn executed(&mut self, execution: Execution) {
        self.record.duration = Some(milliseconds(execution.duration));
        self.record.queued = Some(milliseconds(execution.queued));
        self.record.init_duration = execution.init.map(milliseconds);
        self.record.request_id = Some(execution.request_id);
    }
}

/// A duration in milliseconds, to hundredths.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 1e2
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        let record = Record { time: Some(OffsetDateTime::now_utc()), ..std::mem::take(&mut self.record) };
        self.journal.send(Entry::Invocation(Arc::new(record)));
    }
}

impl Journal {
    /// Starts the writing thread; without a directory only stderr is written, quietly only notes are.
    pub(crate) fn open(directory: Option<&Path>, quiet: bool) -> Result<(Self, JournalWriter)> {
        if let Some(directory) = directory {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let (entries, receiver) = channel();
        let activity = Arc::new(Activity::default());
        let mut output = Output {
            directory: directory.map(Path::to_owned),
            files: HashMap::new(),
            quiet,
            activity: Arc::clone(&activity),
            memory: Memory::default(),
        };
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || output.run(&receiver))
            .context("cannot start the journal")?;
        Ok((Self { entries: entries.clone(), activity }, JournalWriter { entries, thread }))
    }

    /// What the functions did lately.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Begins the report of one invocation.
    pub(crate) fn report(&self, record: Record) -> Report<'_> {
        Report { journal: self, record }
    }

    /// A line printed by a function during the invocation of a number, or 0 before its first. When much is still to be
    /// written it waits, and so does, once its pipe is full, whoever prints.
    pub(crate) async fn line(&self, function: &Arc<str>, invocation: u64, text: Vec<u8>) {
        let size = u32::try_from(text.len() + LINE_OVERHEAD).unwrap_or(u32::MAX);
        let room = LINES.acquire_many(size).await.ok();
        self.send(Entry::Line { function: Arc::clone(function), invocation, text, _room: room });
    }

    /// Something an operator should read, even quietly.
    pub(crate) fn note(&self, text: String) {
        self.send(Entry::Note(text));
    }

    fn send(&self, entry: Entry) {
        // The writer outlives the senders except while the process ends, when nobody reads on.
        let _ = self.entries.send(entry);
    }
}

impl JournalWriter {
    /// Writes what was sent so far and ends.
    pub(crate) fn close(self) {
        if self.entries.send(Entry::Close).is_ok() {
            let _ = self.thread.join();
        }
    }
}

struct Output {
    directory: Option<PathBuf>,
    files: HashMap<String, BufWriter<File>>,
    quiet: bool,
    activity: Arc<Activity>,
    memory: Memory,
}

impl Output {
    #[expect(
        clippy::disallowed_methods,
        reason = "this thread has no tasks, and the pause makes the batches"
    )]
    fn run(&mut self, entries: &Receiver<Entry>) {
        let mut terminal = BufWriter::with_capacity(1 << 16, io::stderr());
        while let Ok(first) = entries.recv() {
            let mut next = Some(first);
            while let Some(entry) = next {
                if matches!(entry, Entry::Close) {
                    self.flush(&mut terminal);
                    return;
                }
                // A full disk or a closed terminal must not end the gateway.
                let _ = self.write(&entry, &mut terminal);
                self.remember(entry);
                next = entries.try_recv().ok();
            }
            self.flush(&mut terminal);
            thread::sleep(BATCH);
        }
    }

    /// Hands on to the console what it shows.
    fn remember(&mut self, entry: Entry) {
        match entry {
            Entry::Invocation(record) => {
                let invocation = record.invocation;
                let process = self.activity.report(record);
                let memory = process.and_then(|process| self.memory.greatest(process));
                if let (Some(invocation), Some(memory)) = (invocation, memory) {
                    self.activity.measure(invocation, memory);
                }
            }
            Entry::Line { invocation, text, .. } => self.activity.print(invocation, text),
            Entry::Note(_) | Entry::Close => {}
        }
    }

    fn flush(&mut self, terminal: &mut impl Write) {
        let _ = terminal.flush();
        for file in self.files.values_mut() {
            let _ = file.flush();
        }
    }

    fn write(&mut self, entry: &Entry, terminal: &mut impl Write) -> io::Result<()> {
        match entry {
            Entry::Invocation(record) => {
                if let Some(file) = self.file(RECORDS)? {
                    serde_json::to_writer(&mut *file, &**record)?;
                    file.write_all(b"\n")?;
                }
                // A lost event is for an operator to read, even quietly.
                if self.quiet && record.discarded.is_none() {
                    Ok(())
                } else {
                    writeln!(terminal, "{} {}", clock(record.time), readable(record))
                }
            }
            Entry::Line { function, text, .. } => {
                if let Some(file) = self.file(lines_file(function))? {
                    file.write_all(text)?;
                    file.write_all(b"\n")?;
                }
                if self.quiet { Ok(()) } else { writeln!(terminal, "{function} | {}", readable_line(text)) }
            }
            Entry::Note(text) => writeln!(terminal, "{} {text}", clock(Some(OffsetDateTime::now_utc()))),
            Entry::Close => Ok(()),
        }
    }

    fn file(&mut self, name: &str) -> io::Result<Option<&mut BufWriter<File>>> {
        let Some(directory) = &self.directory else { return Ok(None) };
        if !self.files.contains_key(name) {
            let file =
                OpenOptions::new().create(true).append(true).open(directory.join(format!("{name}.jsonl")))?;
            self.files.insert(name.to_owned(), BufWriter::new(file));
        }
        Ok(self.files.get_mut(name))
    }
}

/// The name of the file of a function's lines. Logical ids have no hyphen, and some disks do not tell cases apart.
fn lines_file(function: &str) -> &str {
    if function.eq_ignore_ascii_case(RECORDS) { "gateway-function" } else { function }
}

fn clock(time: Option<OffsetDateTime>) -> String {
    let now = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{:02}:{:02}:{:02}.{:03}", now.hour(), now.minute(), now.second(), now.millisecond())
}

fn readable(record: &Record) -> String {
    use std::fmt::Write as _; // Writing to a String cannot fail.
    let mut line = format!("{} {}", record.function, record.request.as_ref().unwrap_or(&record.route));
    if let Some(connection) = &record.connection_id {
        let _ = write!(line, " {connection}");
    }
    if let Some(status) = record.status {
        let _ = write!(line, " {status}");
    }
    if let Some(duration) = record.duration {
        let _ = write!(line, " {duration} ms");
    }
    if let Some(queued) = record.queued.filter(|queued| *queued >= 1.0) {
        let _ = write!(line, ", waited {queued} ms");
    }
    if let Some(init) = record.init_duration {
        let _ = write!(line, ", cold start {init} ms");
    }
    if let Some(error) = &record.error {
        let _ = write!(line, ", {error}");
    }
    if let Some(Discarded { condition, attempts, destination }) = &record.discarded {
        let request_id = record.request_id.as_deref().unwrap_or_default();
        let _ = write!(line, ", event {request_id} discarded after {attempts} attempts: {condition}");
        if let Some(destination) = destination {
            let _ = write!(line, ", on failure {destination} (not delivered)");
        }
    }
    line
}

/// A JSON log line as level, message and fields; any other line as it is.
fn readable_line(line: &[u8]) -> String {
    use std::fmt::Write as _; // Writing to a String cannot fail.
    let plain = || String::from_utf8_lossy(line).into_owned();
    let Ok(Value::Object(mut entry)) = serde_json::from_slice(line) else { return plain() };
    let mut fields = match entry.remove("fields") {
        Some(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    for context in ["timestamp", "target", "span", "spans", "function", "_aws"] {
        entry.remove(context);
    }
    let level = entry.remove("level");
    fields.append(&mut entry);
    let Some(message) = fields.remove("message") else { return plain() };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut readable = level.map(|level| format!("{} ", text(&level))).unwrap_or_default();
    readable.push_str(&text(&message));
    for (name, value) in &fields {
        let _ = write!(readable, " {name}={}", text(value));
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_lines_of_a_function_named_gateway_are_not_among_the_records() {
        let logs = std::env::temp_dir().join(format!("gateway-journal-{}", std::process::id()));
        let (journal, writer) = Journal::open(Some(&logs), true).unwrap();
        for function in ["gateway", "Gateway", "Other"] {
            journal.line(&function.into(), 0, format!("{function} printed").into_bytes()).await;
        }
        drop(journal.report(Record { function: "gateway".to_owned(), ..Record::default() }));

        writer.close();

        let read = |name: &str| std::fs::read_to_string(logs.join(name)).unwrap();
        let records = read("gateway.jsonl");
        assert!(records.starts_with('{') && records.lines().count() == 1, "{records}");
        assert_eq!(read("gateway-function.jsonl"), "gateway printed\nGateway printed\n");
        assert_eq!(read("Other.jsonl"), "Other printed\n");
        std::fs::remove_dir_all(logs).unwrap();
    }

    #[test]
    fn a_json_log_line_is_shown_as_level_message_and_fields() {
        let line = br#"{"timestamp":"t","level":"INFO","fields":{"message":"sent","seq":4},"target":"chat","user":"ann"}"#;

        assert_eq!(readable_line(line), "INFO sent seq=4 user=ann");
        assert_eq!(readable_line(b"plain"), "plain");
        assert_eq!(readable_line(br#"{"a":1}"#), r#"{"a":1}"#);
    }
}
