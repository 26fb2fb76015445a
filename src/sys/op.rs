//! Operations as data, and the SQE that each becomes.
//!
//! Knows how SQEs are filled, and which memory an SQE points to: a [`Cell`] of its own. Must not know
//! slots, debts or completions.

use std::os::fd::RawFd;

use io_uring::types::{CancelBuilder, Fd, TimeoutFlags, Timespec};
use io_uring::{opcode, squeue};

use super::readiness::Interest;
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
}

/// What an SQE points to. There is one cell for each entry of the submission queue; the kernel reads it
/// until it has consumed the SQE.
#[derive(Clone, Copy, Default)]
pub(super) struct Cell {
    timespec: Timespec,
}

impl Op {
    /// The SQE. It points to `cell`, which it has written: the cell must stay where it is, unchanged,
    /// until the kernel has consumed the SQE.
    pub(super) fn entry(self, cell: &mut Cell) -> squeue::Entry {
        match self {
            Op::Nop => opcode::Nop::new().build(),
            Op::PollAdd { fd, interest, multishot } => {
                opcode::PollAdd::new(Fd(fd), interest.bits()).multi(multishot).build()
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
        }
    }
}

/// An absolute time of `CLOCK_MONOTONIC` as the kernel takes it.
pub(super) fn timespec(time: Time) -> Timespec {
    let nanos = time.as_nanos();
    Timespec::new().sec(nanos / 1_000_000_000).nsec((nanos % 1_000_000_000) as u32)
}
