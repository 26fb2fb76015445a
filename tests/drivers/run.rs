//! A driver, the transfers that it carries, and what each of them was told.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::engine::{Flow, Handler, Outcome};
use ringdove::error::{Deadline, Phase};
use ringdove::protocol::{ResponseHead, Version};
use ringdove::sys::{Streams, ring};
use ringdove::{Config, Driver, Error, Options, Redirect, Request, TlsPolicy, TransferId};

use ringdove_test_support::certs::Authority;
use ringdove_test_support::leak::Census;
use ringdove_test_support::{PATIENCE, isolated};

/// The names of all drivers that this suite makes tests for.
pub(crate) const NAMES: [&str; 3] = ["poll", "epoll", "ring"];

/// Makes of each behaviour, a `fn(Kind)`, one test for each driver; `under` a function's command, such as `prlimit`,
/// or not at all if it gives none.
macro_rules! on_every_driver {
    ($($behaviour:ident),* $(,)?) => {
        crate::run::on_every_driver! { under crate::run::impatient_resolver: $($behaviour),* }
    };
    (under $wrapper:path: $($behaviour:ident),* $(,)?) => {
        $(mod $behaviour {
            #[test]
            fn poll() {
                run("poll", concat!(module_path!(), "::poll"));
            }
            #[test]
            fn epoll() {
                run("epoll", concat!(module_path!(), "::epoll"));
            }
            #[test]
            fn ring() {
                run("ring", concat!(module_path!(), "::ring"));
            }

            fn run(driver: &str, path: &str) {
                if let Some(wrapper) = $wrapper() {
                    crate::run::isolated_under(wrapper, driver, path, super::$behaviour);
                }
            }
        })*
    };
}
pub(crate) use on_every_driver;

/// For resolv.conf(5): a name server that does not answer holds no test up for long.
pub(crate) fn impatient_resolver() -> Option<&'static [&'static str]> {
    Some(&["env", "RES_OPTIONS=timeout:1 attempts:1"])
}

/// Runs a behaviour with the driver of this name under a wrapper, in a process of its own, and sees to it that
/// all is given back.
pub(crate) fn isolated_under(wrapper: &[&str], driver: &str, path: &str, behaviour: fn(Kind)) {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == driver) else {
        eprintln!("skipped: ringdove has no driver {driver}");
        return;
    };
    isolated::run(test_name(path), wrapper, || {
        let late = match Driver::new(kind, Config::default()) {
            Ok(driver) => closes_late(&driver),
            Err(refused) => return eprintln!("skipped: {refused}"),
        };
        let census = Census::take();
        behaviour(kind);
        // such a kernel keeps one worker for as long as the thread that it works for
        let spared: &[&str] = if late { &["iou-wrk-"] } else { &[] };
        census.assert_restored_but_for(spared, PATIENCE);
    });
}

/// RINGDOVE_RING has the suite run on rings of another kind: `sq-poll`, `min-wait`, `busy-poll`,
/// `late-closes`, `zero-copy`.
fn ring_options() -> ring::Options {
    let mut options = ring::Options::default();
    match std::env::var("RINGDOVE_RING").as_deref() {
        Ok("sq-poll") => options.sq_poll = Some(ring::SqPoll::default()),
        Ok("min-wait") => {
            let within = Duration::from_millis(1);
            options.batch = Some(ring::Batch { completions: 16, within });
        }
        Ok("busy-poll") => options.busy_poll = Some(Duration::from_micros(50)),
        Ok("late-closes") => options.closes_late = true,
        Ok("zero-copy") => options.zero_copy = ring::ZeroCopy::Always,
        Ok(unknown) => panic!("RINGDOVE_RING={unknown}: there is no such ring"),
        Err(_) => {}
    }
    options
}

/// RINGDOVE_LONG has those who can do more do it: hundreds of thousands of requests, thousands of files.
pub(crate) fn is_long() -> bool {
    std::env::var_os("RINGDOVE_LONG").is_some()
}

/// How much of something there is in an ordinary run, and in a long one.
pub(crate) fn at_size(ordinary: usize, long: usize) -> usize {
    if is_long() { long } else { ordinary }
}

/// The name that libtest gives to a test, from its path with the crate's name.
pub(crate) fn test_name(path: &str) -> &str {
    path.split_once("::").map_or(path, |(_, name)| name)
}

#[test]
fn every_driver_has_its_tests() {
    for kind in Kind::ALL {
        assert!(NAMES.contains(&kind.name()), "on_every_driver! makes no tests for {kind}");
    }
}

/// A driver at work. When it is dropped it must be able to give everything back.
pub(crate) struct Run {
    pub(crate) driver: Driver,
    /// Bodies are read from files, for which there are workers.
    pub(crate) reads_files: bool,
}

