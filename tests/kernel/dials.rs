//! Sockets that are no plain TCP: datagrams, Unix sockets, sockets that are bound; by the ring and beside it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as Listening, UnixListener, UnixStream};
use std::sync::Arc;

use ringdove::dial::{Bind, Device, Dial, Transport, UnixAddress};
use ringdove::sys::count::{self, Counter};
use ringdove::sys::streams::{Step, StreamId};
use ringdove::sys::{Connect, Errno, Io, Refused, Socket, Streams};
use socket2::{Domain, SockAddr, Type};

use crate::streams::{Happened, ROOM, fill, listener, more, next, next_within, refused, settle};
use crate::streams::{streams, streams_with};
use crate::support::{A_WHILE, PATIENCE, every_step, small, within, workers};

fn udp() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    socket.set_read_timeout(Some(PATIENCE)).expect("sets");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

/// A stream of datagrams that has sent `ping`; the server, and the address that it came from.
fn pinged(streams: &mut Streams) -> (StreamId, UdpSocket, SocketAddr) {
    let (server, address) = udp();
    let id = streams.open(Dial::udp(address), 1, None, fill(b"ping")).expect("room");
    assert_eq!(next(streams), (1, Happened::Sent(4)));
    let mut buffer = [0; 16];
    let (4, client) = server.recv_from(&mut buffer).expect("a datagram") else { panic!() };
    (id, server, client)
}

fn received(bytes: &[u8]) -> (u64, Happened) {
    (1, Happened::Received(bytes.to_vec()))
}

#[test]
fn one_chain_opens_a_datagram_socket_and_sends_on_every_set_up_step() {
    for options in every_step() {
        let Some(mut streams) = streams_with(&options, ROOM) else { continue };
        let before = count::snapshot();
        let (id, server, client) = pinged(&mut streams);
        let counts = count::snapshot().since(&before);
        // SOCKET, CONNECT, SEND, RECV
        assert_eq!((counts.get(Counter::Sqes), counts.get(Counter::Cqes)), (4, 1));
        server.send_to(b"pong", client).expect("sends");
        assert_eq!(next(&mut streams), received(b"pong"));
        streams.close(id, &[]);
        settle(&mut streams);
    }
}

