//! Bodies that are read from files: exactly what was announced, and no disk stops the network.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::Cause;
use ringdove::protocol::BodyFault;
use ringdove::sys::count::{self, Counter};
use ringdove::{Body, Options, RedirectPolicy, Request, RetryPolicy, Timeouts};

use crate::run::{Run, Transfer, on_every_driver};
use crate::uploads::bytes;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Hostile, Plan, Script};

on_every_driver! {
    files_arrive_byte_for_byte,
    files_arrive_over_tls,
    a_file_that_gives_nothing_stops_its_transfer_alone,
    a_file_that_has_changed,
    a_redirect_has_it_sent_again,
    a_connection_that_breaks_has_it_sent_again,
    it_waits_for_leave,
    what_is_given_up_is_closed,
    a_transfer_that_its_caller_paused_stays_so,
}

/// What the kernel has of workers for files ends with the thread whose ring it was.
fn on_a_thread(kind: Kind, test: fn(Kind, &Path)) {
    let thread = std::thread::spawn(move || {
        let directory = tempfile::tempdir().unwrap();
        test(kind, directory.path());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Has a file of these bytes sent, as if it had `length` of them from `from` on.
fn send(run: &mut Run, url: &str, path: PathBuf, from: u64, length: u64) -> Transfer {
    let request = put(run, url, path, from, length);
    run.add(request)
}

fn put(run: &mut Run, url: &str, path: PathBuf, from: u64, length: u64) -> Request {
    run.reads_files = true;
    let source = Box::new(run.driver.files().read(path, from, length));
    let body = Body::Stream { length: Some(length), source };
    Request::new(http::Method::PUT, url).expect("a good URL").body(body)
}

fn with_options(request: Request, change: impl FnOnce(&mut Options)) -> Request {
    let mut options = Options::default();
    change(&mut options);
    request.options(Arc::new(options))
}

fn file(directory: &Path, name: &str, size: usize) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bytes(size)).unwrap();
    path
}

fn taking() -> Plan {
    Plan::new().path("/", Script::new().read_body().ok("taken"))
}

/// The bodies that arrived, by length.
fn bodies(server: &Hostile) -> Vec<Vec<u8>> {
    let mut bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
    bodies.sort_by_key(Vec::len);
    bodies
}

const SIZES: [usize; 6] = [0, 1, 16_385, 65_536, 131_073, 2_000_000];

fn files_arrive_byte_for_byte(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let server = taking().start();
        let mut run = Run::new(kind);
        send_all(&mut run, &server, directory);
    });
}

fn files_arrive_over_tls(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let authority = Authority::new();
        let server = taking().tls(authority.server().server_config()).start();
        send_all(&mut Run::trusting(kind, &authority), &server, directory);
    });
}

fn send_all(run: &mut Run, server: &Hostile, directory: &Path) {
    let before = count::snapshot();
    let transfers = SIZES.map(|size| {
        let path = file(directory, &size.to_string(), size);
        send(run, &server.url("/"), path, 0, size as u64)
    });
    let path = file(directory, "part", 300_000);
    let part = send(run, &server.url("/"), path, 100_000, 150_000);
    run.finish();
    transfers.iter().chain([&part]).for_each(|transfer| transfer.assert_response(200, b"taken"));
    let mut expected: Vec<_> = SIZES.map(bytes).into();
    expected.push(bytes(300_000)[100_000..250_000].to_vec());
    expected.sort_by_key(Vec::len);
    assert!(bodies(server) == expected, "what arrived is not what was sent");
    let counted = count::snapshot().since(&before);
    assert_eq!(counted.get(Counter::Pread) + counted.get(Counter::Openat), 0, "not by the loop");
}

fn a_file_that_gives_nothing_stops_its_transfer_alone(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let server = taking().path("/small", Script::new().ok("small")).start();
        let mut run = Run::new(kind);
        let path = directory.join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        // opened for both it waits for nobody
        let mut pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let slow = send(&mut run, &server.url("/"), path, 0, 100_000);
        for _ in 0..20 {
            let small = || Request::get(&server.url("/small")).unwrap();
            let others: Vec<_> = (0..10).map(|_| run.add(small())).collect();
            run.turn_until("others go on", |_| others.iter().all(Transfer::is_done));
        }
        assert!(!slow.is_done(), "nobody has written to it");
        let writer = std::thread::spawn(move || pipe.write_all(&bytes(100_000)));
        run.finish();
        writer.join().unwrap().unwrap();
        slow.assert_response(200, b"taken");
        assert!(bodies(&server).pop() == Some(bytes(100_000)));
    });
}

#[track_caller]
fn assert_fails_for(transfer: &Transfer, path: &Path, words: &str) {
    let error = transfer.error();
    let Cause::Body(BodyFault::Source(why)) = &error.cause else { panic!("{error:?}") };
    assert!(why.contains(path.to_str().unwrap()) && why.contains(words), "{why}");
}

