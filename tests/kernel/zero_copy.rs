//! Sends without a copy: two CQEs each, and memory that the kernel holds until the second.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ringdove::sys::count::{self, Counter, Counts};
use ringdove::sys::ring::{Kind, Options, SqPoll, ZeroCopy};
use ringdove::sys::streams::{Room, StreamId};
use ringdove::sys::{Errno, Streams, clock};
use socket2::{Domain, SockRef, Socket, Type};

use crate::streams::{
    Happened, ROOM, connected, more, next, next_within, open, settle, streams_with,
};
use crate::support::{A_WHILE, PATIENCE, every_step, small, workers};

/// What one send is of: enough to go without a copy.
const LEN: usize = 60_000;

fn always() -> Options {
    Options { zero_copy: ZeroCopy::Always, ..small() }
}

fn streams() -> Option<Streams> {
    streams_with(&always(), ROOM)
}

/// What the send of this number is of: no two have the same.
fn bytes(number: usize) -> Vec<u8> {
    (0..LEN).map(|i| (i / 8 + number * 31 + number / 256) as u8).collect()
}

/// A listener whose connections take little before they are read from.
fn narrow() -> (TcpListener, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.set_recv_buffer_size(16 * 1024).expect("sets");
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("binds");
    listener.listen(16).expect("listens");
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// A stream that has sent `ping`, and its peer, who has not read anything and takes little.
fn deaf(streams: &mut Streams, user: u64) -> (StreamId, TcpStream) {
    let (listener, address) = narrow();
    let id = open(streams, address, user, b"ping");
    assert_eq!(next(streams), (user, Happened::Sent(4)));
    let (peer, _) = listener.accept().expect("accepts");
    peer.set_read_timeout(Some(PATIENCE)).expect("sets");
    (id, peer)
}

/// Sends until one waits; how many were sent before.
fn send_until_one_waits(streams: &mut Streams, id: StreamId) -> usize {
    let mut number = 0;
    loop {
        assert!(number < 10_000, "nobody reads, and yet it goes on");
        streams.send(id, more(&bytes(number))).expect("memory");
        match next_within(streams, A_WHILE) {
            Some((_, Happened::Sent(n))) => assert_eq!(n as usize, LEN),
            None if !streams.can_send(id) => return number,
            other => panic!("{other:?}"),
        }
        number += 1;
    }
}

/// Reads to the end; the bytes are those of `ping` and of the first sends, whole ones at first.
fn assert_beginning(peer: &mut TcpStream, sends: usize) {
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("an end");
    assert!(all.starts_with(b"ping") && all.len() >= 4 + sends * LEN, "{} bytes", all.len());
    for (number, chunk) in all[4..].chunks(LEN).enumerate() {
        assert!(chunk == &bytes(number)[..chunk.len()], "send {number} is not what was sent");
    }
}

fn copies(counts: &Counts) -> (u64, u64) {
    (counts.get(Counter::ZeroCopySends), counts.get(Counter::ZeroCopyCopied))
}

#[test]
fn a_send_without_copy_posts_a_result_and_then_a_notification_on_every_set_up_step() {
    for options in every_step() {
        let options = Options { zero_copy: ZeroCopy::Always, ..options };
        let Some(mut streams) = streams_with(&options, ROOM) else { continue };
        let (id, mut peer) = connected(&mut streams, 1);
        let before = count::snapshot();
        streams.send(id, more(&bytes(0))).expect("memory");
        let until = clock::now() + PATIENCE;
        while streams.reaped().count() < 2 {
            let now = clock::now();
            assert!(now < until, "two CQEs do not come");
            streams.submit_and_wait(now, Some(until)).expect("the ring works");
        }
        let cqes: Vec<_> =
            streams.reaped().map(|cqe| (cqe.kind(), cqe.more(), cqe.notifies())).collect();
        let kind = Some(Kind::SendZc);
        assert_eq!(cqes, [(kind, true, false), (kind, false, true)], "{options:?}");
        let result = streams.reaped().next().map(|cqe| cqe.result());
        assert_eq!(result, Some(LEN as i32));
        // to a receiver on this machine the kernel copies after all
        assert_eq!(streams.reaped().nth(1).map(|cqe| cqe.result()), Some(i32::MIN));
        assert_eq!(next(&mut streams), (1, Happened::Sent(LEN as u32)));
        assert_eq!(next_within(&mut streams, A_WHILE), None);
        assert_eq!(copies(&count::snapshot().since(&before)), (1, 1));
        assert_eq!(streams.slots_taken(), 0);
        let mut got = vec![0; LEN];
        peer.read_exact(&mut got).expect("reads");
        assert!(got == bytes(0));
        streams.close(id, &[]);
        settle(&mut streams);
        assert_eq!(streams.shutdown(PATIENCE), 0);
    }
}

#[test]
fn small_sends_first_flights_and_loopback_unless_forced_are_copied() {
    for (zero_copy, len) in
        [(ZeroCopy::Always, LEN - 1), (ZeroCopy::Auto, LEN), (ZeroCopy::Never, LEN)]
    {
        let options = Options { zero_copy, ..small() };
        let Some(mut streams) = streams_with(&options, ROOM) else { return };
        let before = count::snapshot();
        let (listener, address) = narrow();
        let id = open(&mut streams, address, 1, &bytes(0));
        let reader = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept()?;
            io::copy(&mut peer, &mut io::sink())
        });
        assert_eq!(next(&mut streams), (1, Happened::Sent(LEN as u32)));
        streams.send(id, more(&bytes(0)[..len])).expect("memory");
        let mut sent = 0;
        while sent < len {
            let (1, Happened::Sent(n)) = next(&mut streams) else { panic!("a send failed") };
            sent += n as usize;
        }
        assert_eq!(copies(&count::snapshot().since(&before)), (0, 0), "{zero_copy:?}");
        streams.close(id, &[]);
        settle(&mut streams);
        assert_eq!(reader.join().expect("no panic").expect("reads"), (LEN + len) as u64);
    }
}

