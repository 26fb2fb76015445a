//! Waiting: deadlines, batches, and what a wait costs.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::Duration;

use ringdove::sys::count::{self, Counter};
use ringdove::sys::ring::{Batch, Options, Ring, SetupFlag, SqPoll};
use ringdove::sys::{Completion, Interest, Waker, clock};

use crate::support::{fd, next, pair, ring, ring_with, small, within};

#[test]
fn a_wait_ends_at_its_deadline_and_not_before() {
    let Some(mut ring) = ring() else { return };
    for ms in [0, 1, 7] {
        let before = count::snapshot();
        let until = clock::now() + Duration::from_millis(ms);
        ring.submit_and_wait(clock::now(), Some(until)).expect("waits");
        assert!(clock::now() >= until);
        assert_eq!(ring.take_completion(), None);
        assert_eq!(count::snapshot().since(&before).get(Counter::RingEnter), 1, "{ms} ms");
    }
}

#[test]
fn a_wait_ends_with_the_first_completion() {
    let Some(mut ring) = ring() else { return };
    let waker = Waker::new().expect("an eventfd");
    let other = waker.clone();
    ring.poll_add(waker.as_raw_fd(), Interest::RECV, 1, None).expect("adds");
    std::thread::scope(|s| {
        s.spawn(move || other.wake());
        while ring.take_completion().is_none() {
            ring.submit_and_wait(clock::now(), None).expect("waits");
        }
    });
}

#[test]
fn a_turn_is_one_system_call_and_reads_no_clock() {
    let Some(mut ring) = ring() else { return };
    let (socket, mut peer) = pair();
    let now = clock::now();
    let until = Some(now + Duration::from_secs(9));
    for user in 0..100 {
        peer.write_all(b"x").expect("writes");
        let before = count::snapshot();
        ring.poll_add(fd(&socket), Interest::RECV, user, until).expect("adds");
        ring.submit_and_wait(now, until).expect("waits");
        assert!(matches!(ring.take_completion(), Some(Completion::Polled { .. })));
        let counts = count::snapshot().since(&before);
        assert_eq!(counts.system_calls(), 1);
        assert_eq!(counts.get(Counter::ClockReadings), 0);
        assert_eq!(counts.get(Counter::Sqes), 2);
    }
}

#[test]
fn a_wait_beside_a_kernel_thread_ends_at_its_deadline() {
    let long = Duration::from_secs(5);
    let sq_poll = SqPoll { idle: long, spin: long, cpu: None };
    let Some(mut ring) = ring_with(&Options { sq_poll: Some(sq_poll), ..small() }) else { return };
    // the thread is awake, so that there is nothing to enter the kernel for
    ring.nop().expect("pushes");
    ring.submit_and_wait(clock::now(), within(long)).expect("waits");
    assert_eq!(ring.take_completion(), None);
    let begin = clock::now();
    ring.submit_and_wait(begin, Some(begin + Duration::from_millis(2))).expect("waits");
    assert!(clock::now() - begin < long / 2, "it went on looking");
}

#[test]
fn a_wait_that_polls_the_network_device_says_so() {
    let options = Options { busy_poll: Some(Duration::from_micros(20)), ..small() };
    let Some(mut ring) = ring_with(&options) else { return };
    assert!(ring.report().busy_poll);
    let (socket, mut peer) = pair();
    ring.poll_add(fd(&socket), Interest::RECV, 1, None).expect("adds");
    peer.write_all(b"x").expect("writes");
    assert!(matches!(next(&mut ring), Completion::Polled { user: 1, .. }));
    assert!(!ring_with(&small()).expect("as before").report().busy_poll);
}

