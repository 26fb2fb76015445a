//! Connections that change their protocol.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use ringdove_client::{Client, ClientBuilder, LocalClient};
use ringdove_test_support::hostile::{Plan, Script};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::run;

/// Answers one request with this head, then says again whatever it is told, until it is told no more.
fn echo(head: &'static str, first: &'static [u8]) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/chat", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let asked = read_head(&mut socket);
        socket.write_all(&[head.as_bytes(), first].concat()).unwrap();
        let mut buffer = [0; 10_000];
        while let Ok(length @ 1..) = socket.read(&mut buffer) {
            if socket.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        asked
    });
    (url, served)
}

fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

const SWITCHING: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

/// Bytes that come with the head are the first of the other protocol, and much may be under way in both directions.
#[test]
fn bytes_go_both_ways() {
    let (url, served) = echo(SWITCHING, b"welcome");
    let client = Client::builder().window(20_000).build().unwrap();
    run(async {
        let response = client.get(&url).upgrade("echo").send().await.unwrap();
        assert_eq!(response.status(), 101);
        let mut connection = response.upgrade().unwrap();
        assert_eq!(connection.receive().await.unwrap().unwrap(), "welcome");
        for round in 0..20 {
            let said = vec![round; 1_000];
            connection.send(said.clone()).await.unwrap();
            let mut heard = Vec::new();
            while heard.len() < said.len() {
                heard.extend_from_slice(&connection.receive().await.unwrap().unwrap());
            }
            assert_eq!(heard, said);
        }
    });
    let asked = served.join().unwrap().to_ascii_lowercase();
    assert!(asked.contains("\r\nconnection: upgrade\r\nupgrade: echo\r\n"), "{asked}");
    assert!(!asked.contains("content-length") && !asked.contains("transfer-encoding"), "{asked}");
}

/// Two tasks have a direction each, over tokio's traits, and neither waits for the other.
#[test]
fn directions_can_be_parted() {
    let (url, served) = echo(SWITCHING, b"");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let said: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let client = Client::builder().window(50_000).build().unwrap();
    let heard = runtime.block_on(async {
        let response = client.get(&url).upgrade("echo").send().await.unwrap();
        let (mut reading, mut writing) = tokio::io::split(response.upgrade().unwrap());
        let saying = said.clone();
        let writer = tokio::spawn(async move {
            writing.write_all(&saying).await.unwrap();
            writing
        });
        let mut heard = vec![0; said.len()];
        reading.read_exact(&mut heard).await.unwrap();
        drop(writer.await.unwrap());
        heard
    });
    assert!(heard == said);
    served.join().unwrap();
}

#[test]
fn a_connection_that_changed_carries_nothing_else() {
    let (url, served) = echo(SWITCHING, b"");
    let client = Client::new();
    run(async {
        let response = client.get(&url).upgrade("echo").send().await.unwrap();
        drop(response.upgrade().unwrap());
        served.join().unwrap();
        while client.stats().await.unwrap()[0].connections > 0 {
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_server_may_decline() {
    let server = Plan::new().path("/", Script::new().ok("no")).start();
    let client = Client::new();
    run(async {
        let response = client.get(server.url("/")).upgrade("echo").send().await.unwrap();
        let error = response.upgrade().unwrap_err();
        assert_eq!(error.status().unwrap(), 200);
        let response = client.get(server.url("/")).upgrade("echo").send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "no");
        // the connection is one of HTTP still
        client.get(server.url("/")).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(client.stats().await.unwrap()[0].reused, 2);
    });
}

/// What nobody has offered is no upgrade.
#[test]
fn an_upgrade_that_was_not_offered_is_an_error() {
    let server = Plan::new().path("/", Script::new().send(SWITCHING)).start();
    let error = run(Client::new().get(server.url("/")).send()).unwrap_err();
    assert!(error.to_string().contains("no upgrade was offered"), "{error}");
}

#[test]
fn in_place_as_well() {
    let (url, served) = echo(SWITCHING, b"");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (client, turner) = LocalClient::build(ClientBuilder::default()).unwrap();
        let turning = tokio::task::spawn_local(turner.run_on_tokio());
        let response = client.get(&url).upgrade("echo").send().await.unwrap();
        let mut connection = response.upgrade().unwrap();
        connection.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        connection.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        drop((connection, client));
        turning.await.unwrap().unwrap();
    });
    served.join().unwrap();
}
