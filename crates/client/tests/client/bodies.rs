//! Bodies on their way, in both directions.

use std::io::{Read as _, Write as _};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body_util::{BodyExt as _, StreamBody};
use ringdove_client::{Body, Client, LocalClient, Upgraded};
use ringdove_test_support::PATIENCE;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};

use crate::run;

/// Gives what it is made of, piece by piece, and lets others have their turn between two.
pub(crate) struct Pieces<T>(std::vec::IntoIter<T>, bool);

impl<T> Pieces<T> {
    pub(crate) fn new(pieces: Vec<T>) -> Pieces<T> {
        Pieces(pieces.into_iter(), false)
    }
}

impl<T: Unpin> Stream for Pieces<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.1 = !self.1;
        if self.1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.0.next())
    }
}

fn large() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n % 251) as u8).collect()
}

fn taken(server: &Hostile) -> Vec<u8> {
    server.requests().pop().expect("a request").body
}

/// Whoever does not read makes the server wait, and what is read late is all there.
#[test]
fn who_is_slow_makes_the_server_wait() {
    let large = large().repeat(10);
    let server = Plan::new().path("/", Script::new().ok(&large)).start();
    let client = Client::builder().window(64 * 1024).max_buffered(1 << 30).build().unwrap();
    run(async {
        let mut response = client.get(server.url("/")).send().await.unwrap();
        let first = response.chunk().await.unwrap().expect("some of it");
        let mut before = client.stats().await.unwrap()[0].received;
        // as much as fits into sockets on the way, until that is full
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let now = client.stats().await.unwrap()[0].received;
            if std::mem::replace(&mut before, now) == now {
                break;
            }
        }
        assert!(before < 5_000_000, "{before} bytes were taken in for nobody");
        let rest = response.bytes().await.unwrap();
        assert!(first.len() + rest.len() == large.len() && rest == large[first.len()..]);
    });
}

/// What comes at once is taken in, also beyond the window, and then nothing before that is read.
#[test]
fn nothing_is_taken_in_beyond_a_window_that_is_used_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let (written, is_written) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 1024]).unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n").unwrap();
        socket.write_all(&[1; 100_000]).unwrap();
        may_go_on.recv().unwrap();
        socket.write_all(&[2; 100_000]).unwrap();
        written.send(()).unwrap();
    });
    let client = Client::builder().window(64 * 1024).build().unwrap();
    run(async {
        let response = client.get(&url).send().await.unwrap();
        let received = async || client.stats().await.unwrap()[0].received;
        while received().await <= 64 * 1024 + 200 {
            std::thread::sleep(Duration::from_millis(1));
        }
        // each answer is a turn, and one is enough for what is under way
        received().await;
        go_on.send(()).unwrap();
        is_written.recv().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let received = received().await;
        assert!(received < 100_200, "{received} bytes were taken in for nobody");
        assert_eq!(response.bytes().await.unwrap(), [vec![1; 100_000], vec![2; 100_000]].concat());
    });
    server.join().unwrap();
}

/// Whoever keeps more of bodies than there is memory to receive into keeps what it got, and nobody else from receiving.
#[test]
fn what_is_kept_stays_as_it_came() {
    let large = large();
    let server = Plan::new().path("/", Script::new().ok(&large)).start();
    let client = Client::builder().build().unwrap();
    let mut all = Vec::new();
    run(async {
        // 36 MB, of 32 MiB of which half may be kept
        for _ in 0..12 {
            let mut response = client.get(server.url("/")).send().await.unwrap();
            let mut chunks = Vec::new();
            while let Some(chunk) = response.chunk().await.unwrap() {
                chunks.push(chunk);
            }
            all.push(chunks);
        }
    });
    drop(client);
    assert!(all.iter().all(|chunks| chunks.concat() == large));
}

#[test]
fn a_body_is_sent_as_it_comes() {
    let large = large();
    let server = Plan::new().path("/up", Script::new().read_body().ok("taken")).start();
    let client = Client::builder().window(50_000).build().unwrap();
    let chunks: Vec<Result<Bytes, std::io::Error>> =
        large.chunks(7_777).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let bodies = [
        Body::stream(Pieces::new(chunks)),
        Body::reader(std::io::Cursor::new(large.clone()), None),
        Body::reader(std::io::Cursor::new(large.clone()), Some(large.len() as u64)),
        Body::from(large.clone()),
    ];
    for body in bodies {
        let response = run(async {
            client.post(server.url("/up")).body(body).send().await.unwrap().text().await
        });
        assert_eq!(response.unwrap(), "taken");
        assert!(taken(&server) == large);
    }
}

/// `frames` of a body end in trailers, which are sent; so are those that come with a response.
#[test]
fn trailers_go_both_ways() {
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 3\r\n\r\n";
    let server = Plan::new().path("/up", Script::new().read_body().send(answer)).start();
    let client = Client::new();
    let mut fields = http::HeaderMap::new();
    fields.insert("x-end", "here".parse().unwrap());
    let frames: Vec<Result<_, std::io::Error>> = vec![
        Ok(http_body::Frame::data(Bytes::from_static(b"some"))),
        Ok(http_body::Frame::trailers(fields)),
    ];
    let body = Body::wrap(StreamBody::new(Pieces::new(frames)));
    run(async {
        let response = client.put(server.url("/up")).body(body).send().await.unwrap();
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().and_then(|fields| fields.get("x-sum")).unwrap(), "3");
        assert_eq!(collected.to_bytes(), "ok");
    });
    let received = String::from_utf8(server.seen().pop().unwrap().received).unwrap();
    assert!(received.ends_with("0\r\nx-end: here\r\n\r\n"), "{received}");
}

