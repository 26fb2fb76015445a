//! Streams that run short of everything that a ring has a limited number of: one thing after the other is made
//! scarce, which must be survived and counted, and must not cost more operations than there is work.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

use ringdove::sys::count::{self, Counter, Counts};
use ringdove::sys::ring::{InUse, Options};
use ringdove::sys::streams::{Room, Step, StreamId};
use ringdove::sys::{Buffers, Errno, Streams, clock};

use crate::streams::{
    Happened, ROOM, connected, listener, next, open, refused, settle, streams_with,
};
use crate::support::{every_step, small};

/// Lets the kernel do what it can without waiting, and takes nothing.
fn submit(streams: &mut Streams) {
    let now = clock::now();
    streams.submit_and_wait(now, Some(now)).expect("the ring works");
}

/// `n` streams to one listener, opened without a wait between them, and their peers in no particular order.
fn opened_at_once(streams: &mut Streams, n: u64) -> (Vec<StreamId>, Vec<TcpStream>) {
    let (listener, address) = listener();
    let ids = (0..n).map(|user| open(streams, address, user, b"ping")).collect();
    let accepting = thread::spawn(move || {
        (0..n).map(|_| listener.accept().expect("accepts").0).collect::<Vec<_>>()
    });
    for _ in 0..n {
        assert_eq!(next(streams).1, Happened::Sent(4));
    }
    (ids, accepting.join().expect("no panic"))
}

fn close_all(streams: &mut Streams, ids: Vec<StreamId>) {
    ids.into_iter().for_each(|id| streams.close(id, &[]));
    settle(streams);
    assert_eq!(streams.in_use(), InUse::default());
}

fn assert_nothing_lost(counts: &Counts) {
    for lost in [Counter::StaleCqes, Counter::LostCqes, Counter::LeakedCqes] {
        assert_eq!(counts.get(lost), 0, "{counts:?}");
    }
}

#[test]
fn a_full_submission_queue_is_made_room_in() {
    for options in every_step() {
        // a chain is six entries
        let options = Options { sq_entries: 8, ..options };
        let room = Room { streams: 200, ..ROOM };
        let Some(mut streams) = streams_with(&options, room) else { continue };
        let before = count::snapshot();
        let (ids, mut peers) = opened_at_once(&mut streams, 120);
        let counts = count::snapshot().since(&before);
        assert!(counts.get(Counter::SqFull) > 100, "{counts:?}");
        peers.iter_mut().for_each(|peer| peer.write_all(b"pong").expect("writes"));
        for _ in 0..120 {
            assert_eq!(next(&mut streams).1, Happened::Received(b"pong".to_vec()));
        }
        close_all(&mut streams, ids);
        assert_nothing_lost(&count::snapshot().since(&before));
    }
}

#[test]
fn an_overflown_completion_queue_loses_no_byte() {
    for options in every_step() {
        let options = Options { sq_entries: 8, cq_entries: 16, ..options };
        let room = Room { streams: 200, buffers: Buffers { count: 256, size: 256 } };
        let Some(mut streams) = streams_with(&options, room) else { continue };
        let before = count::snapshot();
        let (ids, mut peers) = opened_at_once(&mut streams, 120);
        for round in 0..5_u8 {
            peers.iter_mut().for_each(|peer| peer.write_all(&[round; 7]).expect("writes"));
            // all have completed, and the queue has room for one in eight
            submit(&mut streams);
            for _ in 0..120 {
                assert_eq!(next(&mut streams).1, Happened::Received(vec![round; 7]));
            }
        }
        let counts = count::snapshot().since(&before);
        assert!(counts.get(Counter::CqOverflows) > 0, "{counts:?}");
        close_all(&mut streams, ids);
        assert_nothing_lost(&count::snapshot().since(&before));
    }
}

/// What each of `streams` received of the same bytes, in the order in which it came, until all have all.
fn receive_all(streams: &mut Streams, n: usize, bytes: &[u8]) -> VecDeque<u64> {
    let mut received = vec![Vec::new(); n];
    let mut order = VecDeque::new();
    while received.iter().any(|received| received.len() < bytes.len()) {
        let (user, Happened::Received(bytes)) = next(streams) else { panic!("no bytes") };
        received[user as usize].extend(bytes);
        order.push_back(user);
    }
    assert!(received.iter().all(|received| received == bytes));
    order
}

