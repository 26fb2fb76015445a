//! What the kernel does of what streams will ask of it: seen once, before the first of them.

use std::time::Duration;

use io_uring::squeue;

use super::super::clock;
use super::super::errno::Errno;
use super::super::op::Op;
use super::super::ring::{Ring, SetupError, ZeroCopy};
use super::super::token::{Kind, Token};
use super::{CHAIN, GROUP};

/// What a kernel can do that not each can.
pub(super) struct Found {
    /// Options of sockets can be set by an operation.
    pub(super) sets_options: bool,
    /// When sends are to go without a copy.
    pub(super) zero_copy: ZeroCopy,
}

/// What is sent to see whether it would be. The kernel finds no socket and does not look at it.
static NOTHING: u8 = 0;

/// Makes a socket, sets its option, receives from it and closes it, to see what the kernel does of that. Before,
/// sends without a copy on a socket that is not there, if such sends are wanted.
pub(super) fn run(ring: &mut Ring, wanted: ZeroCopy) -> Result<Found, SetupError> {
    let results = carry_out(ring, wanted != ZeroCopy::Never)?;
    let result = |kind| results.iter().find(|found| found.0 == Some(kind)).map(|found| found.1);
    if let Some(refusal @ ..0) = result(Kind::Socket) {
        return Err(SetupError::Trial("SOCKET", Errno(-refusal)));
    }
    if result(Kind::Recv) != Some(-Errno::ENOTCONN.raw()) {
        return Err(SetupError::Lacks("multishot RECV (Linux 6.0)"));
    }
    let sets_options = result(Kind::Nodelay) == Some(0);
    let lacks = match result(Kind::SendZc) {
        refusal if refusal != Some(-Errno::EBADF.raw()) => {
            Some("SEND_ZC that reports its use (Linux 6.2)")
        }
        // a peer that reads nothing keeps what was lent until its connection is reset
        _ if !sets_options => Some("SO_LINGER of a direct descriptor (Linux 6.7)"),
        _ => None,
    };
    let zero_copy = match (wanted, lacks) {
        (ZeroCopy::Always, Some(lacks)) => return Err(SetupError::Lacks(lacks)),
        (ZeroCopy::Auto, Some(_)) => ZeroCopy::Never,
        (wanted, _) => wanted,
    };
    Ok(Found { sets_options, zero_copy })
}

/// Has them done, and says what came of each.
fn carry_out(ring: &mut Ring, without_copy: bool) -> Result<Vec<(Option<Kind>, i32)>, SetupError> {
    let refused = SetupError::Refused;
    ring.make_room(CHAIN).map_err(refused)?;
    let direct = 0;
    let socket = Op::Socket { direct, family: libc::AF_INET, kind: libc::SOCK_STREAM };
    let none = squeue::Flags::empty();
    let recv = Op::Recv { direct, group: GROUP, multishot: true, most: 0 };
    let trials = [
        (socket, Kind::Socket, none),
        (Op::Nodelay { direct }, Kind::Nodelay, squeue::Flags::IO_HARDLINK),
        (recv, Kind::Recv, squeue::Flags::IO_HARDLINK),
        (Op::Close { direct }, Kind::Close, none),
    ];
    let mut owed = trials.len();
    if without_copy {
        // no part of a chain: a kernel that does not know it would fail all of that
        let send = Op::SendZc { direct, bytes: (&raw const NOTHING, 1) };
        ring.push(send, Token::slotless(Kind::SendZc), none);
        owed += 1;
    }
    for (op, kind, flags) in trials {
        ring.push(op, Token::slotless(kind), flags);
    }
    let mut results = Vec::new();
    let mut now = clock::now();
    let until = now + Duration::from_secs(1);
    while owed > 0 && now < until {
        ring.submit_and_wait(now, Some(until)).map_err(refused)?;
        while let Some(cqe) = ring.pop() {
            owed -= usize::from(!cqe.more());
            results.push((cqe.kind(), cqe.result()));
        }
        now = clock::now();
    }
    if owed > 0 {
        return Err(SetupError::Lacks("operations that complete"));
    }
    Ok(results)
}
