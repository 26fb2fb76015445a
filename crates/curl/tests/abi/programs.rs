//! Programs in C: of misuse, of pausing, of the contract of curl_multi_socket, and of what is to be the same on both libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::nginx::Nginx;

use crate::library;

/// Compiles a program of `tests/c`; `None`, said aloud, where there is no header.
pub(crate) fn build(name: &str, folder: &Path) -> Option<PathBuf> {
    let program = folder.join(name);
    let built = Command::new("cc")
        .args(["-g", "-Wall", "-Wextra", "-Wno-deprecated-declarations", "-o"])
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/c/{name}.c")))
        .args(["-lcurl", "-lpthread"])
        .output()
        .expect("cc runs");
    let said = String::from_utf8_lossy(&built.stderr);
    if said.contains("curl/curl.h: No such file") {
        eprintln!("skipped: there is no curl/curl.h (package libcurl4-openssl-dev)");
        return None;
    }
    assert!(built.status.success() && said.is_empty(), "{name}: {said}");
    Some(program)
}

fn run(program: &Path, args: &[&str], library: Option<&Path>, before: &[&str]) -> Output {
    let mut command = Command::new("/usr/bin/timeout");
    command.arg("60").args(before).arg(program).args(args);
    command.envs(library.map(|folder| ("LD_LIBRARY_PATH", folder)));
    command.output().expect("it runs")
}

/// Runs a program on this library, and says what it complains of.
pub(crate) fn passes(program: &Path, args: &[&str]) {
    judge("as it comes", &run(program, args, Some(library::folder()), &[]));
}

/// The same with what no socket callback is for on each driver that there is.
fn passes_on_each(program: &Path, args: &[&str]) {
    for kind in Kind::ALL {
        if has(kind) {
            passes_on(kind, program, args);
        }
    }
}

fn passes_on(kind: Kind, program: &Path, args: &[&str]) {
    let asked = format!("RINGDOVE_DRIVER={kind}");
    judge(&asked, &run(program, args, Some(library::folder()), &["env", &asked]));
}

fn judge(how: &str, ran: &Output) {
    let said = String::from_utf8_lossy(&ran.stdout);
    let complains = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{how}: {:?}: {said}{complains}", ran.status);
    // a panic would have become an error, and been told
    assert!(!complains.contains("panicked"), "{how}: {complains}");
}

/// Whether there is such a driver; that there is none is said aloud.
fn has(kind: Kind) -> bool {
    let has = ringdove::Driver::new(kind, ringdove::Config::default()).is_ok();
    if !has {
        eprintln!("skipped: no driver {kind} here");
    }
    has
}

/// An nginx with a large file.
pub(crate) fn server() -> Nginx {
    let nginx = Nginx::plain();
    let big: Vec<u8> = (0..300_000_u32).map(|at| (at * 7 % 251) as u8).collect();
    fs::write(nginx.docroot().join("big.bin"), big).expect("a file");
    nginx
}

#[test]
fn misuse_is_answered_by_curls_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("misuse", folder.path()) else { return };
    passes_on_each(&program, &[&server().url("/big.bin")]);
}

#[test]
fn pauses_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("pauses", folder.path()) else { return };
    let takes = Plan::new().path("/", Script::new().read_body().ok("taken")).start();
    passes_on_each(&program, &[&server().url("/big.bin"), &takes.url("/")]);
}

#[test]
fn a_connection_is_given_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("connection", folder.path()) else { return };
    passes_on_each(&program, &[&server().url("/big.bin")]);
}

#[test]
fn a_program_opens_and_closes_sockets_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("sockets", folder.path()) else { return };
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    passes_on_each(&program, &[&server.url("/")]);
}

#[test]
fn a_multi_tells_of_what_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("notify", folder.path()) else { return };
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    passes_on_each(&program, &[&server.url("/")]);
}

/// What RINGDOVE_DRIVER names carries what no socket callback is for.
#[test]
fn a_driver_carries_what_the_program_does_not_watch() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("carriers", folder.path()) else { return };
    let pieces = Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n").trickle(
        [b'x'; 3000],
        500,
        Duration::from_millis(20),
    );
    let server = Plan::new().path("/", pieces).start();
    for (asked, kind) in [
        ("", Kind::Epoll),
        ("ring", Kind::Ring),
        ("poll", Kind::Poll),
        ("epoll", Kind::Epoll),
        ("unheard-of", Kind::Epoll),
    ] {
        let runs = if has(kind) { kind } else { Kind::Epoll };
        let asked = format!("RINGDOVE_DRIVER={asked}");
        let ran = run(
            &program,
            &[&server.url("/"), runs.name()],
            Some(library::folder()),
            &["env", &asked],
        );
        let said = [&ran.stdout[..], &ran.stderr].concat();
        assert!(ran.status.success(), "{asked}: {}", String::from_utf8_lossy(&said));
    }
}

/// A thread that ends takes nothing with it.
#[test]
fn what_a_thread_began_another_one_goes_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("handed", folder.path()) else { return };
    passes_on_each(&program, &[]);
}

