//! Addresses where a connect cannot succeed: one that never answers, one that refuses at once.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How long a connect over loopback must hang to count as unanswered; success takes microseconds.
const SILENCE: Duration = Duration::from_millis(200);

/// More connections than any kernel lets into a queue of length zero.
const MOST_FILLERS: usize = 16;

/// A listening address whose SYNs are dropped: connects hang until they are given up.
///
/// The listener never accepts and its queue, of length zero, is kept full; Linux then drops SYNs
/// (listen(2), and `tcp_abort_on_overflow`, which concerns the last ACK only).
#[derive(Debug)]
pub struct Blackhole {
    addr: SocketAddr,
    listener: Socket,
    fillers: Vec<TcpStream>,
}

impl Blackhole {
    /// Opens one on 127.0.0.1 and makes sure, by a connect that got no answer, that it works.
    pub fn start() -> io::Result<Blackhole> {
        Blackhole::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// The same at this address.
    pub fn start_at(addr: SocketAddr) -> io::Result<Blackhole> {
        let (listener, addr) = bound(addr)?;
        listener.listen(0)?;
        let mut fillers = Vec::new();
        while fillers.len() < MOST_FILLERS {
            match TcpStream::connect_timeout(&addr, SILENCE) {
                Ok(stream) => fillers.push(stream),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Ok(Blackhole { addr, listener, fillers });
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!("the queue of {addr} never filled")))
    }

    /// Where connects hang.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Lets in whoever sends a SYN (again), and accepts the first of them.
    pub fn open(self) -> io::Result<TcpStream> {
        Ok(self.listen()?.accept()?.0)
    }

    /// The same, for whoever accepts several.
    pub fn listen(self) -> io::Result<TcpListener> {
        for _ in 0..self.fillers.len() {
            self.listener.accept()?;
        }
        Ok(self.listener.into())
    }
}

/// An address where nobody listens, and nobody else can while this lives: connects get RST.
#[derive(Debug)]
pub struct Refusing {
    addr: SocketAddr,
    _socket: Socket,
}

impl Refusing {
    /// Reserves one on 127.0.0.1.
    pub fn start() -> io::Result<Refusing> {
        let (socket, addr) = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Refusing { addr, _socket: socket })
    }

    /// Where connects are refused.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

fn bound(addr: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&addr.into())?;
    let addr = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((socket, addr))
}
