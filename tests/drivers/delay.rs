//! HTTP/2 between two networks that are far from each other: a large body beside the same by HTTP/1.1, and many streams of which one
//! is paused.
//!
//! The kernel's netem delays where it is to be had, a relay of ours where not. How fast it was is measured by `scripts/http2`,
//! which demands nine tenths; an ordinary run demands that all arrives.

use std::cell::Cell;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::protocol::ResponseHead;
use ringdove::{Config, Driver, Flow, Handler, HttpVersions, Options, Request, TransferId};
use tempfile::TempDir;

use crate::run::{at_size, is_long, on_every_driver, policy};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::child::Guarded;
use ringdove_test_support::isolated;
use ringdove_test_support::long_link::{Length, LongLink};
use ringdove_test_support::{PATIENCE, eventually};

on_every_driver! {
    under crate::delay::far_networks:
    a_large_body_is_as_fast_as_by_http1,
    who_is_paused_slows_nobody_down,
}

/// In each direction.
const DELAY: Duration = Duration::from_millis(20);

/// HTTP/2 has to have so much of HTTP/1.1's rate, and many of what they have without one that is paused.
const BAR: f64 = 0.9;

/// The other network is that of the process in PEER; DELAYED is set where the kernel delays what passes between them.
const FAR_NETWORKS: [&str; 7] = [
    "unshare",
    "--map-root-user",
    "--net",
    "sh",
    "-c",
    r#"
set -e
ip link set lo up
unshare --net sleep 3000 & PEER=$!
trap 'kill $PEER' EXIT
until [ "$(readlink /proc/$PEER/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
ip link add here type veth peer name there netns $PEER
ip address add 10.7.1.1/24 dev here
ip link set here up
nsenter --target $PEER --net sh -ec 'ip address add 10.7.1.2/24 dev there; ip link set lo up; ip link set there up'
delay() { tc qdisc add dev "$1" root netem delay 20ms limit 100000 2>/dev/null; }
if delay here && nsenter --target $PEER --net tc qdisc add dev there root netem delay 20ms limit 100000; then
    export DELAYED=1
fi
export PEER
"$@"
"#,
    "sh",
];

pub(crate) fn far_networks() -> Option<&'static [&'static str]> {
    isolated::possible(
        &FAR_NETWORKS,
        "no two networks can be made here (unshare, nsenter, ip, veth)",
    )
}

// the other network

/// nginx in the other network, by HTTP/1.1, HTTP/2 and TLS.
struct Beyond {
    _server: Guarded,
    _directory: TempDir,
    authority: Authority,
}

const PLAIN: u16 = 8080;
const HTTP2: u16 = 8081;
const TLS: u16 = 8443;

fn large() -> u64 {
    at_size(8 << 20, 1 << 30) as u64
}

/// Each of many.
fn medium() -> u64 {
    at_size(100_000, 8 << 20) as u64
}

impl Beyond {
    fn start() -> Beyond {
        let (directory, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
        for (name, bytes) in [("large", large()), ("medium", medium())] {
            let file = File::create(directory.path().join(name)).expect("it is ours");
            file.set_len(bytes).expect("a sparse file");
        }
        let identity = authority.server_for(&["127.0.0.1", "10.7.1.2"]);
        let at = directory.path().display();
        let (cert, key) = (identity.cert_file.display(), identity.key_file.display());
        // nobody but root has a name in the wrapper's user namespace
        let conf = format!(
            "user root; daemon off; master_process off; pid {at}/pid; error_log stderr;\nevents {{}}\nhttp {{\n  \
             client_body_temp_path {at}; proxy_temp_path {at}; fastcgi_temp_path {at};\n  \
             uwsgi_temp_path {at}; scgi_temp_path {at};\n  access_log off; root {at};\n  \
             ssl_certificate {cert}; ssl_certificate_key {key};\n  \
             server {{ listen 10.7.1.2:{PLAIN}; listen 10.7.1.2:{HTTP2} http2; listen 10.7.1.2:{TLS} ssl http2; }}\n}}\n"
        );
        fs::write(directory.path().join("conf"), conf).expect("a file");
        let peer = std::env::var("PEER").expect("the wrapper says whose network it is");
        let argv =
            ["nsenter", "--target", &peer, "--net", "nginx", "-p", &at.to_string(), "-c", "conf"];
        let log = directory.path().join("log");
        let server = Guarded::spawn(&argv.map(str::to_owned), &log).expect("nginx starts");
        let is_up = eventually(PATIENCE, || TcpStream::connect(beyond(PLAIN)).is_ok());
        assert!(is_up, "{}", fs::read_to_string(&log).unwrap_or_default());
        Beyond { _server: server, _directory: directory, authority }
    }
}

fn beyond(port: u16) -> SocketAddr {
    ([10, 7, 1, 2], port).into()
}

/// The way to a port of the other network: by the kernel, or by a relay.
struct Way {
    at: SocketAddr,
    _relay: Option<LongLink>,
}

impl Way {
    fn to(port: u16, bytes_per_second: Option<u64>) -> Way {
        if std::env::var_os("DELAYED").is_some() {
            return Way { at: beyond(port), _relay: None };
        }
        let length = Length { delay: DELAY, bytes_per_second };
        let relay = LongLink::start(beyond(port), length);
        Way { at: relay.addr(), _relay: Some(relay) }
    }
}

// who reads

/// Counts what comes, and pauses at the head if it is told to.
struct Count {
    bytes: Rc<Cell<u64>>,
    pauses: bool,
}

impl Handler for Count {
    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        assert_eq!(head.status(), 200);
        if self.pauses { Flow::Pause } else { Flow::Continue }
    }

