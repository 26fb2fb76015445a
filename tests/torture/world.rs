//! Who the transfers go to, and by which way.
//!
//! A server that resets, stalls and trickles, reached directly, by name, from addresses of our own, or after an address
//! that is dead; one that takes uploads; one at a Unix socket; a name server that drops, delays, forges, truncates.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ringdove::dial::{Bind, UnixAddress};
use ringdove::engine::Sources;
use ringdove::{Body, Bytes, Driver, Options, Request, Timeouts, Ways};

use crate::IN_FLIGHT;
use crate::chance::Chance;
use crate::unix_server::UnixServer;
use tempfile::NamedTempFile;

use ringdove_test_support::dead_end::Blackhole;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::name_server::NameServer;

/// What a transfer has before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// An address.
    Direct,
    /// A name that is to be looked up.
    Named,
    /// A Unix socket.
    Unix,
    /// An address, from one of our own.
    Bound,
    /// Two addresses, the first of which does not answer, or refuses.
    Raced,
    /// An address, with a large body to be sent.
    Upload,
}

impl Route {
    pub(crate) const ALL: [Route; 6] =
        [Route::Direct, Route::Named, Route::Unix, Route::Bound, Route::Raced, Route::Upload];
}

/// Answers that take no time.
const QUICK: [&str; 4] = ["/ok", "/ok?again", "/chunks", "/close"];

/// Answers that are large, slow or cut off.
const ROUGH: [&str; 5] = ["/big", "/chunked", "/trickle", "/reset", "/stall"];

const ROUGH_UNIX: [&str; 3] = ["/big", "/cut", "/stall"];

/// Who takes an upload at once, and who takes its time, does not, or does not wait for it.
const TAKING: &str = "/take";
const ROUGH_TAKING: [&str; 4] = ["/late", "/never", "/refuse", "/early"];

/// Manners of names that take longer, lead nowhere, or are asked for over TCP.
const ROUGH_NAMES: [&str; 10] = [
    "lossy",
    "late",
    "wrongid",
    "question",
    "address",
    "malformed",
    "truncated",
    "loop-a",
    "failing",
    "never",
];

/// Names of each manner: many more than answers are kept, so that most are asked for.
const NAMES: usize = 2000;

pub(crate) struct World {
    server: Hostile,
    taker: Hostile,
    names: NameServer,
    /// The server's port at another address, where nobody answers; `None` if it cannot be had.
    _hole: Blackhole,
    unix: Arc<Ways>,
    bound: Arc<Ways>,
    body: Bytes,
    /// The same as a file.
    file: NamedTempFile,
    /// A path, a name, a manner is rough once in so many.
    rough: usize,
    _unix: UnixServer,
}

/// The live address, one where nobody answers, and one where nobody listens.
const LIVE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const HOLE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const NOBODY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

