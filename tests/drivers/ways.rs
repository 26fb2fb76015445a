//! Unix sockets, sources of one's own, families, pinned keys.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;

use ringdove::dial::{Bind, UnixAddress};
use ringdove::driver::Kind;
use ringdove::engine::{Family, Sources};
use ringdove::error::{Cause, Operation};
use ringdove::{Config, Options, TlsPolicy, Ways};

use crate::run::{Run, closes_late, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Plan, Script};

on_every_driver! {
    a_unix_socket_stands_for_the_server,
    a_unix_socket_that_is_not_there,
    a_unix_socket_with_a_short_queue_serves_many,
    sources_take_turns,
    a_source_that_is_not_ours,
    more_connections_than_local_ports,
    a_family_that_there_is_not,
    a_pinned_key_is_demanded,
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn by(ways: Ways) -> Options {
    Options { ways: Some(Arc::new(ways)), ..Options::default() }
}

fn unix(path: &std::path::Path) -> Ways {
    Ways { unix_socket: UnixAddress::path(path).ok(), ..Ways::default() }
}

fn from(binds: impl IntoIterator<Item = Bind>) -> Ways {
    Ways { sources: Sources::new(binds), ..Ways::default() }
}

fn address(ip: [u8; 4]) -> Bind {
    Bind { address: Some(IpAddr::from(ip)), ..Bind::default() }
}

/// Answers one request for each connection, of which it takes so many, and gives back what was asked.
fn serve(mut accept: impl FnMut() -> Box<dyn ReadWrite>, connections: usize) -> Vec<String> {
    let answer = |_| {
        let mut peer = accept();
        let mut asked = Vec::new();
        let mut buffer = [0; 1024];
        while !asked.ends_with(b"\r\n\r\n") {
            let read = peer.read(&mut buffer).expect("a request");
            assert_ne!(read, 0, "a request is cut");
            asked.extend_from_slice(&buffer[..read]);
        }
        peer.write_all(OK).expect("writes");
        String::from_utf8(asked).expect("text")
    };
    (0..connections).map(answer).collect()
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

fn a_unix_socket_stands_for_the_server(kind: Kind) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).expect("binds");
    let server =
        thread::spawn(move || serve(|| Box::new(listener.accept().expect("a connection").0), 2));
    let mut run = Run::new(kind);
    let urls = ["http://a.test:8080/one", "http://b.test/two"];
    let transfers = urls.map(|url| run.get_with(url, by(unix(&path))));
    run.finish();
    for transfer in &transfers {
        transfer.assert_response(200, b"ok");
        assert_eq!(transfer.outcome().report.remote, None);
    }
    let mut asked = server.join().expect("served");
    asked.sort();
    assert!(asked[0].starts_with("GET /one HTTP/1.1\r\nHost: a.test:8080\r\n"), "{}", asked[0]);
    assert!(asked[1].starts_with("GET /two HTTP/1.1\r\nHost: b.test\r\n"), "{}", asked[1]);
}

fn a_unix_socket_that_is_not_there(kind: Kind) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut run = Run::new(kind);
    let transfer = run.get_with("http://a.test/", by(unix(&directory.path().join("s"))));
    // it fails as it begins: a wait for others would be without end
    run.driver.turn(None).expect("the driver can go on");
    run.finish();
    let cause = Cause::Os { operation: Operation::Connect, errno: 2 };
    assert_eq!(transfer.error().cause, cause);
}

/// Beyond its queue a Unix socket refuses for a moment: those who wait get their turn.
fn a_unix_socket_with_a_short_queue_serves_many(kind: Kind) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("s");
    let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
    let listener = listener.expect("a socket");
    listener.bind(&socket2::SockAddr::unix(&path).expect("short")).expect("binds");
    listener.listen(2).expect("listens");
    let server =
        thread::spawn(move || serve(|| Box::new(listener.accept().expect("a connection").0), 40));
    let mut run = Run::new(kind);
    let transfers: Vec<_> =
        (0..40).map(|n| run.get_with(&format!("http://h{n}.test/"), by(unix(&path)))).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"ok"));
    assert_eq!(server.join().expect("served").len(), 40);
}

