//! Sockets that the program opens, sets up or closes: CURLOPT_OPENSOCKETFUNCTION, SOCKOPTFUNCTION and CLOSESOCKETFUNCTION; and
//! those that probe (CURLOPT_TCP_KEEPALIVE).
//!
//! Knows what each callback is told, and what its answer means. Must not know whose connection it is.
#![allow(unsafe_code, reason = "callbacks and descriptors are C's")]

use std::ffi::{c_int, c_uint};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;

use ringdove::OwnSocket;
use ringdove::dial::{Dial, Remote};
use ringdove::sys::Errno;

use super::Easy;
use super::callbacks::callback;
use crate::codes::Code;
use crate::edge::Pointer;
use crate::errors::Failure;
use crate::options::ids;

type Open = unsafe extern "C" fn(Pointer, c_int, *mut Address) -> c_int;
type SetUp = unsafe extern "C" fn(Pointer, c_int, c_int) -> c_int;
type Close = unsafe extern "C" fn(Pointer, c_int) -> c_int;

/// CURLSOCKTYPE_IPCXN, of a connection that is made.
const CONNECTION: c_int = 0;
/// CURL_SOCKET_BAD
const BAD: c_int = -1;

/// CURL_SOCKOPT_*
mod answer {
    pub(super) const OK: i32 = 0;
    pub(super) const ALREADY_CONNECTED: i32 = 2;
}

/// `struct curl_sockaddr`, with room for any address.
#[repr(C)]
struct Address {
    family: c_int,
    kind: c_int,
    protocol: c_int,
    length: c_uint,
    address: libc::sockaddr_storage,
}

/// What closes a socket of the program's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closer {
    function: Pointer,
    data: Pointer,
}

impl Closer {
    /// Closes it by the callback, if there is one.
    pub(crate) fn close(self, socket: OwnedFd) {
        if let Some(close) = callback::<Close>(self.function) {
            // SAFETY: whoever set the callback promises that it is one of this type; the descriptor is its own from here on.
            unsafe { close(self.data, socket.into_raw_fd()) };
        }
    }
}

/// Whether a transfer of this handle needs a socket that has a descriptor: the handle has a say in how it is opened or closed, its
/// callbacks are told between which addresses it is, or it is the program's from some time on.
pub(crate) fn needs_socket(easy: &Easy) -> bool {
    let settings = easy.settings.borrow();
    let callbacks = [
        ids::OPENSOCKETFUNCTION,
        ids::SOCKOPTFUNCTION,
        ids::CLOSESOCKETFUNCTION,
        ids::PREREQFUNCTION,
    ];
    callbacks.into_iter().any(|id| !settings.pointer(id).is_null())
        || settings.flag(ids::TCP_KEEPALIVE, false)
        || easy.link.borrow().is_some()
}

/// A socket for a connection of this handle, where the handle has a say in that.
pub(crate) fn open(easy: &Easy, dial: &mut Dial) -> Result<Option<(OwnSocket, Closer)>, Errno> {
    let (opens, sets_up, closer, probes) = {
        let settings = easy.settings.borrow();
        let pointer = |id| settings.pointer(id);
        let closer = Closer {
            function: pointer(ids::CLOSESOCKETFUNCTION),
            data: pointer(ids::CLOSESOCKETDATA),
        };
        let probes = settings.flag(ids::TCP_KEEPALIVE, false);
        (pointer(ids::OPENSOCKETFUNCTION), pointer(ids::SOCKOPTFUNCTION), closer, probes)
    };
    if opens.is_null() && sets_up.is_null() && closer.function.is_null() && !probes {
        return Ok(None);
    }
    let fd = socket(easy, opens, dial)?;
    if probes && dial.is_tcp() {
        probe(easy, &fd);
    }
    match set_up(easy, sets_up, &fd) {
        answer::OK => Ok(Some((OwnSocket { fd, is_connected: false }, closer))),
        answer::ALREADY_CONNECTED => Ok(Some((OwnSocket { fd, is_connected: true }, closer))),
        _ => {
            easy.calling(|| closer.close(fd));
            easy.run.fail(Failure::plain(Code::ABORTED_BY_CALLBACK));
            Err(Errno(libc::ECANCELED))
        }
    }
}

