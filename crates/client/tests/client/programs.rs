//! The examples, run.

use std::time::Duration;

use ringdove_client::Client;
use ringdove_test_support::PATIENCE;
use ringdove_test_support::hostile::{Framing, Plan, Script};

use crate::run;

#[path = "../../examples/download.rs"]
mod download;
#[path = "../../examples/hedged.rs"]
mod hedged;
#[path = "../../examples/json.rs"]
mod json;
#[path = "../../examples/many.rs"]
mod many;
#[path = "../../examples/nested.rs"]
mod nested;
#[path = "../../examples/upload.rs"]
mod upload;
#[path = "../../examples/websocket.rs"]
mod websocket;
#[path = "../../examples/workers.rs"]
mod workers;

fn on_tokio<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_time().build().unwrap().block_on(future)
}

#[test]
fn a_thousand_urls_are_fetched_some_at_a_time() {
    let server = Plan::new().path("/", Script::new().ok("hello")).forget().start();
    let urls = vec![server.url("/"); 1_000];
    let lengths = on_tokio(many::fetch(urls, 20));
    assert_eq!(lengths.len(), 1_000);
    assert!(lengths.iter().all(|length| matches!(length, Ok(5))));
    assert!(server.connections() <= 20);
}

#[test]
fn a_body_goes_into_a_file() {
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let server = Plan::new().path("/", Script::new().ok(&body)).start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let written = on_tokio(download::download(&server.url("/"), file.path().to_str().unwrap()));
    assert_eq!(written.unwrap(), 1_000_000);
    assert!(std::fs::read(file.path()).unwrap() == body);
}

#[test]
fn a_reader_is_uploaded_and_trailers_are_read() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 3\r\n\r\n";
    let server = Plan::new().path("/", Script::new().read_body().send(answer)).start();
    let trailers = run(upload::upload(&server.url("/"), &b"what there is"[..]));
    assert_eq!(trailers.unwrap().unwrap().get("x-sum").unwrap(), "3");
    assert_eq!(server.requests()[0].body, b"what there is");
}

#[test]
fn workers_share_an_engine_and_give_up() {
    let server = Plan::new()
        .path("/", Script::new().ok("hello"))
        .path("/never", Script::new().stall())
        .start();
    let urls = (0..40).map(|n| server.url(if n % 10 == 0 { "/never" } else { "/" })).collect();
    assert_eq!(on_tokio(workers::work(urls, Duration::from_millis(500))), (36, 4));
    assert!(server.wait_for(PATIENCE, |seen| seen.iter().all(|it| it.end.is_some())));
}

#[test]
fn a_loop_that_was_there_first_turns_the_engine() {
    let body = "hello".repeat(50_000);
    let server = Plan::new().path("/", Script::new().ok(&body)).start();
    assert!(nested::fetch(&server.url("/")).unwrap() == body);
}

#[test]
fn errors_of_json_are_told_apart() {
    let status = |head: &str| Script::new().respond(head, Framing::ContentLength, "{\"sum\": 3}");
    let server = Plan::new()
        .path("/", status("200 OK"))
        .path("/no", status("404 Not Found"))
        .path("/later", status("503 Busy"))
        .path("/other", Script::new().ok("<html>"))
        .start();
    let client = Client::new();
    let ask = |path: &str| run(json::ask(&client, &server.url(path)));
    assert_eq!(ask("/").unwrap(), json::Answer { sum: 3 });
    assert_eq!(server.requests()[0].body, b"{\"name\":\"dove\"}");
    assert_eq!(json::advice(&ask("/no").unwrap_err()), "ask otherwise");
    assert_eq!(json::advice(&ask("/later").unwrap_err()), "ask again later");
    assert_eq!(json::advice(&ask("/other").unwrap_err()), "the server speaks another language");
}

#[test]
fn who_is_slow_is_hedged() {
    let server = Plan::new()
        .path("/slow", Script::new().stall())
        .path("/fast", Script::new().ok("fast"))
        .start();
    let client = hedged::client(PATIENCE).unwrap();
    let (slow, fast) = (server.url("/slow"), server.url("/fast"));
    let after = Duration::from_millis(20);
    assert_eq!(on_tokio(hedged::hedge(&client, &slow, &fast, after)).unwrap(), "fast");
    assert_eq!(on_tokio(hedged::hedge(&client, &fast, &slow, after)).unwrap(), "fast");
}

/// A server of the same library says again what it is told.
#[test]
fn a_websocket_is_talked_over() {
    use futures_util::{SinkExt as _, StreamExt as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/chat", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let server = runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(socket).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let texts = vec!["one".to_owned(), "two".repeat(100_000), "three".to_owned()];
    assert_eq!(runtime.block_on(websocket::talk(&url, texts.clone())).unwrap(), texts);
    runtime.block_on(server).unwrap();
}