/// One transfer of a [`Run`], and what it was told so far.
#[derive(Clone)]
pub(crate) struct Transfer {
    pub(crate) id: TransferId,
    record: Rc<RefCell<Record>>,
    added: Instant,
}

/// What a transfer was told.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// In order; bytes of the body that came in pieces are one entry.
    pub(crate) told: Vec<Told>,
    pub(crate) body: Vec<u8>,
    pub(crate) outcome: Option<Outcome>,
    ended: Option<Instant>,
}

/// One event, in a form that does not depend on how the bytes were cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Informational(u16),
    Redirected(u16),
    Head(u16, Version),
    /// So many bytes of the body.
    Body(usize),
    Done,
}

/// Records, and pauses or aborts where it is told to.
#[derive(Default)]
pub(crate) struct Recorder {
    record: Rc<RefCell<Record>>,
    pause_at: Option<usize>,
    abort_at: Option<usize>,
    pause_always: bool,
}

impl Run {
    pub(crate) fn new(kind: Kind) -> Run {
        Run::with(kind, Config::default())
    }

    pub(crate) fn with(kind: Kind, config: Config) -> Run {
        let driver = Driver::with_ring(kind, config, &ring_options()).expect("asked before");
        assert_eq!(driver.kind(), kind);
        Run { driver, reads_files: false }
    }

    /// A driver that trusts this authority.
    pub(crate) fn trusting(kind: Kind, authority: &Authority) -> Run {
        Run::with(kind, Config { tls: Some(policy(authority)), ..Config::default() })
    }

    pub(crate) fn get(&mut self, url: &str) -> Transfer {
        self.add(Request::get(url).expect("a good URL"))
    }

    pub(crate) fn get_with(&mut self, url: &str, options: Options) -> Transfer {
        self.add(Request::get(url).expect("a good URL").options(Arc::new(options)))
    }

    pub(crate) fn add(&mut self, request: Request) -> Transfer {
        self.add_recorded(request, Recorder::default())
    }

    pub(crate) fn add_recorded(&mut self, request: Request, recorder: Recorder) -> Transfer {
        let (record, added) = (recorder.record.clone(), Instant::now());
        let id = self.driver.add(request, Box::new(recorder)).expect("it can be added");
        Transfer { id, record, added }
    }

    /// Turns until all transfers are over, of which one has to end now and then, and takes their messages.
    #[track_caller]
    pub(crate) fn finish(&mut self) {
        while self.driver.running() > 0 {
            let running = self.driver.running();
            self.turn_until("one more is over", |run| run.driver.running() < running);
        }
    }

    /// Turns until something has come about.
    #[track_caller]
    pub(crate) fn turn_until(&mut self, what: &str, mut met: impl FnMut(&mut Run) -> bool) {
        let start = Instant::now();
        while !met(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what}; {:?}", self.driver.stats());
            self.turn(Duration::from_millis(50));
        }
    }

    /// Turns for a while, whatever happens.
    #[track_caller]
    pub(crate) fn turn_for(&mut self, time: Duration) {
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed()) {
            self.turn(left);
        }
    }

    #[track_caller]
    pub(crate) fn turn(&mut self, max: Duration) {
        self.driver.turn(Some(max)).expect("the driver can go on");
        while let Some(message) = self.driver.next_message() {
            let (outcome, recorder) =
                message.into_parts::<Recorder>().expect("the handler that was added");
            let mut record = recorder.record.borrow_mut();
            assert_eq!(record.outcome.as_ref(), Some(&outcome), "done and the message differ");
            record.ended = Some(Instant::now());
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if !self.reads_files && !closes_late(&self.driver) {
            assert_eq!(workers(), [""; 0], "an operation fell to a worker of io_uring");
        }
        self.driver.close_idle().unwrap();
        self.turn(Duration::ZERO);
        if self.reads_files {
            self.turn_until("all files are closed", |run| run.driver.is_empty());
        }
        let stats = self.driver.stats();
        let held = [stats.running, stats.connections, stats.idle, stats.origins, stats.timers];
        assert_eq!(held, [0; 5], "not given back: {stats:?}");
        assert_eq!(stats.added, stats.succeeded + stats.failed + stats.removed, "{stats:?}");
        assert!(self.driver.is_empty());
    }
}

/// Whether the kernel is late to close what this driver closes, or is taken for one that is: it is shut down before, by a worker.
pub(crate) fn closes_late(driver: &Driver) -> bool {
    driver.streams().is_some_and(Streams::closes_late)
}

/// Threads of io_uring that do what cannot be done without waiting, as far as there is a descriptor to look for them.
fn workers() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with("iou-wrk"))
        .collect()
}

