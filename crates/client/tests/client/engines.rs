//! Clients with several engines.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use ringdove::HttpVersions;
use ringdove_client::{Client, Pending, Response};
use ringdove_test_support::hostile::{Hostile, Plan, Script};
use ringdove_test_support::{PATIENCE, eventually, h2};

use crate::run;

fn holding() -> Hostile {
    Plan::new()
        .path("/hold", Script::new().read_head().stall())
        .path("/", Script::new().ok("here"))
        .start()
}

/// Begins calls, which nobody answers.
fn begin(client: &Client, server: &Hostile, calls: usize) -> Vec<Pin<Box<Pending>>> {
    let mut cx = Context::from_waker(Waker::noop());
    let begin = |_| {
        let mut call = Box::pin(client.get(server.url("/hold")).send());
        assert!(call.as_mut().poll(&mut cx).is_pending());
        call
    };
    (0..calls).map(begin).collect()
}

fn has_asked(server: &Hostile, times: usize) -> bool {
    server.wait_for(PATIENCE, |seen| {
        seen.iter().map(|connection| connection.requests.len()).sum::<usize>() == times
    })
}

/// One origin's calls are on as many engines as they need, and on no more connections than it may have.
#[test]
fn an_origin_is_spread_when_its_engine_is_full() {
    let server = holding();
    let client = Client::builder().threads(2).config(|config| config.max_per_origin = 4);
    let client = client.build().unwrap();
    let few = begin(&client, &server, 2);
    assert!(has_asked(&server, 2));
    let opened = |client: &Client| {
        let mut opened: Vec<_> =
            run(client.stats()).unwrap().iter().map(|stats| stats.opened).collect();
        opened.sort();
        opened
    };
    assert_eq!(opened(&client), [0, 2], "few calls have one engine");
    let more = begin(&client, &server, 6);
    assert!(has_asked(&server, 4));
    assert_eq!(opened(&client), [2, 2]);
    let origins = run(client.origins()).unwrap();
    let [active, queued] = [0, 1].map(|of| {
        let of = |row: &ringdove::engine::OriginStats| [row.active, row.queued][of];
        origins.iter().map(of).sum::<usize>()
    });
    assert_eq!((active, queued), (4, 4), "{origins:?}");
    drop((few, more));
    // what was given up leaves room where the connections are
    assert_eq!(
        run(Response::text(run(client.get(server.url("/")).send()).unwrap())).unwrap(),
        "here"
    );
    let origins = run(client.origins()).unwrap();
    // the other engine may not have forgotten it yet
    let rows: Vec<_> = origins.iter().filter(|row| row.active + row.idle > 0).collect();
    assert_eq!(rows.iter().map(|row| (row.active, row.idle)).collect::<Vec<_>>(), [(0, 1)]);
    assert_eq!(rows[0].origin.to_string(), server.url(""));
}

/// An engine has what others do not use, up to the budget of all and never more.
#[test]
fn engines_lend_each_other_connections() {
    let servers = [holding(), holding()];
    let client = Client::builder().threads(2).config(|config| config.max_connections = 6);
    let client = client.build().unwrap();
    let open = || {
        let all = run(client.stats()).unwrap();
        all.iter().map(|stats| stats.connections).sum::<usize>()
    };
    // both have some that they keep, and do not use
    for _ in 0..3 {
        for server in &servers {
            run(client.get(server.url("/")).send()).unwrap();
        }
    }
    let many = begin(&client, &servers[0], 20);
    assert!(has_asked(&servers[0], 3 + 5), "one is left to the other engine");
    assert!(open() <= 6);
    drop(many);
    // and back
    let other = begin(&client, &servers[1], 20);
    assert!(servers[1].wait_for(PATIENCE, |seen| seen.len() >= 5));
    assert!(open() <= 6);
    drop(other);
}

/// Rules that no engine can keep alone are kept by one.
#[test]
fn politeness_is_one_engines() {
    let client = Client::builder().threads(3).config(|config| config.max_per_host = Some(1));
    assert_eq!(run(client.build().unwrap().stats()).unwrap().len(), 1);
}

/// Of many tasks that there is something for, some wake the others: none is forgotten where these are not polled.
#[test]
fn tasks_that_are_left_to_others_are_woken() {
    const CALLS: usize = 64;
    let answer = h2::Script::new().head(200, &[]).stall();
    let together = h2::Script::new().await_requests(1 + CALLS).head(200, &[]).stall();
    let peer = h2::Setup::new(h2::Plan::new().path("/first", answer).path("/", together)).start();
    let versions = |options: &mut ringdove::Options| options.versions = HttpVersions::Http2;
    let client = Client::builder().options(versions).build().unwrap();
    let begin = |path: &str, task: Arc<Woken>| {
        let mut call = Box::pin(client.get(peer.url(path)).send());
        let waker = Waker::from(task);
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        call
    };
    // it is held up while the others are answered, so that there is something for all of them at once
    let holds_up = Arc::new(Woken { holds_up: true, ..Woken::default() });
    let first = begin("/first", holds_up.clone());
    assert!(eventually(PATIENCE, || holds_up.is_woken.load(Ordering::Acquire)));
    let tasks: Vec<_> = (0..CALLS).map(|_| Arc::new(Woken::default())).collect();
    let calls: Vec<_> = tasks.iter().map(|task| begin("/", task.clone())).collect();
    let all_woken = || tasks.iter().all(|task| task.is_woken.load(Ordering::Acquire));
    assert!(eventually(PATIENCE, all_woken));
    drop((first, calls));
}

/// Notes that it is woken, and may hold up who does it.
#[derive(Default)]
struct Woken {
    is_woken: AtomicBool,
    holds_up: bool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        if self.holds_up {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
