//! Operations as data, and the SQE that each becomes.
//!
//! Knows how SQEs are filled, and which memory an SQE points to: a [`Cell`] of its own. Must not know
//! slots, debts or completions.

mod file;

use std::ffi::c_int;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use io_uring::types::{CancelBuilder, DestinationSlot, Fd, Fixed, TimeoutFlags, Timespec};
use io_uring::{opcode, squeue};

pub(super) use self::file::OnFile;
use super::readiness::Interest;
use super::socket::{ON, RESET, sockaddr};
use super::token::Token;
use crate::time::Time;

/// One thing asked of the kernel.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    Nop,
    /// POLL_ADD, oneshot unless `multishot`.
    PollAdd {
        fd: RawFd,
        interest: Interest,
        multishot: bool,
    },
    /// POLL_ADD of a direct descriptor, for what can be read, once.
    PollDirect {
        direct: u32,
    },
    /// LINK_TIMEOUT, absolute; linked to the operation pushed before it.
    LinkTimeout {
        until: Time,
    },
    /// POLL_REMOVE of the poll with this token.
    PollRemove {
        target: Token,
    },
    /// A new absolute time for the LINK_TIMEOUT with this token.
    LinkTimeoutUpdate {
        target: Token,
        until: Time,
    },
    /// ASYNC_CANCEL of everything in flight on this ring.
    CancelAll,
    /// SOCKET into this place of the table of direct descriptors.
    Socket {
        direct: u32,
        family: c_int,
        kind: c_int,
    },
    /// URING_CMD: setsockopt TCP_NODELAY.
    Nodelay {
        direct: u32,
    },
    Connect {
        direct: u32,
        address: SocketAddr,
    },
    /// SEND of these bytes, which the pusher keeps until the CQE. All of them, unless `wait` is false: then
    /// what the socket takes at once.
    Send {
        direct: u32,
        bytes: (*const u8, u32),
        wait: bool,
    },
    /// SEND_ZC of all of these bytes, which the pusher keeps until its notification. That reports whether they were
    /// copied.
    SendZc {
        direct: u32,
        bytes: (*const u8, u32),
    },
    /// RECV into a provided buffer of this group: as often as there is something, or once, and then so many bytes at most.
    Recv {
        direct: u32,
        group: u16,
        multishot: bool,
        most: u32,
    },
    /// ASYNC_CANCEL of the operation with this token.
    Cancel {
        target: Token,
    },
    /// URING_CMD: setsockopt SO_LINGER, so that its close is a reset.
    Linger {
        direct: u32,
    },
    /// URING_CMD: SIOCOUTQ, which its CQE answers.
    Unacknowledged {
        direct: u32,
    },
    /// SHUTDOWN of both directions. A worker of the kernel's does it, whatever the socket.
    Shutdown {
        direct: u32,
    },
    /// CLOSE of a direct descriptor.
    Close {
        direct: u32,
    },
    /// Something with a file.
    File(OnFile),
}

/// What an SQE points to. There is one cell for each entry of the submission queue; the kernel reads it
/// until it has consumed the SQE.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    timespec: Timespec,
    address: libc::sockaddr_in6,
}

impl Default for Cell {
    fn default() -> Cell {
        let (address, _) = sockaddr(&SocketAddr::from(([0, 0, 0, 0], 0)));
        Cell { timespec: Timespec::new(), address }
    }
}

/// `IORING_SEND_ZC_REPORT_USAGE`: the notification says whether the kernel copied (Linux 6.2).
const REPORT_USAGE: u16 = 1 << 3;

/// The URING_CMD of sockets that does what the ioctl(2) does (Linux 6.5).
const SOCKET_URING_OP_SIOCOUTQ: u32 = 1;

/// `IORING_NOTIF_USAGE_ZC_COPIED`, in the `res` of a notification.
pub(super) const COPIED: i32 = 1 << 31;

impl Op {
    /// Whether the kernel reads the SQE once more when it carries it out (Linux 6.10 to 6.13.3, and 6.12: a URING_CMD copies it only if
    /// it has to wait). What begins a chain is carried out while the SQE is the kernel's. What is behind that is
    /// later, when the SQE's place may be another's.
    pub(super) fn begins_a_chain(self) -> bool {
        matches!(self, Op::Nodelay { .. } | Op::Linger { .. } | Op::Unacknowledged { .. })
    }