#[test]
fn a_multishot_receive_gives_datagrams_one_by_one_and_an_empty_one_is_no_end() {
    let Some(mut streams) = streams() else { return };
    let (id, server, client) = pinged(&mut streams);
    let sent: [&[u8]; 6] = [b"a", b"", b"bb", b"", b"", b"ccc"];
    for datagram in sent {
        server.send_to(datagram, client).expect("sends");
    }
    for datagram in sent {
        assert_eq!(next(&mut streams), received(datagram));
    }
    streams.send(id, more(b"on")).expect("memory");
    assert_eq!(next(&mut streams), (1, Happened::Sent(2)));
    let mut buffer = [0; 16];
    assert_eq!(server.recv_from(&mut buffer).expect("a datagram"), (2, client));
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn a_connected_datagram_socket_hears_its_peer_alone() {
    let Some(mut streams) = streams() else { return };
    let (id, server, client) = pinged(&mut streams);
    let (stranger, _) = udp();
    stranger.send_to(b"lies", client).expect("sends");
    assert_eq!(next_within(&mut streams, A_WHILE), None);
    server.send_to(b"truth", client).expect("sends");
    assert_eq!(next(&mut streams), received(b"truth"));
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn what_icmp_says_of_a_datagram_fails_the_receive() {
    let Some(mut streams) = streams() else { return };
    let (server, address) = udp();
    drop(server);
    let id = streams.open(Dial::udp(address), 1, None, fill(b"ping")).expect("room");
    let mut events = [next(&mut streams).1, next(&mut streams).1];
    events.sort_by_key(|event| matches!(event, Happened::RecvFailed(_)));
    assert_eq!(events, [Happened::Sent(4), Happened::RecvFailed(Errno::ECONNREFUSED)]);
    streams.close(id, &[]);
    settle(&mut streams);
}

#[test]
fn a_datagram_socket_by_system_calls_does_the_same() {
    let (server, address) = udp();
    let dial = Dial::udp(address);
    let socket = Socket::open(&dial).expect("a socket");
    assert_eq!(socket.connect(&dial.remote), Ok(Connect::Done));
    assert_eq!(socket.send(b"ping"), Ok(Io::Ready(4)));
    let mut buffer = [0; 16];
    let (_, client) = server.recv_from(&mut buffer).expect("a datagram");
    server.send_to(b"", client).expect("sends");
    server.send_to(b"pong", client).expect("sends");
    assert_eq!(socket.recv(&mut buffer), Ok(Io::Ready(0)));
    assert_eq!(socket.recv(&mut buffer), Ok(Io::Ready(4)));
    assert_eq!(socket.recv(&mut buffer), Ok(Io::Blocked));
    drop(server);
    assert_eq!(socket.send(b"ping"), Ok(Io::Ready(4)));
    assert_eq!(socket.recv(&mut buffer), Err(Errno::ECONNREFUSED));
}

/// Unix sockets that listen: one by a path, which goes with the directory, and one by an abstract name.
fn unix() -> (tempfile::TempDir, [(UnixListener, UnixAddress); 2]) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("s");
    let by_path = UnixListener::bind(&path).expect("binds");
    let name = format!("ringdove-{}", dir.path().display());
    let address = Listening::from_abstract_name(&name).expect("a name");
    let by_name = UnixListener::bind_addr(&address).expect("binds");
    let addresses = [
        (by_path, UnixAddress::path(&path).expect("short")),
        (by_name, UnixAddress::abstract_name(name.as_bytes()).expect("short")),
    ];
    (dir, addresses)
}

#[test]
fn a_unix_socket_carries_a_stream() {
    for options in every_step() {
        let Some(mut streams) = streams_with(&options, ROOM) else { continue };
        let (_dir, listeners) = unix();
        for (listener, address) in listeners {
            for flight in [&b"ping"[..], b""] {
                let dial = Dial::unix(address.clone());
                let id = streams.open(dial, 1, within(PATIENCE), fill(flight)).expect("listens");
                let event = next(&mut streams).1;
                let (mut peer, _): (UnixStream, _) = listener.accept().expect("accepts");
                if flight.is_empty() {
                    assert_eq!(event, Happened::Connected);
                } else {
                    assert_eq!(event, Happened::Sent(4));
                    peer.read_exact(&mut [0; 4]).expect("reads");
                }
                peer.write_all(b"pong").expect("writes");
                assert_eq!(next(&mut streams), received(b"pong"));
                drop(peer);
                assert_eq!(next(&mut streams), (1, Happened::Ended));
                streams.close(id, &[]);
                settle(&mut streams);
            }
        }
    }
}

#[test]
fn a_unix_socket_without_room_or_listener_says_so_at_once_and_wakes_no_worker() {
    let Some(mut streams) = streams() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("s");
    let listener = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    listener.bind(&SockAddr::unix(&path).expect("short")).expect("binds");
    listener.listen(0).expect("listens");
    let _first = UnixStream::connect(&path).expect("there is room for one");
    let dial = Dial::unix(UnixAddress::path(&path).expect("short"));
    let full = refused(Step::Connect, Errno::EAGAIN);
    assert!(full.is_exhaustion());
    assert_eq!(streams.open(dial.clone(), 1, None, fill(b"ping")), Err(full));
    let socket = Socket::open(&dial).expect("a socket");
    assert_eq!(socket.connect(&dial.remote), Err(Errno::EAGAIN));
    let nowhere = Dial::unix(UnixAddress::path(&dir.path().join("t")).expect("short"));
    let missing = refused(Step::Connect, Errno::ENOENT);
    assert_eq!(streams.open(nowhere, 1, None, fill(b"ping")), Err(missing));
    assert_eq!(workers(), Vec::<String>::new());
    settle(&mut streams);
}

fn bound_to(address: SocketAddr, bind: Bind) -> Dial {
    Dial { bind: Some(Arc::new(bind)), ..Dial::tcp(address) }
}

fn from_address(ip: impl Into<IpAddr>) -> Bind {
    Bind { address: Some(ip.into()), ..Bind::default() }
}

fn from_ports(first: u16, last: u16) -> Bind {
    Bind { ports: Some(first..=last), ..Bind::default() }
}

/// Opens a stream of the ring and a socket beside it, and says where each came from.
#[track_caller]
fn sources(streams: &mut Streams, bind: &Bind, listen: &str) -> [SocketAddr; 2] {
    let listener = TcpListener::bind(listen).expect("loopback has ports");
    let dial = bound_to(listener.local_addr().expect("bound"), bind.clone());
    let id = streams.open(dial.clone(), 1, within(PATIENCE), fill(b"ping")).expect("is ours");
    assert_eq!(next(streams), (1, Happened::Sent(4)));
    let (mut peer, first) = listener.accept().expect("accepts");
    peer.write_all(b"pong").expect("writes");
    assert_eq!(next(streams), received(b"pong"));
    // the client has it to itself again, no TIME_WAIT is left at its side
    drop(peer);
    assert_eq!(next(streams), (1, Happened::Ended));
    streams.close(id, &[]);
    settle(streams);
    let socket = Socket::open(&dial).expect("is ours");
    socket.connect(&dial.remote).expect("connects");
    [first, listener.accept().expect("accepts").1]
}

#[test]
fn a_socket_comes_from_the_address_that_it_is_bound_to() {
    let Some(mut streams) = streams() else { return };
    let ours = IpAddr::from([127, 0, 0, 77]);
    for source in sources(&mut streams, &from_address(ours), "127.0.0.1:0") {
        assert_eq!(source.ip(), ours);
        assert_ne!(source.port(), 0);
    }
    if TcpListener::bind("[::1]:0").is_err() {
        return eprintln!("skipped: no IPv6 loopback");
    }
    let ours: IpAddr = "::1".parse().expect("an address");
    for source in sources(&mut streams, &from_address(ours), "[::1]:0") {
        assert_eq!(source.ip(), ours);
    }
}

/// A port that nobody has, nor the one after.
fn two_free_ports() -> u16 {
    (20_000..30_000)
        .step_by(7)
        .find(|&port| {
            let bind = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
            bind(port) && bind(port + 1)
        })
        .expect("some are free")
}

#[test]
fn the_first_free_port_is_taken_and_none_is_an_error() {
    let Some(mut streams) = streams() else { return };
    let first = two_free_ports();
    let bind = from_ports(first, first + 1);
    for source in sources(&mut streams, &bind, "127.0.0.1:0") {
        assert_eq!(source.port(), first);
    }
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, first)).expect("is free");
    for source in sources(&mut streams, &bind, "127.0.0.1:0") {
        assert_eq!(source.port(), first + 1);
    }
    let dial = bound_to(taken.local_addr().expect("bound"), from_ports(first, first));
    let none = refused(Step::Bind, Errno::EADDRINUSE);
    assert!(none.is_exhaustion());
    assert_eq!(streams.open(dial.clone(), 1, None, fill(b"ping")), Err(none));
    assert_eq!(Socket::open(&dial).err(), Some(none));
    settle(&mut streams);
}

