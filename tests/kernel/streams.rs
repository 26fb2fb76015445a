//! Connections whose every operation is the ring's: chains, multishot receives, provided buffers, direct
//! descriptors.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ringdove::dial::{Bind, Dial};
use ringdove::sys::count::{self, Counter};
use ringdove::sys::ring::{Kind, Options, SqPoll};
use ringdove::sys::streams::{Event, Room, Step, StreamEvent, StreamId};
use ringdove::sys::{Buffers, Errno, Refused, Streams, clock};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::{A_WHILE, PATIENCE, every_step, small, within, workers};

pub(crate) const ROOM: Room = Room { streams: 64, buffers: Buffers { count: 16, size: 4096 } };

/// An event, with its bytes copied out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    Connected,
    ConnectFailed(Refused),
    DeadlinePassed,
    Sent(u32),
    SendFailed(Errno),
    Received(Vec<u8>),
    Ended,
    RecvFailed(Errno),
    Unacknowledged(u32),
}

pub(crate) fn streams_with(options: &Options, room: Room) -> Option<Streams> {
    match Streams::new(options, room) {
        Ok(streams) => Some(streams),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

pub(crate) fn streams() -> Option<Streams> {
    streams_with(&small(), ROOM)
}

pub(crate) fn take(streams: &mut Streams) -> Option<(u64, Happened)> {
    let Event::Stream(user, event) = streams.take_event()? else { panic!("no poll was added") };
    let happened = match event {
        StreamEvent::Connected => Happened::Connected,
        StreamEvent::ConnectFailed(refused) => Happened::ConnectFailed(refused),
        StreamEvent::DeadlinePassed => Happened::DeadlinePassed,
        StreamEvent::Sent(bytes) => Happened::Sent(bytes),
        StreamEvent::SendFailed(errno) => Happened::SendFailed(errno),
        StreamEvent::Received(bytes) => Happened::Received(bytes.to_vec()),
        StreamEvent::Ended => Happened::Ended,
        StreamEvent::RecvFailed(errno) => Happened::RecvFailed(errno),
        StreamEvent::Unacknowledged(bytes) => Happened::Unacknowledged(bytes),
    };
    Some((user, happened))
}

pub(crate) fn next_within(streams: &mut Streams, time: Duration) -> Option<(u64, Happened)> {
    let until = clock::now() + time;
    loop {
        if let Some(event) = take(streams) {
            return Some(event);
        }
        let now = clock::now();
        if now >= until {
            return None;
        }
        streams.submit_and_wait(now, Some(until)).expect("the ring works");
    }
}

pub(crate) fn next(streams: &mut Streams) -> (u64, Happened) {
    next_within(streams, PATIENCE).expect("an event comes")
}

/// Waits until no stream is left and nothing is owed; no event may come.
pub(crate) fn settle(streams: &mut Streams) {
    let until = clock::now() + PATIENCE;
    while streams.owed() > 0 || !streams.is_empty() {
        let now = clock::now();
        assert!(now < until, "{} CQEs and {} streams are left", streams.owed(), streams.len());
        streams.submit_and_wait(now, Some(until)).expect("the ring works");
        assert_eq!(take(streams), None);
    }
    // the last may have wanted to be closed
    let now = clock::now();
    streams.submit_and_wait(now, Some(now)).expect("the ring works");
    assert_eq!((streams.buffers_held(), streams.slots_taken()), (0, 0));
}

pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// An address where nobody listens.
fn refusing() -> SocketAddr {
    listener().1
}

/// The address, and the sockets that make it so.
type Silent = (SocketAddr, Socket, Vec<Socket>);

/// An address that neither takes nor refuses connections: its queue is full.
fn silent() -> Silent {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("binds");
    listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("bound");
    let fillers = (0..4).map(|_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("sets");
        let _ = socket.connect(&address);
        socket
    });
    let fillers = fillers.collect();
    (address.as_socket().expect("IPv4"), listener, fillers)
}

pub(crate) fn refused(step: Step, errno: Errno) -> Refused {
    Refused { step, errno }
}

pub(crate) fn fill(bytes: &[u8]) -> impl FnOnce(&mut [u8]) -> usize {
    move |buffer| {
        buffer[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }
}

/// Bytes with more to come, so that the event comes at once.
pub(crate) fn more(bytes: &[u8]) -> impl FnOnce(&mut [u8]) -> (usize, bool) {
    move |buffer| (fill(bytes)(buffer), true)
}

pub(crate) fn open(
    streams: &mut Streams,
    address: SocketAddr,
    user: u64,
    bytes: &[u8],
) -> StreamId {
    streams.open(address, user, None, fill(bytes)).expect("there is room")
}

/// A stream that has sent `ping`, and its peer, who has read it.
pub(crate) fn connected(streams: &mut Streams, user: u64) -> (StreamId, TcpStream) {
    let (listener, address) = listener();
    let id = open(streams, address, user, b"ping");
    assert_eq!(next(streams), (user, Happened::Sent(4)));
    let (mut peer, _) = listener.accept().expect("accepts");
    peer.set_read_timeout(Some(PATIENCE)).expect("sets");
    let mut ping = [0; 4];
    peer.read_exact(&mut ping).expect("reads");
    assert_eq!(&ping, b"ping");
    (id, peer)
}

#[test]
fn a_chain_opens_sends_and_receives_on_every_set_up_step() {
    for options in every_step() {
        let Some(mut streams) = streams_with(&options, ROOM) else { continue };
        let before = count::snapshot();
        let (id, mut peer) = connected(&mut streams, 7);
        let counts = count::snapshot().since(&before);
        // SOCKET, URING_CMD, CONNECT and RECV say nothing
        assert_eq!(counts.get(Counter::Cqes), 1, "{options:?}");
        assert_eq!(counts.get(Counter::Sqes), if streams.sets_nodelay() { 5 } else { 4 });
        peer.write_all(b"pong").expect("writes");
        assert_eq!(next(&mut streams), (7, Happened::Received(b"pong".to_vec())));
        assert_eq!(count::snapshot().since(&before).get(Counter::Socket), 0);
        streams.close(id, &[]);
        settle(&mut streams);
        // which goes on after a signal, as of a ring whose completions interrupt
        assert_eq!(peer.read_to_end(&mut Vec::new()).expect("a FIN"), 0);
        assert_eq!(streams.shutdown(PATIENCE), 0);
    }
}

#[test]
fn a_socket_is_made_with_nodelay() {
    let Some(mut streams) = streams() else { return };
    if !streams.sets_nodelay() {
        eprintln!("skipped: the kernel sets no options by operations");
        return;
    }
    // without it the second small segment would wait for the acknowledgement of the first
    let (id, mut peer) = connected(&mut streams, 1);
    let start = clock::now();
    for _ in 0..20 {
        streams.send(id, more(b"a")).expect("memory");
        assert_eq!(next(&mut streams), (1, Happened::Sent(1)));
        streams.send(id, more(b"b")).expect("memory");
        assert_eq!(next(&mut streams), (1, Happened::Sent(1)));
        peer.read_exact(&mut [0; 2]).expect("reads");
    }
    assert!(clock::now() - start < Duration::from_millis(20 * 20), "sends were delayed");
}

#[test]
fn a_chain_without_first_flight_says_that_it_is_connected() {
    let Some(mut streams) = streams() else { return };
    for deadline in [None, within(PATIENCE)] {
        let (listener, address) = listener();
        let id = streams.open(address, 1, deadline, |_| 0).expect("room");
        assert_eq!(next(&mut streams), (1, Happened::Connected));
        let (mut peer, _) = listener.accept().expect("accepts");
        peer.write_all(b"hello").expect("writes");
        assert_eq!(next(&mut streams), (1, Happened::Received(b"hello".to_vec())));
        streams.close(id, &[]);
        settle(&mut streams);
    }
}

#[test]
fn a_failed_connect_speaks_once_and_the_next_address_gets_the_first_flight() {
    let Some(mut streams) = streams() else { return };
    for flight in [&b"ping"[..], b""] {
        for deadline in [None, within(PATIENCE)] {
            let before = count::snapshot();
            let id = streams.open(refusing(), 3, deadline, fill(flight)).expect("room");
            let refused = Happened::ConnectFailed(refused(Step::Connect, Errno::ECONNREFUSED));
            assert_eq!(next(&mut streams), (3, refused));
            assert_eq!(streams.owed(), 0);
            assert_eq!(count::snapshot().since(&before).get(Counter::Cqes), 1);
            let (listener, address) = listener();
            streams.reopen(id, address, deadline).expect("nothing to be bound");
            let event = next(&mut streams).1;
            let mut peer = listener.accept().expect("accepts").0;
            if flight.is_empty() {
                assert_eq!(event, Happened::Connected);
            } else {
                assert_eq!(event, Happened::Sent(4));
                let mut ping = [0; 4];
                peer.read_exact(&mut ping).expect("reads");
                assert_eq!(&ping, b"ping");
            }
            streams.close(id, &[]);
            settle(&mut streams);
        }
    }
}

#[test]
fn a_connect_ends_at_its_deadline() {
    let Some(mut streams) = streams() else { return };
    for flight in [&b"ping"[..], b""] {
        let (address, _listener, _fillers) = silent();
        let deadline = within(A_WHILE);
        let id = streams.open(address, 5, deadline, fill(flight)).expect("room");
        assert_eq!(next(&mut streams), (5, Happened::DeadlinePassed));
        assert!(Some(clock::now()) >= deadline);
        assert_eq!(streams.owed(), 0);
        streams.close(id, &[]);
        settle(&mut streams);
    }
}

#[test]
fn a_stream_can_be_closed_at_every_stage_of_its_chain() {
    let Some(mut streams) = streams() else { return };
    let (full, _listener, _fillers) = silent();
    let (listener, open_address) = listener();
    for address in [full, open_address, refusing()] {
        for turns in 0..6 {
            let id = open(&mut streams, address, 9, b"ping");
            for _ in 0..turns {
                let now = clock::now();
                streams.submit_and_wait(now, Some(now)).expect("the ring works");
                let _ = take(&mut streams);
            }
            streams.close(id, &[]);
            settle(&mut streams);
        }
    }
    drop(listener);
}

#[test]
fn one_armed_receive_takes_many_segments() {
    let Some(mut streams) = streams() else { return };
    let (id, mut peer) = connected(&mut streams, 1);
    let before = count::snapshot();
    for n in 0..50_u8 {
        peer.write_all(&[n; 3]).expect("writes");
        assert_eq!(next(&mut streams), (1, Happened::Received(vec![n; 3])));
    }
    assert_eq!(count::snapshot().since(&before).get(Counter::Sqes), 0);
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn the_end_of_the_peer_is_told_once() {
    let Some(mut streams) = streams() else { return };
    let (id, peer) = connected(&mut streams, 1);
    peer.shutdown(Shutdown::Write).expect("shuts");
    assert_eq!(next(&mut streams), (1, Happened::Ended));
    assert_eq!(next_within(&mut streams, A_WHILE), None);
    streams.close(id, &[]);
    settle(&mut streams);

    let (id, peer) = connected(&mut streams, 2);
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("sets");
    drop(peer);
    assert_eq!(next(&mut streams), (2, Happened::RecvFailed(Errno::ECONNRESET)));
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn what_the_peer_said_before_it_reset_comes_before_a_failed_send() {
    let Some(mut streams) = streams() else { return };
    let (id, mut peer) = connected(&mut streams, 1);
    peer.write_all(b"no").expect("writes");
    drop(peer);
    // the first send after the peer has gone draws its reset, the next ones fail
    let mut heard = Vec::new();
    while heard.last() != Some(&Happened::Ended) && heard.len() < 100 {
        streams.send(id, more(b"more")).expect("memory");
        heard.extend(next_within(&mut streams, A_WHILE).map(|event| event.1));
    }
    let said = heard.iter().position(|event| *event == Happened::Received(b"no".to_vec()));
    let failed = heard.iter().position(|event| matches!(event, Happened::SendFailed(_)));
    assert!(said.is_some_and(|said| failed.is_none_or(|failed| said < failed)), "{heard:?}");
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn exhausted_buffers_are_a_state_and_no_byte_is_lost() {
    let room = Room { buffers: Buffers { count: 2, size: 64 }, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    let before = count::snapshot();
    let mut peers: Vec<_> = (0..8).map(|user| connected(&mut streams, user)).collect();
    let sent: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
    for (_, peer) in &mut peers {
        peer.write_all(&sent).expect("the socket takes it");
    }
    let mut received = vec![Vec::new(); 8];
    while received.iter().any(|bytes| bytes.len() < sent.len()) {
        let (user, Happened::Received(bytes)) = next(&mut streams) else { panic!("no bytes") };
        received[user as usize].extend(bytes);
    }
    assert!(received.iter().all(|bytes| *bytes == sent));
    let counts = count::snapshot().since(&before);
    assert!(counts.get(Counter::BuffersExhausted) > 0, "{counts:?}");
    peers.iter().for_each(|(id, _)| streams.close(*id, &[]));
    settle(&mut streams);
}

#[test]
fn a_stream_that_is_not_read_takes_no_buffers_and_loses_nothing() {
    let Some(mut streams) = streams() else { return };
    let (id, mut peer) = connected(&mut streams, 1);
    let mut received = Vec::new();
    let mut sent = Vec::new();
    for round in 0..10_u8 {
        streams.set_recv(id, false);
        // what was received before the kernel heard of it still comes
        while let Some((_, Happened::Received(bytes))) = next_within(&mut streams, A_WHILE) {
            received.extend(bytes);
        }
        let bytes = vec![round; 20_000];
        peer.write_all(&bytes).expect("the socket takes it");
        sent.extend(bytes);
        let before = count::snapshot();
        assert_eq!(next_within(&mut streams, A_WHILE), None);
        assert!(count::snapshot().since(&before).get(Counter::RingEnter) <= 2, "it costs nothing");
        assert_eq!((streams.buffers_held(), streams.owed()), (0, 0));
        streams.set_recv(id, true);
        while received.len() < sent.len() {
            let (_, Happened::Received(bytes)) = next(&mut streams) else { panic!("no bytes") };
            received.extend(bytes);
        }
    }
    assert_eq!(received, sent);
    streams.close(id, &[]);
    settle(&mut streams);
}

/// However much there is, one that receives in pieces brings no more once a piece was looked at and no more is wanted.
#[test]
fn a_stream_in_pieces_is_stopped_at_once() {
    let room = Room { buffers: Buffers { count: 64, size: 512 }, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    let (listener, address) = listener();
    let id = streams.open_in_pieces(address, 1, None, fill(b"ping")).expect("there is room");
    assert_eq!(next(&mut streams), (1, Happened::Sent(4)));
    let (mut peer, _) = listener.accept().expect("accepts");
    peer.write_all(&[7; 20_000]).expect("the socket takes it");
    let (_, Happened::Received(first)) = next(&mut streams) else { panic!("no bytes") };
    streams.set_recv(id, false);
    let mut received = first.len();
    assert_eq!(next_within(&mut streams, A_WHILE), None);
    assert!(received <= 512, "{received}");
    // and loses nothing
    streams.set_recv(id, true);
    while received < 20_000 {
        let (_, Happened::Received(bytes)) = next(&mut streams) else { panic!("no bytes") };
        received += bytes.len();
    }
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn a_greedy_stream_gets_one_buffer_at_a_time() {
    let room = Room { buffers: Buffers { count: 64, size: 512 }, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    let (id, mut peer) = connected(&mut streams, 1);
    let sent: Vec<u8> = (0..200_000_u32).map(|n| (n / 7) as u8).collect();
    let before = count::snapshot();
    let writer = {
        let sent = sent.clone();
        std::thread::spawn(move || peer.write_all(&sent).map(|()| peer))
    };
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let (_, Happened::Received(bytes)) = next(&mut streams) else { panic!("no bytes") };
        received.extend(bytes);
    }
    assert_eq!(received, sent);
    let counts = count::snapshot().since(&before);
    // an SQE for each buffer from the time that the budget was spent
    assert!(counts.get(Counter::Sqes) > 100, "{counts:?}");
    drop(writer.join().expect("no panic").expect("writes"));
    assert_eq!(next(&mut streams), (1, Happened::Ended));
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn a_send_that_the_socket_does_not_take_at_once_is_continued() {
    let Some(mut streams) = streams() else { return };
    let (id, mut peer) = connected(&mut streams, 1);
    let bytes: Vec<u8> = (0..60_000_u32).map(|n| (n / 3) as u8).collect();
    let rounds = 200;
    let reader = std::thread::spawn(move || {
        std::thread::park_timeout(A_WHILE);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all)
    });
    let mut sent = 0;
    for _ in 0..rounds {
        streams.send(id, more(&bytes)).expect("memory");
        let until = sent + bytes.len();
        while sent < until {
            let (1, Happened::Sent(n)) = next(&mut streams) else { panic!("a send failed") };
            sent += n as usize;
        }
        assert!(streams.can_send(id));
    }
    streams.close(id, b"bye");
    settle(&mut streams);
    let all = reader.join().expect("no panic").expect("reads");
    assert_eq!(all.len(), rounds * bytes.len() + 3);
    assert!(all[..rounds * bytes.len()].chunks(bytes.len()).all(|chunk| chunk == bytes));
    assert!(all.ends_with(b"bye"), "the last words come last");
}

#[test]
fn a_stream_is_closed_while_its_send_waits() {
    let Some(mut streams) = streams() else { return };
    let (id, mut peer) = connected(&mut streams, 1);
    let bytes = vec![1; 64 * 1024];
    let mut sent = 0;
    loop {
        streams.send(id, more(&bytes)).expect("memory");
        match next_within(&mut streams, A_WHILE) {
            Some((1, Happened::Sent(n))) => sent += n,
            None if !streams.can_send(id) => break,
            other => panic!("{other:?}"),
        }
        assert!(sent < 1 << 30, "nobody reads, and yet it goes on");
    }
    streams.close(id, b"bye");
    settle(&mut streams);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("reads");
    assert!(!all.ends_with(b"bye"), "last words after a gap");
}

#[test]
fn a_place_in_the_table_is_used_again_at_once() {
    let room = Room { streams: 2, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    for round in 0..50 {
        let (first, first_peer) = connected(&mut streams, 1);
        let (second, mut second_peer) = connected(&mut streams, 2);
        assert_eq!(
            streams.open(refusing(), 3, None, |_| 0),
            Err(refused(Step::Socket, Errno::EMFILE))
        );
        streams.close(first, &[]);
        drop(first_peer);
        second_peer.write_all(b"still here").expect("writes");
        let heard = next(&mut streams);
        assert_eq!(heard, (2, Happened::Received(b"still here".to_vec())), "round {round}");
        streams.close(second, &[]);
        settle(&mut streams);
    }
}

/// A kernel that is late to close, or one that is taken for such.
fn late() -> Options {
    Options { closes_late: true, ..small() }
}

/// A kernel may keep what is closed for as long as something older is in flight elsewhere (before Linux 6.13).
#[test]
fn a_closed_stream_ends_while_another_waits_to_receive() {
    let late = every_step().into_iter().map(|step| Options { closes_late: true, ..step });
    for options in every_step().into_iter().chain(late) {
        let Some(mut streams) = streams_with(&options, ROOM) else { continue };
        let (waits, _peer) = connected(&mut streams, 1);
        let (closed, mut its_peer) = connected(&mut streams, 2);
        streams.close(closed, &[]);
        let now = clock::now();
        streams.submit_and_wait(now, Some(now + A_WHILE)).expect("the ring works");
        // which goes on after a signal, as of a ring whose completions interrupt
        let read = its_peer.read_to_end(&mut Vec::new()).expect("a FIN");
        assert_eq!(read, 0, "{options:?}");
        streams.close(waits, &[]);
        settle(&mut streams);
    }
}

/// Waits once, lets events be, and says how many cancels of receives have answered.
fn cancels(streams: &mut Streams) -> usize {
    let now = clock::now();
    streams.submit_and_wait(now, Some(now + A_WHILE)).expect("the ring works");
    let found = streams.reaped().filter(|cqe| cqe.kind() == Some(Kind::CancelRecv)).count();
    while take(streams).is_some() {}
    found
}

/// So what is closed late does not pile up behind what waits for ever.
#[test]
fn where_closes_are_late_receives_are_begun_anew() {
    let room = Room { streams: 200, ..ROOM };
    let Some(mut streams) = streams_with(&late(), room) else { return };
    assert!(streams.closes_late());
    let (waits, mut peer) = connected(&mut streams, 1);
    let others: Vec<_> = (0..70).map(|user| connected(&mut streams, user + 2)).collect();
    others.iter().for_each(|&(id, _)| streams.close(id, &[]));
    let (mut found, until) = (0, clock::now() + PATIENCE);
    while streams.len() > 1 || found <= others.len() {
        assert!(clock::now() < until, "{found} receives were ended, {} are there", streams.len());
        found += cancels(&mut streams);
    }
    // and as far as it is concerned nothing has happened
    peer.write_all(b"still here").expect("writes");
    assert_eq!(next(&mut streams), (1, Happened::Received(b"still here".to_vec())));
    assert_eq!(found, others.len() + 1, "once");
    streams.close(waits, &[]);
    settle(&mut streams);
}

/// A port that the caller has chosen is given back with the socket.
#[test]
fn what_is_closed_late_is_let_go_of_in_the_end() {
    let Some(mut streams) = streams_with(&late(), ROOM) else { return };
    let (waits, _peer) = connected(&mut streams, 1);
    let (listener, address) = listener();
    let port = refusing().port();
    let bind = Bind { ports: Some(port..=port), ..Bind::default() };
    let dial = Dial { bind: Some(Arc::new(bind)), ..Dial::tcp(address) };
    let bound = streams.open(dial, 2, None, fill(b"ping")).expect("is ours");
    assert_eq!(next(&mut streams), (2, Happened::Sent(4)));
    // its peer ends first, so that no TIME_WAIT is left at this side
    drop(listener.accept().expect("accepts"));
    next(&mut streams);
    streams.close(bound, &[]);
    let is_free = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([0, 0, 0, 0], port)).into()).is_ok()
    };
    let until = clock::now() + PATIENCE;
    while !is_free() {
        assert!(clock::now() < until, "the port is kept");
        let (id, _peer) = connected(&mut streams, 3);
        streams.close(id, &[]);
        while streams.len() > 1 {
            cancels(&mut streams);
        }
    }
    streams.close(waits, &[]);
    settle(&mut streams);
}

/// So many streams have sent their first flight: what fits into the queue of a listener connects without being accepted.
fn all_sent(streams: &mut Streams, n: u64) {
    for _ in 0..n {
        assert_eq!(next(streams).1, Happened::Sent(4));
    }
}

/// More than the submission queue holds, so that places of the first are used again before all of them have been
/// carried out: a kernel carries out some twenty of those that have waited before it submits more.
#[test]
fn a_burst_of_connects_opens_all() {
    let (default, room) = (Options::default(), Room { streams: 2_000, ..ROOM });
    let polled = Options { sq_poll: Some(SqPoll::default()), ..Options::default() };
    for options in [default, polled] {
        let Some(mut streams) = streams_with(&options, room) else { continue };
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("binds");
        listener.listen(4096).expect("listens");
        let address = listener.local_addr().expect("bound").as_socket().expect("IPv4");
        let n = 1_000;
        let ids: Vec<_> = (0..n).map(|user| open(&mut streams, address, user, b"ping")).collect();
        all_sent(&mut streams, n);
        ids.into_iter().for_each(|id| streams.close(id, &[]));
        settle(&mut streams);
    }
}

#[test]
fn small_queues_delay_but_lose_nothing() {
    for options in every_step() {
        let options = Options { sq_entries: 8, cq_entries: 16, ..options };
        let room = Room { streams: 300, buffers: Buffers { count: 8, size: 256 } };
        let Some(mut streams) = streams_with(&options, room) else { continue };
        let before = count::snapshot();
        let (listener, address) = listener();
        // all that is opened is queued here: std listens with a queue of at least 128
        let n = 100;
        let ids: Vec<_> = (0..n).map(|user| open(&mut streams, address, user, b"ping")).collect();
        all_sent(&mut streams, n);
        let mut peers: Vec<_> = (0..n).map(|_| listener.accept().expect("accepts").0).collect();
        peers.iter_mut().for_each(|peer| peer.write_all(b"pong").expect("writes"));
        for _ in 0..n {
            assert_eq!(next(&mut streams).1, Happened::Received(b"pong".to_vec()));
        }
        ids.into_iter().for_each(|id| streams.close(id, &[]));
        settle(&mut streams);
        let counts = count::snapshot().since(&before);
        assert_eq!((counts.get(Counter::StaleCqes), counts.get(Counter::LostCqes)), (0, 0));
    }
}

#[test]
fn no_stream_falls_to_a_worker_thread() {
    let Some(mut streams) = streams() else { return };
    if streams.closes_late() {
        eprintln!(
            "skipped: the kernel closes late, and SHUTDOWN, which is done first there, is a worker's"
        );
        return;
    }
    for user in 0..50 {
        let (id, mut peer) = connected(&mut streams, user);
        peer.write_all(b"x").expect("writes");
        next(&mut streams);
        streams.close(id, b"bye");
        settle(&mut streams);
    }
    assert_eq!(workers(), Vec::<String>::new());
}

/// Streams with receives armed, sends that wait, connects that hang, and completions not taken.
fn busy(n: u64) -> Option<(Streams, Vec<TcpStream>, Silent)> {
    let room = Room { streams: 5000, ..ROOM };
    let mut streams = streams_with(&Options::default(), room)?;
    let hanging = silent();
    let mut peers = Vec::new();
    for user in 0..n / 50 {
        let (id, peer) = connected(&mut streams, user);
        if user % 2 == 0 {
            for _ in 0..100 {
                streams.send(id, more(&[1; 60_000])).expect("memory");
                let _ = next_within(&mut streams, Duration::from_micros(100));
            }
        }
        peers.push(peer);
    }
    for user in 0..n {
        let deadline = if user % 2 == 0 { within(PATIENCE) } else { None };
        streams.open(hanging.0, user, deadline, fill(b"ping")).expect("room");
    }
    peers.iter_mut().for_each(|peer| peer.write_all(b"not taken").expect("writes"));
    Some((streams, peers, hanging))
}

#[test]
fn a_shutdown_with_thousands_of_operations_in_flight_leaves_nothing_owed() {
    let before = count::snapshot();
    let Some((streams, peers, _hanging)) = busy(2000) else { return };
    assert!(streams.owed() > 2000);
    let ending = count::snapshot();
    assert_eq!(streams.shutdown(PATIENCE), 0);
    let counts = count::snapshot().since(&before);
    assert_eq!((counts.get(Counter::StaleCqes), counts.get(Counter::LeakedCqes)), (0, 0));
    // one to close each, one to cancel each of what it has in flight, and one or two more where the first came too early
    let sqes = count::snapshot().since(&ending).get(Counter::Sqes);
    assert!(sqes <= 5 * 2040, "{sqes} operations to end 2040 streams");
    for mut peer in peers {
        peer.set_read_timeout(Some(PATIENCE)).expect("sets");
        let _ = peer.read_to_end(&mut Vec::new()).or_else(reset);
    }
}

#[test]
fn a_dropped_ring_with_streams_lets_go_of_the_sockets() {
    let Some((streams, peers, _hanging)) = busy(500) else { return };
    drop(streams);
    for mut peer in peers {
        peer.set_read_timeout(Some(PATIENCE)).expect("sets");
        let _ = peer.read_to_end(&mut Vec::new()).or_else(reset);
    }
}

fn reset(error: std::io::Error) -> std::io::Result<usize> {
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "no end of the connection");
    Ok(0)
}

#[test]
fn a_shutdown_without_patience_leaks_what_the_kernel_may_touch_and_says_so() {
    let Some((mut streams, _peers, _hanging)) = busy(100) else { return };
    let now = clock::now();
    streams.submit_and_wait(now, Some(now)).expect("submits");
    let before = count::snapshot();
    let owed = streams.shutdown(Duration::ZERO);
    assert!(owed > 0);
    assert_eq!(count::snapshot().since(&before).get(Counter::LeakedCqes), owed as u64);
}

/// A wait posts no more than some twenty of what has completed, and what was waited for.
#[test]
fn a_look_brings_all_that_has_completed() {
    const STREAMS: u64 = 60;
    let room = Room { buffers: Buffers { count: 256, size: 4096 }, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    let mut open: Vec<_> = (0..STREAMS).map(|user| connected(&mut streams, user)).collect();
    while next_within(&mut streams, Duration::from_millis(20)).is_some() {}
    for (_, peer) in &mut open {
        peer.write_all(b"all of it").expect("it is taken");
    }
    streams.submit_and_look().expect("the ring works");
    let heard = std::iter::from_fn(|| take(&mut streams));
    let all = heard.filter(|(_, event)| *event == Happened::Received(b"all of it".to_vec()));
    assert_eq!(all.count() as u64, STREAMS);
    for (id, _) in open {
        assert!(
            streams.is_quiet(id) || { streams.submit_and_look().is_ok() && streams.is_quiet(id) }
        );
        streams.close(id, &[]);
    }
    settle(&mut streams);
}

#[test]
fn what_the_peer_has_yet_to_acknowledge_is_asked_by_a_command() {
    let Some(mut streams) = streams() else { return };
    if !streams.sets_nodelay() {
        eprintln!("skipped: this kernel has no commands for sockets");
        return;
    }
    let (id, _peer) = connected(&mut streams, 7);
    streams.ask_unacknowledged(id).expect("there is room");
    let (user, event) = next(&mut streams);
    // the acknowledgement of what was read may be on its way
    assert!(matches!((user, &event), (7, Happened::Unacknowledged(0..=4))), "{event:?}");
    streams.close(id, &[]);
    settle(&mut streams);
}