    /// The SQE. It points to `cell`, which it has written: the cell must stay where it is, unchanged,
    /// until the kernel has consumed the SQE.
    pub(super) fn entry(self, cell: &mut Cell) -> squeue::Entry {
        match self {
            Op::Nop => opcode::Nop::new().build(),
            Op::PollAdd { fd, interest, multishot } => {
                opcode::PollAdd::new(Fd(fd), interest.bits()).multi(multishot).build()
            }
            Op::PollDirect { direct } => {
                opcode::PollAdd::new(Fixed(direct), Interest::RECV.bits()).build()
            }
            Op::LinkTimeout { until } => {
                cell.timespec = timespec(until);
                opcode::LinkTimeout::new(&cell.timespec).flags(TimeoutFlags::ABS).build()
            }
            Op::PollRemove { target } => opcode::PollRemove::new(target.to_bits()).build(),
            Op::LinkTimeoutUpdate { target, until } => {
                cell.timespec = timespec(until);
                opcode::TimeoutUpdate::new(target.to_bits(), &cell.timespec)
                    .flags(TimeoutFlags::ABS | TimeoutFlags::LINK_TIMEOUT_UPDATE)
                    .build()
            }
            Op::CancelAll => opcode::AsyncCancel2::new(CancelBuilder::any().all()).build(),
            Op::Socket { direct, family, kind } => {
                let to = DestinationSlot::try_from_slot_target(direct).ok();
                opcode::Socket::new(family, kind, 0).file_index(to).build()
            }
            Op::Nodelay { direct } => set_option(direct, libc::IPPROTO_TCP, libc::TCP_NODELAY, &ON),
            Op::Linger { direct } => set_option(direct, libc::SOL_SOCKET, libc::SO_LINGER, &RESET),
            Op::Unacknowledged { direct } => {
                opcode::UringCmd16::new(Fixed(direct), SOCKET_URING_OP_SIOCOUTQ).build()
            }
            Op::Connect { direct, address } => {
                let (address, length) = sockaddr(&address);
                cell.address = address;
                let address = (&raw const cell.address).cast();
                opcode::Connect::new(Fixed(direct), address, length).build()
            }
            Op::Send { direct, bytes: (start, length), wait } => {
                let how = if wait { libc::MSG_WAITALL } else { libc::MSG_DONTWAIT };
                let flags = libc::MSG_NOSIGNAL | how;
                opcode::Send::new(Fixed(direct), start, length).flags(flags).build()
            }
            Op::SendZc { direct, bytes: (start, length) } => {
                opcode::SendZc::new(Fixed(direct), start, length)
                    .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
                    .zc_flags(REPORT_USAGE)
                    .build()
            }
            Op::Recv { direct, group, multishot: true, most: _ } => {
                opcode::RecvMulti::new(Fixed(direct), group).build()
            }
            Op::Recv { direct, group, multishot: false, most } => {
                opcode::Recv::new(Fixed(direct), std::ptr::null_mut(), most)
                    .buf_group(group)
                    .build()
                    .flags(squeue::Flags::BUFFER_SELECT)
            }
            Op::Cancel { target } => opcode::AsyncCancel::new(target.to_bits()).build(),
            Op::Shutdown { direct } => {
                opcode::Shutdown::new(Fixed(direct), libc::SHUT_RDWR).build()
            }
            Op::Close { direct } => opcode::Close::new(Fixed(direct)).build(),
            Op::File(op) => op.entry(),
        }
    }
}

/// URING_CMD that does what setsockopt(2) does, by a value that is there for ever.
fn set_option<T>(direct: u32, level: c_int, option: c_int, value: &'static T) -> squeue::Entry {
    let (value, length) = (std::ptr::from_ref(value).cast(), size_of::<T>() as u32);
    opcode::SetSockOpt::new(Fixed(direct), level as u32, option as u32, value, length).build()
}

/// An absolute time of `CLOCK_MONOTONIC` as the kernel takes it.
pub(super) fn timespec(time: Time) -> Timespec {
    let nanos = time.as_nanos();
    Timespec::new().sec(nanos / 1_000_000_000).nsec((nanos % 1_000_000_000) as u32)
}
