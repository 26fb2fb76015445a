//! Bodies that are written to files: under their names whole or not at all, and no disk stops the network.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::sys::count::{self, Counter};
use ringdove::sys::ring::InUse;
use ringdove::{
    Config, Discard, Driver, Existing, FileWriter, Flow, Handler, Message, Outcome, Request,
    RetryPolicy, ToFile, TransferId, Written, limits,
};

use crate::run::on_every_driver;
use ringdove_test_support::PATIENCE;
use ringdove_test_support::corpus::Corpus;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::isolated::possible;
use ringdove_test_support::nginx::Nginx;

on_every_driver! {
    two_thousand_files_arrive_byte_for_byte,
    a_file_that_takes_nothing_stops_its_transfer_alone,
    a_transfer_that_its_caller_paused_stays_so,
    a_failure_is_of_its_file_alone,
    what_is_given_up_leaves_nothing,
    a_driver_that_ends_leaves_nothing,
    a_message_that_nobody_takes_is_dropped_with_its_driver,
    a_file_that_is_there,
    a_file_begins_anew_with_a_request_that_is_sent_again,
}

mod full {
    use super::*;

    on_every_driver! { under super::own_mounts: a_disk_that_is_full_fails_what_it_has_no_room_for }
}

/// Larger than what a file, a pipe and a socket hold together.
const SIZE: usize = 4_000_000;

fn body() -> Vec<u8> {
    (0..SIZE).map(|i| (i * 31 % 253) as u8).collect()
}

