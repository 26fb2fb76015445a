//! Ways to a server: Unix sockets, sources, families, other hosts, pinned keys.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddrV6, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::thread;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Plan, Script};

/// Takes one request and answers it with the field Host that it had.
fn serve_once(listener: UnixListener) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a connection");
        let mut asked = String::new();
        let mut buffer = [0; 1024];
        while !asked.ends_with("\r\n\r\n") {
            let read = peer.read(&mut buffer).expect("a request");
            assert_ne!(read, 0, "a request is cut");
            asked.push_str(std::str::from_utf8(&buffer[..read]).expect("ASCII"));
        }
        let host = asked.lines().find(|line| line.starts_with("Host: ")).expect("Host");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", host.len());
        peer.write_all((head + host).as_bytes()).expect("writes");
    })
}

#[test]
fn unix_sockets_by_path_and_by_name() {
    for driver in drivers() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        let server = serve_once(UnixListener::bind(&path).expect("binds"));
        let fetch = || Ringdove::fetch(["--driver", driver, "-v", "http://a.test:81/"]);
        let ended = fetch().path("--unix-socket", &path).run().exits(0);
        assert_eq!(ended.text(), "Host: a.test:81");
        server.join().expect("served");
        let name = format!("ringdove-cli-{}", directory.path().display());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let server = serve_once(UnixListener::bind_addr(&address).expect("binds"));
        let ended = fetch().args(["--abstract-unix-socket", &name]).run().exits(0);
        assert_eq!(ended.text(), "Host: a.test:81");
        server.join().expect("served");
        fetch().path("--unix-socket", &path.join("no")).run().exits(1).says(&["connect"]);
    }
}

#[test]
fn connections_come_from_where_they_are_told_to() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let server = thread::spawn(move || {
        let mut sources = Vec::new();
        for _ in 0..4 * drivers().count() {
            let (mut peer, from) = listener.accept().expect("a connection");
            let mut buffer = [0; 1024];
            let _ = peer.read(&mut buffer).expect("a request");
            peer.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                .expect("writes");
            sources.push(from.ip().to_string());
        }
        sources
    });
    for driver in drivers() {
        let args = ["--driver", driver, "--interface", "127.0.0.5,host!127.0.0.6"];
        Ringdove::fetch(args).args([&url, &url, &url, &url]).run().exits(0);
    }
    let sources = server.join().expect("served");
    for four in sources.chunks(4) {
        let from = |ip| four.iter().filter(|source| *source == ip).count();
        assert_eq!((from("127.0.0.5"), from("127.0.0.6")), (2, 2), "{four:?}");
    }
}

#[test]
fn a_family_without_address_is_named() {
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let url = server.url("/");
    Ringdove::fetch(["-6", &url]).run().exits(1).says(&[&url, "no IPv6 address"]);
    assert_eq!(Ringdove::fetch(["-6", "-4", &url]).run().exits(0).text(), "fine");
    let port = server.addr().port();
    let resolve = format!("a.test:{port}:::1,127.0.0.1");
    let url = format!("http://a.test:{port}/");
    assert_eq!(Ringdove::fetch(["-4", "--resolve", &resolve, &url]).run().exits(0).text(), "fine");
    assert!(server.requests().len() == 2);
}

#[test]
fn a_server_elsewhere_has_the_certificate_of_who_is_asked() {
    let authority = Authority::new();
    let identity = authority.server_for(&["a.ringdove.test"]);
    let plan = Plan::new().path("/", Script::new().ok("fine")).tls(identity.server_config());
    let server = plan.start();
    let to = format!("a.ringdove.test:443:127.0.0.1:{}", server.addr().port());
    let fetch = |to: &str, url: &str| {
        Ringdove::fetch(["--connect-to", to, url]).path("--cacert", &authority.ca_file()).run()
    };
    assert_eq!(fetch(&to, "https://a.ringdove.test/").exits(0).text(), "fine");
    let other = to.replace("a.ringdove", "b.ringdove");
    fetch(&other, "https://b.ringdove.test/").exits(1).says(&["TLS", "not valid for"]);
}

#[test]
fn pinned_keys_are_hashes_or_a_file() {
    let authority = Authority::new();
    let (identity, other) = (authority.server(), authority.server());
    let plan = Plan::new().path("/", Script::new().ok("fine")).tls(identity.server_config());
    let server = plan.start();
    let url = format!("https://{}/", server.addr());
    let fetch = |pins: &str, more: &[&str]| {
        Ringdove::fetch(["--pinnedpubkey", pins, &url])
            .args(more)
            .path("--cacert", &authority.ca_file())
            .run()
    };
    for more in [&[][..], &["-k"]] {
        assert_eq!(fetch(&identity.pin(), more).exits(0).text(), "fine");
        fetch(&other.pin(), more).exits(1).says(&["TLS", "pinned"]);
    }
    let file = authority.dir().join("key.pem");
    std::fs::write(&file, identity.public_key_pem()).expect("writes");
    assert_eq!(fetch(file.to_str().expect("UTF-8"), &[]).exits(0).text(), "fine");
    fetch("sha256//AAAA", &[]).exits(2).says(&["sha256//AAAA"]);
    fetch("/no/such/file", &[]).exits(2).says(&["/no/such/file"]);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn what_no_way_can_be_is_told_before_anything_begins() {
    let table: [&[&str]; 11] = [
        &["--interface", "nothing.invalid"],
        &["--interface", "ifhost!lo"],
        &["--interface", "if!aaaaaaaaaaaaaaaa"],
        &["--local-port", "0"],
        &["--local-port", "2-1"],
        &["--connect-to", "a:80"],
        &["--resolve", "a:80"],
        &["--resolve", "*.a:80:127.0.0.1"],
        &["--unix-socket", ""],
        &["--unix-socket", "a", "--abstract-unix-socket", "b"],
        &["--abstract-unix-socket", ""],
    ];
    for args in table {
        let ended = Ringdove::fetch(args).args(["http://127.0.0.1:1/"]).run().exits(2);
        assert!(ended.stderr.contains(args[0]), "{args:?}: {}", ended.stderr);
    }
}

/// The zone of `::1` is lo, whatever is said; that a zone reaches the socket, the engine's tests show.
#[test]
fn addresses_in_lists_have_zones() {
    let (address, name, number) = (Ipv6Addr::LOCALHOST, "lo", 1);
    let plan = Plan::new().path("/", Script::new().ok("fine"));
    let server = plan.addr(SocketAddrV6::new(address, 0, 0, number).into()).start();
    let port = server.addr().port();
    let list = format!(
        "http://[{address}%25{name}]:{port}/\n[{address}%{name}]:{port}/\n\
         http://[{address}%25{number}]:{port}/\nhttp://[{address}%25no-such-one]:{port}/\n"
    );
    for driver in drivers() {
        let ended = Ringdove::fetch(["--driver", driver, "-i", "-"]).stdin(&list).run().exits(1);
        assert_eq!(ended.text(), "fine".repeat(3));
        ended.says(&["line 4: ", "there is no network interface \"no-such-one\""]);
    }
}
