//! A server that does exactly what its script says, right or wrong, and remembers what it saw.
//!
//! One thread accepts and one serves each connection, up to a bound; past it, connections wait in
//! the listen queue. Every wait, read and write ends when the server is dropped. A [`Plan`] says
//! which [`Script`] a connection follows and what each path answers; [`Hostile::seen`] tells what
//! arrived; of a server that runs for long, [`Hostile::tally`] alone.

mod connection;
mod record;
mod script;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use socket2::{Domain, SockRef, Socket, Type};

use connection::Connection;
#[allow(unused_imports, reason = "each test binary uses a part")]
pub use record::{End, SeenConnection, SeenRequest, Tally};
pub use script::{Framing, Script};

/// Enough for a scripted connection; a test may have hundreds.
const STACK: usize = 256 * 1024;

/// Rest after a failed accept, when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);

/// What a hostile server does, for all of its connections.
#[derive(Clone, Default)]
pub struct Plan {
    connections: Vec<Script>,
    paths: BTreeMap<String, Script>,
    tls: Option<Arc<ServerConfig>>,
    addr: Option<SocketAddr>,
    recv_buffer: Option<usize>,
    max_connections: Option<usize>,
    forgets: bool,
}

impl Plan {
    /// Every connection serves requests; every path is a 404.
    pub fn new() -> Plan {
        Plan::default()
    }

    /// The script of the next connection: called n times, it sets those of the first n. The last
    /// one given holds for all connections after it. Without any, connections
    /// [serve](Script::serve), after a TLS handshake where there is TLS.
    pub fn connection(mut self, script: Script) -> Plan {
        self.connections.push(script);
        self
    }

    /// The answer of a serving connection to requests for `path` (up to, not with, a `?`).
    pub fn path(mut self, path: &str, script: Script) -> Plan {
        self.paths.insert(path.to_owned(), script);
        self
    }

    /// What [`Script::handshake`] handshakes with.
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Plan {
        self.tls = Some(config);
        self
    }

    /// Listen here instead of on a free port of 127.0.0.1.
    pub fn addr(mut self, addr: SocketAddr) -> Plan {
        self.addr = Some(addr);
        self
    }

    /// SO_RCVBUF of each connection, in bytes: small ones make a client's writes block soon.
    pub fn recv_buffer(mut self, bytes: usize) -> Plan {
        self.recv_buffer = Some(bytes);
        self
    }

    /// How many connections are served at once, 256 unless said.
    pub fn max_connections(mut self, most: usize) -> Plan {
        self.max_connections = Some(most);
        self
    }

    /// Nothing is remembered of what arrives but a [`Tally`]: for runs so long that their records would
    /// fill the memory.
    pub fn forget(mut self) -> Plan {
        self.forgets = true;
        self
    }

    /// Starts the server.
    #[track_caller]
    pub fn start(self) -> Hostile {
        Hostile::start(self)
    }

    /// What a serving connection says to a request, whatever else it does, and whether it ends with that.
    pub(crate) fn answer(&self, request: &SeenRequest) -> (Vec<u8>, bool) {
        let mut text = Vec::new();
        let ends = self.script_for(&request.target()).says(request, &mut text);
        (text, ends)
    }

    /// The script for requests of this target.
    fn script_for(&self, target: &str) -> Cow<'_, Script> {
        let path = target.split('?').next().unwrap_or_default();
        let not_found = || {
            let none = "no such path\n";
            Cow::Owned(Script::new().respond("404 Not Found", Framing::ContentLength, none))
        };
        self.paths.get(path).map_or_else(not_found, Cow::Borrowed)
    }

    fn script(&self, connection: usize) -> Script {
        match self.connections.get(connection).or(self.connections.last()) {
            Some(script) => script.clone(),
            None if self.tls.is_some() => Script::new().handshake().serve(),
            None => Script::new().serve(),
        }
    }
}

