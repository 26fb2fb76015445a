//! Ports for servers that are told theirs, and cannot be asked which one the kernel gave.
//!
//! Such a port is below those that the kernel gives by itself, so that no socket of any test gets it by chance, and it
//! is held under a name until its server is gone, so that no other test takes it for its own. Without that a server
//! that comes too late finds its port taken, and whoever waits for it meets a stranger.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Where the kernel's own begin, unless somebody has widened their range, is 32,768.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A port that is nobody else's for as long as this is kept.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Its name is taken in the network namespace, as the port is.
    _held: UnixListener,
}

impl Port {
    /// One that is free for TCP and UDP on a loopback address.
    pub fn free(address: IpAddr) -> io::Result<Port> {
        // processes begin far from each other, and go on from there
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        let first = process::id().wrapping_mul(2_654_435_761) >> 16;
        for _ in 0..COUNT {
            let next = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
            let number = FIRST + ((first + next) % u32::from(COUNT)) as u16;
            if let Some(port) = Port::take(number)
                && TcpListener::bind((address, number)).is_ok()
                && UdpSocket::bind((address, number)).is_ok()
            {
                return Ok(port);
            }
        }
        Err(io::Error::other("no free port"))
    }

    fn take(number: u16) -> Option<Port> {
        let name = SocketAddr::from_abstract_name(format!("ringdove-test-port-{number}")).ok()?;
        let held = UnixListener::bind_addr(&name).ok()?;
        Some(Port { number, _held: held })
    }

    /// The port itself.
    pub fn number(&self) -> u16 {
        self.number
    }
}
