//! Making a ring: what is asked of the kernel, each with its step down, and what was had.
//!
//! Knows io_uring_setup(2) and the registration of the ring's own fd. Must not know operations.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::types::Napi;
use io_uring::{Builder, IoUring};

use super::count::{self, Counter};
use super::enter::RingFd;
use super::errno::Errno;
use crate::limits;

/// How a [`Ring`](super::Ring) is to be set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Entries of the submission queue: SQEs pushed between two system calls. Rounded up to a power of
    /// two, 8 at least, clamped by the kernel.
    pub sq_entries: u32,
    /// Entries of the completion queue. Far more than can be submitted at once, since what was
    /// submitted earlier completes too; beyond it the kernel keeps CQEs aside, at a cost.
    pub cq_entries: u32,
    /// Connections that the ring driver has at most, where RLIMIT_NOFILE allows so many: places in a table, of 8 bytes each.
    pub direct_descriptors: u32,
    /// Set-up flags not to ask for.
    pub without: Vec<SetupFlag>,
    /// Have a poll's deadline post no CQE of its own (Linux 5.17). Half the CQEs, and no turn of the loop
    /// for one that tells nothing new.
    pub silent_deadlines: bool,
    /// Trade latency for fewer system calls: see [`Batch`]. Off unless set.
    pub batch: Option<Batch>,
    /// Give a CPU to have submissions cost no system call: see [`SqPoll`]. Off unless set.
    pub sq_poll: Option<SqPoll>,
    /// Give CPU time for latency: a wait asks the network device's queues for packets for so long (microseconds
    /// count) before it sleeps (NAPI busy polling, Linux 6.9). Pays with a device that has such queues and
    /// hardly a pause between packets; loopback has none. Off unless set.
    pub busy_poll: Option<Duration>,
    /// When streams send without a copy: see [`ZeroCopy`].
    pub zero_copy: ZeroCopy,
    /// Take the kernel for one that closes direct descriptors late, as those before Linux 6.13 do, without a trial: streams then
    /// tell their peers of the end by a SHUTDOWN first. For tests of what is done there.
    pub closes_late: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sq_entries: 1024,
            cq_entries: 16 * 1024,
            direct_descriptors: limits::DIRECT_DESCRIPTORS,
            without: Vec::new(),
            silent_deadlines: true,
            batch: None,
            sq_poll: None,
            busy_poll: None,
            zero_copy: ZeroCopy::Auto,
            closes_late: false,
        }
    }
}

/// When a large send (60,000 bytes or more) goes out without being copied into the kernel (SEND_ZC, with reports of
/// what became of it, where a connection can be reset that holds on to it: Linux 6.7). The kernel then holds its memory until the
/// peer has acknowledged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroCopy {
    /// Where it may pay: to an address that is not loopback, as long as the kernel does not say that it copied after
    /// all, as it does for receivers on the same machine and devices without scatter-gather.
    #[default]
    Auto,
    /// Not at all.
    Never,
    /// Always, also where the kernel copies after all, which costs more than a plain send.
    Always,
}

/// A kernel thread that takes submissions as they are pushed (SQPOLL, Linux 5.11), so that in a steady state no
/// system call is made at all. Pays for whoever has a CPU to give to that thread and one that the waiting thread
/// may spin on; on a machine that is busy, it takes both from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqPoll {
    /// How long the kernel's thread looks for submissions before it sleeps (milliseconds count); what is
    /// pushed then wakes it by a system call.
    pub idle: Duration,
    /// The CPU that it is bound to.
    pub cpu: Option<u32>,
    /// How long a wait looks for completions before it makes the system call that sleeps.
    pub spin: Duration,
}

impl Default for SqPoll {
    fn default() -> SqPoll {
        SqPoll { idle: Duration::from_millis(50), cpu: None, spin: Duration::from_micros(200) }
    }
}

/// A wait that lets completions gather (`min_wait_usec`, Linux 6.12). Pays where many connections have little to do
/// each, and nobody minds that little being done so much later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The wait ends as soon as there are this many completions,
    pub completions: u32,
    /// or after this time (microseconds count) if there is at least one.
    pub within: Duration,
}

/// A flag of io_uring_setup(2) that ringdove asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetupFlag {
    /// One thread alone submits (Linux 6.0). Without it (and what needs it) a ring may be used by one thread after the other; what a
    /// thread has begun completes by way of it, so that a system call which sleeps there may be interrupted (EINTR).
    SingleIssuer,
    /// Completions are worked off when that thread waits, not whenever it enters the kernel (6.1).
    DeferTaskrun,
    /// No indirection between submission queue and SQEs (6.6).
    NoSqarray,
    /// A bad SQE does not stop those behind it (5.18).
    SubmitAll,
    /// Completions do not interrupt the thread (5.19); a step down from `DeferTaskrun`.
    CoopTaskrun,
    /// A kernel thread submits: see [`SqPoll`].
    SqPoll,
}

