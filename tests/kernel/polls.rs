//! Polls, their deadlines, their removal.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::time::Duration;

use ringdove::dial::Dial;
use ringdove::sys::count::{self, Counter};
use ringdove::sys::ring::Kind;
use ringdove::sys::{Completion, Connect, Errno, Interest, Readiness, Socket, Waker, clock};

use crate::support::{
    A_WHILE, PATIENCE, fd, loud, loud_and_silent, next, next_within, pair, raw, ring, settle,
    within,
};

const ETIME: i32 = -62;
const ECANCELED: i32 = -125;
const ENOENT: i32 = -2;
const READABLE: Readiness = Readiness { recv: true, send: false, error: false };
const WRITABLE: Readiness = Readiness { recv: false, send: true, error: false };

#[test]
fn a_poll_completes_once_with_what_was_found() {
    let Some(mut ring) = ring() else { return };
    let (socket, mut peer) = pair();
    let poll = ring.poll_add(fd(&socket), Interest::BOTH, 7, None).expect("adds");
    let polled = Completion::Polled { user: 7, poll, readiness: WRITABLE, more: false };
    assert_eq!(next(&mut ring), polled);
    let poll = ring.poll_add(fd(&socket), Interest::RECV, 8, None).expect("adds");
    assert_eq!(next_within(&mut ring, A_WHILE), None);
    peer.write_all(b"x").expect("writes");
    let polled = Completion::Polled { user: 8, poll, readiness: READABLE, more: false };
    assert_eq!(next(&mut ring), polled);
    peer.write_all(b"y").expect("writes");
    assert_eq!(next_within(&mut ring, A_WHILE), None);
    assert_eq!((ring.owed(), ring.polls()), (0, 0));
}

#[test]
fn a_refused_connect_is_send_readiness_with_an_error() {
    let Some(mut ring) = ring() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let dial = Dial::tcp(address);
    let socket = Socket::open(&dial).expect("a socket");
    if !matches!(socket.connect(&dial.remote), Ok(Connect::InProgress)) {
        eprintln!("skipped: loopback refuses at once");
        return;
    }
    ring.poll_add(fd(&socket), Interest::SEND, 1, within(PATIENCE)).expect("adds");
    let Completion::Polled { readiness, .. } = next(&mut ring) else { panic!("not polled") };
    assert!(readiness.send && readiness.error, "{readiness:?}");
    assert_eq!(socket.connect_result(), Err(Errno::ECONNREFUSED));
}

#[test]
fn a_peers_close_is_recv_readiness() {
    let Some(mut ring) = ring() else { return };
    let (socket, peer) = pair();
    ring.poll_add(fd(&socket), Interest::RECV, 1, None).expect("adds");
    ring.submit_and_wait(clock::now(), within(A_WHILE)).expect("submits");
    drop(peer);
    let Completion::Polled { readiness, .. } = next(&mut ring) else { panic!("not polled") };
    assert!(readiness.recv, "{readiness:?}");
}

#[test]
fn a_poll_of_no_file_fails_with_ebadf_and_its_deadline_is_cancelled() {
    for mut ring in loud_and_silent() {
        for deadline in [None, within(PATIENCE)] {
            let poll = ring.poll_add(100_000, Interest::RECV, 5, deadline).expect("adds");
            let failed = Completion::Failed { user: 5, poll, errno: Errno::EBADF };
            assert_eq!(next(&mut ring), failed);
            settle(&mut ring);
        }
    }
}

#[test]
fn a_deadline_that_passes_posts_etime_and_cancels_the_poll() {
    let Some(mut ring) = loud() else { return };
    let (socket, _peer) = pair();
    let deadline = clock::now() + Duration::from_millis(5);
    let poll = ring.poll_add(fd(&socket), Interest::RECV, 9, Some(deadline)).expect("adds");
    let cqes = raw(&mut ring, 2);
    assert!(clock::now() >= deadline);
    assert!(cqes.contains(&(Kind::PollDeadline, ETIME)), "{cqes:?}");
    assert!(cqes.contains(&(Kind::Poll, ECANCELED)), "{cqes:?}");
    assert_eq!(ring.take_completion(), Some(Completion::DeadlinePassed { user: 9, poll }));
    assert_eq!(ring.take_completion(), None);
    assert_eq!((ring.owed(), ring.polls()), (0, 0));
}

