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
    let ran = run(program, args, Some(library::folder()), &[]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let complains = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{:?}: {said}{complains}", ran.status);
    // a panic would have become an error, and been told
    assert!(!complains.contains("panicked"), "{complains}");
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
    passes(&program, &[&server().url("/big.bin")]);
}

#[test]
fn pauses_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("pauses", folder.path()) else { return };
    let takes = Plan::new().path("/", Script::new().read_body().ok("taken")).start();
    passes(&program, &[&server().url("/big.bin"), &takes.url("/")]);
}

#[test]
fn a_connection_is_given_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("connection", folder.path()) else { return };
    passes(&program, &[&server().url("/big.bin")]);
}

#[test]
fn a_program_opens_and_closes_sockets_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("sockets", folder.path()) else { return };
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    passes(&program, &[&server.url("/")]);
}

#[test]
fn a_multi_tells_of_what_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("notify", folder.path()) else { return };
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    passes(&program, &[&server.url("/")]);
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
    let has = |kind| ringdove::Driver::new(kind, ringdove::Config::default()).is_ok();
    for (asked, kind) in [
        ("", Kind::Epoll),
        ("ring", Kind::Ring),
        ("poll", Kind::Poll),
        ("epoll", Kind::Epoll),
        ("unheard-of", Kind::Epoll),
    ] {
        let runs = if has(kind) { kind } else { Kind::Epoll };
        if runs != kind {
            eprintln!("skipped: no driver {kind} here");
        }
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
    for (path, transfers, seed) in
        [("/big.bin", "1000", "1"), ("/ok", "20000", "2"), ("/big.bin", "1000", "3")]
    {
        passes(&program, &[&nginx.url(path), transfers, seed]);
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