#[test]
fn what_is_lent_is_not_written_before_its_notification() {
    for options in every_step() {
        let options = Options { zero_copy: ZeroCopy::Always, ..options };
        let Some(mut streams) = streams_with(&options, ROOM) else { continue };
        let (id, peer) = deaf(&mut streams, 1);
        let sends = (10 << 20) / LEN;
        let before = count::snapshot();
        let mut reader = None;
        for number in 0..sends {
            streams.send(id, more(&bytes(number))).expect("memory");
            assert_eq!(next(&mut streams), (1, Happened::Sent(LEN as u32)));
            // some are lent beyond their results: more have no room until somebody reads
            if streams.slots_taken() > 2 && reader.is_none() {
                let mut peer = peer.try_clone().expect("a descriptor");
                reader = Some(std::thread::spawn(move || assert_beginning(&mut peer, sends)));
            }
        }
        let reader = reader.expect("none was lent beyond its result");
        assert_eq!(copies(&count::snapshot().since(&before)).0, sends as u64);
        streams.close(id, &[]);
        settle(&mut streams);
        reader.join().expect("the bytes are right");
    }
    if streams().is_some_and(|streams| !streams.closes_late()) {
        assert_eq!(workers(), Vec::<String>::new());
    }
}

#[test]
fn a_closed_stream_whose_peer_reads_on_ends_as_if_nothing_were_lent() {
    let Some(mut streams) = streams() else { return };
    let (id, mut peer) = deaf(&mut streams, 1);
    let sent = send_until_one_waits(&mut streams, id);
    streams.close(id, &[]);
    assert_eq!(next_within(&mut streams, A_WHILE), None);
    // the one that waited was cancelled, those that the peer has not taken are lent still
    let lent = streams.slots_taken();
    assert!(lent > 2 && streams.owed() == lent, "{lent} lent, {} owed", streams.owed());
    // others have other slots
    let (other, mut other_peer) = connected(&mut streams, 2);
    for number in 1000..1020 {
        streams.send(other, more(&bytes(number))).expect("memory");
        assert_eq!(next(&mut streams), (2, Happened::Sent(LEN as u32)));
        let mut got = vec![0; LEN];
        other_peer.read_exact(&mut got).expect("reads");
        assert!(got == bytes(number));
    }
    assert!(streams.slots_taken() >= lent);
    streams.close(other, &[]);
    let before = count::snapshot();
    let reader = std::thread::spawn(move || assert_beginning(&mut peer, sent));
    settle(&mut streams);
    reader.join().expect("the bytes are right");
    assert_eq!(count::snapshot().since(&before).get(Counter::StaleCqes), 0);
}