#[test]
fn a_deadline_in_the_past_passes_at_once() {
    for mut ring in loud_and_silent() {
        let (socket, _peer) = pair();
        let past = Some(ringdove::time::Time::from_nanos(1));
        let poll = ring.poll_add(fd(&socket), Interest::RECV, 9, past).expect("adds");
        assert_eq!(next(&mut ring), Completion::DeadlinePassed { user: 9, poll });
        settle(&mut ring);
    }
}

#[test]
fn a_silent_deadline_posts_nothing_whatever_becomes_of_it() {
    let Some(mut ring) = ring() else { return };
    if !ring.report().silent_deadlines {
        eprintln!("skipped: the kernel cannot skip CQEs");
        return;
    }
    let (socket, mut peer) = pair();
    let (fd, before) = (fd(&socket), count::snapshot());
    // it passes
    let poll =
        ring.poll_add(fd, Interest::RECV, 1, within(Duration::from_millis(2))).expect("adds");
    assert_eq!(raw(&mut ring, 1), [(Kind::Poll, ECANCELED)]);
    assert_eq!(ring.take_completion(), Some(Completion::DeadlinePassed { user: 1, poll }));
    // it is removed with its poll
    let poll = ring.poll_add(fd, Interest::RECV, 2, within(PATIENCE)).expect("adds");
    ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
    ring.poll_remove(poll).expect("removes");
    settle(&mut ring);
    // its poll is ready after submission, and before
    ring.poll_add(fd, Interest::RECV, 3, within(PATIENCE)).expect("adds");
    ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
    peer.write_all(b"x").expect("writes");
    assert!(matches!(next(&mut ring), Completion::Polled { user: 3, .. }));
    ring.poll_add(fd, Interest::RECV, 4, within(PATIENCE)).expect("adds");
    assert!(matches!(next(&mut ring), Completion::Polled { user: 4, .. }));
    // its poll fails
    ring.poll_add(100_000, Interest::RECV, 5, within(PATIENCE)).expect("adds");
    assert!(matches!(next(&mut ring), Completion::Failed { user: 5, .. }));
    assert_eq!(next_within(&mut ring, A_WHILE), None);
    let counts = count::snapshot().since(&before);
    assert_eq!((ring.owed(), ring.polls()), (0, 0));
    assert_eq!((counts.get(Counter::Cqes), counts.get(Counter::StaleCqes)), (6, 0));
}

#[test]
fn a_poll_that_is_ready_cancels_its_deadline() {
    let Some(mut ring) = loud() else { return };
    let (socket, mut peer) = pair();
    // ready before the submission, then after it
    for ready_first in [true, false] {
        if ready_first {
            peer.write_all(b"x").expect("writes");
        }
        let poll = ring.poll_add(fd(&socket), Interest::RECV, 3, within(PATIENCE)).expect("adds");
        if !ready_first {
            ring.submit_and_wait(clock::now(), within(A_WHILE)).expect("submits");
            peer.write_all(b"x").expect("writes");
        }
        let cqes = raw(&mut ring, 2);
        assert!(cqes.contains(&(Kind::PollDeadline, ECANCELED)), "{cqes:?}");
        let polled = Completion::Polled { user: 3, poll, readiness: READABLE, more: false };
        assert_eq!(ring.take_completion(), Some(polled));
        assert_eq!(ring.take_completion(), None);
        assert_eq!((ring.owed(), ring.polls()), (0, 0));
        assert_eq!(socket.recv(&mut [0; 8]), Ok(ringdove::sys::Io::Ready(1)));
    }
}

