//! What this kernel and sandbox offer, found by asking.
//!
//! Knows which parts of io_uring each way of using it needs. Must not know how findings are shown.
//! Each rung is tried for real, since a seccomp filter may refuse any of them alone: set-up, features,
//! operations, registrations, and at last operations that must complete.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::{IoUring, Parameters, opcode};

use super::clock;
use super::closes;
use super::count::{self, Counter};
use super::errno::Errno;
use super::readiness::Interest;
use super::ring::{Completion, Options, Ring, SetupFlag, ZeroCopy};
use super::rlimit::{self, Limit};
use super::setup;
use super::wake::Waker;

/// What was found.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The kernel's release, such as `6.18.1`.
    pub kernel: String,
    /// The sysctl `kernel.io_uring_disabled`: 0 for all, 1 for privileged processes alone, 2 for none.
    /// `None` where the kernel has no such switch (before Linux 6.6).
    pub io_uring_disabled: Option<u32>,
    /// RLIMIT_NOFILE.
    pub open_files: Option<Limit>,
    /// RLIMIT_MEMLOCK.
    pub locked_memory: Option<Limit>,
    /// The rungs, in the order in which they were tried. If a ring cannot be set up there is that one alone.
    pub findings: Vec<Finding>,
}

/// One thing asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is a part of.
    pub topic: Topic,
    /// Its name in io_uring's manual pages.
    pub name: &'static str,
    /// What cannot do without.
    pub need: Need,
    /// Whether it is there; if not, why, in words.
    pub outcome: Result<(), String>,
}

/// What a [`Finding`] is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Making a ring at all.
    SetUp,
    /// A flag of io_uring_setup(2).
    SetupFlag,
    /// A feature bit that io_uring_setup(2) reports.
    Feature,
    /// An operation that the kernel knows.
    Operation,
    /// Something that io_uring_register(2) takes.
    Registration,
    /// Something done, and its completion awaited.
    Trial,
}

impl Topic {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::SetUp => "set-up",
            Topic::SetupFlag => "set-up flag",
            Topic::Feature => "feature",
            Topic::Operation => "operation",
            Topic::Registration => "registration",
            Topic::Trial => "trial",
        }
    }
}

/// What cannot do without a [`Finding`]; each use needs what those before it need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Polls on the ring.
    Readiness,
    /// All socket I/O on the ring.
    Completion,
    /// Nothing: it saves time, or is an option.
    Nothing,
}

impl Probe {
    /// Asks. Takes about a millisecond, makes a few short-lived rings, waits for nothing that does not
    /// come at once.
    pub fn run() -> Probe {
        Probe {
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
            io_uring_disabled: read("/proc/sys/kernel/io_uring_disabled")
                .and_then(|value| value.parse().ok()),
            open_files: rlimit::open_files().ok(),
            locked_memory: rlimit::locked_memory().ok(),
            findings: climb(),
        }
    }

    /// The first thing missing for this use, if any.
    pub fn obstacle(&self, need: Need) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.need <= need && finding.outcome.is_err())
    }
}

impl fmt::Display for Finding {
    /// Such as `feature EXT_ARG: the kernel lacks it`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.topic.name(), self.name)?;
        match &self.outcome {
            Ok(()) => f.write_str("yes"),
            Err(reason) => f.write_str(reason),
        }
    }
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

const SMALL: Options = Options {
    sq_entries: 8,
    cq_entries: 16,
    direct_descriptors: 1,
    without: Vec::new(),
    silent_deadlines: true,
    batch: None,
    sq_poll: None,
    busy_poll: None,
    zero_copy: ZeroCopy::Never,
    closes_late: false,
};

fn climb() -> Vec<Finding> {
    let ring = Ring::new(&SMALL);
    let set_up = Finding {
        topic: Topic::SetUp,
        name: "io_uring_setup",
        need: Need::Readiness,
        outcome: ring.as_ref().map(drop).map_err(|error| error.to_string()),
    };
    let mut findings = vec![set_up];
    if let Ok(mut ring) = ring {
        findings.extend(setup_flags());
        findings.extend(features(ring.io_uring().params()));
        findings.extend(operations(ring.io_uring()));
        findings.extend(registrations(&ring));
        findings.extend(trials(&mut ring));
    }
    findings
}

fn setup_flags() -> Vec<Finding> {
    let finding = |flag: SetupFlag| {
        finding(Topic::SetupFlag, flag.name(), Need::Nothing, setup::accepts(flag, &SMALL))
    };
    SetupFlag::ALL.into_iter().map(finding).collect()
}

