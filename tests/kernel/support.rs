//! Rings, sockets and short waits for the tests.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use ringdove::dial::Dial;
use ringdove::sys::ring::{Kind, Options, Ring, SetupFlag, SqPoll};
use ringdove::sys::{Completion, Socket, clock};
use ringdove::time::Time;

/// Long enough for what must happen, also on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough to believe that something will not happen.
pub(crate) const A_WHILE: Duration = Duration::from_millis(30);

/// A ring with few entries, or `None`, said aloud, where io_uring is refused.
pub(crate) fn ring() -> Option<Ring> {
    ring_with(&small())
}

/// A ring whose polls' deadlines post CQEs of their own, and one whose deadlines do not.
pub(crate) fn loud_and_silent() -> impl Iterator<Item = Ring> {
    let options = |silent_deadlines| Options { silent_deadlines, ..small() };
    [false, true].into_iter().filter_map(move |silent| ring_with(&options(silent)))
}

/// A ring whose polls' deadlines post CQEs of their own.
pub(crate) fn loud() -> Option<Ring> {
    loud_and_silent().next()
}

pub(crate) fn small() -> Options {
    Options { sq_entries: 64, cq_entries: 1024, ..Options::default() }
}

pub(crate) fn ring_with(options: &Options) -> Option<Ring> {
    match Ring::new(options) {
        Ok(ring) => Some(ring),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// The options that lead to each of the kernels' set-up flags, from the newest kernel's to the oldest's.
pub(crate) fn every_step() -> Vec<Options> {
    use SetupFlag::{CoopTaskrun, DeferTaskrun, NoSqarray, SingleIssuer, SubmitAll};
    let without: [&[SetupFlag]; 6] = [
        &[],
        &[NoSqarray],
        &[NoSqarray, DeferTaskrun],
        &[SingleIssuer],
        &[SingleIssuer, CoopTaskrun],
        &[SingleIssuer, CoopTaskrun, SubmitAll],
    ];
    let step = |flags: &&[SetupFlag]| Options {
        without: flags.to_vec(),
        silent_deadlines: !flags.contains(&SingleIssuer),
        ..small()
    };
    let polled = |without: &[SetupFlag]| Options {
        sq_poll: Some(SqPoll::default()),
        without: without.to_vec(),
        ..small()
    };
    let polled = [polled(&[]), polled(&[NoSqarray]), polled(&[NoSqarray, SingleIssuer, SubmitAll])];
    without.iter().map(step).chain(polled).collect()
}

/// A connected socket and its peer.
pub(crate) fn pair() -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = listener.local_addr().expect("bound");
    let dial = Dial::tcp(address);
    let socket = Socket::open(&dial).expect("a socket");
    socket.connect(&dial.remote).expect("connects");
    let (peer, _) = listener.accept().expect("accepts");
    (socket, peer)
}

pub(crate) fn fd(socket: &Socket) -> i32 {
    socket.as_raw_fd()
}

/// The next completion, waited for with patience.
pub(crate) fn next(ring: &mut Ring) -> Completion {
    next_within(ring, PATIENCE).expect("a completion arrives")
}

/// The next completion, if there is one within `time`.
pub(crate) fn next_within(ring: &mut Ring, time: Duration) -> Option<Completion> {
    let until = clock::now() + time;
    loop {
        if let Some(completion) = ring.take_completion() {
            return Some(completion);
        }
        let now = clock::now();
        if now >= until {
            return None;
        }
        ring.submit_and_wait(now, Some(until)).expect("the ring works");
    }
}

/// Waits until the kernel owes nothing; completions on the way fail the test.
pub(crate) fn settle(ring: &mut Ring) {
    let until = clock::now() + PATIENCE;
    while ring.owed() > 0 {
        let now = clock::now();
        assert!(now < until, "still owed: {ring:?}");
        ring.submit_and_wait(now, Some(until)).expect("the ring works");
        assert_eq!(ring.take_completion(), None);
    }
}

/// The CQEs as the kernel posts them, kind and result, until there are `n`.
pub(crate) fn raw(ring: &mut Ring, n: usize) -> Vec<(Kind, i32)> {
    let until = clock::now() + PATIENCE;
    // nothing is taken meanwhile, and a ring with CQEs to take does not wait: poll it
    while ring.reaped().count() < n {
        let now = clock::now();
        assert!(now < until, "{n} CQEs do not come: {ring:?}");
        ring.submit_and_wait(now, Some(until)).expect("the ring works");
    }
    ring.reaped().map(|cqe| (cqe.kind().expect("a kind"), cqe.result())).collect()
}

/// A deadline `time` from now.
pub(crate) fn within(time: Duration) -> Option<Time> {
    Some(clock::now() + time)
}

/// Those of the calling thread: io-wq workers are threads of the process, named `iou-wrk-` and the thread they work for.
pub(crate) fn workers() -> Vec<String> {
    let thread = std::fs::read_link("/proc/thread-self").expect("proc");
    let thread = thread.file_name().and_then(|name| name.to_str()).expect("a number");
    let ours = format!("iou-wrk-{thread}");
    std::fs::read_dir("/proc/self/task")
        .expect("proc")
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim_end() == ours)
        .collect()
}
