//! A stream and what it lends to the kernel: which operations open it, receive from it and send what it has to send.

use io_uring::squeue;

use super::super::clock;
use super::super::count::{self, Counter};
use super::super::op::Op;
use super::super::ring::{Ring, ZeroCopy};
use super::super::slots::{SendSlot, SendSlots};
use super::super::socket::{self, Refused, Step, family_and_kind};
use super::super::stream::{Send, Socket, Stream};
use super::super::token::{Kind, Token};
use super::{GROUP, StreamId};
use crate::dial::{Dial, Remote};
use crate::limits;
use crate::time::Time;

/// A stream and what it lends to the kernel. Opaque: see [`StreamId`].
pub struct Entry {
    pub(super) state: Stream,
    pub(super) user: u64,
    pub(super) dial: Dial,
    pub(super) deadline: Option<Time>,
    /// The bytes being sent.
    pub(super) slot: Option<SendSlot>,
    /// There is more to be sent after them.
    pub(super) more: bool,
    /// It is among the unsettled.
    pub(super) unsettled: bool,
    /// The send in flight is a SEND_ZC.
    pub(super) zero_copy: bool,
    pub(super) copies: Copies,
}

impl Entry {
    /// The deadline of its connect has passed.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|at| at <= clock::now())
    }
}

/// Whether the kernel copies what is to be sent without a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    /// It was not tried.
    Unknown,
    /// The first notification is to come.
    Asked,
    No,
    Yes,
}

/// Whether a socket is made by system calls: an SQE could not, or not be trusted to.
pub(super) fn needs_system_calls(dial: &Dial) -> bool {
    // BIND, which is new (Linux 6.11), takes no list of ports; CONNECT of a Unix socket whose queue is full falls to
    // a worker, which sleeps until there is room
    dial.bind.is_some() || matches!(dial.remote, Remote::Unix(_))
}

/// A socket that is bound, or a Unix socket that is connected.
pub(super) fn make_socket(dial: &Dial) -> Result<socket::Socket, Refused> {
    let refused = |step| move |errno| Refused { step, errno };
    let socket = socket::Socket::open(dial)?;
    if let Remote::Unix(_) = dial.remote {
        socket.connect(&dial.remote).map_err(refused(Step::Connect))?;
    }
    socket.set_blocking().map_err(refused(Step::Socket))?;
    Ok(socket)
}

/// Pushes the chain that opens a stream: silent links, up to the operations that always speak.
pub(super) fn push_chain(ring: &mut Ring, id: StreamId, entry: &Entry, sets_options: bool) {
    let direct = id.slot() as u32;
    let silent = squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS;
    let flight = entry.slot.is_some();
    if entry.state.socket != Socket::Made {
        let (family, kind) = family_and_kind(&entry.dial);
        // no link of the chain, so that what sets the option begins it
        let apart = squeue::Flags::SKIP_SUCCESS;
        ring.push(Op::Socket { direct, family, kind }, Token::new(Kind::Socket, id), apart);
        if sets_options && entry.dial.is_tcp() {
            ring.push(Op::Nodelay { direct }, Token::new(Kind::Nodelay, id), silent);
        }
    }
    let connect = match (flight, entry.deadline) {
        (true, _) => silent,
        (false, Some(_)) => squeue::Flags::IO_LINK,
        (false, None) => squeue::Flags::empty(),
    };
    let op = match entry.dial.remote {
        Remote::Ip(address) => Op::Connect { direct, address },
        // connected as it was made
        Remote::Unix(_) => Op::Nop,
    };
    ring.push(op, Token::new(Kind::Connect, id), connect);
    if let Some(until) = entry.deadline {
        let flags = if flight { silent } else { squeue::Flags::SKIP_SUCCESS };
        ring.push(Op::LinkTimeout { until }, Token::new(Kind::ConnectDeadline, id), flags);
    }
    if flight {
        let link = squeue::Flags::IO_LINK;
        ring.push(send_op(direct, entry), Token::new(Kind::Send, id), link);
        let recv = recv_op(direct, &entry.state, !entry.state.in_pieces);
        ring.push(recv, Token::new(Kind::Recv, id), squeue::Flags::empty());
    }
}

/// A piece of what may have to wait is smaller than a buffer.
pub(super) fn recv_op(direct: u32, stream: &Stream, multishot: bool) -> Op {
    let most = if stream.in_pieces { limits::PIECE } else { limits::PROVIDED_BUFFER };
    Op::Recv { direct, group: GROUP, multishot, most }
}

pub(super) fn send_op(direct: u32, entry: &Entry) -> Op {
    let (sent, wait) = match entry.state.send {
        Send::Ready { sent, waits } => (sent, waits),
        Send::Idle | Send::InFlight { .. } | Send::Failed(_) => (0, true),
    };
    let bytes = entry.slot.as_ref().map_or((std::ptr::null(), 0), |slot| slot.rest(sent));
    if entry.zero_copy { Op::SendZc { direct, bytes } } else { Op::Send { direct, bytes, wait } }
}

/// The name of the send that is in flight, or to be.
pub(super) fn send_token(id: StreamId, entry: &Entry) -> Token {
    match entry.slot.as_ref().and_then(SendSlot::loan) {
        Some(loan) if entry.zero_copy => Token::new(Kind::SendZc, loan),
        _ => Token::new(Kind::Send, id),
    }
}

/// Has a large send go without a copy, if it is to: lends its slot beyond its CQE, and has it wait. What a send left
/// is copied.
pub(super) fn consider_zero_copy(
    how: ZeroCopy,
    slots: &mut SendSlots,
    id: StreamId,
    entry: &mut Entry,
) {
    let Some(slot) = entry.slot.as_mut().filter(|slot| slot.len() >= limits::ZERO_COPY_BYTES)
    else {
        return;
    };
    let (true, Some(remote)) = (entry.dial.is_tcp(), entry.dial.remote.ip()) else { return };
    let wanted = match how {
        ZeroCopy::Never => false,
        ZeroCopy::Always => true,
        ZeroCopy::Auto => {
            let may = matches!(entry.copies, Copies::Unknown | Copies::No);
            may && !remote.ip().to_canonical().is_loopback()
        }
    };
    let is_first = entry.state.send == Send::Ready { sent: 0, waits: false };
    if wanted && is_first && slots.lent() < limits::ZERO_COPY_LOANS {
        slots.lend(slot, id.to_bits());
        entry.state.lent += 1;
        entry.state.send = Send::Ready { sent: 0, waits: true };
        entry.zero_copy = true;
        if entry.copies == Copies::Unknown {
            entry.copies = Copies::Asked;
        }
        count::add(Counter::ZeroCopySends, 1);
    }
}
