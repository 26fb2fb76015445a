//! What is done to a file that is written or read: operations as data, which own what they need until they are done.
//!
//! Knows the system calls that they are, and how a thread makes them. Must not know which of them follows on which, nor the
//! ring (`files`). Invariants: an operation gives back what it was given, whatever becomes of it; a descriptor
//! is with an operation or with whoever asks for the next, never with both.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};

use super::count::{self, Counter};
use super::errno::Errno;
use super::socket::check;

/// Something to be done to a file.
#[derive(Debug)]
pub enum FileOp {
    /// Whose a plain file of this name is, if there is one. No link is followed.
    Look {
        /// Its name.
        path: PathBuf,
    },
    /// Makes a file of which there is none, to be written.
    Make {
        /// Its name.
        path: PathBuf,
        /// Its permissions, of which the umask takes some.
        mode: u32,
    },
    /// Opens a file that is there, to be read.
    Open {
        /// Its name.
        path: PathBuf,
    },
    /// Gives a file the owner, the group and the permissions of another, as far as that is allowed.
    TakeAfter {
        /// The file.
        file: OwnedFd,
        /// The other.
        other: Found,
    },
    /// Writes some of these bytes, as pwrite(2), or as write(2) to what has no positions.
    Write {
        /// The file.
        file: OwnedFd,
        /// The bytes.
        bytes: Vec<u8>,
        /// The first of them that is to be written.
        from: usize,
        /// Where in the file; where it stands unless set. Of a plain file it has to be: the ring does not move on where it stands if
        /// there was room for some of the bytes alone, and would then write over these.
        at: Option<u64>,
    },
    /// Reads some bytes, as pread(2), or as read(2) from what has no positions.
    Read {
        /// The file.
        file: OwnedFd,
        /// What they are put into, from its beginning.
        bytes: Vec<u8>,
        /// Where in the file.
        at: u64,
    },
    /// Closes a file.
    Close {
        /// The file.
        file: OwnedFd,
    },
    /// Gives a file another name, and that in place of another file or not.
    Rename {
        /// Its name.
        from: PathBuf,
        /// The name that it gets.
        to: PathBuf,
        /// Whether it takes the place of what has that name.
        replace: bool,
    },
    /// Takes the name of a file away.
    Remove {
        /// Its name.
        path: PathBuf,
    },
}

/// What became of a [`FileOp`].
#[derive(Debug)]
pub enum FileDone {
    /// What is there; `None`: no plain file.
    Looked(Result<Option<Found>, Errno>),
    /// The file that was made, or opened.
    Opened(Result<OwnedFd, Errno>),
    /// The file, and whether it could be done.
    TakenAfter(OwnedFd, Result<(), Errno>),
    /// The file, the bytes, and how many more of them were written, or read.
    Moved(OwnedFd, Vec<u8>, Result<usize, Errno>),
    /// The file is closed, whatever the error.
    Closed(Result<(), Errno>),
    /// Whether it has its name.
    Renamed(Result<(), Errno>),
    /// Whether the name is gone.
    Removed(Result<(), Errno>),
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// What these and others may do, the lowest nine bits.
    pub mode: u32,
}

impl FileOp {
    /// Does it, in the calling thread, which waits as long as the file system does.
    pub fn perform(self) -> FileDone {
        match self {
            FileOp::Look { path } => FileDone::Looked(look(&path)),
            FileOp::Make { path, mode } => FileDone::Opened(make(&path, mode)),
            FileOp::Open { path } => FileDone::Opened(open(&path)),
            FileOp::TakeAfter { file, other } => {
                let file = File::from(file);
                let taken = take_after(&file, other).map_err(Errno::from);
                FileDone::TakenAfter(file.into(), taken)
            }
            FileOp::Write { file, bytes, from, at } => {
                let mut file = File::from(file);
                let written = write(&mut file, &bytes[from..], at);
                FileDone::Moved(file.into(), bytes, written)
            }
            FileOp::Read { file, mut bytes, at } => {
                let mut file = File::from(file);
                let read = read(&mut file, &mut bytes, at);
                FileDone::Moved(file.into(), bytes, read)
            }
            FileOp::Close { file } => FileDone::Closed(close(file)),
            FileOp::Rename { from, to, replace } => FileDone::Renamed(rename(&from, &to, replace)),
            FileOp::Remove { path } => {
                count::add(Counter::Unlink, 1);
                FileDone::Removed(fs::remove_file(path).map_err(Errno::from))
            }
        }
    }
}