#[test]
fn a_removed_poll_posts_ecanceled_for_itself_and_its_deadline() {
    let Some(mut ring) = loud() else { return };
    let (socket, _peer) = pair();
    for submitted_before in [false, true] {
        let poll = ring.poll_add(fd(&socket), Interest::RECV, 3, within(PATIENCE)).expect("adds");
        if submitted_before {
            ring.submit_and_wait(clock::now(), within(A_WHILE)).expect("submits");
        }
        ring.poll_remove(poll).expect("removes");
        ring.poll_remove(poll).expect("a second removal is nothing");
        let mut cqes = raw(&mut ring, 3);
        cqes.sort_by_key(|(kind, _)| *kind as u8);
        let expected =
            [(Kind::Poll, ECANCELED), (Kind::PollDeadline, ECANCELED), (Kind::PollRemove, 0)];
        assert_eq!(cqes, expected);
        assert_eq!(ring.take_completion(), None);
        assert_eq!((ring.owed(), ring.polls()), (0, 0));
    }
}

#[test]
fn removing_a_poll_that_has_fired_is_enoent_and_swallows_its_completion() {
    let Some(mut ring) = ring() else { return };
    let (socket, mut peer) = pair();
    peer.write_all(b"x").expect("writes");
    let poll = ring.poll_add(fd(&socket), Interest::RECV, 3, None).expect("adds");
    assert_eq!(raw(&mut ring, 1).len(), 1);
    // reaped, not taken
    ring.poll_remove(poll).expect("removes");
    assert_eq!(ring.take_completion(), None);
    assert_eq!(raw(&mut ring, 1), [(Kind::PollRemove, ENOENT)]);
    settle(&mut ring);
    // taken: the id is dead, and removing it asks nothing of the kernel
    let poll = ring.poll_add(fd(&socket), Interest::RECV, 4, None).expect("adds");
    assert!(matches!(next(&mut ring), Completion::Polled { user: 4, .. }));
    ring.poll_remove(poll).expect("nothing to remove");
    assert_eq!(ring.owed(), 0);
}

#[test]
fn closing_the_fd_does_not_complete_its_poll() {
    let Some(mut ring) = ring() else { return };
    let (socket, _peer) = pair();
    let poll = ring.poll_add(fd(&socket), Interest::RECV, 3, None).expect("adds");
    ring.submit_and_wait(clock::now(), within(A_WHILE)).expect("submits");
    drop(socket);
    assert_eq!(next_within(&mut ring, A_WHILE), None);
    assert_eq!(ring.owed(), 1);
    ring.poll_remove(poll).expect("removes");
    settle(&mut ring);
}

/// Until the removal is submitted the kernel keeps the file open, and the peer hears no FIN.
#[test]
fn a_poll_keeps_its_file_open_until_it_is_removed() {
    let Some(mut ring) = ring() else { return };
    let (socket, peer) = pair();
    let poll = ring.poll_add(fd(&socket), Interest::RECV, 3, None).expect("adds");
    ring.submit_and_wait(clock::now(), within(A_WHILE)).expect("submits");
    drop(socket);
    peer.set_read_timeout(Some(A_WHILE)).expect("sets");
    let mut byte = [0];
    assert!(std::io::Read::read(&mut &peer, &mut byte).is_err(), "the peer has heard a FIN");
    ring.poll_remove(poll).expect("removes");
    settle(&mut ring);
    peer.set_read_timeout(Some(PATIENCE)).expect("sets");
    assert_eq!(std::io::Read::read(&mut &peer, &mut byte).expect("a FIN"), 0);
}

#[test]
fn a_reused_fd_never_gets_its_predecessors_completion() {
    for mut ring in loud_and_silent() {
        // the old poll: pushed only, submitted, or fired and reaped when its fd is closed
        for stage in ["pushed", "submitted", "reaped"] {
            for round in 0..50 {
                let (old, mut old_peer) = pair();
                let number = fd(&old);
                let poll =
                    ring.poll_add(number, Interest::RECV, 1, within(PATIENCE)).expect("adds");
                if stage != "pushed" {
                    ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
                }
                if stage == "reaped" {
                    old_peer.write_all(b"old").expect("writes");
                    raw(&mut ring, 1);
                }
                ring.poll_remove(poll).expect("removes");
                drop(old);
                let (new, mut new_peer) = pair();
                let reused = fd(&new) == number;
                let poll =
                    ring.poll_add(fd(&new), Interest::RECV, 2, within(PATIENCE)).expect("adds");
                let _ = old_peer.write_all(b"late");
                assert_eq!(
                    next_within(&mut ring, Duration::from_millis(1)),
                    None,
                    "{stage} {round}"
                );
                new_peer.write_all(b"new").expect("writes");
                let polled = Completion::Polled { user: 2, poll, readiness: READABLE, more: false };
                assert_eq!(next(&mut ring), polled, "{stage} {round} reused: {reused}");
                settle(&mut ring);
            }
        }
    }
}

