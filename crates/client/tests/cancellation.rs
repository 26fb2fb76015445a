//! Calls that are given up, anywhere.
//!
//! A process of its own, whose allocations are counted. RINGDOVE_CALLS has it make more calls than an ordinary run does, and
//! RINGDOVE_SEED others.

#![allow(clippy::disallowed_methods, reason = "a test has threads")]

use std::alloc::System;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use bytes::Bytes;
use ringdove::HttpVersions;
use ringdove_client::{Body, Client, Error, RequestBuilder};
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::{PATIENCE, eventually, h2};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATIONS: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that may be left of all calls together: what a runtime or a table keeps, and no call.
const SLACK: usize = 64 * 1024;

const WORKERS: u64 = 24;

const MAX_CONNECTIONS: usize = 8;

/// Numbers from a seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % most
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future so many times at most, each time that it is woken. What it gave, if that was enough. Nobody has its task
/// any more once what is under way has been told.
fn polled<F: Future>(future: F, most: u64) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    for left in (0..most).rev() {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return Some(output),
            // the last one need not wait for an event that nobody will see
            Poll::Pending if left > 0 => std::thread::park_timeout(PATIENCE),
            Poll::Pending => {}
        }
    }
    None
}

fn run<F: Future>(future: F) -> F::Output {
    polled(future, u64::MAX).expect("it has all the time that it needs")
}

/// Some pieces, and a turn for others before each.
fn upload() -> Body {
    let mut left = 8;
    Body::stream(futures_util::stream::poll_fn(move |cx| {
        left -= 1;
        if left % 2 == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = || Ok::<_, std::io::Error>(Bytes::from(vec![1; 9_000]));
        Poll::Ready((left > 0).then(piece))
    }))
}

/// What is called, and where.
struct World {
    server: Hostile,
    peer: h2::Peer,
}

impl World {
    fn new() -> World {
        let echo =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nhello";
        let away =
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: /large\r\nContent-Length: 0\r\n\r\n";
        let server = Plan::new()
            .path("/small", Script::new().ok("hello"))
            .path("/large", Script::new().ok(vec![b'x'; 200_000]))
            .path(
                "/chunked",
                Script::new().respond("200 OK", Framing::Chunked(900), vec![b'x'; 5_000]),
            )
            .path("/up", Script::new().read_body().ok("taken"))
            .path("/away", Script::new().send(away))
            .path("/raw", Script::new().send(echo).stall())
            .forget()
            .start();
        let plan = h2::Plan::new().path("/large", h2::Script::ok(200_000));
        let peer = h2::Setup::new(
            plan.path("/up", h2::Script::new().await_body().head(200, &[]).bytes("taken").end()),
        )
        .start();
        World { server, peer }
    }

    /// A call of some kind, to be awaited to its end. How many bytes came.
    async fn call(&self, client: &Client, kind: u64) -> Result<usize, Error> {
        let on_stream = |request: RequestBuilder| request.versions(HttpVersions::Http2);
        let request = match kind {
            0 => client.get(self.server.url("/small")),
            1 => client.get(self.server.url("/large")),
            2 => client.get(self.server.url("/chunked")),
            3 => client.post(self.server.url("/up")).body(upload()),
            4 => client.get(self.server.url("/away")),
            5 => on_stream(client.get(self.peer.url("/large"))),
            6 => on_stream(client.post(self.peer.url("/up")).body(upload())),
            _ => {
                let request = client.get(self.server.url("/raw")).upgrade("raw");
                let mut connection = request.send().await?.upgrade()?;
                connection.send("hello").await?;
                return Ok(connection.receive().await?.unwrap_or_default().len());
            }
        };
        Ok(request.send().await?.bytes().await?.len())
    }
}

/// Makes calls, which are dropped after any number of polls, dozens at once. What they leave of transfers and connections.
fn give_up(seed: u64, calls: u64) {
    let (world, limit) =
        (World::new(), |config: &mut ringdove::Config| config.max_per_origin = MAX_CONNECTIONS);
    let client = Client::builder().window(30_000).config(limit);
    let client = client.options(|options| options.redirects = Some(Default::default()));
    let client = client.build().unwrap();
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (world, client) = (&world, client.clone());
            scope.spawn(move || {
                let mut numbers = Numbers(seed ^ (worker << 32));
                for _ in 0..calls / WORKERS {
                    let (kind, most) = (numbers.below(8), numbers.below(9));
                    if let Some(outcome) = polled(world.call(&client, kind), most) {
                        assert!([5, 200_000, 5_000].contains(&outcome.unwrap()), "of kind {kind}");
                    }
                }
            });
        }
    });
    // what was given up last is heard of by then
    let stats = run(client.stats()).unwrap()[0];
    assert_eq!(stats.running, 0, "{stats:?}");
    assert!(stats.connections <= 2 * MAX_CONNECTIONS, "{stats:?}");
    assert!(stats.removed > calls / 4 && stats.succeeded > calls / 50, "{stats:?}");
    for kind in 0..8 {
        run(world.call(&client, kind)).unwrap();
    }
    client.close_idle();
    // a raw connection is closed by the drop of what it was read by
    assert!(eventually(PATIENCE, || run(client.stats()).unwrap()[0].connections == 0));
    run(client.shutdown(PATIENCE));
    assert!(world.server.wait_for(PATIENCE, |seen| seen.iter().all(|it| it.end.is_some())));
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

fn live() -> usize {
    let stats = ALLOCATIONS.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Nothing of them stays: no transfer, connection, thread or memory; and others are served.
#[test]
fn calls_dropped_anywhere_leave_nothing() {
    let (seed, calls) = (number("RINGDOVE_SEED", 15), number("RINGDOVE_CALLS", 6_000));
    eprintln!("RINGDOVE_SEED={seed} RINGDOVE_CALLS={calls}");
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    // what is kept once for all
    give_up(seed ^ 1, 1_000);
    let (before, begun) = (live(), threads());
    give_up(seed, calls);
    let after = || live().saturating_sub(before);
    assert!(eventually(PATIENCE, || after() < SLACK), "{} bytes are left", after());
    assert!(eventually(PATIENCE, || threads() <= begun), "{} threads were {begun}", threads());
    eprintln!("{} bytes more than before", after());
}