fn look(path: &Path) -> Result<Option<Found>, Errno> {
    count::add(Counter::Statx, 1);
    match path.symlink_metadata() {
        Ok(there) if there.is_file() => {
            Ok(Some(Found { uid: there.uid(), gid: there.gid(), mode: there.mode() & 0o777 }))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn make(path: &Path, mode: u32) -> Result<OwnedFd, Errno> {
    count::add(Counter::Openat, 1);
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    Ok(made?.into())
}

fn open(path: &Path) -> Result<OwnedFd, Errno> {
    count::add(Counter::Openat, 1);
    Ok(File::open(path)?.into())
}

/// A group that could not be had may do no more than all others: it is another one.
fn take_after(file: &File, other: Found) -> io::Result<()> {
    let new = file.metadata()?;
    // whoever writes has what is written, and the old owner need not
    _ = (new.uid() != other.uid).then(|| fchown(file, Some(other.uid), None));
    let has_group = new.gid() == other.gid || fchown(file, None, Some(other.gid)).is_ok();
    let mode = match other.mode {
        mode if has_group => mode,
        mode => mode & (0o707 | (mode & 0o007) << 3),
    };
    file.set_permissions(Permissions::from_mode(mode))
}

fn write(file: &mut File, bytes: &[u8], at: Option<u64>) -> Result<usize, Errno> {
    loop {
        count::add(Counter::Write, 1);
        let written = match at {
            Some(at) => file.write_at(bytes, at),
            None => file.write(bytes),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return Ok(written?),
        }
    }
}

fn read(file: &mut File, bytes: &mut [u8], at: u64) -> Result<usize, Errno> {
    loop {
        count::add(Counter::Pread, 1);
        let read = match file.read_at(bytes, at) {
            // it has no positions, which the ring sees by itself
            Err(error) if error.raw_os_error() == Some(libc::ESPIPE) => file.read(bytes),
            read => read,
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return Ok(read?),
        }
    }
}

/// Unlike a drop, says what the file system has to say at last.
fn close(file: OwnedFd) -> Result<(), Errno> {
    count::add(Counter::Close, 1);
    // SAFETY: the descriptor was owned here and is forgotten by its owner: nobody else closes it, and no operation in flight
    // names it. No memory is passed.
    check(unsafe { libc::close(file.into_raw_fd()) }).map(drop)
}

fn rename(from: &Path, to: &Path, replace: bool) -> Result<(), Errno> {
    count::add(Counter::Rename, 1);
    if replace {
        return Ok(fs::rename(from, to)?);
    }
    let (old, new) = (c_path(from)?, c_path(to)?);
    // SAFETY: both strings outlive the call, which reads them and keeps no pointer.
    let renamed = check(unsafe {
        libc::renameat2(
            libc::AT_FDCWD,
            old.as_ptr(),
            libc::AT_FDCWD,
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    });
    match renamed {
        // the file system does not know how: a second name is never in place of another
        Err(Errno::EINVAL) => {
            fs::hard_link(from, to)?;
            count::add(Counter::Unlink, 1);
            Ok(fs::remove_file(from)?)
        }
        renamed => renamed.map(drop),
    }
}

/// Where a plain file stands. `None`: it is something else, and may have no positions.
pub fn position(file: &File) -> Option<u64> {
    let is_plain = file.metadata().is_ok_and(|there| there.is_file());
    is_plain.then(|| (&*file).stream_position().ok()).flatten()
}

/// Has a plain file stand here.
pub fn stand_at(mut file: &File, position: u64) -> Result<(), Errno> {
    Ok(file.seek(SeekFrom::Start(position)).map(drop)?)
}

/// A name as system calls take it; one with a zero byte is none.
pub(super) fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}
