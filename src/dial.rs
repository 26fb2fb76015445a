//! How a socket is opened: to whom, of which kind, and from where.
//!
//! Knows the addresses of sockets as values. Must not know a socket, nor why it is opened. Below all layers: the
//! engine says it, `sys` does it. Cheap to clone; the common case, TCP to an address, holds nothing on the heap.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// How a socket is opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dial {
    /// To whom it is connected.
    pub remote: Remote,
    /// Of which kind it is.
    pub transport: Transport,
    /// Where it comes from, unless the system is to choose.
    pub bind: Option<Arc<Bind>>,
}

/// To whom a socket is connected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Remote {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A socket of this machine: unix(7).
    Unix(UnixAddress),
}

/// The kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A stream of bytes: TCP, or its like on this machine.
    Stream,
    /// Datagrams: UDP. Each send is one, each receive brings one; one that is empty is no end. Whatever the peer's
    /// host refuses is an error of a later send or receive.
    Datagram,
}

/// The address of a Unix socket: a path, or a name in the abstract namespace. At most 107 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UnixAddress(Arc<[u8]>);

/// Where a socket comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Bind {
    /// The network interface that it uses, whatever the routes say (SO_BINDTODEVICE).
    pub device: Option<Device>,
    /// Its own address. The system chooses a port for each connection when it is made, so that each address has
    /// all of its ports for each peer (IP_BIND_ADDRESS_NO_PORT).
    pub address: Option<IpAddr>,
    /// Its own port: the first of these that is free. Not 0.
    pub ports: Option<RangeInclusive<u16>>,
}

/// The name of a network interface: 1 to 15 bytes, none of them NUL, white space or `/`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Device(Arc<str>);

/// A name that the kernel would not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// It is empty.
    Empty,
    /// It is longer than so many bytes.
    Long(usize),
    /// It has a byte that is not allowed.
    Byte(u8),
}

impl Dial {
    /// TCP to this address, from wherever the system chooses.
    #[inline]
    pub fn tcp(address: SocketAddr) -> Dial {
        Dial { remote: Remote::Ip(address), transport: Transport::Stream, bind: None }
    }

    /// UDP to this address, from wherever the system chooses.
    pub fn udp(address: SocketAddr) -> Dial {
        Dial { transport: Transport::Datagram, ..Dial::tcp(address) }
    }

    /// A stream to a socket of this machine.
    pub fn unix(address: UnixAddress) -> Dial {
        Dial { remote: Remote::Unix(address), transport: Transport::Stream, bind: None }
    }

    /// Whether it is TCP.
    pub fn is_tcp(&self) -> bool {
        self.transport == Transport::Stream && matches!(self.remote, Remote::Ip(_))
    }
}

impl From<SocketAddr> for Dial {
    fn from(address: SocketAddr) -> Dial {
        Dial::tcp(address)
    }
}

impl Remote {
    /// The IP address and port, if it has them.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Remote::Ip(address) => Some(*address),
            Remote::Unix(_) => None,
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::Ip(address) => address.fmt(f),
            Remote::Unix(address) => address.fmt(f),
        }
    }
}

impl UnixAddress {
    /// Bytes of a path or an abstract name: `sun_path` without a NUL after, or before.
    pub const LONGEST: usize = 107;

    /// The socket at this path.
    ///
    /// # Errors
    ///
    /// If the kernel would not take the path.
    pub fn path(path: &Path) -> Result<UnixAddress, NameError> {
        let bytes = path.as_os_str().as_bytes();
        check(bytes, Self::LONGEST, |byte| byte != 0)?;
        Ok(UnixAddress(bytes.into()))
    }

    /// The socket of this name in the abstract namespace, given without the NUL that it begins with.
    ///
    /// # Errors
    ///
    /// If the kernel would not take the name.
    pub fn abstract_name(name: &[u8]) -> Result<UnixAddress, NameError> {
        check(name, Self::LONGEST, |_| true)?;
        Ok(UnixAddress([&[0], name].concat().into()))
    }

    /// As the kernel has it: a path without its NUL, or a NUL and a name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is in the abstract namespace.
    pub fn is_abstract(&self) -> bool {
        self.0.first() == Some(&0)
    }
}

impl fmt::Display for UnixAddress {
    /// The path; an abstract name begins with `@`, as in ss(8).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.strip_prefix(&[0]) {
            Some(name) => write!(f, "@{}", name.escape_ascii()),
            None => write!(f, "{}", String::from_utf8_lossy(&self.0)),
        }
    }
}

impl fmt::Debug for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixAddress({self})")
    }
}

impl Device {
    /// Bytes of a name: IFNAMSIZ, without the NUL.
    pub const LONGEST: usize = 15;

    /// The interface of this name, whether there is one or not.
    ///
    /// # Errors
    ///
    /// If no interface can have it.
    pub fn new(name: &str) -> Result<Device, NameError> {
        check(name.as_bytes(), Self::LONGEST, |byte| byte > b' ' && byte != b'/')?;
        Ok(Device(name.into()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.0)
    }
}

fn check(name: &[u8], longest: usize, allowed: fn(u8) -> bool) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > longest {
        return Err(NameError::Long(longest));
    }
    match name.iter().find(|&&byte| !allowed(byte)) {
        Some(&byte) => Err(NameError::Byte(byte)),
        None => Ok(()),
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("it is empty"),
            NameError::Long(longest) => write!(f, "it is longer than {longest} bytes"),
            NameError::Byte(byte) => write!(f, "it has the byte {byte:#04x}"),
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_kernel_takes() {
        let long = "a".repeat(107);
        let longer = "a".repeat(108);
        let path = |path: &str| UnixAddress::path(Path::new(path)).map(|at| at.to_string());
        assert_eq!(path("/run/a.sock").as_deref(), Ok("/run/a.sock"));
        assert_eq!(path(&long).as_deref(), Ok(&long[..]));
        assert_eq!(path(&longer), Err(NameError::Long(107)));
        assert_eq!(path(""), Err(NameError::Empty));
        assert_eq!(path("a\0b"), Err(NameError::Byte(0)));
        let name = UnixAddress::abstract_name(b"a\0b").unwrap();
        assert_eq!((name.to_string().as_str(), name.as_bytes()), ("@a\\x00b", &b"\0a\0b"[..]));
        assert!(name.is_abstract() && UnixAddress::abstract_name(longer.as_bytes()).is_err());
        assert_eq!(UnixAddress::abstract_name(b""), Err(NameError::Empty));
        assert_eq!(Device::new("vrf-blue").unwrap().as_str(), "vrf-blue");
        assert_eq!(Device::new("a123456789012345"), Err(NameError::Long(15)));
        assert_eq!(Device::new("a/b"), Err(NameError::Byte(b'/')));
        assert_eq!(Device::new("a b"), Err(NameError::Byte(b' ')));
    }

    /// One goes with each connection that is opened, through the engine's queue of wants.
    #[test]
    fn a_dial_is_small() {
        assert!(size_of::<Dial>() <= 48, "{}", size_of::<Dial>());
    }
}
