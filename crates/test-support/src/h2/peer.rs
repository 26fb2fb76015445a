//! HTTP/2 servers on loopback: a thread accepts, and two serve each connection, of which one reads and one writes.
//!
//! So nothing that a client sends, or does not read, keeps the server from hearing the rest. All ends when the value is dropped.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;
use socket2::SockRef;

use super::plan::Plan;
use super::record::{Seen, SeenRequest};
use super::server::End;
use super::wire::Wire;
use crate::eventually;

/// Enough for a connection; a test may have hundreds.
const STACK: usize = 256 * 1024;

/// What to start.
#[derive(Clone, Debug)]
pub struct Setup {
    plans: Vec<Plan>,
    tls: Option<Arc<ServerConfig>>,
    http1: bool,
}

/// A running server.
#[derive(Debug)]
pub struct Peer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    setup: Setup,
    listener: TcpListener,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stopping: bool,
    links: Vec<Arc<Link>>,
}

/// A connection that was accepted.
struct Link {
    state: Mutex<LinkState>,
    /// Notified when there may be something to send, or nothing any more.
    changed: Condvar,
}

struct LinkState {
    wire: Wire,
    /// Until it is closed.
    stream: Option<Arc<TcpStream>>,
    /// Nothing more comes.
    ended: bool,
    stopping: bool,
}

impl Setup {
    /// Plain HTTP/2 with prior knowledge, as this plan says on each connection.
    pub fn new(plan: Plan) -> Setup {
        Setup { plans: vec![plan], tls: None, http1: false }
    }

    /// The plan of the next connection. The last one given holds for all that come after it.
    pub fn then(mut self, plan: Plan) -> Setup {
        self.plans.push(plan);
        self
    }

    /// By TLS, with whatever ALPN this offers ([`Identity::server_config_that_speaks`](crate::certs::Identity)).
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Setup {
        self.tls = Some(config);
        self
    }

    /// HTTP/1.1 is spoken with those who did not choose HTTP/2 by ALPN or, without TLS, by how they begin.
    pub fn and_http1(mut self) -> Setup {
        self.http1 = true;
        self
    }

    /// Starts the server, on a free port of 127.0.0.1; panics when it cannot listen.
    #[track_caller]
    pub fn start(self) -> Peer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the server listens");
        let addr = listener.local_addr().expect("the address of a listener");
        let shared = Arc::new(Shared { setup: self, listener, state: Mutex::default() });
        let acceptor = spawn("h2-accept", {
            let shared = Arc::clone(&shared);
            move || accept(&shared)
        });
        Peer { addr, shared, acceptor: Some(acceptor) }
    }
}

impl Plan {
    /// Starts a plain server that follows this plan on each connection.
    #[track_caller]
    pub fn start(self) -> Peer {
        Setup::new(self).start()
    }
}

impl Peer {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `path`, which begins with a slash, as a URL: https, for the name localhost, where there is TLS.
    pub fn url(&self, path: &str) -> String {
        match self.shared.setup.tls {
            Some(_) => format!("https://localhost:{}{path}", self.addr.port()),
            None => format!("http://{}{path}", self.addr),
        }
    }

    /// Each connection so far, in the order of acceptance.
    pub fn seen(&self) -> Vec<Seen> {
        let links = lock(&self.shared.state).links.clone();
        links.iter().map(|link| lock(&link.state).wire.seen()).collect()
    }

