//! What this kernel and sandbox offer, told to a person or a machine.
//!
//! Knows how findings are shown. Must not know how they are found: that is `sys::Probe`'s.

use clap::Args as Group;
use ringdove::driver::Kind;
use ringdove::sys::probe::{Finding, Need};
use ringdove::sys::ring::ZeroCopy;
use ringdove::sys::rlimit::Limit;
use ringdove::sys::{Probe, Streams};
use ringdove::{Config, Driver, TlsPolicy};
use serde::Serialize;

use crate::status::{Status, print};

/// Say what this kernel and sandbox offer, and which driver is picked, and why.
#[derive(Debug, Group)]
pub(crate) struct DoctorArgs {
    /// As one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Tells what was found.
pub(crate) fn run(args: &DoctorArgs) -> Status {
    let findings = Findings::gather();
    let text = match args.json {
        true => serde_json::to_string_pretty(&findings).expect("strings and numbers") + "\n",
        false => findings.to_text(),
    };
    print(text.as_bytes())
}

#[derive(Serialize)]
struct Findings {
    version: &'static str,
    kernel: String,
    io_uring_disabled: Option<u32>,
    limits: Limits,
    /// Why the system's root certificates cannot be used, if so.
    root_certificates: Answer,
    io_uring: Vec<Row>,
    ring: Option<RingRow>,
    drivers: Vec<DriverRow>,
    auto: Auto,
}

#[derive(Serialize)]
struct Limits {
    open_files: Option<LimitRow>,
    locked_memory: Option<LimitRow>,
}

/// `null` is no limit.
#[derive(Serialize)]
struct LimitRow {
    soft: Option<u64>,
    hard: Option<u64>,
}

#[derive(Serialize)]
struct Answer {
    ok: bool,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Row {
    topic: &'static str,
    name: &'static str,
    /// What cannot do without: `readiness`, `completion`, or nothing.
    needed_for: Option<&'static str>,
    #[serde(flatten)]
    answer: Answer,
}

/// What the set-up of a ring was given.
#[derive(Serialize)]
struct RingRow {
    flags: Vec<&'static str>,
    sq_entries: u32,
    cq_entries: u32,
    registered_fd: bool,
    absolute_wait: bool,
    silent_deadlines: bool,
    streams: Option<StreamsRow>,
}

/// What the driver `ring` has for its connections.
#[derive(Serialize)]
struct StreamsRow {
    direct_descriptors: u32,
    provided_buffers: u16,
    provided_buffer_bytes: u32,
    nodelay_on_the_ring: bool,
    zero_copy: bool,
}

/// The options of a ring, and when each pays.
const OPTIONS: [(&str, &str); 4] = [
    ("--sq-poll pays", "with two CPUs to give: one to the kernel's thread, one to spin on"),
    ("--busy-poll pays", "with a network device that has NAPI queues; loopback has none"),
    ("--min-wait pays", "with many busy connections, where a later answer is no loss"),
    ("--zero-copy pays", "with large uploads to other machines, where auto tries it"),
];

#[derive(Serialize)]
struct DriverRow {
    name: &'static str,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Serialize)]
struct Auto {
    driver: Option<&'static str>,
    reason: String,
}

impl Findings {
    fn gather() -> Findings {
        let probe = Probe::run();
        let auto = Driver::auto(Config::default());
        Findings {
            version: env!("CARGO_PKG_VERSION"),
            limits: Limits {
                open_files: probe.open_files.map(LimitRow::from),
                locked_memory: probe.locked_memory.map(LimitRow::from),
            },
            root_certificates: Answer::from(TlsPolicy::system()),
            io_uring: probe.findings.iter().map(Row::from).collect(),
            ring: auto.as_ref().ok().and_then(RingRow::of),
            drivers: Kind::ALL.into_iter().map(DriverRow::ask).collect(),
            auto: match &auto {
                Ok(driver) => {
                    Auto { driver: Some(driver.kind().name()), reason: driver.why().to_owned() }
                }
                Err(error) => Auto { driver: None, reason: error.to_string() },
            },
            kernel: probe.kernel,
            io_uring_disabled: probe.io_uring_disabled,
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            text.push_str(format!("{name:<24}{value}").trim_end());
            text.push('\n');
        };
        line("ringdove", self.version);
        line("Linux", &self.kernel);
        line(
            "io_uring_disabled",
            match self.io_uring_disabled {
                None => "no such switch",
                Some(0) => "0 (allowed for all)",
                Some(1) => "1 (for privileged processes alone)",
                Some(_) => "2 (for none)",
            },
        );
        line("open files", &limit_text(&self.limits.open_files, ""));
        line("locked memory", &limit_text(&self.limits.locked_memory, " bytes"));
        line("root certificates", &self.root_certificates.to_text());
        line("", "");
        line("io_uring", "needed for");
        for row in &self.io_uring {
            let name = format!("  {:<14}{:<32}", row.topic, row.name);
            let need = row.needed_for.unwrap_or("-");
            line(&name, &format!("{need:<12}{}", row.answer.to_text()));
        }
        if let Some(ring) = &self.ring {
            line("", "");
            line("ring", &ring.flags.join(" | "));
            let entries =
                format!("{} submission, {} completion entries", ring.sq_entries, ring.cq_entries);
            line("  queues", &entries);
            let yes = |yes: bool| if yes { "yes" } else { "no" };
            line("  registered fd", yes(ring.registered_fd));
            line("  absolute waits", yes(ring.absolute_wait));
            line("  silent deadlines", yes(ring.silent_deadlines));
            if let Some(streams) = &ring.streams {
                line("  direct descriptors", &streams.direct_descriptors.to_string());
                let (count, bytes) = (streams.provided_buffers, streams.provided_buffer_bytes);
                line("  provided buffers", &format!("{count} of {bytes} bytes"));
                let nodelay =
                    if streams.nodelay_on_the_ring { "set on the ring" } else { "not set" };
                line("  TCP_NODELAY", nodelay);
                line("  zero-copy sends", yes(streams.zero_copy));
            }
            line("", "");
            for (option, pays) in OPTIONS {
                line(option, pays);
            }
        }
        line("", "");
        for row in &self.drivers {
            line(&format!("driver {}", row.name), &row.answer.to_text());
        }
        let Auto { driver, reason } = &self.auto;
        line("auto picks", &format!("{}: {reason}", driver.unwrap_or("none")));
        text
    }
}

impl Answer {
    fn from<T, E: ToString>(result: Result<T, E>) -> Answer {
        let reason = result.err().map(|error| error.to_string());
        Answer { ok: reason.is_none(), reason }
    }