/// The program's socket, or one like it would be. The program may say that it goes elsewhere.
fn socket(easy: &Easy, opens: Pointer, dial: &mut Dial) -> Result<OwnedFd, Errno> {
    let mut address = address_of(&dial.remote);
    let data = easy.settings.borrow().pointer(ids::OPENSOCKETDATA);
    let fd = match callback::<Open>(opens) {
        // SAFETY: whoever set the callback promises that it is one of this type, and that the descriptor is ours until it is
        // closed.
        Some(open) => easy.calling(|| unsafe { open(data, CONNECTION, &raw mut address) }),
        // SAFETY: no memory is passed.
        None => unsafe { libc::socket(address.family, address.kind | libc::SOCK_CLOEXEC, 0) },
    };
    match (fd, opens.is_null()) {
        (BAD, true) => {
            let errno = std::io::Error::last_os_error().raw_os_error();
            return Err(Errno(errno.unwrap_or(libc::EMFILE)));
        }
        (..0, _) => return Err(Errno(libc::ECONNREFUSED)),
        _ => {}
    }
    if let Some(elsewhere) = address.ip() {
        dial.remote = Remote::Ip(elsewhere);
    }
    // SAFETY: it is new, and nobody else closes it: socket(2) gave it, or the program, which promises it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_up(easy: &Easy, sets_up: Pointer, fd: &OwnedFd) -> c_int {
    let Some(set_up) = callback::<SetUp>(sets_up) else { return answer::OK };
    let data = easy.settings.borrow().pointer(ids::SOCKOPTDATA);
    // SAFETY: whoever set the callback promises that it is one of this type, and does not close the socket.
    easy.calling(|| unsafe { set_up(data, fd.as_raw_fd(), CONNECTION) })
}

/// Has the kernel ask a silent peer whether it is there (tcp(7)).
fn probe(easy: &Easy, fd: &OwnedFd) {
    let settings = easy.settings.borrow();
    let number = |id, otherwise| {
        c_int::try_from(settings.number(id, otherwise)).unwrap_or(c_int::MAX).max(1)
    };
    let options = [
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, number(ids::TCP_KEEPIDLE, 60)),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, number(ids::TCP_KEEPINTVL, 60)),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, number(ids::TCP_KEEPCNT, 9)),
    ];
    for (level, option, value) in options {
        let length = size_of::<c_int>() as libc::socklen_t;
        // SAFETY: the value outlives the call, which reads it and keeps no pointer. One that is not taken is left as it is.
        unsafe {
            libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), length)
        };
    }
}

fn address_of(remote: &Remote) -> Address {
    // SAFETY: all zero bytes are a value of this plain C struct.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let start = &raw mut storage;
    // SAFETY: the storage is large and aligned enough for each of these.
    let (family, length) = unsafe {
        match remote {
            Remote::Ip(SocketAddr::V4(v4)) => {
                let to = &mut *start.cast::<libc::sockaddr_in>();
                to.sin_family = libc::AF_INET as libc::sa_family_t;
                to.sin_port = v4.port().to_be();
                to.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                (libc::AF_INET, size_of::<libc::sockaddr_in>())
            }
            Remote::Ip(SocketAddr::V6(v6)) => {
                let to = &mut *start.cast::<libc::sockaddr_in6>();
                to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                to.sin6_port = v6.port().to_be();
                to.sin6_addr.s6_addr = v6.ip().octets();
                to.sin6_flowinfo = v6.flowinfo();
                to.sin6_scope_id = v6.scope_id();
                (libc::AF_INET6, size_of::<libc::sockaddr_in6>())
            }
            Remote::Unix(address) => {
                let to = &mut *start.cast::<libc::sockaddr_un>();
                to.sun_family = libc::AF_UNIX as libc::sa_family_t;
                for (to, &byte) in to.sun_path.iter_mut().zip(address.as_bytes()) {
                    *to = byte as libc::c_char;
                }
                (libc::AF_UNIX, size_of::<libc::sockaddr_un>())
            }
        }
    };
    let protocol = if family == libc::AF_UNIX { 0 } else { libc::IPPROTO_TCP };
    Address {
        family,
        kind: libc::SOCK_STREAM,
        protocol,
        length: length as c_uint,
        address: storage,
    }
}

impl Address {
    /// Its IP address, if it is one.
    fn ip(&self) -> Option<SocketAddr> {
        let start = ptr::from_ref(&self.address);
        // SAFETY: the storage has room for each of these, and any bytes are a value of them.
        unsafe {
            match c_int::from(self.address.ss_family) {
                libc::AF_INET => {
                    let from = &*start.cast::<libc::sockaddr_in>();
                    let ip = Ipv4Addr::from(from.sin_addr.s_addr.to_ne_bytes());
                    Some((ip, u16::from_be(from.sin_port)).into())
                }
                libc::AF_INET6 => {
                    let from = &*start.cast::<libc::sockaddr_in6>();
                    let ip = Ipv6Addr::from(from.sin6_addr.s6_addr);
                    let port = u16::from_be(from.sin6_port);
                    let (flow, scope) = (from.sin6_flowinfo, from.sin6_scope_id);
                    Some(SocketAddrV6::new(ip, port, flow, scope).into())
                }
                _ => None,
            }
        }
    }
}
