//! Provided buffers that are kept beyond their event: what is kept stays as it is, and nobody is kept from receiving.

use std::io::Write;
use std::thread;

use ringdove::Bytes;
use ringdove::sys::streams::{Event, Room, StreamEvent};
use ringdove::sys::{Buffers, Streams, clock};

use crate::streams::{ROOM, connected, settle, streams, streams_with};
use crate::support::{PATIENCE, small};

/// Receives `wanted` bytes, keeping what can be kept and copying the rest. Says how many pieces were kept.
fn receive(streams: &mut Streams, wanted: usize) -> (Vec<Bytes>, usize) {
    let buffers = streams.receive_buffers();
    let (mut pieces, mut kept, mut received) = (Vec::new(), 0, 0);
    let until = clock::now() + PATIENCE;
    while received < wanted {
        match streams.take_event() {
            Some(Event::Stream(_, StreamEvent::Received(bytes))) => {
                received += bytes.len();
                let lease = buffers.keep(bytes);
                kept += usize::from(lease.is_some());
                pieces.push(lease.unwrap_or_else(|| Bytes::copy_from_slice(bytes)));
            }
            Some(event) => panic!("{event:?}"),
            None => {
                let now = clock::now();
                assert!(now < until, "{received} of {wanted} bytes came");
                streams.submit_and_wait(now, Some(until)).expect("the ring works");
            }
        }
    }
    // the last event is over when another is asked for
    assert_eq!(streams.take_event(), None);
    (pieces, kept)
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at + seed) * 31 % 251) as u8).collect()
}

/// All that comes in four times what there are buffers for is kept for good, as far as it may: the others serve for the rest.
#[test]
fn what_is_kept_is_not_written_and_the_rest_goes_on() {
    let Some(mut streams) = streams() else { return };
    let most = usize::from(ROOM.buffers.count / 2);
    let (id, mut peer) = connected(&mut streams, 1);
    let sent = bytes(4 * usize::from(ROOM.buffers.count) * ROOM.buffers.size as usize, 0);
    let to_send = sent.clone();
    let sender = thread::spawn(move || {
        peer.write_all(&to_send).expect("it is read");
        peer
    });
    let (pieces, kept) = receive(&mut streams, sent.len());
    assert_eq!(kept, most, "half of the buffers are kept, and no more");
    assert!(pieces.concat() == sent);
    assert_eq!(streams.buffers_held(), 0, "they are the keeper's");

    // dropped elsewhere meanwhile, they serve again
    let mut peer = sender.join().expect("it has sent");
    let more = bytes(20 * ROOM.buffers.size as usize, 7);
    peer.write_all(&more).expect("sockets have room for it");
    let dropper = thread::spawn(|| drop(pieces));
    let (pieces, _) = receive(&mut streams, more.len());
    assert!(pieces.concat() == more);
    dropper.join().expect("it drops");
    drop(pieces);
    peer.write_all(&more[..20]).expect("there is room");
    assert_eq!(receive(&mut streams, 20).1, 1, "they may be kept again");
    streams.close(id, &[]);
    settle(&mut streams);
}

/// With as few buffers as there can be, of which one is kept, the other serves all who wait for it.
#[test]
fn who_waits_for_a_buffer_gets_one_while_others_are_kept() {
    let room = Room { buffers: Buffers { count: 2, size: 4096 }, ..ROOM };
    let Some(mut streams) = streams_with(&small(), room) else { return };
    let mut peers: Vec<_> = (0..4).map(|user| connected(&mut streams, user)).collect();
    for (_, peer) in &mut peers {
        peer.write_all(&bytes(10_000, 1)).expect("it fits");
    }
    let (pieces, kept) = receive(&mut streams, 40_000);
    assert_eq!((kept, pieces.iter().map(Bytes::len).sum()), (1, 40_000));
    peers.iter().for_each(|(id, _)| streams.close(*id, &[]));
    settle(&mut streams);
}

#[test]
fn what_is_kept_outlives_the_ring() {
    let Some(mut streams) = streams() else { return };
    let (_, mut peer) = connected(&mut streams, 1);
    let sent = bytes(3 * ROOM.buffers.size as usize, 3);
    peer.write_all(&sent).expect("it fits");
    let (pieces, kept) = receive(&mut streams, sent.len());
    assert_eq!(kept, pieces.len(), "no piece was copied");
    let buffers = streams.receive_buffers();
    drop(streams);
    assert!(pieces.concat() == sent);
    let part = buffers.keep(&pieces[0][10..20]).expect("it is kept already");
    drop((pieces, buffers));
    assert_eq!(part[..], sent[10..20]);
}