impl Transfer {
    pub(crate) fn record(&self) -> Ref<'_, Record> {
        self.record.borrow()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.record().outcome.is_some()
    }

    /// Bytes of the body so far.
    pub(crate) fn body_len(&self) -> usize {
        self.record().body.len()
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.record().told.clone()
    }

    #[track_caller]
    pub(crate) fn outcome(&self) -> Outcome {
        self.record().outcome.clone().expect("the transfer is over")
    }

    #[track_caller]
    pub(crate) fn error(&self) -> Error {
        self.outcome().result.expect_err("the transfer fails")
    }

    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        match self.outcome().result {
            Ok(response) => response.status,
            Err(error) => panic!("{error} ({error:?}); told {:?}", self.told()),
        }
    }

    /// It ended well, with this status and this body, and was told nothing twice.
    #[track_caller]
    pub(crate) fn assert_response(&self, status: u16, body: &[u8]) {
        assert_eq!(self.status(), status);
        let record = self.record();
        assert!(record.body == body, "{} bytes, wrong", record.body.len());
        let version = record.outcome.as_ref().unwrap().result.as_ref().unwrap().version;
        let before = |told: &&Told| matches!(told, Told::Informational(_) | Told::Redirected(_));
        let told: Vec<_> = record.told.iter().skip_while(before).cloned().collect();
        let mut expected = vec![Told::Head(status, version)];
        if !body.is_empty() {
            expected.push(Told::Body(body.len()));
        }
        expected.push(Told::Done);
        assert_eq!(told, expected);
    }

    /// From when it was added to when its end was told.
    #[track_caller]
    pub(crate) fn took(&self) -> Duration {
        self.record().ended.expect("the transfer is over") - self.added
    }

    /// It ended by this deadline in this phase, not before it had passed, and not much later.
    #[track_caller]
    pub(crate) fn assert_timed_out(&self, deadline: Deadline, phase: Phase, after: Duration) {
        let error = self.error();
        let cause = ringdove::error::Cause::Timeout { deadline, after };
        assert_eq!((error.cause, error.phase), (cause, phase));
        let took = self.took();
        assert!(took >= after, "{took:?} is before {after:?}");
        assert!(took < after + NOISE, "{took:?} is long after {after:?}");
    }
}

/// How much later than its deadline a transfer may end on a machine as busy as CI's.
pub(crate) const NOISE: Duration = Duration::from_secs(4);

impl Recorder {
    /// Pauses once, as soon as the body has this many bytes; zero: at the head.
    pub(crate) fn pausing_at(bytes: usize) -> Recorder {
        Recorder { pause_at: Some(bytes), ..Recorder::default() }
    }

    /// Aborts as soon as the body has this many bytes; zero: at the head.
    pub(crate) fn aborting_at(bytes: usize) -> Recorder {
        Recorder { abort_at: Some(bytes), ..Recorder::default() }
    }

    /// Pauses at the head and at every piece of the body.
    pub(crate) fn pausing_always() -> Recorder {
        Recorder { pause_always: true, ..Recorder::default() }
    }

    fn flow(&mut self) -> Flow {
        let bytes = self.record.borrow().body.len();
        if self.abort_at.is_some_and(|at| bytes >= at) {
            return Flow::Abort("had enough".to_owned());
        }
        if self.pause_always {
            return Flow::Pause;
        }
        if self.pause_at.is_some_and(|at| bytes >= at) {
            self.pause_at = None;
            return Flow::Pause;
        }
        Flow::Continue
    }
}

impl Handler for Recorder {
    fn informational(&mut self, head: &ResponseHead<'_>) {
        self.record.borrow_mut().told.push(Told::Informational(head.status()));
    }

    fn redirected(&mut self, head: &ResponseHead<'_>, _: &Redirect) -> Flow {
        self.record.borrow_mut().told.push(Told::Redirected(head.status()));
        self.flow()
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.record.borrow_mut().told.push(Told::Head(head.status(), head.version()));
        self.flow()
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        {
            let mut record = self.record.borrow_mut();
            record.body.extend_from_slice(chunk);
            match record.told.last_mut() {
                Some(Told::Body(bytes)) => *bytes += chunk.len(),
                _ => record.told.push(Told::Body(chunk.len())),
            }
        }
        self.flow()
    }

    fn done(&mut self, outcome: &Outcome) {
        let mut record = self.record.borrow_mut();
        record.told.push(Told::Done);
        assert_eq!(record.outcome.replace(outcome.clone()), None, "done was told twice");
    }
}

/// Trusts this authority alone.
pub(crate) fn policy(authority: &Authority) -> TlsPolicy {
    let builder = TlsPolicy::builder().only_these_roots().add_roots_file(authority.ca_file());
    builder.build().expect("a good policy")
}