fn sources_take_turns(kind: Kind) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let server = listener.local_addr().expect("bound");
    let accepting = thread::spawn(move || {
        let mut sources = Vec::new();
        let accept = || -> Box<dyn ReadWrite> {
            let (peer, from) = listener.accept().expect("a connection");
            sources.push(from.ip());
            Box::new(peer)
        };
        serve(accept, 6);
        sources
    });
    let ways = from([address([127, 0, 0, 5]), address([127, 0, 0, 6]), address([127, 0, 0, 7])]);
    let mut run = Run::new(kind);
    let transfers: Vec<_> =
        (0..6).map(|_| run.get_with(&format!("http://{server}/"), by(ways.clone()))).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"ok"));
    let mut sources = accepting.join().expect("served");
    sources.sort();
    let expected = [5, 5, 6, 6, 7, 7].map(|last| IpAddr::from([127, 0, 0, last]));
    assert_eq!(sources, expected);
}

fn a_source_that_is_not_ours(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let mut run = Run::new(kind);
    let others = run.get(&server.url("/"));
    let ways = from([address([203, 0, 113, 1])]);
    let transfer = run.get_with(&server.url("/"), by(ways));
    run.finish();
    others.assert_response(200, b"fine");
    // EADDRNOTAVAIL of bind(2) is for good, and no reason to wait
    assert_eq!(transfer.error().cause, Cause::Os { operation: Operation::Bind, errno: 99 });
    assert_eq!(transfer.outcome().report.wire_sent, 0);
}

/// Those who find no port wait until one is given back.
fn more_connections_than_local_ports(kind: Kind) {
    let script = Script::new().send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfine").close();
    let server = Plan::new().path("/", script).start();
    // below those that the kernel gives out; each process, and so each driver's test, looks elsewhere first
    let begin = 20_000 + (std::process::id() as u16 % 700) * 16;
    let first = (begin..32_000)
        .step_by(16)
        .find(|&port| (port..port + 4).all(|port| TcpListener::bind(("0.0.0.0", port)).is_ok()))
        .expect("free ports");
    let bind = Bind { ports: Some(first..=first + 3), ..Bind::default() };
    let mut run = Run::new(kind);
    if closes_late(&run.driver) {
        return eprintln!(
            "skipped: the kernel closes late, and gives no port back when it is wanted"
        );
    }
    let ways = from([bind]);
    let transfers: Vec<_> =
        (0..12).map(|_| run.get_with(&server.url("/"), by(ways.clone()))).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"fine"));
}

fn a_family_that_there_is_not(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let mut run = Run::new(kind);
    let only = |family| by(Ways { family: Some(family), ..Ways::default() });
    let four = run.get_with(&server.url("/"), only(Family::V4));
    let six = run.get_with(&server.url("/"), only(Family::V6));
    run.finish();
    four.assert_response(200, b"fine");
    let error = six.error();
    assert!(matches!(&error.cause, Cause::Resolve(why) if why.contains("IPv6")), "{error:?}");
}

fn a_pinned_key_is_demanded(kind: Kind) {
    let authority = Authority::new();
    let (server, other) = (authority.server(), authority.server());
    let plan = Plan::new().path("/", Script::new().ok("fine")).tls(server.server_config());
    let plan = plan.start();
    let url = format!("https://{}/", plan.addr());
    let policy = |pins: String, verifies: bool| {
        let builder = TlsPolicy::builder().add_roots_file(authority.ca_file()).only_these_roots();
        let builder = if verifies { builder } else { builder.insecure() };
        builder.pinned_public_keys(pins).build().expect("pins")
    };
    let (right, wrong) = (server.pin(), other.pin());
    let mut asked = 0;
    for verifies in [true, false] {
        for (pins, fits) in
            [(right.clone(), true), (format!("{wrong};{right}"), true), (wrong.clone(), false)]
        {
            let tls = Some(policy(pins.clone(), verifies));
            let mut run = Run::with(kind, Config { tls, ..Config::default() });
            let transfer = run.get(&url);
            run.finish();
            if fits {
                transfer.assert_response(200, b"fine");
                asked += 1;
            } else {
                let error = transfer.error();
                assert!(
                    matches!(&error.cause, Cause::Tls(why) if why.contains("pinned")),
                    "{pins}: {error:?}"
                );
            }
            assert_eq!(plan.requests().len(), asked);
        }
    }
    // whom nobody trusts is not trusted for a key that fits
    let stranger = TlsPolicy::builder()
        .add_roots_file(Authority::new().ca_file())
        .only_these_roots()
        .pinned_public_keys(right)
        .build()
        .expect("pins");
    let mut run = Run::with(kind, Config { tls: Some(stranger), ..Config::default() });
    let transfer = run.get(&url);
    run.finish();
    assert!(matches!(transfer.error().cause, Cause::Tls(_)));
}
