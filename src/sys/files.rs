//! Operations on files that the ring carries out.
//!
//! Knows which memory each lends to the kernel and for how long (`docs/ring-ownership.md`). Must not know which follows on
//! which. Invariants: what an operation points to lies in its slot, in memory of its own that does not move, until its CQE; a
//! descriptor that is written to or read from is not closed before that; what an operation was given comes back with [`FileDone`].
//!
//! Unlike those on sockets these fall to the kernel's workers wherever the file system would have to wait: that is what
//! keeps a slow disk from the network.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::path::Path;

use io_uring::squeue;

use super::count::{self, Counter};
use super::errno::Errno;
use super::file::{FileDone, FileOp, Found, c_path};
use super::inflight::{InFlight, SlotId};
use super::op::{OnFile, Op};
use super::ring::{Cqe, Ring};
use super::socket::owned;
use super::token::{Kind, Token};

/// The operations on files of one ring.
pub(super) struct Files {
    in_flight: InFlight<Asked>,
    done: VecDeque<(u64, FileDone)>,
}

/// An operation that the kernel has.
struct Asked {
    user: u64,
    op: FileOp,
    lent: Lent,
}

/// What an SQE points to, apart from the bytes that are its operation's own.
#[derive(Default)]
struct Lent {
    path: Vec<u8>,
    new_path: Vec<u8>,
    /// One, or none where nothing is looked at.
    found: Vec<libc::statx>,
}

/// Bytes that one read or write has at most, as read(2) and write(2).
const MOST: usize = 0x7fff_f000;

/// What is asked of a file that is looked at.
const LOOKED_FOR: u32 = libc::STATX_TYPE | libc::STATX_MODE | libc::STATX_UID | libc::STATX_GID;

impl Default for Files {
    fn default() -> Files {
        Files { in_flight: InFlight::new(), done: VecDeque::new() }
    }
}

impl Files {
    /// CQEs that the kernel has yet to post.
    pub(super) fn owed(&self) -> usize {
        self.in_flight.owed()
    }

    /// Has the kernel do something; what became of it is told with `user`. The operation comes back if it is none of the
    /// ring's, or if there is no room for it.
    pub(super) fn start(&mut self, ring: &mut Ring, user: u64, op: FileOp) -> Result<(), FileOp> {
        let Some(Ok(lent)) = lend(&op) else { return Err(op) };
        if ring.make_room(1).is_err() {
            return Err(op);
        }
        let id = self.in_flight.insert(Asked { user, op, lent }, 1);
        if let Some(asked) = self.in_flight.get_mut(id) {
            ring.push(asked.submission(), Token::new(Kind::File, id), squeue::Flags::empty());
        }
        Ok(())
    }

    /// Takes in the CQE of an operation on a file.
    #[cold]
    pub(super) fn complete(&mut self, cqe: &Cqe) {
        let id: SlotId<Asked> = cqe.token().id();
        match self.in_flight.settle_and_take(id) {
            Some(Asked { user, op, lent }) => {
                self.done.push_back((user, done(op, &lent, cqe.result())));
            }
            None => count::add(Counter::StaleCqes, 1),
        }
    }

    /// What became of one of them.
    pub(super) fn take_done(&mut self) -> Option<(u64, FileDone)> {
        self.done.pop_front()
    }

    /// Ends those that would wait for ever, as a write to a pipe may.
    pub(super) fn cancel(&self, ring: &mut Ring) {
        for id in self.in_flight.ids() {
            // those that find no room are waited for, and leaked
            let _ = ring.push_cancel(Token::new(Kind::File, id));
        }
    }

    /// Keeps what the kernel may yet touch from ever being freed, and what it may yet write to from being closed.
    pub(super) fn leak(self: Box<Self>) {
        std::mem::forget(self);
    }
}

