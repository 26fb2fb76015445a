//! Ending a ring with much in flight.

use std::io::{Read, Write};
use std::time::Duration;

use ringdove::sys::count::{self, Counter};
use ringdove::sys::ring::{Options, Ring};
use ringdove::sys::{Interest, Socket, rlimit};

use crate::support::{PATIENCE, every_step, fd, next, pair, ring_with, within};

/// A ring with `n` polls in flight (half with a deadline), on a few sockets.
fn busy(options: &Options, n: u64) -> Option<(Ring, Vec<(Socket, std::net::TcpStream)>)> {
    let mut ring = ring_with(options)?;
    let pairs: Vec<_> = (0..n.min(50)).map(|_| pair()).collect();
    for user in 0..n {
        let socket = &pairs[user as usize % pairs.len()].0;
        let deadline = if user % 2 == 0 { None } else { within(PATIENCE) };
        ring.poll_add(fd(socket), Interest::RECV, user, deadline).expect("adds");
    }
    Some((ring, pairs))
}

#[test]
fn a_shutdown_with_thousands_in_flight_leaves_nothing_owed() {
    for options in every_step() {
        let Some((mut ring, mut pairs)) = busy(&options, 5000) else { continue };
        // some have fired, some were removed, some deadlines are being moved
        pairs[0].1.write_all(b"x").expect("writes");
        next(&mut ring);
        for _ in 0..100 {
            let deadline = within(PATIENCE);
            let poll = ring.poll_add(fd(&pairs[1].0), Interest::RECV, 0, deadline).expect("adds");
            ring.deadline_update(poll, deadline.expect("set")).expect("updates");
            ring.poll_remove(poll).expect("removes");
        }
        let before = count::snapshot();
        assert_eq!(ring.shutdown(PATIENCE), 0);
        let counts = count::snapshot().since(&before);
        assert_eq!(counts.get(Counter::LeakedCqes), 0);
        assert_eq!(counts.get(Counter::StaleCqes), 0);
        assert_eq!(counts.get(Counter::LostCqes), 0);
    }
}

#[test]
fn a_dropped_ring_lets_go_of_the_files() {
    let Some((ring, pairs)) = busy(&Options::default(), 1000) else { return };
    drop(ring);
    for (socket, mut peer) in pairs {
        drop(socket);
        peer.set_read_timeout(Some(PATIENCE)).expect("sets");
        assert_eq!(peer.read(&mut [0]).expect("a FIN"), 0);
    }
}

#[test]
fn a_shutdown_without_patience_says_what_is_owed() {
    let Some((mut ring, _pairs)) = busy(&Options::default(), 10) else { return };
    let now = ringdove::sys::clock::now();
    ring.submit_and_wait(now, Some(now)).expect("submits");
    let owed = if ring.report().silent_deadlines { 10 } else { 15 };
    assert_eq!(ring.owed(), owed);
    let before = count::snapshot();
    assert_eq!(ring.shutdown(Duration::ZERO), owed);
    assert_eq!(count::snapshot().since(&before).get(Counter::LeakedCqes), owed as u64);
}

#[test]
fn an_idle_ring_is_closed_at_once() {
    let Some(ring) = ring_with(&Options::default()) else { return };
    let before = count::snapshot();
    assert_eq!(ring.shutdown(PATIENCE), 0);
    assert_eq!(count::snapshot().since(&before).get(Counter::RingEnter), 0);
}

#[test]
fn rings_come_and_go_without_leaving_fds() {
    // those of other tests, of which there are few at a time, are among them
    let is_ring = |path: std::path::PathBuf| {
        std::fs::read_link(path).is_ok_and(|link| link.as_os_str() == "anon_inode:[io_uring]")
    };
    let open = || {
        let all = std::fs::read_dir("/proc/self/fd").expect("proc");
        all.filter_map(Result::ok).filter(|entry| is_ring(entry.path())).count()
    };
    let limit = rlimit::open_files().expect("a limit").soft;
    assert!(limit > 64, "too few descriptors to test with: {limit}");
    let before = open();
    for nth in 0..300 {
        let Some((ring, _pairs)) =
            busy(&Options { sq_entries: 8, cq_entries: 64, ..Options::default() }, 3)
        else {
            return;
        };
        assert!(nth > 0 || open() > 0, "a ring is told from other descriptors");
        drop(ring);
    }
    assert!(open() < before + 250, "{before} rings before, {} after", open());
}
