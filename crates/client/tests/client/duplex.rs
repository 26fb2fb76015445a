//! Both directions of a call at once: with either paused, the other goes on.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use ringdove::HttpVersions;
use ringdove_client::{Body, Client, Upgraded};
use ringdove_test_support::PATIENCE;
use ringdove_test_support::h2::{Credit, Plan, Script, Setup};

use crate::bodies::Pieces;
use crate::run;

/// More than fits into sockets and windows on the way.
const MUCH: usize = 20_000_000;

const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n";

/// A connection that has changed its protocol, and the other end of it.
async fn raw() -> (Client, Upgraded, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        socket.write_all(SWITCHING).unwrap();
        socket
    });
    let client = Client::builder().window(50_000).build().unwrap();
    let response = client.get(&url).upgrade("raw").send().await.unwrap();
    (client, response.upgrade().unwrap(), peer.join().unwrap())
}

/// Says much, and tells when all of it was taken.
fn says_much(mut socket: TcpStream) -> mpsc::Receiver<()> {
    let (said, is_said) = mpsc::channel();
    std::thread::spawn(move || {
        if socket.write_all(&vec![b'r'; MUCH]).is_ok() {
            let _ = said.send(());
        }
    });
    is_said
}

/// Nobody reads what the peer says, which stands still; what is said to it arrives.
#[test]
fn a_raw_connection_sends_while_it_does_not_receive() {
    run(async {
        let (_client, mut connection, mut peer) = raw().await;
        let is_said = says_much(peer.try_clone().unwrap());
        let heard = std::thread::spawn(move || {
            peer.read_exact(&mut vec![0; MUCH]).unwrap();
            peer
        });
        for _ in 0..MUCH / 10_000 {
            connection.send(vec![b's'; 10_000]).await.unwrap();
        }
        let _peer = heard.join().unwrap();
        assert!(is_said.try_recv().is_err(), "all that was said was taken in for nobody");
        let mut received = 0;
        while received < MUCH {
            received += connection.receive().await.unwrap().unwrap().len();
        }
        is_said.recv_timeout(PATIENCE).unwrap();
    });
}

/// Sends for as long as anything moves. How many bytes.
async fn fill(client: &Client, connection: &mut Upgraded) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut sent, mut left) = (0, 0);
    loop {
        while pin!(connection.send(vec![b's'; 10_000])).poll(&mut cx).is_ready() {
            sent += 10_000;
            assert!(sent < MUCH, "sockets take as much as nobody reads");
        }
        std::thread::sleep(Duration::from_millis(20));
        let now = client.stats().await.unwrap()[0].sent;
        if std::mem::replace(&mut left, now) == now {
            return sent;
        }
    }
}

/// The peer does not read, and there is no more room for what it is to be told; what it says arrives.
#[test]
fn a_raw_connection_receives_while_it_cannot_send() {
    run(async {
        let (client, mut connection, mut peer) = raw().await;
        let mut sent = fill(&client, &mut connection).await;
        let is_said = says_much(peer.try_clone().unwrap());
        let mut received = 0;
        while received < MUCH {
            received += connection.receive().await.unwrap().unwrap().len();
        }
        is_said.recv_timeout(PATIENCE).unwrap();
        let heard = std::thread::spawn(move || peer.read_exact(&mut vec![0; MUCH]));
        while sent < MUCH {
            connection.send(vec![b's'; 10_000]).await.unwrap();
            sent += 10_000;
        }
        heard.join().unwrap().unwrap();
    });
}

fn speaking_http2() -> Client {
    let versions = |options: &mut ringdove::Options| options.versions = HttpVersions::Http2;
    Client::builder().window(50_000).options(versions).build().unwrap()
}

fn upload(bytes: usize) -> Body {
    let piece = |_| Ok::<_, std::io::Error>(Bytes::from(vec![b's'; 10_000]));
    Body::stream(Pieces::new((0..bytes / 10_000).map(piece).collect()))
}

/// Nobody reads the response, and its window is used up; the request's body is sent to its end.
#[test]
fn a_stream_sends_while_it_does_not_receive() {
    let script = Script::new().head(200, &[]).pattern(MUCH as u64).await_body();
    let peer = Setup::new(Plan::new().path("/", script)).start();
    run(async {
        let call = speaking_http2().post(peer.url("/")).body(upload(MUCH));
        let mut response = call.send().await.unwrap();
        response.send_rest().await;
        let is_there = |seen: &[ringdove_test_support::h2::Seen]| {
            let requests = seen.iter().flat_map(|seen| &seen.requests);
            requests.map(|request| request.body_bytes).sum::<u64>() == MUCH as u64
        };
        assert!(peer.wait_for(PATIENCE, is_there), "{}", peer.dump());
        assert_eq!(response.bytes().await.unwrap().len(), MUCH);
    });
    assert_eq!(peer.violations(), [""; 0], "{}", peer.dump());
}

/// The server lets no more of the request's body come; what it answers arrives, and then the rest is sent.
#[test]
fn a_stream_receives_while_it_cannot_send() {
    let much = u32::try_from(MUCH).unwrap();
    let script = Script::new().head(200, &[]).pattern(MUCH as u64).grant(much, much);
    let script = script.await_body().trailers(&[("x-heard", "all")]);
    let peer = Setup::new(Plan::new().credit(Credit::Never).path("/", script)).start();
    run(async {
        let call = speaking_http2().post(peer.url("/")).body(upload(MUCH));
        let body = call.send().await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap().get("x-heard").unwrap(), "all");
        assert_eq!(body.to_bytes().len(), MUCH);
    });
    assert_eq!(peer.violations(), [""; 0], "{}", peer.dump());
}