impl SetupFlag {
    /// Every flag.
    pub const ALL: [SetupFlag; 6] = [
        SetupFlag::SingleIssuer,
        SetupFlag::DeferTaskrun,
        SetupFlag::NoSqarray,
        SetupFlag::SubmitAll,
        SetupFlag::CoopTaskrun,
        SetupFlag::SqPoll,
    ];

    /// The name in io_uring_setup(2), without `IORING_SETUP_`.
    pub const fn name(self) -> &'static str {
        match self {
            SetupFlag::SingleIssuer => "SINGLE_ISSUER",
            SetupFlag::DeferTaskrun => "DEFER_TASKRUN",
            SetupFlag::NoSqarray => "NO_SQARRAY",
            SetupFlag::SubmitAll => "SUBMIT_ALL",
            SetupFlag::CoopTaskrun => "COOP_TASKRUN",
            SetupFlag::SqPoll => "SQPOLL",
        }
    }
}

/// From the best to what every kernel has; a kernel answers EINVAL to a flag that it does not know.
const STEPS: [&[SetupFlag]; 6] = [
    &[SetupFlag::SingleIssuer, SetupFlag::DeferTaskrun, SetupFlag::NoSqarray, SetupFlag::SubmitAll],
    &[SetupFlag::SingleIssuer, SetupFlag::DeferTaskrun, SetupFlag::SubmitAll],
    &[SetupFlag::SingleIssuer, SetupFlag::CoopTaskrun, SetupFlag::SubmitAll],
    &[SetupFlag::CoopTaskrun, SetupFlag::SubmitAll],
    &[SetupFlag::SubmitAll],
    &[],
];

/// The same where a kernel thread submits: completions are worked off in that thread, so that the flags that say
/// when ours does it are refused.
const SQ_POLL_STEPS: [&[SetupFlag]; 4] = [
    &[SetupFlag::SqPoll, SetupFlag::SingleIssuer, SetupFlag::NoSqarray, SetupFlag::SubmitAll],
    &[SetupFlag::SqPoll, SetupFlag::SingleIssuer, SetupFlag::SubmitAll],
    &[SetupFlag::SqPoll, SetupFlag::SubmitAll],
    &[SetupFlag::SqPoll],
];

/// What the kernel gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Flags of io_uring_setup(2) in force.
    pub flags: &'static [SetupFlag],
    /// Entries of the submission queue.
    pub sq_entries: u32,
    /// Entries of the completion queue.
    pub cq_entries: u32,
    /// Whether the ring's fd is registered, which spares a look-up per system call (Linux 5.18).
    pub registered_fd: bool,
    /// Whether a wait takes an absolute deadline (6.12). Else it is made relative from the caller's time.
    pub absolute_wait: bool,
    /// Whether a poll's deadline posts no CQE of its own (5.17).
    pub silent_deadlines: bool,
    /// Whether a wait can let completions gather (6.12).
    pub min_wait: bool,
    /// Whether waits poll the network device first, because they were asked to.
    pub busy_poll: bool,
}