fn a_file_that_has_changed(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let server = taking().start();
        let mut run = Run::new(kind);
        let shorter = file(directory, "shorter", 100_000);
        let gone = directory.join("gone");
        let longer = file(directory, "longer", 200_000);
        let [short, none, long] = [&shorter, &gone, &longer]
            .map(|path| send(&mut run, &server.url("/"), path.clone(), 0, 150_000));
        let no_file = send(&mut run, &server.url("/"), directory.to_owned(), 0, 10);
        run.finish();
        assert_fails_for(&short, &shorter, "is shorter by 50000 bytes than it was");
        assert_fails_for(&none, &gone, "No such file");
        assert_fails_for(&no_file, directory, "Is a directory");
        long.assert_response(200, b"taken");
        assert!(bodies(&server).contains(&bytes(200_000)[..150_000].to_vec()));
    });
}

fn a_redirect_has_it_sent_again(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let again =
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
        let server = Plan::new()
            .path("/", Script::new().read_body().send(again))
            .path("/there", Script::new().read_body().ok("taken"))
            .start();
        let mut run = Run::new(kind);
        let path = file(directory, "file", 400_000);
        let request = put(&mut run, &server.url("/"), path, 0, 400_000);
        let request = with_options(request, |options| {
            options.redirects = Some(RedirectPolicy::default());
        });
        let transfer = run.add(request);
        run.finish();
        transfer.assert_response(200, b"taken");
        assert!(bodies(&server) == [bytes(400_000), bytes(400_000)]);
    });
}

fn a_connection_that_breaks_has_it_sent_again(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let server = taking()
            .connection(Script::new().read_at_least(200_000).reset())
            .connection(Script::new().serve())
            .start();
        let mut run = Run::new(kind);
        let path = file(directory, "file", 1_000_000);
        let request = put(&mut run, &server.url("/"), path, 0, 1_000_000);
        let request = with_options(request, |options| {
            let retry = RetryPolicy { all_errors: true, ..RetryPolicy::default() };
            options.retry = Some(Arc::new(retry));
        });
        let transfer = run.add(request);
        run.finish();
        transfer.assert_response(200, b"taken");
        assert!(bodies(&server).pop() == Some(bytes(1_000_000)));
    });
}

fn it_waits_for_leave(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let script = Script::new()
            .read_head()
            .wait(Duration::from_millis(50))
            .send("HTTP/1.1 100 Continue\r\n\r\n")
            .read_body()
            .ok("taken");
        let server = Plan::new().connection(script).start();
        let mut run = Run::new(kind);
        let path = file(directory, "file", 300_000);
        let request = put(&mut run, &server.url("/"), path, 0, 300_000);
        let request = request.field("Expect", "100-continue").unwrap();
        let transfer = run.add(with_options(request, |options| {
            let expect = Some(Duration::from_secs(100));
            options.timeouts = Timeouts { expect, ..Timeouts::default() };
        }));
        run.finish();
        transfer.assert_response(200, b"taken");
        assert!(bodies(&server) == [bytes(300_000)]);
    });
}

fn what_is_given_up_is_closed(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let server = Plan::new()
            .recv_buffer(4096)
            .connection(Script::new().read_at_least(100_000).never_read())
            .start();
        let mut run = Run::new(kind);
        let path = file(directory, "file", 8_000_000);
        let transfer = send(&mut run, &server.url("/"), path.clone(), 0, 8_000_000);
        run.turn_until("a part of it has arrived", |_| {
            server.seen().first().is_some_and(|seen| seen.received_len >= 100_000)
        });
        assert!(is_open(&path));
        drop(run.driver.remove(transfer.id).unwrap());
        run.driver.close_idle().unwrap();
        run.turn_until("it is closed", |run| run.driver.is_empty());
        assert!(!is_open(&path));
    });
}

/// Whether a descriptor of this process is of the file.
fn is_open(path: &Path) -> bool {
    let mut open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link == path))
}

fn a_transfer_that_its_caller_paused_stays_so(kind: Kind) {
    on_a_thread(kind, |kind, directory| {
        let server = taking().start();
        let mut run = Run::new(kind);
        let path = directory.join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut pipe: File = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let transfer = send(&mut run, &server.url("/"), path, 0, 20);
        pipe.write_all(&[b'x'; 10]).unwrap();
        let arrived = |server: &Hostile| server.requests().first().map_or(0, |one| one.body.len());
        run.turn_until("the first half has arrived", |_| arrived(&server) == 10);
        run.driver.pause(transfer.id).unwrap();
        pipe.write_all(&[b'y'; 10]).unwrap();
        run.turn_for(Duration::from_millis(50));
        assert_eq!(arrived(&server), 10, "it is paused");
        run.driver.resume(transfer.id).unwrap();
        run.finish();
        transfer.assert_response(200, b"taken");
    });
}