impl World {
    pub(crate) fn new(rough: usize) -> World {
        let server = server();
        let port = server.addr().port();
        let hole = Blackhole::start_at(SocketAddr::from((HOLE, port))).expect("a free port");
        let unix_server = UnixServer::start();
        let unix = Ways {
            unix_socket: Some(UnixAddress::path(&unix_server.path()).expect("a short path")),
            ..Ways::default()
        };
        let binds = (10..14)
            .map(|last| Bind { address: Some(IpAddr::from([127, 0, 0, last])), ..Bind::default() });
        let bound = Ways { sources: Sources::new(binds), ..Ways::default() };
        let body = vec![b'u'; 400_000];
        let file = NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &body).expect("room on the disk");
        World {
            server,
            taker: taker(),
            names: NameServer::forgetful(),
            _hole: hole,
            unix: Arc::new(unix),
            bound: Arc::new(bound),
            body: body.into(),
            file,
            rough,
            _unix: unix_server,
        }
    }

    pub(crate) fn name_server(&self) -> SocketAddr {
        self.names.addr()
    }

    /// What is sent of a file, and how long it is.
    pub(crate) fn file(&self) -> (&Path, u64) {
        (self.file.path(), self.body.len() as u64)
    }

    pub(crate) fn resets(&self) -> usize {
        self.server.tally().resets
    }

    /// Fixes the addresses of the names that are raced.
    pub(crate) fn tell(&self, driver: &mut Driver) {
        for (name, dead) in [("hole.test", HOLE), ("nobody.test", NOBODY)] {
            let port = self.server.addr().port();
            let request = Request::get(&format!("http://{name}:{port}/")).expect("a URL");
            let host = request.head().origin().host().clone();
            let addresses = [dead, LIVE].map(IpAddr::from);
            driver.settings().set_override(host, port, addresses.into());
        }
    }

    pub(crate) fn request(&self, route: Route, chance: &mut Chance) -> Request {
        let rough = chance.one_in(self.rough);
        let any = |chance: &mut Chance, paths: &[&'static str]| paths[chance.below(paths.len())];
        let path = match route {
            Route::Upload if rough => any(chance, &ROUGH_TAKING),
            Route::Upload => TAKING,
            Route::Unix if rough => any(chance, &ROUGH_UNIX),
            _ if rough => any(chance, &ROUGH),
            _ => any(chance, &QUICK),
        };
        let port = self.server.addr().port();
        let mut options = Options::default();
        let mut patience = Duration::from_millis(20 + chance.below(300) as u64);
        let url = match route {
            Route::Direct => self.server.url(path),
            Route::Upload => self.taker.url(path),
            Route::Unix => {
                options.ways = Some(Arc::clone(&self.unix));
                format!("http://unix.test{path}")
            }
            Route::Bound => {
                options.ways = Some(Arc::clone(&self.bound));
                self.server.url(path)
            }
            Route::Raced => {
                options.attempt_delay = Some(Duration::from_millis(10 + chance.below(20) as u64));
                format!("http://{}.test:{port}{path}", any(chance, &["hole", "nobody"]))
            }
            Route::Named => {
                let odd = chance.one_in(self.rough);
                let manner = if odd { any(chance, &ROUGH_NAMES) } else { "good" };
                if odd && chance.one_in(4) {
                    // long enough for a second try
                    patience = Duration::from_secs(3);
                }
                format!("http://{manner}{}.test:{port}{path}", chance.below(NAMES))
            }
        };
        let total = Some(patience);
        options.timeouts = Timeouts { total, ..Timeouts::default() };
        let request = if route == Route::Upload {
            let body = Body::Memory(self.body.clone());
            Request::new(http::Method::POST, &url).expect("a URL").body(body)
        } else {
            Request::get(&url).expect("a URL")
        };
        request.options(Arc::new(options))
    }
}

fn server() -> Hostile {
    let big = vec![b'b'; 700_000];
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
    Plan::new()
        .forget()
        .max_connections(2 * IN_FLIGHT)
        .path("/ok", Script::new().ok("hello"))
        .path("/chunks", Script::new().respond("200 OK", Framing::Chunked(7), "in small chunks"))
        .path("/close", Script::new().respond("200 OK", Framing::UntilClose, "bye").close())
        .path("/big", Script::new().ok(&big))
        .path("/chunked", Script::new().respond("200 OK", Framing::Chunked(1000), &big[..90_000]))
        .path("/trickle", Script::new().trickle(part, 9, Duration::from_millis(3)).stall())
        .path("/reset", Script::new().send(part).reset())
        .path("/stall", Script::new().send(part).stall())
        .start()
}

/// Takes uploads, through a narrow door.
fn taker() -> Hostile {
    let some = Script::new().read_at_least(20_000);
    let no = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    Plan::new()
        .forget()
        .max_connections(2 * IN_FLIGHT)
        .recv_buffer(32 * 1024)
        .path(TAKING, Script::new().read_body().ok("taken"))
        .path("/late", Script::new().wait(Duration::from_millis(50)).read_body().ok("taken"))
        .path("/never", Script::new().wait(Duration::from_millis(400)).reset())
        .path("/refuse", some.clone().reset())
        .path("/early", some.send(no).close())
        .start()
}