/// Why there is no ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupError {
    /// io_uring_setup(2) failed.
    Refused(Errno),
    /// The kernel is too old: it lacks this feature, named as in io_uring_setup(2).
    Lacks(&'static str),
    /// io_uring_register(2) failed for this.
    Registration(&'static str, Errno),
    /// This operation failed when it was tried.
    Trial(&'static str, Errno),
}

impl SetupError {
    /// Whether it is for want of descriptors or memory, of which there may be some later.
    pub fn is_shortage(&self) -> bool {
        match self {
            SetupError::Lacks(_) => false,
            SetupError::Refused(errno)
            | SetupError::Registration(_, errno)
            | SetupError::Trial(_, errno) => errno.is_exhaustion(),
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::Refused(errno) => {
                write!(f, "io_uring_setup: {errno}")?;
                match *errno {
                    Errno::ENOSYS => {
                        write!(f, "; the kernel lacks io_uring or a seccomp filter hides it")
                    }
                    Errno::EPERM | Errno::EACCES => write!(
                        f,
                        "; refused by the sysctl kernel.io_uring_disabled, a seccomp filter or a security module"
                    ),
                    Errno::ENOMEM => {
                        write!(f, "; the rings do not fit into memory or RLIMIT_MEMLOCK")
                    }
                    Errno::EMFILE | Errno::ENFILE => write!(f, "; no file descriptor is left"),
                    _ => Ok(()),
                }
            }
            SetupError::Lacks(feature) => write!(f, "the kernel lacks {feature}"),
            SetupError::Trial(what, errno) => write!(f, "{what} on the ring: {errno}"),
            SetupError::Registration(what, errno) => write!(f, "io_uring_register {what}: {errno}"),
        }
    }
}

impl std::error::Error for SetupError {}

/// A ring, the fd by which it is entered, and what was had.
pub(super) fn set_up(options: &Options) -> Result<(IoUring, RingFd, Report), SetupError> {
    let (ring, flags) = step_down(options)?;
    let params = ring.params();
    if !params.is_feature_submit_stable() {
        return Err(SetupError::Lacks("IORING_FEAT_SUBMIT_STABLE (Linux 5.5)"));
    }
    if !params.is_feature_nodrop() {
        return Err(SetupError::Lacks("IORING_FEAT_NODROP (Linux 5.5)"));
    }
    if !params.is_feature_ext_arg() {
        return Err(SetupError::Lacks("IORING_FEAT_EXT_ARG (Linux 5.11)"));
    }
    // what was asked for and cannot be had is an error: nobody asks for these without a reason
    if options.batch.is_some() && !params.is_feature_min_timeout() {
        return Err(SetupError::Lacks("IORING_FEAT_MIN_TIMEOUT (Linux 6.12)"));
    }
    if let Some(within) = options.busy_poll {
        busy_poll(&ring, within).map_err(|errno| SetupError::Registration("NAPI", errno))?;
    }
    let sq_poll = options.sq_poll.is_some();
    // a registration is a thread's own: who may enter from another one enters by the fd
    let fd = match flags.contains(&SetupFlag::SingleIssuer) {
        true => RingFd::register(ring.as_raw_fd(), sq_poll),
        false => RingFd::plain(ring.as_raw_fd(), sq_poll),
    };
    let report = Report {
        flags,
        sq_entries: params.sq_entries(),
        cq_entries: params.cq_entries(),
        registered_fd: fd.is_registered(),
        absolute_wait: fd.takes_absolute_waits(),
        silent_deadlines: options.silent_deadlines && params.is_feature_skip_cqe_on_success(),
        min_wait: params.is_feature_min_timeout(),
        busy_poll: options.busy_poll.is_some(),
    };
    Ok((ring, fd, report))
}

fn step_down(options: &Options) -> Result<(IoUring, &'static [SetupFlag]), SetupError> {
    let mut refusal = Errno::EINVAL;
    let wanted = |flags: &&&[SetupFlag]| !flags.iter().any(|flag| options.without.contains(flag));
    for flags in steps(options).iter().filter(wanted) {
        match build(options, flags) {
            Ok(ring) => return Ok((ring, flags)),
            Err(error) => refusal = error.into(),
        }
        if refusal != Errno::EINVAL {
            break;
        }
    }
    Err(SetupError::Refused(refusal))
}

/// The flags to try, in turn.
fn steps(options: &Options) -> &'static [&'static [SetupFlag]] {
    if options.sq_poll.is_some() { &SQ_POLL_STEPS } else { &STEPS }
}

/// Has waits poll the network device's queues.
pub(super) fn busy_poll(ring: &IoUring, within: Duration) -> Result<(), Errno> {
    let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
    let mut napi = Napi::new().set_busy_poll_timeout(micros).set_prefer_busy_poll(true);
    count::add(Counter::RingRegister, 1);
    Ok(ring.submitter().register_napi(&mut napi)?)
}

/// Whether the kernel takes this flag, with those that it goes with.
pub(super) fn accepts(flag: SetupFlag, options: &Options) -> bool {
    let ring = (STEPS.iter().chain(&SQ_POLL_STEPS).filter(|step| step.contains(&flag)))
        .find_map(|step| build(options, step).ok());
    if ring.is_some() {
        count_close();
    }
    ring.is_some()
}

fn build(options: &Options, flags: &[SetupFlag]) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_clamp().setup_cqsize(options.cq_entries);
    for flag in flags {
        match flag {
            SetupFlag::SingleIssuer => builder.setup_single_issuer(),
            // with it the kernel says whether there is more to be posted
            SetupFlag::DeferTaskrun => builder.setup_defer_taskrun().setup_taskrun_flag(),
            SetupFlag::NoSqarray => builder.setup_no_sqarray(),
            SetupFlag::SubmitAll => builder.setup_submit_all(),
            SetupFlag::CoopTaskrun => builder.setup_coop_taskrun(),
            SetupFlag::SqPoll => set_up_sq_poll(&mut builder, options.sq_poll.unwrap_or_default()),
        };
    }
    count::add(Counter::RingSetup, 1);
    let ring = builder.build(options.sq_entries.max(limits::LEAST_SUBMISSIONS))?;
    // the two queues share a mapping since Linux 5.4, the SQEs have their own; each is kept from forks
    count::add(Counter::Mmap, 2);
    count::add(Counter::Madvise, 2);
    Ok(ring)
}

fn set_up_sq_poll(builder: &mut Builder, sq_poll: SqPoll) -> &mut Builder {
    let millis = u32::try_from(sq_poll.idle.as_millis()).unwrap_or(u32::MAX);
    // zero would be the kernel's own idea of it
    builder.setup_sqpoll(millis.max(1));
    match sq_poll.cpu {
        Some(cpu) => builder.setup_sqpoll_cpu(cpu),
        None => builder,
    }
}

/// Counts the system calls by which `io-uring` closes a ring.
pub(super) fn count_close() {
    count::add(Counter::Munmap, 2);
    count::add(Counter::Close, 1);
}