#[test]
fn a_kernel_thread_that_submits_leaves_no_system_call_in_a_steady_state() {
    let long = Duration::from_secs(5);
    let sq_poll = SqPoll { idle: long, spin: long, cpu: None };
    let Some(mut ring) = ring_with(&Options { sq_poll: Some(sq_poll), ..small() }) else { return };
    assert_eq!(ring.report().flags[0], SetupFlag::SqPoll);
    let waker = Waker::new().expect("an eventfd");
    waker.wake();
    let turn = |ring: &mut Ring, user| {
        ring.poll_add(waker.as_raw_fd(), Interest::RECV, user, None).expect("adds");
        ring.submit_and_wait(clock::now(), within(long)).expect("waits");
        assert!(matches!(ring.take_completion(), Some(Completion::Polled { .. })));
    };
    turn(&mut ring, 0);
    let before = count::snapshot();
    (1..=1000).for_each(|user| turn(&mut ring, user));
    let counts = count::snapshot().since(&before);
    assert_eq!((counts.get(Counter::Sqes), counts.system_calls()), (1000, 0));
}

#[test]
fn a_kernel_thread_that_sleeps_is_woken() {
    let sq_poll =
        SqPoll { idle: Duration::from_millis(1), spin: Duration::from_micros(10), cpu: None };
    let Some(mut ring) = ring_with(&Options { sq_poll: Some(sq_poll), ..small() }) else { return };
    let waker = Waker::new().expect("an eventfd");
    waker.wake();
    for user in 0..5 {
        // nothing but the deadline ends this wait, in which the thread falls asleep
        let until = clock::now() + Duration::from_millis(20);
        ring.submit_and_wait(clock::now(), Some(until)).expect("waits");
        assert_eq!(ring.take_completion(), None);
        ring.poll_add(waker.as_raw_fd(), Interest::RECV, user, None).expect("adds");
        assert!(matches!(next(&mut ring), Completion::Polled { .. }));
    }
}

#[test]
fn a_wait_does_not_block_while_completions_are_to_be_taken() {
    let Some(mut ring) = ring() else { return };
    let waker = Waker::new().expect("an eventfd");
    waker.wake();
    ring.poll_add(waker.as_raw_fd(), Interest::RECV, 1, None).expect("adds");
    ring.submit_and_wait(clock::now(), None).expect("waits");
    ring.submit_and_wait(clock::now(), None).expect("does not wait");
    assert!(ring.take_completion().is_some());
}

#[test]
fn a_batching_wait_gathers_completions_and_still_ends_in_time() {
    let batch = Batch { completions: 4, within: Duration::from_millis(20) };
    let options = Options { batch: Some(batch), ..small() };
    let Some(mut ring) = ring_with(&options) else { return };
    if !ring.report().min_wait {
        eprintln!("skipped: the kernel has no minimum wait");
        return;
    }
    let wakers: Vec<Waker> = (0..4).map(|_| Waker::new().expect("an eventfd")).collect();
    // one is ready: it waits for others, but no longer than it may
    for (user, waker) in wakers.iter().enumerate() {
        ring.poll_add(waker.as_raw_fd(), Interest::RECV, user as u64, None).expect("adds");
    }
    wakers[0].wake();
    let before = clock::now();
    ring.submit_and_wait(before, within(Duration::from_secs(9))).expect("waits");
    let took = clock::now() - before;
    assert!(took >= batch.within && took < Duration::from_secs(5), "{took:?}");
    assert!(matches!(next(&mut ring), Completion::Polled { user: 0, .. }));
    // as many as asked for: it does not wait
    ring.poll_add(wakers[0].as_raw_fd(), Interest::RECV, 0, None).expect("adds");
    wakers[1..].iter().for_each(Waker::wake);
    ring.submit_and_wait(clock::now(), within(Duration::from_secs(9))).expect("waits");
    assert_eq!(ring.reaped().count(), 4);
    // none: the deadline still holds
    while ring.take_completion().is_some() {}
    let until = clock::now() + Duration::from_millis(40);
    ring.submit_and_wait(clock::now(), Some(until)).expect("waits");
    assert!(clock::now() >= until);
}