#[test]
fn an_address_or_device_that_is_not_there_is_refused_for_good() {
    let Some(mut streams) = streams() else { return };
    let (_listener, address) = listener();
    let nobodys = from_address([203, 0, 113, 1]);
    let device = Device::new("no-such-device").expect("could be");
    let nowhere = Bind { device: Some(device), ..Bind::default() };
    let other_family = from_address("::1".parse::<IpAddr>().expect("an address"));
    for (bind, errnos) in [
        (nobodys, &[Errno::EADDRNOTAVAIL][..]),
        (nowhere, &[Errno::ENODEV, Errno::EPERM]),
        (other_family, &[Errno::EAFNOSUPPORT, Errno::EINVAL]),
    ] {
        let dial = bound_to(address, bind);
        let by_ring = streams.open(dial.clone(), 1, None, fill(b"ping"));
        let Err(by_ring @ Refused { step: Step::Bind, errno }) = by_ring else { panic!() };
        assert!(errnos.contains(&errno), "{errno:?}");
        assert!(!by_ring.is_exhaustion());
        assert_eq!(Socket::open(&dial).err(), Some(by_ring));
    }
    settle(&mut streams);
}

#[test]
fn a_socket_keeps_to_its_device() {
    let Some(mut streams) = streams() else { return };
    let loopback = Bind { device: Device::new("lo").ok(), ..Bind::default() };
    let (_listener, address) = listener();
    if Socket::open(&bound_to(address, loopback.clone())).is_err() {
        return eprintln!("skipped: SO_BINDTODEVICE is refused");
    }
    for source in sources(&mut streams, &loopback, "127.0.0.1:0") {
        assert!(source.ip().is_loopback());
    }
}

