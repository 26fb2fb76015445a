//! Tests: rings whose operations were begun by a thread that has ended since.
//!
//! Knows `Streams` as its callers do, but that these need be no thread's own where their ring has no SINGLE_ISSUER.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ringdove_test_support::dead_end::Blackhole;

use super::ring::{Options, SetupFlag};
use super::streams::{Event, Room, StreamEvent, StreamId};
use super::{Buffers, Streams, clock};

const PATIENCE: Duration = Duration::from_secs(60);

/// A ring that threads use one after the other.
struct Handed(Streams);

// SAFETY: its ring is made without SINGLE_ISSUER and without a registered descriptor, so that any thread may enter it; who has
// the value has all of it, and lends it to one thread at a time.
unsafe impl Send for Handed {}

impl Handed {
    fn new() -> Option<Handed> {
        let options = Options { without: vec![SetupFlag::SingleIssuer], ..Options::default() };
        let room = Room { streams: 16, buffers: Buffers { count: 64, size: 4096 } };
        match Streams::new(&options, room) {
            Ok(streams) => Some(Handed(streams)),
            Err(error) => {
                eprintln!("skipped: {error}");
                None
            }
        }
    }

    /// Does this on a thread that has ended when it is back.
    fn by_another<T: Send>(&mut self, work: impl FnOnce(&mut Streams) -> T + Send) -> T {
        let handed = self;
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let Handed(streams) = handed;
                work(streams)
            });
            thread.join().expect("it ends well")
        })
    }
}

/// Takes turns until an event is what this looks for.
fn until(streams: &mut Streams, mut look: impl FnMut(&StreamEvent<'_>) -> bool) {
    let end = clock::now() + PATIENCE;
    loop {
        while let Some(event) = streams.take_event() {
            match event {
                Event::Stream(_, event) if look(&event) => return,
                Event::Stream(..) | Event::Poll(_) => {}
            }
        }
        assert!(clock::now() < end, "nothing comes");
        streams.submit_and_wait(clock::now(), Some(end)).expect("a wait");
    }
}

/// A stream that is connected, with a receive that waits.
fn connect(streams: &mut Streams) -> (StreamId, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let id = streams.open(address, 7, None, |_| 0).expect("a stream");
    until(streams, |event| *event == StreamEvent::Connected);
    streams.submit_and_look().expect("a submission");
    (id, listener.accept().expect("a connection").0)
}

#[test]
fn what_comes_after_the_thread_of_a_receive_has_ended_is_received() {
    let Some(mut handed) = Handed::new() else { return };
    let (_, mut peer) = handed.by_another(connect);
    peer.write_all(b"late").expect("a write");
    let mut received = Vec::new();
    until(&mut handed.0, |event| {
        if let StreamEvent::Received(bytes) = event {
            received.extend_from_slice(bytes);
        }
        received == b"late"
    });
}

/// Fills the buffer with the bytes that follow these, and says that there are more.
fn next_bytes(given: &mut usize) -> impl FnOnce(&mut [u8]) -> (usize, bool) {
    move |buffer| {
        for byte in &mut *buffer {
            *byte = (*given % 251) as u8;
            *given += 1;
        }
        (buffer.len(), true)
    }
}

/// Sends until the socket takes no more. How many bytes were given to be sent, and how many were told to be.
fn send_until_it_waits(streams: &mut Streams, id: StreamId) -> (usize, usize) {
    let (mut given, mut sent) = (0, 0);
    while streams.can_send(id) {
        streams.send(id, next_bytes(&mut given)).expect("memory");
        // what the socket takes at once is told of by the first look, and what it does not take is tried again by the second
        for _ in 0..2 {
            streams.submit_and_look().expect("a submission");
            while let Some(event) = streams.take_event() {
                if let Event::Stream(_, StreamEvent::Sent(bytes)) = event {
                    sent += bytes as usize;
                }
            }
        }
    }
    (given, sent)
}

#[test]
fn what_a_thread_that_has_ended_was_sending_arrives_once() {
    let Some(mut handed) = Handed::new() else { return };
    let (id, mut peer, given, mut sent) = handed.by_another(|streams| {
        let (id, peer) = connect(streams);
        let (given, sent) = send_until_it_waits(streams, id);
        (id, peer, given, sent)
    });
    assert!(sent < given, "the socket took all");
    let reads = thread::spawn(move || {
        let mut bytes = vec![0; given];
        peer.read_exact(&mut bytes).expect("they come");
        (bytes, peer)
    });
    until(&mut handed.0, |event| {
        assert!(!matches!(event, StreamEvent::SendFailed(_)), "{event:?}");
        if let StreamEvent::Sent(bytes) = event {
            sent += *bytes as usize;
        }
        sent == given
    });
    let (bytes, mut peer) = reads.join().expect("it reads");
    let is_next = |(at, byte): (usize, &u8)| usize::from(*byte) == at % 251;
    assert!(bytes.iter().enumerate().all(is_next), "other bytes came");
    handed.0.close(id, &[]);
    handed.0.submit_and_look().expect("a submission");
    assert_eq!(peer.read(&mut [0]).expect("its end"), 0, "more came");
}

#[test]
fn a_connect_that_a_thread_which_has_ended_began_is_made_again() {
    for (deadline, flight) in [(false, true), (true, true), (true, false)] {
        let Some(mut handed) = Handed::new() else { return };
        let blackhole = Blackhole::start().expect("a dead end");
        let address: SocketAddr = blackhole.addr();
        handed.by_another(|streams| {
            let until = deadline.then(|| clock::now() + PATIENCE);
            let fill = |buffer: &mut [u8]| {
                buffer[..4].copy_from_slice(b"ping");
                if flight { 4 } else { 0 }
            };
            streams.open(address, 7, until, fill).expect("a stream");
            streams.submit_and_look().expect("a submission");
            assert_eq!(streams.take_event(), None, "it waits");
        });
        let listener = blackhole.listen().expect("it listens");
        let peers = thread::spawn(move || {
            // the first is the one that was lost
            let peers = [listener.accept().expect("one").0, listener.accept().expect("another").0];
            let mut ping = [0; 4];
            if flight {
                (&peers[1]).read_exact(&mut ping).expect("it speaks");
            }
            (peers, ping)
        });
        until(&mut handed.0, |event| match event {
            StreamEvent::Sent(bytes) => *bytes == 4 && flight,
            StreamEvent::Connected => !flight,
            other => panic!("{other:?}"),
        });
        let (_, ping) = peers.join().expect("both come");
        assert!(!flight || ping == *b"ping");
    }
}
