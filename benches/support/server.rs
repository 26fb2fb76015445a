//! A server in a thread of this process, on a CPU of its own if it is given one: the same small answer to
//! whatever ends with an empty line. Ends when it is dropped, and with it all its connections.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use ringdove::sys::{Epoll, Interest, affinity};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello, world";

/// The thread, for as long as this is kept.
pub(crate) struct Server {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(cpu: Option<usize>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            if let Some(cpu) = cpu {
                affinity::pin(cpu).expect("allowed");
            }
            serve(&listener, &is_over);
        });
        Self { address, over, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // wakes it up
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, over: &AtomicBool) {
    let read = Interest { recv: true, send: false };
    let mut epoll = Epoll::new().expect("an epoll instance");
    let mut connections = HashMap::new();
    epoll.add(listener.as_raw_fd(), read, listener.as_raw_fd() as u64).expect("watched");
    let mut buffer = vec![0; 16 * 1024];
    while !over.load(Ordering::Acquire) {
        epoll.wait(None).expect("a wait");
        let ready: Vec<RawFd> = epoll.events().map(|(token, _)| token as RawFd).collect();
        for fd in ready {
            if fd == listener.as_raw_fd() {
                let (socket, _) = listener.accept().expect("a connection");
                socket.set_nonblocking(true).expect("a socket");
                epoll.add(socket.as_raw_fd(), read, socket.as_raw_fd() as u64).expect("watched");
                connections.insert(socket.as_raw_fd(), socket);
            } else if !answer(connections.get_mut(&fd), &mut buffer) {
                connections.remove(&fd);
            }
        }
    }
}

/// Answers one request, which is small and so arrives whole. False: the connection is over.
fn answer(socket: Option<&mut TcpStream>, buffer: &mut [u8]) -> bool {
    let Some(socket) = socket else { return false };
    match socket.read(buffer) {
        Ok(0) => false,
        Ok(n) => buffer[..n].ends_with(b"\r\n\r\n") && socket.write_all(ANSWER).is_ok(),
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