#[test]
fn datagrams_are_bound_as_streams_are() {
    let Some(mut streams) = streams() else { return };
    let (server, address) = udp();
    let dial =
        Dial { transport: Transport::Datagram, ..bound_to(address, from_address([127, 0, 0, 78])) };
    let id = streams.open(dial, 1, None, fill(b"ping")).expect("is ours");
    assert_eq!(next(&mut streams), (1, Happened::Sent(4)));
    let (_, client) = server.recv_from(&mut [0; 16]).expect("a datagram");
    assert_eq!(client.ip(), IpAddr::from([127, 0, 0, 78]));
    streams.close(id, &[]);
    settle(&mut streams);
}

/// A socket is made while the CLOSE of its predecessor in the same place is still in the queue.
#[test]
fn a_made_socket_is_not_closed_in_its_predecessors_stead() {
    for options in every_step() {
        let room = ringdove::sys::streams::Room { streams: 1, ..ROOM };
        let Some(mut streams) = streams_with(&options, room) else { continue };
        let files = || std::fs::read_dir("/proc/self/fd").expect("proc").count();
        let (listener, address) = listener();
        let before = files();
        for _ in 0..50 {
            let dial = bound_to(address, from_address([127, 0, 0, 79]));
            let id = streams.open(dial, 1, None, fill(b"ping")).expect("the place is free");
            assert_eq!(files(), before, "a descriptor is left");
            assert_eq!(next(&mut streams), (1, Happened::Sent(4)));
            let (mut peer, _) = listener.accept().expect("accepts");
            peer.read_exact(&mut [0; 4]).expect("reads");
            // the peer first, so that ports are not used up
            drop(peer);
            assert_eq!(next(&mut streams), (1, Happened::Ended));
            streams.close(id, &[]);
        }
        settle(&mut streams);
    }
}

#[test]
fn the_next_address_gets_the_first_flight_of_a_bound_socket_that_failed() {
    let Some(mut streams) = streams_with(&small(), ROOM) else { return };
    let nobody = listener().1;
    let source = || from_address([127, 0, 0, 80]);
    let id = streams.open(bound_to(nobody, source()), 1, None, fill(b"ping")).expect("is ours");
    let failed = Happened::ConnectFailed(refused(Step::Connect, Errno::ECONNREFUSED));
    assert_eq!(next(&mut streams), (1, failed));
    let (listener, address) = listener();
    let elsewhere = bound_to(address, from_address([203, 0, 113, 1]));
    let not_ours = refused(Step::Bind, Errno::EADDRNOTAVAIL);
    assert_eq!(streams.reopen(id, elsewhere, None), Err(not_ours));
    streams.reopen(id, bound_to(address, source()), None).expect("is ours");
    assert_eq!(next(&mut streams), (1, Happened::Sent(4)));
    let (mut peer, from) = listener.accept().expect("accepts");
    peer.read_exact(&mut [0; 4]).expect("reads");
    assert_eq!(from.ip(), IpAddr::from([127, 0, 0, 80]));
    streams.close(id, &[]);
    settle(&mut streams);
}
