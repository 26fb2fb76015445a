//! TCP sockets, non-blocking.
//!
//! Knows socket(2), connect(2), recv(2), send(2). Must not know who waits for readiness, or how.
//! Invariant: an fd is closed once, when its `Socket` is dropped.

use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::count::{self, Counter};
use super::errno::Errno;

/// A TCP socket that never blocks, is closed on exec, and sends small segments at once. Closed when
/// dropped.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// How far a connect has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connect {
    /// Connected already (a local peer may answer at once).
    Done,
    /// Under way: when the socket is ready to send, [`Socket::connect_result`] says how it went.
    InProgress,
}

/// What a receive or a send has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Io {
    /// This many bytes were moved. Zero from a receive into a non-empty buffer is the end of the stream.
    Ready(usize),
    /// Nothing was moved: it would have to wait.
    Blocked,
}

impl Socket {
    /// A socket of the family of `address`, with TCP_NODELAY set. Two system calls.
    ///
    /// # Errors
    ///
    /// As socket(2); `EMFILE` and `ENFILE` mean that descriptors have run out.
    pub fn tcp(address: &SocketAddr) -> Result<Socket, Errno> {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        count::add(Counter::Socket, 1);
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::socket(family, kind, 0) })?;
        let socket = Socket(owned(fd));
        socket.set_nodelay()?;
        Ok(socket)
    }

    fn set_nodelay(&self) -> Result<(), Errno> {
        count::add(Counter::Setsockopt, 1);
        // SAFETY: the option's value outlives the call, which reads it and keeps no pointer.
        check(unsafe {
            libc::setsockopt(
                self.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_NODELAY,
                (&raw const NODELAY).cast(),
                size_of_val(&NODELAY) as libc::socklen_t,
            )
        })?;
        Ok(())
    }

    /// Starts to connect.
    ///
    /// # Errors
    ///
    /// As connect(2); `EADDRNOTAVAIL` means that local ports have run out.
    pub fn connect(&self, address: &SocketAddr) -> Result<Connect, Errno> {
        let (address, length) = sockaddr(address);
        count::add(Counter::Connect, 1);
        // SAFETY: `address` outlives the call, which reads `length` bytes of it and keeps no pointer.
        let result =
            unsafe { libc::connect(self.as_raw_fd(), (&raw const address).cast(), length) };
        match check(result) {
            Ok(_) => Ok(Connect::Done),
            // interrupted, a connect goes on by itself: connect(2)
            Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(Connect::InProgress),
            Err(errno) => Err(errno),
        }
    }

    /// How a connect that was under way has gone, once the socket is ready to send (SO_ERROR).
    /// Before that it says `Ok` of a connect that has not ended.
    ///
    /// # Errors
    ///
    /// The connect's own error, such as `ECONNREFUSED`.
    pub fn connect_result(&self) -> Result<(), Errno> {
        let mut error: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        count::add(Counter::Getsockopt, 1);
        // SAFETY: `error` and `length` outlive the call, which writes them and keeps no pointer.
        check(unsafe {
            libc::getsockopt(
                self.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ERROR,
                (&raw mut error).cast(),
                &mut length,
            )
        })?;
        if error == 0 { Ok(()) } else { Err(Errno(error)) }
    }

    /// Receives into `buffer`.
    ///
    /// # Errors
    ///
    /// As recv(2), but for `EAGAIN` ([`Io::Blocked`]) and `EINTR` (tried again).
    pub fn recv(&self, buffer: &mut [u8]) -> Result<Io, Errno> {
        moved(Counter::Recv, || {
            // SAFETY: `buffer` is borrowed for the call, which writes at most its length and keeps no pointer.
            unsafe { libc::recv(self.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) }
        })
    }

    /// Sends from `bytes`. A peer that is gone is an error, never a signal (MSG_NOSIGNAL).
    ///
    /// # Errors
    ///
    /// As send(2), but for `EAGAIN` ([`Io::Blocked`]) and `EINTR` (tried again).
    pub fn send(&self, bytes: &[u8]) -> Result<Io, Errno> {
        moved(Counter::Send, || {
            // SAFETY: `bytes` is borrowed for the call, which reads at most its length and keeps no pointer.
            unsafe {
                libc::send(self.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL)
            }
        })
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // the field closes itself
        count::add(Counter::Close, 1);
    }
}

/// The value of TCP_NODELAY: on. A static, so that the kernel may read it whenever it likes.
pub(super) static NODELAY: libc::c_int = 1;