    fn to_text(&self) -> String {
        self.reason.as_ref().map_or("yes".to_owned(), |reason| format!("no: {reason}"))
    }
}

impl From<&Finding> for Row {
    fn from(finding: &Finding) -> Row {
        let needed_for = match finding.need {
            Need::Readiness => Some("readiness"),
            Need::Completion => Some("completion"),
            Need::Nothing => None,
        };
        let answer = Answer::from(finding.outcome.clone());
        Row { topic: finding.topic.name(), name: finding.name, needed_for, answer }
    }
}

impl RingRow {
    fn of(driver: &Driver) -> Option<RingRow> {
        let report = driver.ring_report()?;
        Some(RingRow {
            flags: report.flags.iter().map(|flag| flag.name()).collect(),
            sq_entries: report.sq_entries,
            cq_entries: report.cq_entries,
            registered_fd: report.registered_fd,
            absolute_wait: report.absolute_wait,
            silent_deadlines: report.silent_deadlines,
            streams: driver.streams().map(StreamsRow::from),
        })
    }
}

impl From<&Streams> for StreamsRow {
    fn from(streams: &Streams) -> StreamsRow {
        let room = streams.room();
        StreamsRow {
            direct_descriptors: room.streams,
            provided_buffers: room.buffers.count,
            provided_buffer_bytes: room.buffers.size,
            nodelay_on_the_ring: streams.sets_nodelay(),
            zero_copy: streams.zero_copy() != ZeroCopy::Never,
        }
    }
}

impl DriverRow {
    fn ask(kind: Kind) -> DriverRow {
        let driver = Driver::new(kind, Config::default()).map_err(|error| error.reason);
        DriverRow { name: kind.name(), answer: Answer::from(driver) }
    }
}

impl From<Limit> for LimitRow {
    fn from(limit: Limit) -> LimitRow {
        let known = |limit: u64| (limit < u64::MAX).then_some(limit);
        LimitRow { soft: known(limit.soft), hard: known(limit.hard) }
    }
}

fn limit_text(limit: &Option<LimitRow>, unit: &str) -> String {
    let number = |limit: Option<u64>| limit.map_or("no limit".to_owned(), |n| format!("{n}{unit}"));
    match limit {
        None => "cannot be asked".to_owned(),
        Some(LimitRow { soft, hard }) if soft == hard => number(*soft),
        Some(LimitRow { soft, hard }) => {
            format!("{}, may be raised to {}", number(*soft), number(*hard))
        }
    }
}
