//! What the kernel may say instead of waiting: nothing is lost by it, and nothing done twice.

use std::process::Command;
use std::time::Duration;

use ringdove::driver::Kind;

use crate::support::hostile::{Plan, Script};
use crate::work::{self, REQUESTS};

/// Every seventh wait, from the twentieth on, is answered so.
fn inject(test: &str, kind: Kind, error: &str) {
    if !work::available(kind) || !work::runs("strace", &["-f", "-o", "/dev/null", "true"]) {
        return;
    }
    let inject = format!("inject=io_uring_enter:error={error}:when=20+7");
    let tool = ["strace", "-f", "-o", "/dev/null", "-e", "trace=io_uring_enter", "-e", &inject];
    let Some(counted) = work::under(&tool, test, kind) else { return };
    let waits = counted.steady["io_uring_enter"];
    println!("{kind}, {error}: {waits} waits for {REQUESTS} requests");
    assert!(waits > 20, "too few to judge");
}

#[test]
fn a_signal_ends_a_wait_of_the_ring() {
    inject("faults::a_signal_ends_a_wait_of_the_ring", Kind::Ring, "EINTR");
}

#[test]
fn a_signal_ends_a_wait_of_polls() {
    inject("faults::a_signal_ends_a_wait_of_polls", Kind::Poll, "EINTR");
}

#[test]
fn a_kernel_without_memory_is_asked_again_by_the_ring() {
    inject("faults::a_kernel_without_memory_is_asked_again_by_the_ring", Kind::Ring, "EAGAIN");
}

#[test]
fn a_kernel_without_memory_is_asked_again_by_polls() {
    inject("faults::a_kernel_without_memory_is_asked_again_by_polls", Kind::Poll, "EAGAIN");
}

#[test]
fn a_crowded_completion_queue_is_emptied_by_the_ring() {
    inject("faults::a_crowded_completion_queue_is_emptied_by_the_ring", Kind::Ring, "EBUSY");
}

#[test]
fn a_crowded_completion_queue_is_emptied_by_polls() {
    inject("faults::a_crowded_completion_queue_is_emptied_by_polls", Kind::Poll, "EBUSY");
}

/// No request could end, and nobody would be told: the command fails, without having kept the CPU busy.
#[test]
fn a_kernel_that_never_has_memory_ends_the_ring() {
    if !work::runs("strace", &["-f", "-o", "/dev/null", "true"]) {
        return;
    }
    let trickle = Script::new()
        .read_head()
        .send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        .trickle([b'x'; 100_000], 1, Duration::from_millis(10));
    let server = Plan::new().connection(trickle).start();
    for kind in [Kind::Ring, Kind::Poll].into_iter().filter(|&kind| work::available(kind)) {
        let calls = tempfile::NamedTempFile::new().expect("a file");
        let output = Command::new("strace")
            .args(["-f", "-e", "trace=io_uring_enter"])
            .args(["-e", "inject=io_uring_enter:error=EAGAIN:when=8+", "-o"])
            .arg(calls.path())
            .arg(env!("CARGO_BIN_EXE_ringdove"))
            .args(["fetch", "--driver", kind.name(), &server.url("/")])
            .output()
            .expect("strace runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("memory"), "{said}");
        let calls = std::fs::read_to_string(calls.path()).expect("a record").lines().count();
        assert!(calls < 40_000, "{kind}: asked {calls} times in five seconds");
    }
}