/// The kernel's form of an address, and how many bytes of it count.
pub(super) fn sockaddr(address: &SocketAddr) -> (libc::sockaddr_in6, libc::socklen_t) {
    match address {
        SocketAddr::V4(v4) => {
            let v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: all zero bytes are a value of this plain C struct.
            let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            const {
                assert!(size_of::<libc::sockaddr_in>() <= size_of::<libc::sockaddr_in6>());
                assert!(align_of::<libc::sockaddr_in>() <= align_of::<libc::sockaddr_in6>());
            }
            // SAFETY: `address` is ours, larger and at least as aligned, as asserted.
            unsafe { (&raw mut address).cast::<libc::sockaddr_in>().write(v4) };
            (address, size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(v6) => (
            libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            },
            size_of::<libc::sockaddr_in6>() as libc::socklen_t,
        ),
    }
}

/// The result of a libc call that returns -1 and sets errno.
pub(super) fn check(result: libc::c_int) -> Result<libc::c_int, Errno> {
    if result == -1 { Err(Errno::last()) } else { Ok(result) }
}

/// Takes ownership of an fd that a system call has just returned.
pub(super) fn owned(fd: RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    debug_assert!(fd >= 0);
    // SAFETY: the callers pass an fd that the kernel has just made and nobody else holds.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Runs a call that moves bytes, again if a signal interrupts it.
fn moved(counter: Counter, mut call: impl FnMut() -> isize) -> Result<Io, Errno> {
    loop {
        count::add(counter, 1);
        let n = call();
        if let Ok(n) = usize::try_from(n) {
            return Ok(Io::Ready(n));
        }
        match Errno::last() {
            Errno::EINTR => {}
            Errno::EAGAIN => return Ok(Io::Blocked),
            errno => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A connected socket and its peer, over `address`.
    fn pair(address: &str) -> (Socket, std::net::TcpStream) {
        let listener = TcpListener::bind(address).expect("loopback has ports");
        let address = listener.local_addr().expect("bound");
        let socket = Socket::tcp(&address).expect("a socket");
        socket.connect(&address).expect("connects");
        let (peer, _) = listener.accept().expect("accepts");
        assert_eq!(socket.connect_result(), Ok(()));
        (socket, peer)
    }

    #[test]
    fn moves_bytes_both_ways_over_both_families() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            if TcpListener::bind(address).is_err() {
                eprintln!("skipped {address}: no such loopback");
                continue;
            }
            let (socket, mut peer) = pair(address);
            let mut buffer = [0; 16];
            assert_eq!(socket.recv(&mut buffer), Ok(Io::Blocked));
            assert_eq!(socket.send(b"ping"), Ok(Io::Ready(4)));
            peer.read_exact(&mut buffer[..4]).expect("reads");
            assert_eq!(&buffer[..4], b"ping");
            peer.write_all(b"pong").expect("writes");
            drop(peer);
            assert_eq!(socket.recv(&mut buffer), Ok(Io::Ready(4)));
            assert_eq!(socket.recv(&mut buffer), Ok(Io::Ready(0)));
        }
    }

    #[test]
    fn a_full_send_buffer_blocks_and_a_gone_peer_is_an_error() {
        let (socket, peer) = pair("127.0.0.1:0");
        let bytes = vec![0; 1 << 20];
        let blocked = (0..100).any(|_| socket.send(&bytes) == Ok(Io::Blocked));
        assert!(blocked, "100 MiB fit into a socket that nobody reads");
        drop(peer);
        let failed = (0..100).find_map(|_| socket.send(&bytes).err());
        assert!(matches!(failed, Some(Errno::ECONNRESET | Errno::EPIPE)), "{failed:?}");
    }

    #[test]
    fn a_refused_connect_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let socket = Socket::tcp(&address).expect("a socket");
        match socket.connect(&address) {
            Ok(_) => assert_eq!(socket.connect_result(), Err(Errno::ECONNREFUSED)),
            Err(errno) => assert_eq!(errno, Errno::ECONNREFUSED),
        }
    }

    #[test]
    fn every_call_is_counted() {
        let before = count::snapshot();
        let (socket, _peer) = pair("127.0.0.1:0");
        let _ = socket.recv(&mut [0; 1]);
        let _ = socket.send(b"x");
        drop(socket);
        let counts = count::snapshot().since(&before);
        let expected = [
            (Counter::Socket, 1),
            (Counter::Setsockopt, 1),
            (Counter::Connect, 1),
            (Counter::Getsockopt, 1),
            (Counter::Recv, 1),
            (Counter::Send, 1),
            (Counter::Close, 1),
        ];
        for (counter, n) in expected {
            assert_eq!(counts.get(counter), n, "{counter:?}");
        }
        assert_eq!(counts.system_calls(), 7);
    }
}