/// The kernel fact: a close after SO_LINGER has it let go of what the peer has not acknowledged.
#[test]
fn a_closed_stream_whose_peer_does_not_read_is_reset_after_a_time() {
    const LINGER: Duration = Duration::from_secs(5);
    for options in [always(), Options { sq_poll: Some(SqPoll::default()), ..always() }] {
        let Some(mut streams) = streams_with(&options, Room { streams: 1, ..ROOM }) else { return };
        if !streams.sets_nodelay() {
            return eprintln!("skipped: no options of sockets on the ring (Linux 6.7)");
        }
        let (id, mut peer) = deaf(&mut streams, 1);
        send_until_one_waits(&mut streams, id);
        let (before, start) = (count::snapshot(), clock::now());
        streams.close(id, b"bye");
        assert_eq!(next_within(&mut streams, LINGER - A_WHILE), None);
        let held = (streams.slots_taken(), streams.len());
        assert!(held.0 > 2 && held.1 == 1, "{held:?} with {:?}", options.sq_poll);
        // a wait without end ends for it
        while !streams.is_empty() {
            streams.submit_and_wait(clock::now(), None).expect("the ring works");
            assert!(streams.take_event().is_none());
        }
        assert!(clock::now() - start < LINGER + PATIENCE);
        settle(&mut streams);
        let error = peer.read_to_end(&mut Vec::new()).expect_err("it was reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        // the place is another's
        let (other, _) = connected(&mut streams, 2);
        streams.close(other, &[]);
        settle(&mut streams);
        assert_eq!(count::snapshot().since(&before).get(Counter::StaleCqes), 0);
        assert_eq!(streams.shutdown(PATIENCE), 0);
    }
    if streams().is_some_and(|streams| !streams.closes_late()) {
        assert_eq!(workers(), Vec::<String>::new());
    }
}

#[test]
fn a_cancelled_send_without_copy_posts_both_as_well() {
    let Some(mut streams) = streams() else { return };
    let (id, mut peer) = deaf(&mut streams, 1);
    let sent = send_until_one_waits(&mut streams, id);
    streams.close(id, &[]);
    let mut result = None;
    let until = clock::now() + PATIENCE;
    while result.is_none() {
        let now = clock::now();
        assert!(now < until, "no result comes");
        streams.submit_and_wait(now, Some(until)).expect("the ring works");
        result = streams
            .reaped()
            .find(|cqe| cqe.kind() == Some(Kind::SendZc) && !cqe.notifies())
            .map(|cqe| (cqe.result(), cqe.more()));
        if result.is_none() {
            assert_eq!(next_within(&mut streams, Duration::ZERO), None);
        }
    }
    // cancelled before anything of it was taken, or after a part
    let (result, has_more) = result.expect("waited for");
    assert!(result == -Errno::ECANCELED.raw() || (0..LEN as i32).contains(&result), "{result}");
    assert!(has_more);
    let reader = std::thread::spawn(move || assert_beginning(&mut peer, sent));
    settle(&mut streams);
    reader.join().expect("the bytes are right");
}

#[test]
fn a_reset_has_the_kernel_let_go() {
    let Some(mut streams) = streams() else { return };
    let (id, peer) = deaf(&mut streams, 1);
    send_until_one_waits(&mut streams, id);
    assert!(streams.slots_taken() > 2);
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("sets");
    drop(peer);
    let mut heard = vec![next(&mut streams).1];
    heard.extend(std::iter::from_fn(|| next_within(&mut streams, A_WHILE)).map(|event| event.1));
    // whichever of them hears of it first
    let failed = |event: &_| matches!(event, Happened::SendFailed(_) | Happened::RecvFailed(_));
    assert!(heard.iter().any(failed), "{heard:?}");
    assert_eq!(streams.slots_taken(), 0, "{heard:?}");
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn what_is_lent_at_a_time_is_bounded() {
    const BOUND: u64 = 512;
    let Some(mut streams) = streams() else { return };
    let before = count::snapshot();
    let mut peers = Vec::new();
    for user in 0..24 {
        let (id, peer) = deaf(&mut streams, user);
        peers.push((id, peer));
        let mut room = true;
        while room {
            streams.send(id, more(&bytes(0))).expect("memory");
            room = next_within(&mut streams, A_WHILE).is_some() && streams.can_send(id);
        }
    }
    let (sends, copied) = copies(&count::snapshot().since(&before));
    assert!((BOUND..=BOUND + copied).contains(&sends), "{sends} sends, {copied} copied");
    for (id, _) in &peers {
        streams.close(*id, &[]);
    }
    drop(peers);
    settle(&mut streams);
}

/// A stream with several slots lent; those who read from it come too late.
fn lending() -> Option<(Streams, TcpStream, usize)> {
    let mut streams = streams()?;
    let (id, peer) = deaf(&mut streams, 1);
    let sent = send_until_one_waits(&mut streams, id);
    Some((streams, peer, sent))
}

#[test]
fn a_shutdown_waits_for_notifications() {
    let Some((streams, mut peer, sent)) = lending() else { return };
    let before = count::snapshot();
    let reader = std::thread::spawn(move || {
        std::thread::park_timeout(A_WHILE);
        assert_beginning(&mut peer, sent);
    });
    assert_eq!(streams.shutdown(PATIENCE), 0);
    let counts = count::snapshot().since(&before);
    assert_eq!((counts.get(Counter::StaleCqes), counts.get(Counter::LeakedCqes)), (0, 0));
    reader.join().expect("the bytes are right");
}

#[test]
fn a_shutdown_resets_who_does_not_read() {
    let Some((streams, mut peer, _)) = lending() else { return };
    let (before, start) = (count::snapshot(), clock::now());
    assert_eq!(streams.shutdown(4 * A_WHILE), 0);
    let took = clock::now() - start;
    assert!(took >= A_WHILE, "{took:?}: who reads is given some time");
    let counts = count::snapshot().since(&before);
    assert_eq!((counts.get(Counter::StaleCqes), counts.get(Counter::LeakedCqes)), (0, 0));
    let error = peer.read_to_end(&mut Vec::new()).expect_err("it was reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_drop_in_the_midst_of_sends_leaks_nothing() {
    let Some((mut streams, peer, _)) = lending() else { return };
    // one more, which is closed already
    let (closed, _other_peer) = deaf(&mut streams, 2);
    send_until_one_waits(&mut streams, closed);
    streams.close(closed, &[]);
    let before = count::snapshot();
    drop(streams);
    let counts = count::snapshot().since(&before);
    assert_eq!((counts.get(Counter::StaleCqes), counts.get(Counter::LeakedCqes)), (0, 0));
    drop(peer);
}

#[test]
fn a_shutdown_without_patience_leaks_what_is_lent() {
    let Some((streams, mut peer, sent)) = lending() else { return };
    let before = count::snapshot();
    let owed = streams.shutdown(Duration::ZERO);
    assert!(owed > 2, "{owed}");
    assert_eq!(count::snapshot().since(&before).get(Counter::LeakedCqes), owed as u64);
    // others may have what was given back: what the kernel has is what was sent
    let others: Vec<_> = (0..200).map(|_| vec![0xff_u8; 64 * 1024]).collect();
    assert_beginning(&mut peer, sent);
    drop(others);
}
