//! A server at a Unix socket whose queue is short, so that those who come in a crowd are refused for a moment.
//!
//! Answers by path: `/big` is large, `/close` closes, `/cut` closes in the midst of its body, `/stall` says nothing
//! more there; all else is a small 200. Dropping it ends its connections and its threads.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

/// How often those who wait look whether it is over.
const LOOK: Duration = Duration::from_millis(50);

/// A longer head than this is no request of ours.
const HEAD: usize = 64 * 1024;

pub(crate) struct UnixServer {
    directory: TempDir,
    over: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl UnixServer {
    pub(crate) fn start() -> UnixServer {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        let address = SockAddr::unix(path(directory.path())).expect("a short path");
        socket.bind(&address).expect("binds");
        socket.listen(4).expect("listens");
        let over = Arc::new(AtomicBool::new(false));
        let acceptor = thread::spawn({
            let over = Arc::clone(&over);
            let listener = UnixListener::from(OwnedFd::from(socket));
            move || accept(&listener, &over)
        });
        UnixServer { directory, over, acceptor: Some(acceptor) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        path(self.directory.path())
    }
}

impl Drop for UnixServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // whoever waits for a connection gets one
        let _ = UnixStream::connect(self.path());
        let failed = self.acceptor.take().is_some_and(|acceptor| acceptor.join().is_err());
        assert!(!failed || thread::panicking(), "a thread of the Unix server panicked");
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("s")
}

fn accept(listener: &UnixListener, over: &Arc<AtomicBool>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            // the process is out of descriptors
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        let over = Arc::clone(over);
        // an error is the client's end of it
        threads.push(thread::spawn(move || drop(Connection { stream, over }.serve())));
        threads.retain(|thread| !thread.is_finished());
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
}

struct Connection {
    stream: UnixStream,
    over: Arc<AtomicBool>,
}

impl Connection {
    fn serve(mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(LOOK))?;
        self.stream.set_write_timeout(Some(LOOK))?;
        let mut unread = Vec::new();
        while let Some(path) = self.next_path(&mut unread)? {
            let answer = |length: usize| {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes()
            };
            match path.as_str() {
                "/big" => {
                    self.write(&[answer(700_000), vec![b'u'; 700_000]].concat())?;
                }
                "/close" => return self.write(&[&answer(3)[..], b"bye"].concat()),
                "/cut" => return self.write(&[&answer(100)[..], b"part"].concat()),
                "/stall" => {
                    self.write(&[&answer(100)[..], b"part"].concat())?;
                    while self.read(&mut [0; 64])? > 0 {}
                    return Ok(());
                }
                _ => self.write(&[&answer(5)[..], b"hello"].concat())?,
            }
        }
        Ok(())
    }

    /// What the next request, which has no body, asks for; `None` if there is none.
    fn next_path(&mut self, unread: &mut Vec<u8>) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = unread.drain(..end + 4).collect();
                let head = String::from_utf8_lossy(&head);
                let target = head.split(' ').nth(1).unwrap_or_default();
                return Ok(target.split('?').next().map(str::to_owned));
            }
            let mut buffer = [0; 4096];
            let n = self.read(&mut buffer)?;
            if n == 0 || unread.len() > HEAD {
                return Ok(None);
            }
            unread.extend_from_slice(&buffer[..n]);
        }
    }

    /// Zero at the end of the stream, or of the server.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.over.load(Ordering::Relaxed) {
            match self.stream.read(buffer) {
                Err(error) if is_timeout(&error) => {}
                result => return result,
            }
        }
        Ok(0)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Err(error) if is_timeout(&error) && !self.over.load(Ordering::Relaxed) => {}
                Err(error) => return Err(error),
                Ok(n) => bytes = &bytes[n..],
            }
        }
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