    fn body(&mut self, bytes: &[u8]) -> Flow {
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
        Flow::Continue
    }
}

/// One connection at a time, to whom this authority vouches for.
fn client(kind: Kind, authority: &Authority) -> Driver {
    let config = Config { max_per_origin: 1, tls: Some(policy(authority)), ..Config::default() };
    Driver::new(kind, config).expect("asked before")
}

fn add(
    driver: &mut Driver,
    url: &str,
    versions: HttpVersions,
    pauses: bool,
) -> (TransferId, Rc<Cell<u64>>) {
    let request = Request::get(url).expect("a good URL");
    let request = request.options(Arc::new(Options { versions, ..Options::default() }));
    let bytes = Rc::new(Cell::new(0));
    let handler = Count { bytes: bytes.clone(), pauses };
    (driver.add(request, Box::new(handler)).expect("it can be added"), bytes)
}

/// Turns until no more than so many are left; they end well, and each brings bytes now and then.
fn turn_until_left(driver: &mut Driver, left: usize) {
    while driver.running() > left {
        driver.turn(Some(PATIENCE)).expect("the driver can go on");
        while let Some(message) = driver.next_message() {
            message.outcome.result.expect("it ends well");
        }
    }
}

// what is measured

/// How wide the way is, and whether there is a bar: where it is as wide as can be, what is measured is CPUs, and a relay that has no
/// slow start.
struct Width {
    name: &'static str,
    bytes_per_second: Option<u64>,
    has_bar: bool,
}

fn widths() -> Vec<Width> {
    let width = |name, bytes_per_second, has_bar| Width { name, bytes_per_second, has_bar };
    match std::env::var_os("DELAYED").is_some() {
        true => vec![width("by netem", None, true)],
        false => vec![
            width("at a gigabit", Some(125_000_000), true),
            width("as fast as can be", None, false),
        ],
    }
}

fn a_large_body_is_as_fast_as_by_http1(kind: Kind) {
    let server = Beyond::start();
    for width in widths() {
        let rate = width.bytes_per_second;
        let [plain, http2, tls] = [PLAIN, HTTP2, TLS].map(|port| Way::to(port, rate));
        for (way, of) in [
            ("plain", [(&plain, HttpVersions::Http1), (&http2, HttpVersions::Http2)]),
            ("TLS", [(&tls, HttpVersions::Http1), (&tls, HttpVersions::Http2)]),
        ] {
            let mut seconds = [Vec::new(), Vec::new()];
            for _ in 0..at_size(1, 3) {
                for ((to, versions), seconds) in of.iter().zip(&mut seconds) {
                    let scheme = if way == "TLS" { "https" } else { "http" };
                    let url = format!("{scheme}://{}/large", to.at);
                    seconds.push(takes(kind, &server.authority, &url, *versions));
                }
            }
            width.judge(kind, &format!("a large body, {way}"), large(), seconds);
        }
    }
}

/// How long one body takes, by a connection of its own.
fn takes(kind: Kind, authority: &Authority, url: &str, versions: HttpVersions) -> f64 {
    let mut driver = client(kind, authority);
    let started = Instant::now();
    let (_, bytes) = add(&mut driver, url, versions, false);
    turn_until_left(&mut driver, 0);
    assert_eq!(bytes.get(), large());
    started.elapsed().as_secs_f64()
}

fn who_is_paused_slows_nobody_down(kind: Kind) {
    let server = Beyond::start();
    for width in widths() {
        let rate = width.bytes_per_second;
        let way = Way::to(HTTP2, rate);
        let url = format!("http://{}/medium", way.at);
        let mut seconds = [Vec::new(), Vec::new()];
        for _ in 0..at_size(1, 3) {
            for (streams, seconds) in [63, 64].into_iter().zip(&mut seconds) {
                seconds.push(take(kind, &server.authority, &url, streams));
            }
        }
        let what = "63 bodies, without and with one that is paused";
        width.judge(kind, what, 63 * medium(), seconds);
    }
}

/// How long 63 bodies take, if there is one more that is paused, or not. All are of one connection.
fn take(kind: Kind, authority: &Authority, url: &str, streams: usize) -> f64 {
    let mut driver = client(kind, authority);
    let started = Instant::now();
    let all: Vec<_> =
        (0..streams).map(|nth| add(&mut driver, url, HttpVersions::Http2, nth == 63)).collect();
    turn_until_left(&mut driver, streams - 63);
    let took = started.elapsed().as_secs_f64();
    if let Some((paused, bytes)) = all.get(63) {
        assert_eq!(bytes.get(), 0);
        driver.resume(*paused).expect("it is paused");
        turn_until_left(&mut driver, 0);
    }
    assert!(all.iter().all(|(_, bytes)| bytes.get() == medium()));
    assert_eq!(driver.stats().opened, 1);
    took
}

impl Width {
    /// The second must have nine tenths of the first's rate, by the median.
    fn judge(&self, kind: Kind, what: &str, bytes: u64, mut seconds: [Vec<f64>; 2]) {
        if !is_long() {
            return;
        }
        seconds.iter_mut().for_each(|runs| runs.sort_by(f64::total_cmp));
        let rate = |runs: &Vec<f64>| bytes as f64 / 1e6 / runs[runs.len() / 2];
        let [first, second] = seconds.each_ref().map(rate);
        let (name, ratio) = (self.name, second / first);
        println!("measured: {kind}, {what}, {name}: {first:.0} and {second:.0} MB/s, {ratio:.2}");
        assert!(!self.has_bar || ratio >= BAR, "{kind}, {what}: {seconds:?}");
    }
}