#[test]
fn a_body_that_fails_fails_its_call() {
    let server = Plan::new().path("/up", Script::new().read_body().ok("taken")).start();
    let client = Client::new();
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        vec![Ok(Bytes::from_static(b"some")), Err(std::io::Error::other("no more of it"))];
    let error = run(client.put(server.url("/up")).body(Body::stream(Pieces::new(pieces))).send());
    let error = error.unwrap_err();
    assert!(error.is_body() && error.to_string().contains("no more of it"), "{error}");
    let source =
        std::error::Error::source(&error).and_then(|it| it.downcast_ref::<std::io::Error>());
    assert_eq!(source.unwrap().to_string(), "no more of it");
}

/// A response may come while its request's body is still being sent: with the response unread, that goes on, and is driven by
/// whoever reads the response.
#[test]
fn neither_direction_waits_for_the_other() {
    let large = large();
    // answers with the head first, and reads after
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
    let script = Script::new().send(answer).read_body().send("done").close();
    let server = Plan::new().path("/up", script).start();
    let client = Client::builder().window(10_000).build().unwrap();
    let chunks: Vec<Result<Bytes, std::io::Error>> =
        large.chunks(9_999).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let text = run(async {
        let call = client.post(server.url("/up")).body(Body::stream(Pieces::new(chunks)));
        let response = call.send().await.unwrap();
        response.text().await.unwrap()
    });
    assert_eq!(text, "done");
    assert!(taken(&server) == large);
}

#[test]
fn what_is_held_in_memory_is_bounded() {
    let server = Plan::new()
        .path("/", Script::new().ok("0123456789"))
        .path("/chunked", Script::new().respond("200 OK", Framing::Chunked(3), "0123456789"))
        .path("/at-once", Script::new().respond("200 OK", Framing::Chunked(10), "0123456789"))
        .path("/less", Script::new().respond("200 OK", Framing::Chunked(4), "012345678"))
        .start();
    let client = Client::builder().max_buffered(9).build().unwrap();
    run(async {
        let less = client.get(server.url("/less")).send().await.unwrap();
        assert_eq!(less.bytes().await.unwrap(), "012345678");
        for path in ["/", "/chunked", "/at-once"] {
            let response = client.get(server.url(path)).send().await.unwrap();
            let error = response.bytes().await.unwrap_err();
            assert!(error.to_string().contains("larger than the 9 bytes"), "{error}");
        }
    });
}

/// A body ends where the server says, and nowhere else.
#[test]
fn a_body_that_is_cut_short_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome";
    let server = Plan::new().path("/", Script::new().send(head).close()).start();
    let client = Client::new();
    run(async {
        let mut response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "some");
        let error = response.chunk().await.unwrap_err();
        assert!(error.is_cut_short() && error.is_transient(), "{error}");
        assert!(response.chunk().await.unwrap().is_none(), "it is told once");
    });
}

/// An engine that ends is an error everywhere, and never the end of a body.
#[test]
fn a_body_whose_engine_is_gone_fails() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome";
    let server = Plan::new().path("/", Script::new().send(head).stall()).start();
    let client = Client::new();
    run(async {
        let mut response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "some");
        let waiting = std::thread::spawn(move || (run(response.chunk()), response));
        client.clone().shutdown(Duration::ZERO).await;
        let (end, mut response) = waiting.join().unwrap();
        assert!(end.unwrap_err().is_gone());
        assert!(response.chunk().await.unwrap().is_none(), "it is told once");
        assert!(client.stats().await.unwrap_err().is_gone());
        assert!(client.get(server.url("/")).send().await.unwrap_err().is_gone());
    });
    // so is one that nobody turns any more
    let (client, mut turner) = LocalClient::new().unwrap();
    let mut call = pin!(client.get(server.url("/")).send());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert!(turner.turn(Some(Duration::ZERO)).unwrap());
    drop(turner);
    assert!(run(call).unwrap_err().is_gone());
    assert!(run(client.get(server.url("/")).send()).unwrap_err().is_gone());
}

/// Whoever holds a body keeps its engine.
#[test]
fn a_body_outlives_its_client() {
    let slow = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhe";
    let script = Script::new().send(slow).wait(Duration::from_millis(50)).send("llo you");
    let server = Plan::new().path("/", script).start();
    let response = run(async {
        let client = Client::new();
        client.get(server.url("/")).send().await.unwrap()
    });
    assert_eq!(run(response.text()).unwrap(), "hello you");
    assert!(server.wait_for(PATIENCE, |seen| seen.iter().all(|it| it.end.is_some())));
}

#[allow(dead_code, reason = "that it compiles is the test")]
fn what_crosses_threads() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Client>();
    is_sync::<Client>();
    is_send::<ringdove_client::Pending>();
    is_send::<ringdove_client::Response>();
    // as crates want it that wrap bodies
    is_sync::<ringdove_client::ResponseBody>();
    is_send::<ringdove_client::RequestBuilder>();
    is_send::<ringdove_client::Error>();
    is_sync::<ringdove_client::Error>();
    is_send::<Upgraded>();
}