/// Many times more streams than buffers, all with much to receive: an attempt that fails is not made again before
/// there is a buffer for it.
#[test]
fn few_buffers_for_many_streams_cost_an_operation_each() {
    for options in every_step() {
        let room = Room { streams: 400, buffers: Buffers { count: 4, size: 512 } };
        let Some(mut streams) = streams_with(&options, room) else { continue };
        let n = 300;
        let mut open: Vec<_> = (0..n).map(|user| connected(&mut streams, user)).collect();
        let bytes: Vec<u8> = (0..10_240_u32).map(|i| (i / 3) as u8).collect();
        open.iter_mut().for_each(|(_, peer)| peer.write_all(&bytes).expect("the socket takes it"));
        let before = count::snapshot();
        let order = receive_all(&mut streams, n as usize, &bytes);
        let counts = count::snapshot().since(&before);
        assert!(counts.get(Counter::BuffersExhausted) >= n - 4, "{counts:?}");
        // the first attempt of each was made before; then one for each buffer, and one more at the end of each
        let most = order.len() as u64 + 2 * n;
        // what a kernel thread takes may have failed before that is heard
        let most = if options.sq_poll.is_some() { 2 * most } else { most };
        assert!(
            counts.get(Counter::Sqes) <= most,
            "{} SQEs of {most}: {counts:?}",
            counts.get(Counter::Sqes)
        );
        assert!(counts.get(Counter::BuffersExhausted) <= most, "{counts:?}");
        close_all(&mut streams, open.into_iter().map(|(id, _)| id).collect());
        assert_nothing_lost(&counts);
    }
}

/// The few buffers go to streams in turn, however much is there for some of them.
#[test]
fn few_buffers_go_round() {
    let room = Room { buffers: Buffers { count: 4, size: 512 }, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    let n = 40;
    let mut open: Vec<_> = (0..n).map(|user| connected(&mut streams, user)).collect();
    for (user, (_, peer)) in open.iter_mut().enumerate() {
        let len = if user % 10 == 9 { 100 } else { 51_200 };
        peer.write_all(&vec![1; len]).expect("the socket takes it");
    }
    let mut small = Vec::new();
    for place in 0..n * 100 {
        let (user, Happened::Received(_)) = next(&mut streams) else { panic!("no bytes") };
        if user % 10 == 9 {
            small.push(place);
        }
        if small.len() == 4 {
            break;
        }
    }
    // who stands first in the queue may have taken several buffers before it was one
    assert!(small.iter().all(|&place| place < 3 * n), "small ones came at {small:?}");
    close_all(&mut streams, open.into_iter().map(|(id, _)| id).collect());
}

/// Those that wait for a buffer may be paused, go on, or be closed; the others' turn comes all the same.
#[test]
fn a_stream_that_waits_for_a_buffer_can_be_paused_and_closed() {
    let room = Room { buffers: Buffers { count: 2, size: 64 }, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    let n = 30;
    let mut open: Vec<_> = (0..n).map(|user| connected(&mut streams, user)).collect();
    open.iter_mut().for_each(|(_, peer)| peer.write_all(&[1; 640]).expect("writes"));
    submit(&mut streams);
    let mut got = vec![0; n as usize];
    let mut receive_until_all_of = |streams: &mut Streams, rest| loop {
        if got.iter().skip(rest).step_by(3).all(|&got| got == 640) {
            return;
        }
        let (user, Happened::Received(bytes)) = next(streams) else { panic!("no bytes") };
        got[user as usize] += bytes.len();
    };
    for (user, &(id, _)) in open.iter().enumerate() {
        match user % 3 {
            0 => streams.set_recv(id, false),
            1 => streams.close(id, &[]),
            _ => {}
        }
    }
    receive_until_all_of(&mut streams, 2);
    open.iter().step_by(3).for_each(|&(id, _)| streams.set_recv(id, true));
    receive_until_all_of(&mut streams, 0);
    close_all(&mut streams, open.into_iter().map(|(id, _)| id).collect());
}

#[test]
fn a_full_table_of_direct_descriptors_says_so_and_has_room_again() {
    let room = Room { streams: 20, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    for _ in 0..3 {
        let (mut ids, _peers) = opened_at_once(&mut streams, 20);
        let (_listener, address) = listener();
        let before = count::snapshot();
        assert_eq!(
            streams.open(address, 99, None, |_| 0),
            Err(refused(Step::Socket, Errno::EMFILE))
        );
        assert_eq!(
            count::snapshot().since(&before).get(Counter::Sqes),
            0,
            "nothing is tried in vain"
        );
        streams.close(ids.pop().expect("there are some"), &[]);
        while streams.len() == 20 {
            submit(&mut streams);
            assert!(streams.take_event().is_none());
        }
        ids.push(open(&mut streams, address, 99, b"ping"));
        assert_eq!(next(&mut streams), (99, Happened::Sent(4)));
        close_all(&mut streams, ids);
    }
}