    /// Each request so far, by connection.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.seen().into_iter().flat_map(|seen| seen.requests).collect()
    }

    /// Each request so far: its head [in lines](SeenRequest::in_lines), and its body.
    pub fn requests_in_lines(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let of = |seen: Seen| {
            let by_http1 = seen.by_http1;
            let requests = seen.requests.into_iter();
            requests.map(move |request| (request.in_lines(by_http1), request.body))
        };
        self.seen().into_iter().flat_map(of).collect()
    }

    /// How the clients broke RFC 9113, by connection. A test should find nothing.
    pub fn violations(&self) -> Vec<String> {
        let of = |(number, seen): (usize, Seen)| {
            let violations = seen.violations.into_iter();
            violations.map(move |violation| format!("connection {number}: {violation}"))
        };
        self.seen().into_iter().enumerate().flat_map(of).collect()
    }

    /// Waits until what was seen satisfies `met`, or `within` is over; returns the last verdict.
    pub fn wait_for(&self, within: Duration, met: impl Fn(&[Seen]) -> bool) -> bool {
        eventually(within, || met(&self.seen()))
    }

    /// Lets go what waits for the test, on all connections that there are.
    pub fn release(&self) {
        for link in &lock(&self.shared.state).links {
            lock(&link.state).wire.release();
            link.changed.notify_all();
        }
    }

    /// All that was seen, readable, for the message of a failed assertion.
    pub fn dump(&self) -> String {
        let of = |(number, seen): (usize, Seen)| format!("connection {number}\n{}", seen.dump());
        self.seen().into_iter().enumerate().map(of).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.shared.state);
            state.stopping = true;
            // wakes who accepts
            _ = SockRef::from(&self.shared.listener).shutdown(Shutdown::Both);
            state.links.iter().for_each(|link| link.stop());
        }
        let failed = self.acceptor.take().is_some_and(|acceptor| acceptor.join().is_err());
        if failed && !thread::panicking() {
            panic!("a thread of the HTTP/2 server panicked");
        }
    }
}

fn accept(shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    while let Ok((stream, _)) = shared.listener.accept() {
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let mut state = lock(&shared.state);
        if state.stopping {
            break;
        }
        let Setup { plans, tls, http1 } = &shared.setup;
        let plan = plans.get(state.links.len()).or(plans.last()).expect("there is a plan");
        let link = Arc::new(Link {
            state: Mutex::new(LinkState {
                wire: Wire::new(plan.clone(), tls.clone(), *http1),
                stream: Some(Arc::clone(&stream)),
                ended: false,
                stopping: false,
            }),
            changed: Condvar::new(),
        });
        state.links.push(Arc::clone(&link));
        threads.push(spawn("h2-read", {
            let (link, stream) = (Arc::clone(&link), Arc::clone(&stream));
            move || link.read(&stream)
        }));
        threads.push(spawn("h2-write", move || link.write(&stream)));
    }
    for thread in threads {
        thread.join().expect("a thread that serves a connection");
    }
}

impl Link {
    fn read(&self, mut stream: &TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            lock(&self.state).wire.receive(&buffer[..length]);
            self.changed.notify_all();
        }
        let mut state = lock(&self.state);
        state.ended = true;
        if !state.stopping {
            state.wire.receive_end();
        }
        self.changed.notify_all();
    }

    fn write(&self, mut stream: &TcpStream) {
        while let Some(bytes) = self.next_bytes() {
            if stream.write_all(&bytes).is_err() {
                break;
            }
        }
        let mut state = lock(&self.state);
        if state.wire.end() == Some(End::Abort) {
            // the close that follows sends a RST, since nothing may linger (socket(7)); that wakes who reads
            _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            _ = stream.shutdown(Shutdown::Read);
        } else {
            _ = stream.write_all(&state.wire.last_words());
            _ = stream.shutdown(Shutdown::Write);
        }
        state.stream = None;
    }

    /// Waits for something to send; nothing comes when the connection is to be closed.
    fn next_bytes(&self) -> Option<Vec<u8>> {
        let mut state = lock(&self.state);
        loop {
            let bytes = state.wire.transmit();
            if !bytes.is_empty() {
                return Some(bytes);
            }
            if state.ended || state.stopping || state.wire.end().is_some() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        let mut state = lock(&self.state);
        state.stopping = true;
        if let Some(stream) = &state.stream {
            _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

/// A thread that panicked is found when it is joined; its data is still good to read.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let builder = thread::Builder::new().name(name.to_owned()).stack_size(STACK);
    builder.spawn(body).expect("a thread of the HTTP/2 server")
}