type Feature = (&'static str, Need, fn(&Parameters) -> bool);

const FEATURES: &[Feature] = &[
    ("SUBMIT_STABLE", Need::Readiness, Parameters::is_feature_submit_stable),
    ("NODROP", Need::Readiness, Parameters::is_feature_nodrop),
    ("EXT_ARG", Need::Readiness, Parameters::is_feature_ext_arg),
    ("FAST_POLL", Need::Completion, Parameters::is_feature_fast_poll),
    ("CQE_SKIP", Need::Completion, Parameters::is_feature_skip_cqe_on_success),
    ("LINKED_FILE", Need::Completion, Parameters::is_feature_linked_file),
    ("RECVSEND_BUNDLE", Need::Nothing, Parameters::is_feature_recvsend_bundle),
    ("MIN_TIMEOUT", Need::Nothing, Parameters::is_feature_min_timeout),
    ("NO_IOWAIT", Need::Nothing, Parameters::is_feature_no_iowait),
];

fn features(params: &Parameters) -> Vec<Finding> {
    let finding = |&(name, need, has): &Feature| finding(Topic::Feature, name, need, has(params));
    FEATURES.iter().map(finding).collect()
}

const OPERATIONS: &[(&str, Need, u8)] = &[
    ("NOP", Need::Readiness, opcode::Nop::CODE),
    ("POLL_ADD", Need::Readiness, opcode::PollAdd::CODE),
    ("POLL_REMOVE", Need::Readiness, opcode::PollRemove::CODE),
    ("LINK_TIMEOUT", Need::Readiness, opcode::LinkTimeout::CODE),
    ("TIMEOUT_REMOVE", Need::Readiness, opcode::TimeoutRemove::CODE),
    ("ASYNC_CANCEL", Need::Readiness, opcode::AsyncCancel::CODE),
    ("SOCKET", Need::Completion, opcode::Socket::CODE),
    ("CONNECT", Need::Completion, opcode::Connect::CODE),
    ("SEND", Need::Completion, opcode::Send::CODE),
    ("RECV", Need::Completion, opcode::Recv::CODE),
    ("CLOSE", Need::Completion, opcode::Close::CODE),
    ("URING_CMD", Need::Nothing, opcode::UringCmd16::CODE),
    ("SEND_ZC", Need::Nothing, opcode::SendZc::CODE),
];

fn operations(ring: &IoUring) -> Vec<Finding> {
    let mut known = io_uring::Probe::new();
    let asked = registered(|| ring.submitter().register_probe(&mut known));
    let finding = |&(name, need, code): &(&'static str, Need, u8)| Finding {
        topic: Topic::Operation,
        name,
        need,
        outcome: match &asked {
            Ok(()) if known.is_supported(code) => Ok(()),
            Ok(()) => Err(LACKS.to_owned()),
            Err(errno) => Err(format!("io_uring_register would not say: {errno}")),
        },
    };
    // where the kernel may not be asked, the trials say what polls need to know
    let known_by_trial = |finding: &Finding| asked.is_err() && finding.need == Need::Readiness;
    OPERATIONS.iter().map(finding).filter(|finding| !known_by_trial(finding)).collect()
}

fn registrations(ring: &Ring) -> Vec<Finding> {
    let refused = |errno: Errno| format!("io_uring_register: {errno}");
    let submitter = ring.io_uring().submitter();
    let files = registered(|| submitter.register_files_sparse(8)).map_err(refused);
    let buffers = buffer_ring(ring.io_uring()).map_err(refused);
    let napi = setup::busy_poll(ring.io_uring(), Duration::from_micros(1)).map_err(refused);
    let finding = |name, need, outcome| Finding { topic: Topic::Registration, name, need, outcome };
    let ring_fd = ring.report().registered_fd;
    vec![
        finding("RING_FDS", Need::Nothing, ring_fd.then_some(()).ok_or_else(|| LACKS.to_owned())),
        finding("FILES2 (direct descriptors)", Need::Completion, files),
        finding("PBUF_RING (provided buffers)", Need::Completion, buffers),
        finding("NAPI (busy polling)", Need::Nothing, napi),
    ]
}

/// Registers a ring of one provided buffer, and takes it back.
fn buffer_ring(ring: &IoUring) -> Result<(), Errno> {
    #[repr(C, align(4096))]
    struct Page([u8; 4096]);
    const GROUP: u16 = 0;
    let page = Box::new(Page([0; 4096]));
    let address = page.0.as_ptr() as u64;
    let submitter = ring.submitter();
    registered(|| {
        // SAFETY: `page` is as large and aligned as the kernel demands; it is freed after the group was
        // unregistered, or never. Nothing is received into the group: no CQE has to be awaited.
        unsafe { submitter.register_buf_ring_with_flags(address, 1, GROUP, 0) }
    })?;
    let unregistered = registered(|| submitter.unregister_buf_ring(GROUP));
    if unregistered.is_err() {
        Box::leak(page);
    }
    unregistered
}

fn registered(call: impl FnOnce() -> io::Result<()>) -> Result<(), Errno> {
    count::add(Counter::RingRegister, 1);
    call().map_err(Errno::from)
}

/// Whether a direct descriptor is let go of beside one on which something waits; the ring has a table of them.
fn close(ring: &mut Ring) -> Result<(), String> {
    match closes::are_late(ring) {
        Ok(false) => Ok(()),
        Ok(true) => Err("it is late (Linux 6.13 is not)".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn trials(ring: &mut Ring) -> Vec<Finding> {
    let refused = |errno: Errno| errno.to_string();
    let finding = |name, need, outcome| Finding { topic: Topic::Trial, name, need, outcome };
    let nop = ring.nop().map_err(refused).and_then(|()| match turn(ring)? {
        None if ring.owed() == 0 => Ok(()),
        _ => Err("it does not complete".to_owned()),
    });
    let poll = poll(ring, true).and_then(|completion| match completion {
        Some(Completion::Polled { readiness, .. }) if readiness.recv => Ok(()),
        other => Err(format!("not what was expected: {other:?}")),
    });
    let deadline = self::poll(ring, false).and_then(|completion| match completion {
        Some(Completion::DeadlinePassed { .. }) => Ok(()),
        other => Err(format!("not what was expected: {other:?}")),
    });
    let close = close(ring);
    let absolute = ring.report().absolute_wait.then_some(()).ok_or_else(|| LACKS.to_owned());
    vec![
        finding("a no-op", Need::Readiness, nop),
        finding("a poll", Need::Readiness, poll),
        finding("a poll's linked deadline", Need::Readiness, deadline),
        finding("a wait until an absolute time", Need::Nothing, absolute),
        finding("a close beside what waits", Need::Nothing, close),
    ]
}

/// Polls an eventfd that is `ready`, or is not and has a deadline that has passed.
fn poll(ring: &mut Ring, ready: bool) -> Result<Option<Completion>, String> {
    let refused = |errno: Errno| errno.to_string();
    let waker = Waker::new().map_err(refused)?;
    if ready {
        waker.wake();
    }
    let deadline = (!ready).then(clock::now);
    let poll = ring.poll_add(waker.as_raw_fd(), Interest::RECV, 0, deadline).map_err(refused)?;
    let completion = turn(ring);
    ring.poll_remove(poll).map_err(refused)?;
    completion
}

/// Turns the ring until a completion, nothing owed, or a time in which a kernel that works has answered.
fn turn(ring: &mut Ring) -> Result<Option<Completion>, String> {
    let mut now = clock::now();
    let until = now + Duration::from_secs(1);
    while now < until && ring.owed() > 0 {
        ring.submit_and_wait(now, Some(until)).map_err(|errno| errno.to_string())?;
        if let Some(completion) = ring.take_completion() {
            return Ok(Some(completion));
        }
        now = clock::now();
    }
    Ok(None)
}

const LACKS: &str = "the kernel lacks it";

fn finding(topic: Topic, name: &'static str, need: Need, there: bool) -> Finding {
    let outcome = there.then_some(()).ok_or_else(|| LACKS.to_owned());
    Finding { topic, name, need, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_kernel_has() {
        let probe = Probe::run();
        assert!(!probe.kernel.is_empty());
        if probe.findings[0].outcome.is_err() {
            eprintln!("skipped the rungs: {}", probe.findings[0]);
            assert_eq!(probe.findings.len(), 1);
            return;
        }
        // drivers run on what is found here: on a kernel new enough nothing may be missing
        for finding in &probe.findings {
            eprintln!("{finding}");
        }
        assert_eq!(probe.obstacle(Need::Readiness), None);
    }

    #[test]
    fn the_first_obstacle_decides() {
        let mut probe = Probe::run();
        let missing = |name, need| Finding {
            topic: Topic::Operation,
            name,
            need,
            outcome: Err("a filter".to_owned()),
        };
        probe.findings = vec![
            finding(Topic::SetUp, "io_uring_setup", Need::Readiness, true),
            missing("SEND_ZC", Need::Nothing),
            missing("SOCKET", Need::Completion),
        ];
        assert_eq!(probe.obstacle(Need::Readiness), None);
        let obstacle = probe.obstacle(Need::Completion).map(ToString::to_string);
        assert_eq!(obstacle.as_deref(), Some("operation SOCKET: a filter"));
    }
}
