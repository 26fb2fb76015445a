//! GET requests, so many in flight at any time from one tokio thread, by one of several clients; each response is read to its
//! end, piece by piece. `ringdove-bench-client KIND URL REQUESTS IN_FLIGHT [DRIVER]` prints CPU and time per request of all threads.
//! By the driver `epoll` instructions can be counted: valgrind waits for a ring with its lock held.

#![allow(clippy::disallowed_methods, reason = "it times")]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use ringdove::DriverKind;
use ringdove::sys::usage::{self, Usage};
use ringdove_client::{Client, ClientBuilder, LocalClient};
use tokio::task::{LocalSet, spawn_local};

/// What is asked, and how much is left to be asked.
struct Work {
    url: String,
    left: Cell<u64>,
    bytes: Cell<u64>,
    latencies: RefCell<Vec<Duration>>,
}

impl Work {
    fn new(url: &str, requests: u64) -> Rc<Work> {
        let (left, bytes) = (Cell::new(requests), Cell::new(0));
        Rc::new(Work { url: url.to_owned(), left, bytes, latencies: RefCell::default() })
    }

    fn take(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    fn took(&self, since: Instant, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
        self.latencies.borrow_mut().push(since.elapsed());
    }
}

/// So many tasks, each of which asks one time after the other.
async fn fan<F, C>(work: &Rc<Work>, in_flight: usize, call: C)
where
    C: Fn(Rc<Work>) -> F + Clone + 'static,
    F: Future<Output = usize> + 'static,
{
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let (work, call) = (work.clone(), call.clone());
            spawn_local(async move {
                while work.take() {
                    let since = Instant::now();
                    let bytes = call(work.clone()).await;
                    work.took(since, bytes);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
}

async fn read(mut response: ringdove_client::Response) -> usize {
    assert!(response.status().is_success());
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.expect("a body") {
        bytes += chunk.len();
    }
    bytes
}

fn config(config: &mut ringdove::Config) {
    (config.max_connections, config.max_per_origin) = (4096, 4096);
}

async fn with_engine(work: &Rc<Work>, in_flight: usize, client: Client) {
    fan(work, in_flight, move |work| {
        let call = client.get(&work.url).send();
        async { read(call.await.expect("a response")).await }
    })
    .await;
}

async fn in_place(work: &Rc<Work>, in_flight: usize, client: LocalClient) {
    fan(work, in_flight, move |work| {
        let call = client.get(&work.url).send();
        async { read(call.await.expect("a response")).await }
    })
    .await;
}

async fn by_reqwest(work: &Rc<Work>, in_flight: usize, client: reqwest::Client) {
    fan(work, in_flight, move |work| {
        let call = client.get(&work.url).send();
        async {
            let mut response = call.await.expect("a response");
            assert!(response.status().is_success());
            let mut bytes = 0;
            while let Some(chunk) = response.chunk().await.expect("a body") {
                bytes += chunk.len();
            }
            bytes
        }
    })
    .await;
}

/// A connection for each task, and no pool.
async fn by_hyper(work: &Rc<Work>, in_flight: usize) {
    let url: hyper::Uri = work.url.parse().expect("a URL");
    let authority = url.authority().expect("an authority").to_string();
    let path = url.path().to_owned();
    let mut tasks = Vec::new();
    for _ in 0..in_flight {
        let stream = tokio::net::TcpStream::connect(&authority).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.expect("a connection");
        spawn_local(connection);
        let (work, authority, path) = (work.clone(), authority.clone(), path.clone());
        tasks.push(spawn_local(async move {
            while work.take() {
                let since = Instant::now();
                let request = hyper::Request::get(&path).header("host", &authority);
                let request = request.body(Empty::<bytes::Bytes>::new()).expect("a request");
                sender.ready().await.expect("a connection");
                let response = sender.send_request(request).await.expect("a response");
                assert!(response.status().is_success());
                let (mut body, mut bytes) = (response.into_body(), 0);
                while let Some(frame) = body.frame().await {
                    bytes += frame.expect("a body").data_ref().map_or(0, bytes::Bytes::len);
                }
                work.took(since, bytes);
            }
        }));
    }
    for task in tasks {
        task.await.expect("no task panics");
    }
}

/// Counts a body.
struct Counting(usize, Instant);

impl ringdove::Handler for Counting {
    fn body(&mut self, chunk: &[u8]) -> ringdove::Flow {
        self.0 += chunk.len();
        ringdove::Flow::Continue
    }
}

/// The engine by itself, with handlers in the place of tasks.
fn bare(work: &Rc<Work>, in_flight: usize, driver: &mut ringdove::Driver) {
    let add = |driver: &mut ringdove::Driver| {
        if work.take() {
            let request = ringdove::Request::get(&work.url).expect("a URL");
            driver.add(request, Box::new(Counting(0, Instant::now()))).expect("it can be added");
        }
    };
    (0..in_flight).for_each(|_| add(driver));
    while driver.running() > 0 {
        driver.turn(None).expect("it goes on");
        while let Some(message) = driver.next_message() {
            let (outcome, counting) = message.into_parts::<Counting>().expect("what was added");
            outcome.result.expect("a response");
            work.took(counting.1, counting.0);
            add(driver);
        }
    }
}

/// What all threads have used.
fn used() -> Usage {
    usage::of_process().expect("the kernel counts")
}

/// Runs the same twice, of which the second time counts.
async fn measured<F: AsyncFn(&Rc<Work>)>(url: &str, requests: u64, run: F) -> Figures {
    run(&Work::new(url, requests / 10 + 1)).await;
    let work = Work::new(url, requests);
    let begin = (Instant::now(), used());
    run(&work).await;
    Figures::of(&work, requests, begin)
}

struct Figures {
    cpu: f64,
    wall: f64,
    switches: f64,
    median: f64,
    bytes: u64,
}

impl Figures {
    fn of(work: &Work, requests: u64, begin: (Instant, Usage)) -> Figures {
        let (wall, now) = (begin.0.elapsed(), used());
        let per = |time: Duration| time.as_secs_f64() * 1e6 / requests as f64;
        let mut latencies = work.latencies.borrow_mut();
        latencies.sort();
        Figures {
            cpu: per(now.cpu() - begin.1.cpu()),
            wall: per(wall),
            switches: (now.voluntary_switches - begin.1.voluntary_switches) as f64
                / requests as f64,
            median: latencies[latencies.len() / 2].as_secs_f64() * 1e6,
            bytes: work.bytes.get(),
        }
    }
}

async fn run(
    kind: &str,
    url: &str,
    requests: u64,
    in_flight: usize,
    driver: Option<DriverKind>,
) -> Figures {
    let builder = || {
        let builder = Client::builder().config(config);
        driver.into_iter().fold(builder, ClientBuilder::driver)
    };
    match kind {
        "bare" => {
            let mut settings = ringdove::Config::default();
            config(&mut settings);
            let driver = match driver {
                None => ringdove::Driver::auto(settings),
                Some(kind) => ringdove::Driver::new(kind, settings),
            };
            let driver = RefCell::new(driver.expect("a driver"));
            measured(url, requests, async |work| bare(work, in_flight, &mut driver.borrow_mut()))
                .await
        }
        "client" => {
            let client = builder().build().expect("an engine");
            measured(url, requests, async |work| {
                with_engine(work, in_flight, client.clone()).await;
            })
            .await
        }
        "local" => {
            let built = LocalClient::build(builder());
            let (client, turner) = built.expect("an engine");
            spawn_local(turner.run_on_tokio());
            measured(url, requests, async |work| in_place(work, in_flight, client.clone()).await)
                .await
        }
        "reqwest" => {
            let client = reqwest::Client::builder().pool_max_idle_per_host(4096);
            let client = client.build().expect("a client");
            measured(url, requests, async |work| by_reqwest(work, in_flight, client.clone()).await)
                .await
        }
        "hyper" => measured(url, requests, async |work| by_hyper(work, in_flight).await).await,
        other => panic!("{other}: bare, client, local, reqwest or hyper"),
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (args, driver) = match args.split_at_checked(4) {
        Some((args, [])) => (args, None),
        Some((args, [driver])) => (args, Some(driver)),
        _ => panic!("KIND URL REQUESTS IN_FLIGHT [DRIVER]"),
    };
    let [kind, url, requests, in_flight] = args else { unreachable!("they are four") };
    let driver = driver.map(|name| name.parse().expect("a driver"));
    let (requests, in_flight) =
        (requests.parse().expect("requests"), in_flight.parse().expect("in flight"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let figures = LocalSet::new()
        .block_on(&runtime.expect("a runtime"), run(kind, url, requests, in_flight, driver));
    let Figures { cpu, wall, switches, median, bytes } = figures;
    println!(
        "{kind} {in_flight} cpu_us {cpu:.2} wall_us {wall:.2} median_us {median:.1} switches {switches:.3} bytes {bytes}"
    );
}