#[test]
fn one_multi_has_one_set_of_limits_and_addresses_whatever_carries() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("beside", folder.path()) else { return };
    passes_on_each(&program, &[]);
}

#[test]
fn a_fork_leaves_the_parents_transfers_alone_and_has_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("forks", folder.path()) else { return };
    for (kind, carried) in [(Kind::Ring, "1"), (Kind::Poll, "1"), (Kind::Epoll, "0")] {
        if has(kind) {
            passes_on(kind, &program, &[carried]);
        }
    }
}

#[test]
fn a_refused_ring_is_asked_for_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("refused", folder.path()) else { return };
    passes_on(Kind::Ring, &program, &[]);
}

#[test]
fn forms_are_copied_with_their_handles_and_nothing_is_posted_of_freed_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("forms", folder.path()) else { return };
    let takes = Script::new().read_body().ok("taken");
    let leads = Script::new().respond("302 Found\r\nLocation: /to", Framing::ContentLength, "");
    let server = Plan::new()
        .path("/empty", takes.clone())
        .path("/attached", takes)
        .path("/four", Script::new().ok("four"))
        .path("/from", leads)
        .path("/to", Script::new().ok("there"))
        .start();
    let url = server.url("");
    passes(&program, &[url.trim_end_matches('/')]);
    let requests = server.requests();
    let body = |at: usize| String::from_utf8_lossy(&requests[at].body).into_owned();
    assert_eq!(requests[0].field("content-length").as_deref(), Some("0"));
    assert!(body(1).contains("name=\"first\"\r\n\r\nhello\r\n"), "{}", body(1));
    assert!(body(1).contains("name=\"second\"\r\n\r\nby one\r\n"), "{}", body(1));
    assert!(body(2).contains("Content-Disposition: attachment; name=\"name\""), "{}", body(2));
}

#[test]
fn loops_are_told_what_curl_promises() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("contract", folder.path()) else { return };
    passes(&program, &[&server().url("/big.bin"), "50", "4"]);
}

/// `scripts/libcurl-storm` does the same a million times under AddressSanitizer.
#[test]
fn handles_in_any_order_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("storm", folder.path()) else { return };
    let nginx = server();
    for (kind, path, transfers, seed) in [
        (Kind::Ring, "/big.bin", "1000", "1"),
        (Kind::Ring, "/ok", "20000", "2"),
        (Kind::Epoll, "/big.bin", "1000", "3"),
        (Kind::Epoll, "/ok", "5000", "4"),
    ] {
        if has(kind) {
            passes_on(kind, &program, &[&nginx.url(path), transfers, seed]);
        }
    }
}

/// curl has a handle for each URL, and one share for all.
#[test]
fn connections_are_used_again_by_handles_of_one_share() {
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let url = server.url("/");
    let curl = Path::new("/usr/bin/curl");
    if !curl.exists() {
        eprintln!("skipped: no curl is installed");
        return;
    }
    passes(curl, &["-q", "-s", &url, &url, &url]);
    assert_eq!((server.requests().len(), server.connections()), (3, 1));
}

#[test]
fn a_connection_that_is_not_to_be_used_again_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("forbid", folder.path()) else { return };
    for (forbids, connections) in [("0", 1), ("1", 3)] {
        let server = Plan::new().path("/", Script::new().ok("fine")).start();
        passes(&program, &[&server.url("/"), forbids]);
        assert_eq!((server.requests().len(), server.connections()), (3, connections));
    }
}

/// Several threads, each with its handles, and one share of them all.
#[test]
fn threads_share() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("threads", folder.path()) else { return };
    let sets =
        Script::new().respond("200 OK\r\nSet-Cookie: a=b; Path=/", Framing::ContentLength, "fine");
    let server = Plan::new().path("/", sets).forget().start();
    passes(&program, &[&server.url("/"), "16", "100"]);
}

/// Everything else in the program is what curl itself does.
#[test]
fn text_and_urls_are_read_as_by_curl() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("same", folder.path()) else { return };
    let neutral = |output: Output| {
        assert!(output.status.success(), "{:?}", output.status);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().map(|line| line.split("--------").next().unwrap_or_default());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let theirs = neutral(run(&program, &[], None, &[]));
    let ours = neutral(run(&program, &[], Some(library::folder()), &[]));
    let differ: Vec<_> = theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours).collect();
    assert!(differ.is_empty(), "{differ:#?}");
    assert_eq!(theirs.len(), ours.len());
}

/// No memory is read that is freed or was never written, and none is lost.
#[test]
fn memory_is_used_as_it_may_be() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: valgrind is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let nginx = server();
    let valgrind = [
        "valgrind",
        "-q",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
    ];
    let url = || nginx.url("/big.bin");
    let storm = vec![url(), "200".to_owned(), "4".to_owned()];
    for (name, args) in [("misuse", vec![url()]), ("same", vec![]), ("storm", storm)] {
        let Some(program) = build(name, folder.path()) else { return };
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let ran = run(&program, &args, Some(library::folder()), &valgrind);
        let said = [&ran.stdout[..], &ran.stderr].concat();
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&said));
    }
}
