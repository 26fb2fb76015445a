//! The two queues: full, overflown, set up the old way; and who works for them.

use std::collections::HashSet;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::Duration;

use ringdove::sys::count::{self, Counter};
use ringdove::sys::ring::{Options, Ring};
use ringdove::sys::{Completion, Interest, Waker, clock};

use crate::support::{every_step, fd, next, pair, ring, ring_with, settle, small, within, workers};

#[test]
fn every_set_up_step_works() {
    for options in every_step() {
        let Some(mut ring) = ring_with(&options) else { continue };
        let flags = ring.report().flags;
        assert!(!flags.iter().any(|flag| options.without.contains(flag)), "{flags:?}");
        let (socket, mut peer) = pair();
        let poll = ring.poll_add(fd(&socket), Interest::RECV, 1, within(Duration::from_secs(9)));
        let poll = poll.expect("adds");
        ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
        peer.write_all(b"x").expect("writes");
        assert!(
            matches!(next(&mut ring), Completion::Polled { poll: p, .. } if p == poll),
            "{flags:?}"
        );
        let soon = within(Duration::from_millis(3));
        let (idle, _peer) = pair();
        ring.poll_add(fd(&idle), Interest::RECV, 2, soon).expect("adds");
        assert!(matches!(next(&mut ring), Completion::DeadlinePassed { user: 2, .. }), "{flags:?}");
        settle(&mut ring);
        assert_eq!(ring.shutdown(Duration::from_secs(1)), 0, "{flags:?}");
    }
}

#[test]
fn a_full_submission_queue_is_submitted_and_nothing_is_lost() {
    for options in every_step() {
        let options = Options { sq_entries: 4, ..options };
        let Some(mut ring) = ring_with(&options) else { continue };
        let waker = Waker::new().expect("an eventfd");
        waker.wake();
        let fd = waker.as_raw_fd();
        let before = count::snapshot();
        for user in 0..101 {
            // chains of two in a queue of four, and singles that shift them
            let deadline = if user % 3 == 0 { None } else { within(Duration::from_secs(9)) };
            ring.poll_add(fd, Interest::RECV, user, deadline).expect("adds");
        }
        let users: HashSet<u64> = (0..101).map(|_| user_of(next(&mut ring))).collect();
        assert_eq!(users.len(), 101);
        settle(&mut ring);
        let counts = count::snapshot().since(&before);
        assert_eq!(counts.get(Counter::Sqes), 101 + 67);
        let deadlines = if ring.report().silent_deadlines { 0 } else { 67 };
        assert_eq!(counts.get(Counter::Cqes), 101 + deadlines);
    }
}

#[test]
fn a_queue_that_is_wanted_small_still_takes_a_chain() {
    for options in every_step() {
        let options = Options { sq_entries: 1, ..options };
        let Some(mut ring) = ring_with(&options) else { continue };
        let (socket, _peer) = pair();
        let soon = within(Duration::from_millis(1));
        ring.poll_add(fd(&socket), Interest::RECV, 1, soon).expect("adds");
        assert!(matches!(next(&mut ring), Completion::DeadlinePassed { user: 1, .. }));
    }
}

#[test]
fn an_overflown_completion_queue_loses_nothing_and_is_counted() {
    for options in every_step() {
        let options = Options { sq_entries: 8, cq_entries: 16, ..options };
        let Some(mut ring) = ring_with(&options) else { continue };
        let waker = Waker::new().expect("an eventfd");
        let before = count::snapshot();
        let polls = 500;
        for user in 0..polls {
            let deadline = within(Duration::from_secs(9));
            ring.poll_add(waker.as_raw_fd(), Interest::RECV, user, deadline).expect("adds");
        }
        ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
        waker.wake();
        let users: HashSet<u64> = (0..polls).map(|_| user_of(next(&mut ring))).collect();
        assert_eq!(users.len(), polls as usize);
        settle(&mut ring);
        let counts = count::snapshot().since(&before);
        assert!(counts.get(Counter::CqOverflows) > 0, "{counts:?}");
        assert_eq!(counts.get(Counter::LostCqes), 0);
        assert_eq!(counts.get(Counter::StaleCqes), 0);
    }
}

fn user_of(completion: Completion) -> u64 {
    match completion {
        Completion::Polled { user, .. }
        | Completion::DeadlinePassed { user, .. }
        | Completion::Failed { user, .. } => user,
    }
}

#[test]
fn no_poll_falls_to_a_worker_thread() {
    let Some(mut ring) = ring() else { return };
    let mut pairs = Vec::new();
    for user in 0..200 {
        let (socket, mut peer) = pair();
        ring.poll_add(fd(&socket), Interest::BOTH, user, within(Duration::from_secs(9)))
            .expect("adds");
        next(&mut ring);
        ring.poll_add(fd(&socket), Interest::RECV, user, None).expect("adds");
        peer.write_all(b"x").expect("writes");
        next(&mut ring);
        pairs.push((socket, peer));
    }
    let workers = workers();
    assert!(workers.is_empty(), "{workers:?}");
}

#[test]
fn a_nop_completes_silently() {
    let Some(mut ring) = ring() else { return };
    ring.nop().expect("pushes");
    assert_eq!(ring.owed(), 1);
    settle(&mut ring);
}

/// A thread's table of registered rings has 16 places; a ring that is closed gives its place back.
#[test]
fn closed_rings_give_their_registration_back() {
    let Some(first) = ring() else { return };
    if !first.report().registered_fd {
        eprintln!("skipped: the kernel does not register ring fds");
        return;
    }
    drop(first);
    for _ in 0..40 {
        let ring = Ring::new(&small()).expect("a ring");
        assert!(ring.report().registered_fd);
    }
    // with all places taken the plain fd serves
    let mut rings: Vec<Ring> = (0..18).map(|_| Ring::new(&small()).expect("a ring")).collect();
    let last = rings.last_mut().expect("there are some");
    assert!(!last.report().registered_fd);
    last.nop().expect("pushes");
    settle(last);
}
