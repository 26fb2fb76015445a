//! Bytes of memory that waiting costs: queued transfers, idle connections.

use crate::ALLOCATOR;
use crate::canned::{Canned, Scenario};

const CONNECTIONS: u64 = 10_000;
const QUEUED: u64 = 1_000_000;

pub(crate) fn print() {
    println!("{:<52} {:>10} {:>8}", "bytes of user space, by the allocator's count", "each", "bar");
    row("idle plaintext keep-alive connection, of 10,000", idle_connection(), 1024);
    // a path of 24 bytes
    row("queued transfer without its URL, of 1,000,000", queued(1000, QUEUED) - 24.0, 512);
    let scenario = Scenario::keepalive(6).with_all_deadlines();
    row("the same with a deadline for its wait", queued_in(&scenario, 1000, QUEUED) - 24.0, 512);
}

fn row(what: &str, bytes: f64, bar: u64) {
    let verdict = if bytes <= bar as f64 { "" } else { "  MISSED" };
    println!("{what:<52} {bytes:>10.1} {bar:>8}{verdict}");
}

/// Of an engine whose connections have each served a transfer, all that is left.
fn idle_connection() -> f64 {
    let mut canned = Canned::new(&Scenario::keepalive(CONNECTIONS as usize));
    let before = live();
    canned.run(CONNECTIONS);
    assert_eq!(canned.engine.stats().idle as u64, CONNECTIONS);
    (live() - before) as f64 / CONNECTIONS as f64
}

fn queued(first: u64, last: u64) -> f64 {
    queued_in(&Scenario::keepalive(6), first, last)
}

/// What each of the transfers from the `first` to the `last` adds, once all are admitted.
fn queued_in(scenario: &Scenario, first: u64, last: u64) -> f64 {
    let mut canned = Canned::new(scenario);
    canned.add(first);
    canned.run_steadily(first);
    let before = live();
    canned.add(last - first);
    // some turns, until all have been admitted
    canned.run_steadily(last / 100);
    (live() - before) as f64 / (last - first) as f64
}

fn live() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}