impl Asked {
    /// What is asked of the kernel. It points to what lies here, which neither moves nor changes until the CQE: heap memory of
    /// vectors that nobody grows.
    fn submission(&mut self) -> Op {
        let path = self.lent.path.as_ptr().cast();
        Op::File(match &mut self.op {
            FileOp::Look { .. } => {
                let to = self.lent.found.as_mut_ptr();
                OnFile::Statx { path, mask: LOOKED_FOR, to }
            }
            FileOp::Make { mode, .. } => OnFile::OpenAt { path, made: Some(*mode) },
            FileOp::Open { .. } => OnFile::OpenAt { path, made: None },
            FileOp::Read { file, bytes, at } => {
                let bytes = (bytes.as_mut_ptr(), bytes.len().min(MOST) as u32);
                OnFile::Read { fd: file.as_raw_fd(), bytes, at: *at }
            }
            FileOp::Write { file, bytes, from, at } => {
                let rest = &bytes[*from..];
                let bytes = (rest.as_ptr(), rest.len().min(MOST) as u32);
                OnFile::Write { fd: file.as_raw_fd(), bytes, at: *at }
            }
            FileOp::Close { file } => OnFile::Close { fd: file.as_raw_fd() },
            FileOp::Rename { .. } => {
                OnFile::RenameAt { from: path, to: self.lent.new_path.as_ptr().cast() }
            }
            FileOp::Remove { .. } => OnFile::UnlinkAt { path },
            FileOp::TakeAfter { .. } => return Op::Nop,
        })
    }
}

/// What an operation lends beside its own; `None` if it is none of the ring's: there is none that gives a file away, and
/// none that falls back where a file system cannot keep from replacing.
fn lend(op: &FileOp) -> Option<Result<Lent, Errno>> {
    match op {
        FileOp::Look { path } => Some(bytes_of(path).map(|path| {
            // SAFETY: a statx is numbers alone, of which each may be zero.
            let found = vec![unsafe { std::mem::zeroed::<libc::statx>() }];
            Lent { path, found, ..Lent::default() }
        })),
        FileOp::Make { path, .. } | FileOp::Open { path } | FileOp::Remove { path } => {
            Some(bytes_of(path).map(|path| Lent { path, ..Lent::default() }))
        }
        FileOp::Rename { from, to, replace: true } => Some(
            bytes_of(from)
                .and_then(|path| Ok(Lent { path, new_path: bytes_of(to)?, ..Lent::default() })),
        ),
        FileOp::Write { .. } | FileOp::Read { .. } | FileOp::Close { .. } => {
            Some(Ok(Lent::default()))
        }
        FileOp::TakeAfter { .. } | FileOp::Rename { replace: false, .. } => None,
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Errno> {
    c_path(path).map(|path| path.into_bytes_with_nul())
}

/// What became of an operation, by the `res` of its CQE.
fn done(op: FileOp, lent: &Lent, res: i32) -> FileDone {
    let result = if res < 0 { Err(Errno(-res)) } else { Ok(res) };
    let settled = result.map(drop);
    match op {
        FileOp::Look { .. } => FileDone::Looked(match result {
            Ok(_) => Ok(lent.found.first().and_then(found)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }),
        FileOp::Make { .. } | FileOp::Open { .. } => FileDone::Opened(result.map(owned)),
        FileOp::Write { file, bytes, .. } | FileOp::Read { file, bytes, .. } => {
            FileDone::Moved(file, bytes, result.map(|moved| moved as usize))
        }
        FileOp::Close { file } => {
            // the kernel has closed it, unless it never came to that: then this does
            if settled != Err(Errno::ECANCELED) {
                let _ = file.into_raw_fd();
            }
            FileDone::Closed(settled)
        }
        FileOp::Rename { .. } => FileDone::Renamed(settled),
        FileOp::Remove { .. } => FileDone::Removed(settled),
        FileOp::TakeAfter { file, .. } => FileDone::TakenAfter(file, settled),
    }
}

fn found(stat: &libc::statx) -> Option<Found> {
    let mode = u32::from(stat.stx_mode);
    let is_file = mode & libc::S_IFMT == libc::S_IFREG;
    is_file.then_some(Found { uid: stat.stx_uid, gid: stat.stx_gid, mode: mode & 0o777 })
}
