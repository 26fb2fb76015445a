//! What the kernel may say instead of waiting: nothing is lost by it, and nothing done twice.

use ringdove::driver::Kind;

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