#[test]
fn a_linked_deadline_can_be_moved_either_way() {
    for mut ring in loud_and_silent() {
        let (socket, _peer) = pair();
        // later, before and after submission
        for submitted_before in [false, true] {
            let early = clock::now() + Duration::from_millis(20);
            let poll = ring.poll_add(fd(&socket), Interest::RECV, 3, Some(early)).expect("adds");
            if submitted_before {
                ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
            }
            let late = clock::now() + Duration::from_millis(60);
            assert_eq!(ring.deadline_update(poll, late), Ok(true));
            ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
            let in_time = clock::now() < early;
            assert_eq!(next(&mut ring), Completion::DeadlinePassed { user: 3, poll });
            assert!(clock::now() >= late || !in_time, "it kept its old deadline");
            settle(&mut ring);
            assert_eq!(ring.deadline_update(poll, late), Ok(false), "the poll is over");
        }
        // earlier
        let poll = ring.poll_add(fd(&socket), Interest::RECV, 4, within(PATIENCE)).expect("adds");
        ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
        let before = clock::now();
        assert_eq!(ring.deadline_update(poll, before + Duration::from_millis(1)), Ok(true));
        assert_eq!(next(&mut ring), Completion::DeadlinePassed { user: 4, poll });
        assert!(clock::now() - before < PATIENCE / 2);
        settle(&mut ring);
        // none to move
        let poll = ring.poll_add(fd(&socket), Interest::RECV, 5, None).expect("adds");
        assert_eq!(ring.deadline_update(poll, before), Ok(false));
    }
}

#[test]
fn a_multishot_poll_posts_with_f_more_until_removed() {
    let Some(mut ring) = ring() else { return };
    let waker = Waker::new().expect("an eventfd");
    let poll = ring.poll_multishot(waker.as_raw_fd(), Interest::RECV, 6).expect("adds");
    for _ in 0..3 {
        ring.submit_and_wait(clock::now(), Some(clock::now())).expect("submits");
        waker.wake();
        let polled = Completion::Polled { user: 6, poll, readiness: READABLE, more: true };
        assert_eq!(next(&mut ring), polled);
        waker.drain();
    }
    assert_eq!((ring.owed(), ring.polls()), (1, 1));
    ring.poll_remove(poll).expect("removes");
    settle(&mut ring);
    waker.wake();
    assert_eq!(next_within(&mut ring, A_WHILE), None);
}

#[test]
fn a_stale_cqe_is_counted_and_dropped() {
    let Some(mut ring) = ring() else { return };
    let (socket, mut peer) = pair();
    peer.write_all(b"x").expect("writes");
    let old = ring.poll_add(fd(&socket), Interest::RECV, 1, None).expect("adds");
    assert_eq!(ring.forge_stale(old), Ok(false), "its slot is its own yet");
    next(&mut ring);
    // the slot has a new occupant, which is not to notice
    let (other, _other_peer) = pair();
    let new = ring.poll_add(fd(&other), Interest::RECV, 2, None).expect("adds");
    let before = count::snapshot();
    assert_eq!(ring.forge_stale(old), Ok(true));
    assert_eq!(next_within(&mut ring, A_WHILE), None);
    assert_eq!(count::snapshot().since(&before).get(Counter::StaleCqes), 1);
    assert_eq!((ring.owed(), ring.polls()), (1, 1));
    ring.poll_remove(new).expect("removes");
    settle(&mut ring);
}
