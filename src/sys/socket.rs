//! Sockets, non-blocking.
//!
//! Knows socket(2), bind(2), connect(2), recv(2), send(2). Must not know who waits for readiness, or how.
//! Invariant: an fd is closed once, when its `Socket` is dropped, or by whoever was given it.

use std::ffi::c_int;
use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::count::{self, Counter};
use super::errno::Errno;
use crate::dial::{Bind, Device, Dial, Remote, Transport, UnixAddress};

/// A socket that never blocks, is closed on exec, and, if it is TCP, sends small segments at once. Closed when
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

/// What opening a connection failed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Which step failed.
    pub step: Step,
    /// How.
    pub errno: Errno,
}

/// A step on the way to a connected socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// socket(2), or setting one of its options.
    Socket,
    /// bind(2), or SO_BINDTODEVICE.
    Bind,
    /// connect(2)
    Connect,
}

impl Refused {
    /// Whether it was for want of a resource that comes back once others have let go of theirs.
    pub fn is_exhaustion(self) -> bool {
        match self.step {
            // an address that is not ours does not become so; of the ports asked for one may get free
            Step::Bind => self.errno == Errno::EADDRINUSE,
            // a Unix socket's queue is full: unix(7)
            Step::Connect if self.errno == Errno::EAGAIN => true,
            Step::Socket | Step::Connect => self.errno.is_exhaustion(),
        }
    }
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
    /// A socket of the kind that `dial` wants, bound where it wants it, and not connected. TCP has TCP_NODELAY set:
    /// two system calls.
    ///
    /// # Errors
    ///
    /// As socket(2), where `EMFILE` and `ENFILE` mean that descriptors have run out, or bind(2), where `EADDRINUSE`
    /// means that none of the ports asked for is free.
    pub fn open(dial: &Dial) -> Result<Socket, Refused> {
        let refused = |step| move |errno| Refused { step, errno };
        let (family, kind) = family_and_kind(dial);
        let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        count::add(Counter::Socket, 1);
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::socket(family, kind, 0) }).map_err(refused(Step::Socket))?;
        let socket = Socket(owned(fd));
        socket.prepare(dial)?;
        Ok(socket)
    }

    /// One that another has opened.
    pub fn from_fd(fd: OwnedFd) -> Socket {
        Socket(fd)
    }

    /// The descriptor, to be closed by another.
    pub fn into_fd(self) -> OwnedFd {
        let fd = self.as_raw_fd();
        std::mem::forget(self);
        owned(fd)
    }

    /// Makes one that another has opened as those are that are opened here: non-blocking, and bound unless it `is_connected`.
    ///
    /// # Errors
    ///
    /// As [`Socket::open`].
    pub fn adopt(&self, dial: &Dial, is_connected: bool) -> Result<(), Refused> {
        let refused = |errno| Refused { step: Step::Socket, errno };
        self.set_flags(libc::O_NONBLOCK).map_err(refused)?;
        let bind = dial.bind.as_ref().filter(|_| !is_connected);
        self.prepare(&Dial { bind: bind.cloned(), ..dial.clone() })
    }

    fn prepare(&self, dial: &Dial) -> Result<(), Refused> {
        let refused = |step| move |errno| Refused { step, errno };
        if dial.is_tcp() {
            let set = self.set(libc::IPPROTO_TCP, libc::TCP_NODELAY, &ON);
            set.map_err(refused(Step::Socket))?;
        }
        if let (Some(bind), Remote::Ip(remote)) = (&dial.bind, &dial.remote) {
            self.bind(bind, remote).map_err(refused(Step::Bind))?;
        }
        Ok(())
    }

    fn bind(&self, bind: &Bind, remote: &SocketAddr) -> Result<(), Errno> {
        let Bind { device, address, ports } = bind;
        if let Some(device) = device {
            self.set_device(device)?;
        }
        let any: IpAddr = match remote {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        match (address, ports) {
            (None, None) => Ok(()),
            (Some(address), None) => {
                // of IPv6 sockets, too
                self.set(libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, &ON)?;
                self.bind_to(&SocketAddr::new(*address, 0))
            }
            (address, Some(ports)) => {
                let address = address.unwrap_or(any);
                let mut result = Err(Errno::EADDRINUSE);
                for port in ports.clone() {
                    result = self.bind_to(&SocketAddr::new(address, port));
                    if result != Err(Errno::EADDRINUSE) {
                        break;
                    }
                }
                result
            }
        }
    }

    fn bind_to(&self, address: &SocketAddr) -> Result<(), Errno> {
        let (address, length) = sockaddr(address);
        count::add(Counter::Bind, 1);
        // SAFETY: `address` outlives the call, which reads `length` bytes of it and keeps no pointer.
        check(unsafe { libc::bind(self.as_raw_fd(), (&raw const address).cast(), length) })?;
        Ok(())
    }

    fn set(&self, level: c_int, option: c_int, value: &'static c_int) -> Result<(), Errno> {
        let length = size_of_val(value) as libc::socklen_t;
        count::add(Counter::Setsockopt, 1);
        // SAFETY: the option's value outlives the call, which reads it and keeps no pointer.
        check(unsafe {
            let value: *const c_int = value;
            libc::setsockopt(self.as_raw_fd(), level, option, value.cast(), length)
        })?;
        Ok(())
    }

    fn set_device(&self, device: &Device) -> Result<(), Errno> {
        let name = device.as_str().as_bytes();
        count::add(Counter::Setsockopt, 1);
        // SAFETY: `name` is borrowed for the call, which reads its length and keeps no pointer.
        check(unsafe {
            libc::setsockopt(
                self.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_BINDTODEVICE,
                name.as_ptr().cast(),
                name.len() as libc::socklen_t,
            )
        })?;
        Ok(())
    }

    /// Lets it block, as the ring's operations want it: on a socket that does not, they would not wait.
    pub(super) fn set_blocking(&self) -> Result<(), Errno> {
        self.set_flags(0)
    }

    fn set_flags(&self, flags: c_int) -> Result<(), Errno> {
        count::add(Counter::Fcntl, 1);
        // SAFETY: no memory is passed.
        check(unsafe { libc::fcntl(self.as_raw_fd(), libc::F_SETFL, flags) })?;
        Ok(())
    }

    /// Starts to connect. To a Unix socket, or of datagrams, that is done at once.
    ///
    /// # Errors
    ///
    /// As connect(2); `EADDRNOTAVAIL` means that local ports have run out, `EAGAIN` that the queue of a Unix socket
    /// is full.
    pub fn connect(&self, remote: &Remote) -> Result<Connect, Errno> {
        count::add(Counter::Connect, 1);
        let result = match remote {
            Remote::Ip(address) => {
                let (address, length) = sockaddr(address);
                // SAFETY: `address` outlives the call, which reads `length` bytes of it and keeps no pointer.
                unsafe { libc::connect(self.as_raw_fd(), (&raw const address).cast(), length) }
            }
            Remote::Unix(address) => {
                let (address, length) = sockaddr_un(address);
                // SAFETY: as above
                unsafe { libc::connect(self.as_raw_fd(), (&raw const address).cast(), length) }
            }
        };
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

    /// How many of the bytes sent the peer has not acknowledged (SIOCOUTQ of tcp(7) and unix(7)).
    ///
    /// # Errors
    ///
    /// As ioctl(2), where the socket is of another kind.
    pub fn unacknowledged(&self) -> Result<u32, Errno> {
        let mut bytes: c_int = 0;
        count::add(Counter::Ioctl, 1);
        // SAFETY: `bytes` outlives the call, which writes an int and keeps no pointer.
        check(unsafe { libc::ioctl(self.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) })?;
        Ok(bytes.unsigned_abs())
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

/// The value of an option that is on or off. A static, so that the kernel may read it whenever it likes.
pub(super) static ON: c_int = 1;

/// The value of SO_LINGER that makes a close a reset: what was not sent is not, and the peer hears RST. A static, as
/// [`ON`].
pub(super) static RESET: libc::linger = libc::linger { l_onoff: 1, l_linger: 0 };

/// What socket(2) is told, but for its flags.
pub(super) fn family_and_kind(dial: &Dial) -> (c_int, c_int) {
    let family = match dial.remote {
        Remote::Ip(SocketAddr::V4(_)) => libc::AF_INET,
        Remote::Ip(SocketAddr::V6(_)) => libc::AF_INET6,
        Remote::Unix(_) => libc::AF_UNIX,
    };
    let kind = match dial.transport {
        Transport::Stream => libc::SOCK_STREAM,
        Transport::Datagram => libc::SOCK_DGRAM,
    };
    (family, kind)
}

/// The kernel's form of a Unix socket's address, and how many bytes of it count.
fn sockaddr_un(address: &UnixAddress) -> (libc::sockaddr_un, libc::socklen_t) {
    let bytes = address.as_bytes();
    let mut raw =
        libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
    for (to, &byte) in raw.sun_path.iter_mut().zip(bytes) {
        *to = byte as libc::c_char;
    }
    // a path ends with a NUL, an abstract name with its length
    let length = bytes.len() + usize::from(!address.is_abstract());
    (raw, (offset_of!(libc::sockaddr_un, sun_path) + length) as libc::socklen_t)
}

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

/// Takes ownership of an fd that a system call has just returned, or that was given up.
pub(super) fn owned(fd: RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    debug_assert!(fd >= 0);
    // SAFETY: the callers pass an fd that the kernel has just made, or that they held alone, and nobody else holds.
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
        let dial = Dial::tcp(address);
        let socket = Socket::open(&dial).expect("a socket");
        socket.connect(&dial.remote).expect("connects");
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
        let dial = Dial::tcp(address);
        let socket = Socket::open(&dial).expect("a socket");
        match socket.connect(&dial.remote) {
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
