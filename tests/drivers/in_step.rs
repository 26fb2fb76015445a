//! A server on the thread of the test itself, so that everything has its place in the order of events: what was written
//! is there when the driver takes its next turn.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::run::Run;

/// A listener on 127.0.0.1.
pub(crate) struct Server {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let addr = listener.local_addr().expect("bound");
        listener.set_nonblocking(true).expect("sets");
        Server { listener, addr }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The connection of a request, which has been read.
    pub(crate) fn accept(&self, run: &mut Run) -> TcpStream {
        let mut accepted = None;
        run.turn_until("a connection", |_| {
            accepted = self.listener.accept().ok();
            accepted.is_some()
        });
        let (mut stream, _) = accepted.expect("as waited for");
        stream.set_nonblocking(true).expect("sets");
        run.turn_until("a request", |_| heard(&mut stream));
        stream
    }
}

/// Whether a whole request has come.
pub(crate) fn heard(stream: &mut TcpStream) -> bool {
    let mut head = [0; 4096];
    match stream.read(&mut head) {
        Ok(n) => head[..n].ends_with(b"\r\n\r\n"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}
