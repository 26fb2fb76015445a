//! System calls, as strace sees them: nothing in the loop but the wait and the transfer of bytes, and
//! ringdove's own counts are true.

use std::collections::BTreeMap;
use std::fs;

use ringdove::driver::Kind;

use crate::work::{self, MARKS, REQUESTS};

/// The calls that a loop may make: its wait, and what moves bytes.
fn allowed(kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        Kind::Epoll => (&["epoll_pwait2", "epoll_wait"], &["recvfrom", "sendto"]),
        Kind::Poll => (&["io_uring_enter"], &["recvfrom", "sendto"]),
        Kind::Ring => (&["io_uring_enter"], &[]),
    }
}

/// What an allocator asks for: here, for thousands of transfers that are added at once.
const MEMORY: [&str; 6] = ["brk", "mmap", "mremap", "mprotect", "munmap", "madvise"];

/// System calls of one thread by name, between two marks.
type Calls = BTreeMap<String, u64>;

fn between(trace: &str, from: &str, to: &str) -> Calls {
    let begin = trace.lines().find(|line| line.contains(from)).expect("the mark is in the trace");
    let thread = begin.split_whitespace().next().expect("the number of the thread");
    let mut calls = Calls::new();
    let inside = trace
        .lines()
        .skip_while(|line| !line.contains(from))
        .skip(1)
        .take_while(|line| !line.contains(to));
    for line in inside.filter(|line| line.split_whitespace().next() == Some(thread)) {
        // the other half of a call that another thread interrupted
        if line.contains("resumed>") {
            continue;
        }
        let call = line[thread.len()..].trim_start();
        if let Some((name, _)) = call.split_once('(') {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    calls
}

fn observe(test: &str, kind: Kind) {
    if !work::available(kind) || !work::runs("strace", &["-f", "-o", "/dev/null", "true"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("trace");
    let path = file.display().to_string();
    let Some(counted) = work::under(&["strace", "-f", "-o", &path], test, kind) else { return };
    let trace = fs::read_to_string(&file).expect("strace wrote its trace");

    let steady = between(&trace, MARKS[1], MARKS[2]);
    let (waits, moves) = allowed(kind);
    let waited: u64 = waits.iter().filter_map(|name| steady.get(*name)).sum();
    let (memory, others): (Calls, Calls) = steady
        .clone()
        .into_iter()
        .filter(|(name, _)| !waits.contains(&name.as_str()) && !moves.contains(&name.as_str()))
        .partition(|(name, _)| MEMORY.contains(&name.as_str()));
    let readings = counted.steady["clock readings"];
    println!("{kind}: {REQUESTS} requests, {waited} waits, {readings} clock readings: {steady:?}");
    assert!(waited > 20, "too few waits to judge: {steady:?}");
    assert_eq!(others, Calls::new(), "only waits and the moving of bytes");
    assert!(memory.values().sum::<u64>() <= 100, "memory, but not in each turn: {memory:?}");
    for name in moves {
        let calls = steady.get(*name).copied().unwrap_or_default();
        assert!(calls <= REQUESTS + waited, "{name}: {steady:?}");
    }
    // a turn has two batches at most: of what was added before it, and of what happened
    assert!(readings <= 2 * waited + 1, "{readings} readings of the clock in {waited} turns");

    let all = between(&trace, MARKS[0], MARKS[3]);
    let seen: u64 = work::system_calls().filter_map(|name| all.get(name)).sum();
    let own: u64 = work::system_calls().map(|name| counted.all[name]).sum();
    // beside ringdove's: memory
    let close_to = own.abs_diff(seen) <= 10 + own / 100;
    assert!(close_to, "strace saw {seen}, ringdove counted {own}: {all:?} {:?}", counted.all);
    for name in waits.iter().chain(moves) {
        let (own, seen) = (counted.all[*name], all.get(*name).copied().unwrap_or_default());
        assert!(own.abs_diff(seen) <= 2 + own / 100, "{name}: strace {seen}, ringdove {own}");
    }
}

#[test]
fn the_epoll_driver_waits_and_moves_bytes() {
    observe("calls::the_epoll_driver_waits_and_moves_bytes", Kind::Epoll);
}

#[test]
fn the_poll_driver_waits_and_moves_bytes() {
    observe("calls::the_poll_driver_waits_and_moves_bytes", Kind::Poll);
}

#[test]
fn the_ring_driver_waits() {
    observe("calls::the_ring_driver_waits", Kind::Ring);
}