/// A running hostile server; dropping it ends its connections and joins its threads.
pub struct Hostile {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Hostile {
    /// Starts the server; panics when it cannot listen.
    #[track_caller]
    pub fn start(plan: Plan) -> Hostile {
        let listener = listen(&plan).expect("the hostile server listens");
        let addr = listener.local_addr().expect("the address of a listener");
        let shared = Arc::new(Shared {
            plan,
            listener,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let acceptor = spawn("hostile-accept", {
            let shared = Arc::clone(&shared);
            move || accept(&shared)
        });
        Hostile { addr, shared, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `path`, which begins with a slash, as a URL: https, for the name localhost, where the plan
    /// has TLS.
    pub fn url(&self, path: &str) -> String {
        match self.shared.plan.tls {
            Some(_) => format!("https://localhost:{}{path}", self.addr.port()),
            None => format!("http://{}{path}", self.addr),
        }
    }

    /// How many connections it has accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.lock().tally.connections
    }

    /// What it has counted so far.
    pub fn tally(&self) -> Tally {
        self.shared.lock().tally
    }

    /// Every connection so far, in the order of acceptance.
    pub fn seen(&self) -> Vec<SeenConnection> {
        self.shared.lock().seen.clone()
    }

    /// Every request so far, in the order of arrival on each connection.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.seen().into_iter().flat_map(|connection| connection.requests).collect()
    }

    /// Waits until what was seen satisfies `met`, or `within` is over; returns the last verdict.
    pub fn wait_for(&self, within: Duration, met: impl Fn(&[SeenConnection]) -> bool) -> bool {
        let state = self.shared.lock();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, within, |state| !met(&state.seen))
            .unwrap_or_else(PoisonError::into_inner);
        met(&state.seen)
    }

    /// All that was seen, readable, for the message of a failed assertion.
    pub fn dump(&self) -> String {
        record::dump(&self.seen())
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.shared.stop();
        let failed = self.acceptor.take().is_some_and(|acceptor| acceptor.join().is_err());
        if failed && !thread::panicking() {
            panic!("a thread of the hostile server panicked");
        }
    }
}

/// What the server's threads share.
struct Shared {
    plan: Plan,
    listener: TcpListener,
    state: Mutex<State>,
    /// Notified whenever anything in `state` changes.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    tally: Tally,
    /// Empty if the plan forgets.
    seen: Vec<SeenConnection>,
    /// The connections being served, by number, so that stopping can wake their threads.
    open: BTreeMap<usize, Arc<TcpStream>>,
}

/// The server is being dropped.
struct Stopping;

impl Shared {
    /// A thread that panicked is found when it is joined; its data is still good to read.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the record of one connection and wakes whoever waits for it.
    fn record(&self, connection: usize, change: impl FnOnce(&mut SeenConnection)) {
        if self.plan.forgets {
            return;
        }
        change(&mut self.lock().seen[connection]);
        self.changed.notify_all();
    }

    /// Waits for `time`, or for the end of the server.
    fn pause(&self, time: Duration) -> Result<(), Stopping> {
        let until = Instant::now() + time;
        let mut state = self.lock();
        while !state.stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            (state, _) =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        Err(Stopping)
    }

    /// Waits until there is room for one more connection.
    fn await_room(&self) -> Result<(), Stopping> {
        let most = self.plan.max_connections.unwrap_or(256);
        let full = |state: &mut State| !state.stopping && state.open.len() >= most;
        let state =
            self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if state.stopping { Err(Stopping) } else { Ok(()) }
    }

    fn register(&self, stream: &Arc<TcpStream>, peer: SocketAddr) -> Result<usize, Stopping> {
        let mut state = self.lock();
        if state.stopping {
            return Err(Stopping);
        }
        let number = state.tally.connections;
        state.tally.connections += 1;
        if !self.plan.forgets {
            state.seen.push(SeenConnection::new(peer));
        }
        state.open.insert(number, Arc::clone(stream));
        self.changed.notify_all();
        Ok(number)
    }

    /// Gives up the second handle of a connection, so that its thread's drop closes it.
    fn unregister(&self, connection: usize) {
        self.lock().open.remove(&connection);
        self.changed.notify_all();
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        // Shutting down, unlike closing, wakes threads that block on the socket (Linux lets
        // a listener be shut down too).
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        state.open.values().for_each(|stream| _ = stream.shutdown(Shutdown::Both));
        self.changed.notify_all();
    }
}

fn listen(plan: &Plan) -> io::Result<TcpListener> {
    let addr = plan.addr.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into());
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if let Some(bytes) = plan.recv_buffer {
        // Accepted sockets inherit it, and must, since the window is announced in the SYN.
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn accept(shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while shared.await_room().is_ok() {
        let Ok((stream, peer)) = shared.listener.accept() else {
            match shared.pause(ACCEPT_PAUSE) {
                Ok(()) => continue,
                Err(Stopping) => break,
            }
        };
        let stream = Arc::new(stream);
        let Ok(number) = shared.register(&stream, peer) else { break };
        let connection = Connection::new(Arc::clone(shared), number, stream);
        threads.push(spawn("hostile-serve", move || connection.follow_script()));
        threads = join_finished(threads);
    }
    threads.into_iter().for_each(join);
}

fn join_finished(threads: Vec<JoinHandle<()>>) -> Vec<JoinHandle<()>> {
    let (finished, running): (Vec<_>, Vec<_>) =
        threads.into_iter().partition(JoinHandle::is_finished);
    finished.into_iter().for_each(join);
    running
}

/// Hands a thread's panic on, so that in the end the test fails.
fn join(thread: JoinHandle<()>) {
    thread.join().expect("a thread that serves a connection");
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let builder = thread::Builder::new().name(name.to_owned()).stack_size(STACK);
    builder.spawn(body).expect("a thread of the hostile server")
}