/// A driver with files. Those that the ring carries out are done by threads of the kernel's, which end with the thread whose
/// ring it was.
fn with_files(kind: Kind, test: fn(Work)) {
    let thread = std::thread::spawn(move || {
        let driver = Driver::new(kind, Config::default()).expect("asked before");
        let directory = tempfile::tempdir().unwrap();
        test(Work { driver, directory: directory.path().to_owned(), over: HashMap::new() });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

struct Work {
    driver: Driver,
    directory: PathBuf,
    over: HashMap<TransferId, Message>,
}

impl Work {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Has a body written to a file of the directory.
    fn fetch(&mut self, url: &str, name: &str, existing: Existing) -> TransferId {
        let file = self.driver.files().create(self.path(name), existing);
        let request = Request::get(url).unwrap();
        self.driver.add_with(request, |id| ToFile::new(file.of(id))).unwrap()
    }

    /// Has a body written to what is open.
    fn fetch_into(&mut self, url: &str, file: File) -> TransferId {
        let file = self.driver.files().write_to(file);
        let request = Request::get(url).unwrap();
        self.driver.add_with(request, |id| ToFile::new(file.of(id))).unwrap()
    }

    fn discard(&mut self, url: &str) -> TransferId {
        self.driver.add(Request::get(url).unwrap(), Box::new(Discard)).unwrap()
    }

    #[track_caller]
    fn turn_until(&mut self, what: &str, mut met: impl FnMut(&Work) -> bool) {
        let start = Instant::now();
        while !met(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what}; {:?}", self.driver.stats());
            self.driver.turn(Some(Duration::from_millis(20))).expect("the driver can go on");
            while let Some(message) = self.driver.next_message() {
                self.over.insert(message.transfer, message);
            }
        }
    }

    #[track_caller]
    fn finish(&mut self) {
        self.turn_until("all are over", |work| work.driver.running() == 0);
    }

    /// What came of a transfer that succeeded, and of its file.
    #[track_caller]
    fn written(&mut self, id: TransferId) -> io::Result<Written> {
        let message = self.over.remove(&id).expect("it is over");
        let (outcome, file) = message.into_parts::<ToFile>().expect("as added");
        outcome.result.expect("it succeeds");
        file.into_result()
    }

    /// What came of a file, whatever of its transfer.
    #[track_caller]
    fn refusal(&mut self, id: TransferId) -> io::ErrorKind {
        let message = self.over.remove(&id).expect("it is over");
        let (_, file) = message.into_parts::<ToFile>().expect("as added");
        file.into_result().expect_err("it is refused").kind()
    }

    fn names(&self) -> Vec<OsString> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    /// All that the ring had is back, but for the poll of what wakes the loop.
    #[track_caller]
    fn assert_at_rest(&mut self) {
        self.driver.close_idle().unwrap();
        self.driver.turn(Some(Duration::ZERO)).unwrap();
        self.turn_until("the ring is at rest", |work| {
            let at_rest = InUse { polls: 1, owed: 1, ..InUse::default() };
            // a driver without a ring of its own for sockets has nothing there but polls
            work.driver.ring_in_use().is_none_or(|in_use| in_use == at_rest)
        });
        assert!(self.driver.is_empty());
    }
}

/// A pipe, from which nobody reads yet.
fn pipe(path: &Path) -> File {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    // opened for both it waits for nobody
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Reads so much of a pipe on a thread.
fn reader(path: &Path, bytes: usize) -> std::thread::JoinHandle<Vec<u8>> {
    let path = path.to_owned();
    std::thread::spawn(move || {
        let mut read = vec![0; bytes];
        File::open(path).unwrap().read_exact(&mut read).unwrap();
        read
    })
}

fn large() -> Hostile {
    let small = Script::new().respond("200 OK", Framing::ContentLength, "small");
    let large = Script::new().respond("200 OK", Framing::ContentLength, body());
    Plan::new().path("/large", large).path("/small", small).start()
}

fn two_thousand_files_arrive_byte_for_byte(kind: Kind) {
    with_files(kind, |mut work| {
        let corpus = Corpus::new(16, 2000);
        let nginx = Nginx::plain();
        corpus.write_to(nginx.docroot()).unwrap();
        let before = count::snapshot();
        let mut ids = Vec::new();
        for (at, file) in corpus.files().iter().enumerate() {
            ids.push(work.fetch(
                &nginx.url(&format!("/{}", file.path)),
                &format!("{at}"),
                Existing::Keep,
            ));
        }
        work.finish();
        let counted = count::snapshot().since(&before);
        eprintln!(
            "measured: {}: {:.2} system calls and {:.2} enters per file",
            work.driver.kind(),
            counted.system_calls() as f64 / 2000.0,
            counted.get(Counter::RingEnter) as f64 / 2000.0
        );
        for (at, (id, file)) in ids.into_iter().zip(corpus.files()).enumerate() {
            let path = work.path(&format!("{at}"));
            assert!(matches!(work.written(id), Ok(Written::Named(named)) if named == path));
            file.check(&fs::read(path).unwrap()).unwrap();
        }
        assert_eq!(work.names().len(), 2000, "nothing else is left");
        work.assert_at_rest();
    });
}

fn a_file_that_takes_nothing_stops_its_transfer_alone(kind: Kind) {
    with_files(kind, |mut work| {
        let server = large();
        let path = work.path("pipe");
        let slow = work.fetch_into(&server.url("/large"), pipe(&path));
        for _ in 0..20 {
            let others: Vec<_> = (0..10).map(|_| work.discard(&server.url("/small"))).collect();
            work.turn_until("others go on", |work| {
                others.iter().all(|id| work.over.contains_key(id))
            });
        }
        let kept = work.fetch(&server.url("/small"), "kept", Existing::Replace);
        work.turn_until("another file", |work| work.over.contains_key(&kept));
        assert!(!work.over.contains_key(&slow), "nobody has read of it");
        let read = reader(&path, SIZE);
        work.finish();
        assert!(read.join().unwrap() == body(), "all of it came, in order");
        assert!(matches!(work.written(slow), Ok(Written::Open(_))));
        work.assert_at_rest();
    });
}

fn a_transfer_that_its_caller_paused_stays_so(kind: Kind) {
    with_files(kind, |mut work| {
        let server = large();
        let path = work.path("pipe");
        let slow = work.fetch_into(&server.url("/large"), pipe(&path));
        let unwritten = limits::FILE_UNWRITTEN as u64;
        work.turn_until("it is full", |work| work.driver.stats().received > unwritten);
        work.driver.pause(slow).unwrap();
        // all that it was given before, which is more than a pipe has room for
        let read = reader(&path, limits::FILE_UNWRITTEN);
        work.turn_until("what was given is written", |_| read.is_finished());
        for _ in 0..10 {
            work.driver.turn(Some(Duration::ZERO)).unwrap();
        }
        assert!(!work.over.contains_key(&slow));
        let left = SIZE - limits::FILE_UNWRITTEN;
        let rest = reader(&path, left);
        work.driver.resume(slow).unwrap();
        work.finish();
        let read = [read.join().unwrap(), rest.join().unwrap()].concat();
        assert!(read == body(), "all of it came, in order");
    });
}

fn a_failure_is_of_its_file_alone(kind: Kind) {
    with_files(kind, |mut work| {
        let server = large();
        fs::create_dir(work.path("directory")).unwrap();
        fs::write(work.path("file"), "").unwrap();
        let good = work.fetch(&server.url("/large"), "good", Existing::Replace);
        let no_directory = work.fetch(&server.url("/large"), "none/x", Existing::Replace);
        let below_file = work.fetch(&server.url("/small"), "file/x", Existing::Replace);
        let directory = work.fetch(&server.url("/small"), "directory", Existing::Replace);
        work.finish();
        assert_eq!(work.refusal(no_directory), io::ErrorKind::NotFound);
        assert_eq!(work.refusal(below_file), io::ErrorKind::NotADirectory);
        assert_eq!(work.refusal(directory), io::ErrorKind::IsADirectory);
        work.written(good).unwrap();
        assert!(fs::read(work.path("good")).unwrap() == body());
        assert_eq!(work.names(), ["directory", "file", "good"]);
        work.assert_at_rest();
    });
}

/// A server that says half of a body, and no more.
fn stalling() -> Hostile {
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
    let script = Script::new().read_head().send(half).send(&body()[..SIZE / 2]).stall();
    Plan::new().connection(script).start()
}

fn half_written(work: &mut Work, server: &Hostile) -> TransferId {
    fs::write(work.path("old"), "old").unwrap();
    let id = work.fetch(&server.url("/"), "old", Existing::Replace);
    work.turn_until("it is written aside", |work| {
        let aside = work.names().into_iter().find(|name| name != "old");
        aside.is_some_and(|name| fs::metadata(work.path(name.to_str().unwrap())).unwrap().len() > 0)
    });
    id
}

fn what_is_given_up_leaves_nothing(kind: Kind) {
    with_files(kind, |mut work| {
        let server = stalling();
        let id = half_written(&mut work, &server);
        drop(work.driver.remove(id).unwrap());
        work.finish();
        assert_eq!(work.names(), ["old"]);
        assert_eq!(fs::read(work.path("old")).unwrap(), b"old");
        work.assert_at_rest();
    });
}

fn a_driver_that_ends_leaves_nothing(kind: Kind) {
    with_files(kind, |mut work| {
        let server = stalling();
        half_written(&mut work, &server);
        let Work { driver, directory, .. } = work;
        drop(driver);
        let names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["old"]);
    });
}

/// Has a file, and is counted.
struct Counted {
    file: FileWriter,
    _count: Rc<()>,
}

impl Handler for Counted {
    fn body(&mut self, chunk: &[u8]) -> Flow {
        self.file.write(chunk).unwrap();
        Flow::Continue
    }

    fn done(&mut self, _: &Outcome) {
        self.file.finish();
    }
}

fn a_message_that_nobody_takes_is_dropped_with_its_driver(kind: Kind) {
    with_files(kind, |mut work| {
        let server = large();
        let count = Rc::new(());
        let file = work.driver.files().create(work.path("file"), Existing::Replace);
        let request = Request::get(&server.url("/large")).unwrap();
        let counted = |id| Counted { file: file.of(id), _count: Rc::clone(&count) };
        work.driver.add_with(request, counted).unwrap();
        // it is asked for while the file is written, and then no more
        while work.driver.running() > 0 {
            assert!(work.driver.next_message().is_none());
            work.driver.turn(None).unwrap();
        }
        assert_eq!(Rc::strong_count(&count), 2);
        drop(work);
        assert_eq!(Rc::strong_count(&count), 1);
    });
}

fn a_file_that_is_there(kind: Kind) {
    with_files(kind, |mut work| {
        let server = large();
        for name in ["replaced", "kept", "numbered", "numbered.1"] {
            fs::write(work.path(name), "old").unwrap();
            fs::set_permissions(work.path(name), Permissions::from_mode(0o640)).unwrap();
        }
        let url = server.url("/small");
        let replaced = work.fetch(&url, "replaced", Existing::Replace);
        let kept = work.fetch(&url, "kept", Existing::Keep);
        let numbered = work.fetch(&url, "numbered", Existing::Number);
        work.finish();
        work.written(replaced).unwrap();
        assert_eq!(work.refusal(kept), io::ErrorKind::AlreadyExists);
        let path = work.path("numbered.2");
        assert!(matches!(work.written(numbered), Ok(Written::Named(named)) if named == path));
        for (name, content) in [
            ("replaced", "small"),
            ("kept", "old"),
            ("numbered", "old"),
            ("numbered.1", "old"),
            ("numbered.2", "small"),
        ] {
            assert_eq!(fs::read_to_string(work.path(name)).unwrap(), content, "{name}");
        }
        assert_eq!(work.names().len(), 5);
        let mode = fs::metadata(work.path("replaced")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        work.assert_at_rest();
    });
}

fn a_file_begins_anew_with_a_request_that_is_sent_again(kind: Kind) {
    with_files(kind, |mut work| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        let cut = Script::new().read_head().send(head).send(&[b'x'; SIZE / 2][..]).reset();
        let whole = Script::new().serve_once().close();
        let content = Script::new().respond("200 OK", Framing::ContentLength, body());
        let server = Plan::new().connection(cut).connection(whole).path("/", content).start();
        let retry = RetryPolicy { all_errors: true, ..RetryPolicy::default() };
        let retry = Some(std::sync::Arc::new(retry));
        let options = ringdove::Options { retry, ..ringdove::Options::default() };
        let request = Request::get(&server.url("/")).unwrap().options(options.into());
        let file = work.driver.files().create(work.path("file"), Existing::Keep);
        let id = work.driver.add_with(request, |id| ToFile::new(file.of(id))).unwrap();
        work.finish();
        work.written(id).unwrap();
        assert!(fs::read(work.path("file")).unwrap() == body());
        assert_eq!(work.names(), ["file"]);
    });
}

/// Mounts that are gone with the test's process.
fn own_mounts() -> Option<&'static [&'static str]> {
    possible(&["unshare", "--mount", "--map-root-user"], "no mount of one's own can be had here")
}

fn a_disk_that_is_full_fails_what_it_has_no_room_for(kind: Kind) {
    with_files(kind, |mut work| {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "none"])
            .arg(&work.directory)
            .status();
        if !mount.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no small file system can be mounted here");
            return;
        }
        let server = large();
        let small = work.fetch(&server.url("/small"), "small", Existing::Replace);
        work.finish();
        work.written(small).unwrap();
        let too_large = work.fetch(&server.url("/large"), "large", Existing::Replace);
        work.finish();
        assert_eq!(work.refusal(too_large), io::ErrorKind::StorageFull);
        assert_eq!(work.names(), ["small"]);
        let again = work.fetch(&server.url("/small"), "again", Existing::Replace);
        work.finish();
        work.written(again).unwrap();
        work.assert_at_rest();
    });
}
