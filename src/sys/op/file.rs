//! Operations on files as data, and the SQE that each becomes.
//!
//! Knows how SQEs are filled. Must not know what a file is for. What they point to is kept by who pushes them until the CQE.

use std::ffi::c_char;
use std::os::fd::RawFd;

use io_uring::types::Fd;
use io_uring::{opcode, squeue};

/// Something with a file asked of the kernel.
#[derive(Debug, Clone, Copy)]
pub(in crate::sys) enum OnFile {
    /// STATX of this name, with what it is written to.
    Statx { path: *const c_char, mask: u32, to: *mut libc::statx },
    /// OPENAT of a file that is made, with this mode, or of one to be read.
    OpenAt { path: *const c_char, made: Option<u32> },
    /// READ at a position.
    Read { fd: RawFd, bytes: (*mut u8, u32), at: u64 },
    /// WRITE at a position, or where the file stands.
    Write { fd: RawFd, bytes: (*const u8, u32), at: Option<u64> },
    /// CLOSE of a descriptor.
    Close { fd: RawFd },
    /// RENAMEAT in place of what has the new name.
    RenameAt { from: *const c_char, to: *const c_char },
    /// UNLINKAT of a name.
    UnlinkAt { path: *const c_char },
}

/// Where names begin that do not begin at the root.
const HERE: Fd = Fd(libc::AT_FDCWD);

/// The offset of a write that goes on where the last one ended (IORING_FEAT_RW_CUR_POS, Linux 5.6), as write(2).
const WHERE_IT_STANDS: u64 = u64::MAX;

impl OnFile {
    pub(super) fn entry(self) -> squeue::Entry {
        match self {
            OnFile::Statx { path, mask, to } => opcode::Statx::new(HERE, path, to.cast())
                .flags(libc::AT_SYMLINK_NOFOLLOW)
                .mask(mask)
                .build(),
            OnFile::OpenAt { path, made } => {
                let flags = match made {
                    Some(_) => libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
                    None => libc::O_RDONLY,
                };
                let mode = made.unwrap_or_default();
                opcode::OpenAt::new(HERE, path).flags(flags | libc::O_CLOEXEC).mode(mode).build()
            }
            OnFile::Read { fd, bytes: (start, length), at } => {
                opcode::Read::new(Fd(fd), start, length).offset(at).build()
            }
            OnFile::Write { fd, bytes: (start, length), at } => {
                let at = at.unwrap_or(WHERE_IT_STANDS);
                opcode::Write::new(Fd(fd), start, length).offset(at).build()
            }
            OnFile::Close { fd } => opcode::Close::new(Fd(fd)).build(),
            OnFile::RenameAt { from, to } => opcode::RenameAt::new(HERE, from, HERE, to).build(),
            OnFile::UnlinkAt { path } => opcode::UnlinkAt::new(HERE, path).build(),
        }
    }
}
