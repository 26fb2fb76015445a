//! Calls as they are made every day.

use std::io::Read as _;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use ringdove_client::blocking;
use ringdove_client::{Body, Client};
use ringdove_test_support::hostile::{Plan, Script};

use crate::run;

#[test]
fn a_call_gives_status_fields_and_body() {
    let server = Plan::new().path("/", Script::new().ok("hello")).start();
    let client = Client::new();
    run(async {
        let call = client.get(server.url("/")).query(&[("a", "1 2")]).header("x-one", "1");
        let response = call.send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(5)));
        let account = response.account();
        assert_eq!(response.text().await.unwrap(), "hello");
        let report = account.report().expect("it is over");
        assert_eq!((report.body_received, report.reused), (5, false));
        assert_eq!(report.remote, Some(server.addr()));
    });
    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert_eq!(request.field("x-one").as_deref(), Some("1"));
}

#[test]
fn clones_share_connections() {
    let server = Plan::new().path("/", Script::new().ok("here")).start();
    let client = Client::new();
    run(async {
        for client in [&client, &client.clone(), &client] {
            client.get(server.url("/")).send().await.unwrap().bytes().await.unwrap();
        }
        let [stats] = &client.stats().await.unwrap()[..] else { panic!("one engine") };
        assert_eq!((stats.opened, stats.reused, stats.running), (1, 2, 0));
    });
}

#[test]
fn an_engine_of_many_has_the_calls_of_an_origin() {
    let servers: Vec<_> =
        (0..6).map(|_| Plan::new().path("/", Script::new().ok("here")).start()).collect();
    let client = Client::builder().threads(3).build().unwrap();
    run(async {
        for server in servers.iter().cycle().take(18) {
            client.get(server.url("/")).send().await.unwrap().bytes().await.unwrap();
        }
        let stats = client.stats().await.unwrap();
        assert_eq!(stats.len(), 3);
        assert_eq!(stats.iter().map(|stats| stats.opened).sum::<u64>(), 6);
    });
}

#[test]
fn nothing_that_surprises_is_on_by_default() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
    let server = Plan::new()
        .path("/", Script::new().send(redirect))
        .path("/there", Script::new().ok("there"))
        .start();
    run(async {
        let plain = Client::new().get(server.url("/")).send().await.unwrap();
        assert_eq!(plain.status(), 302);
        let client = Client::builder().browserlike().build().unwrap();
        let response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.url().path(), "/there");
        assert_eq!(response.text().await.unwrap(), "there");
    });
    let asks = |request: &ringdove_test_support::hostile::SeenRequest| {
        request.field("accept-encoding").is_some()
    };
    let requests = server.requests();
    assert!(!asks(&requests[0]) && asks(&requests[1]));
}

#[test]
fn a_service_takes_and_gives_the_words_of_http() {
    use tower_service::Service as _;
    let server = Plan::new().path("/up", Script::new().read_body().ok("taken")).start();
    let mut service = Client::new();
    run(async {
        let body = http_body_util::Full::new(&b"some bytes"[..]);
        let request =
            http::Request::post(server.url("/up")).header("content-length", "10").body(body);
        let response = service.call(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "taken");
    });
    assert_eq!(server.requests()[0].body, b"some bytes");
    // one of the client's own stays what it is
    run(async {
        let request = http::Request::post(server.url("/up")).body(Body::from("other bytes"));
        let response = Client::new().execute(request.unwrap()).await.unwrap();
        assert_eq!(response.text().await.unwrap(), "taken");
    });
    assert_eq!(server.requests()[1].body, b"other bytes");
}

#[test]
fn who_blocks_needs_no_runtime() {
    let server = Plan::new()
        .path("/", Script::new().ok("hello"))
        .path("/up", Script::new().read_body().ok("taken"))
        .start();
    let client = blocking::Client::new().unwrap();
    let first = client.send(client.get(server.url("/"))).unwrap();
    let account = first.account();
    assert_eq!(first.text().unwrap(), "hello");
    assert!(account.report().is_some());
    let reader = Body::reader(std::io::repeat(b'x').take(300_000), None);
    let up = client.request(http::Method::PUT, server.url("/up")).body(reader);
    let mut text = String::new();
    client.send(up).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "taken");
    assert_eq!(server.requests()[1].body.len(), 300_000);
}

#[test]
fn a_shut_down_client_lets_calls_end_and_begins_none() {
    let slow = Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    let server = Plan::new()
        .path("/", slow.wait(Duration::from_millis(50)).send("llo"))
        .path("/never", Script::new().stall())
        .start();
    let client = Client::new();
    run(async {
        let under_way = client.get(server.url("/")).send().await.unwrap();
        let other = client.clone();
        let ending = std::thread::spawn(move || run(other.shutdown(Duration::MAX)));
        assert_eq!(under_way.text().await.unwrap(), "hello");
        ending.join().unwrap();
        let late = client.get(server.url("/")).send().await.unwrap_err();
        assert!(late.is_gone() && late.to_string().contains("shut down"), "{late}");
    });
    // who does not end in time fails
    let client = Client::new();
    let stuck = client.get(server.url("/never")).send();
    let ended = std::thread::spawn(move || run(stuck));
    assert!(server.wait_for(ringdove_test_support::PATIENCE, |seen| {
        seen.iter().map(|it| it.requests.len()).sum::<usize>() == 2
    }));
    run(client.shutdown(Duration::ZERO));
    assert!(ended.join().unwrap().unwrap_err().is_gone());
}

/// How often the engine's thread has gone to sleep; `None` while it is awake.
fn sleeps() -> Option<u64> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status")).ok();
    let engine = tasks.filter_map(status).find(|text| text.starts_with("Name:\tringdove\n"))?;
    let field = |name: &str| engine.lines().find(|line| line.starts_with(name)).unwrap();
    let count = field("voluntary_ctxt_switches").split_whitespace().last()?.parse().ok();
    count.filter(|_| field("State:").contains('S'))
}

/// How often it has by when it has slept for so long, without a break.
fn asleep_for(time: Duration) -> u64 {
    let mut since = (sleeps(), Instant::now());
    while since.0.is_none() || since.1.elapsed() < time {
        std::thread::sleep(Duration::from_millis(20));
        let now = sleeps();
        if now != since.0 {
            since = (now, Instant::now());
        }
    }
    since.0.unwrap()
}

/// Alone in its process, since other tests have engines too.
#[test]
fn an_idle_engine_sleeps() {
    ringdove_test_support::isolated::run("everyday::an_idle_engine_sleeps", &[], || {
        let server = Plan::new().path("/", Script::new().ok("hello")).start();
        let client = Client::new();
        run(async { client.get(server.url("/")).send().await.unwrap().text().await.unwrap() });
        let before = asleep_for(Duration::from_millis(500));
        // scripts/client says a minute
        let seconds = std::env::var("RINGDOVE_IDLE").ok().and_then(|text| text.parse().ok());
        std::thread::sleep(Duration::from_secs(seconds.unwrap_or(2)));
        assert_eq!(sleeps(), Some(before), "it has been woken, for nothing");
        assert_eq!(run(client.stats()).unwrap()[0].idle, 1, "with a connection kept");
    });
}
