//! Which file a path names: a file may have many names, and links lead to it.
//!
//! Knows paths, and what is there. Must not know who reads or writes.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// As many links one after the other as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// What a path names, however it is spelt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// A file, by device and inode.
    File(u64, u64),
    /// A name in a directory, where there may be no file yet, nor all of the directories before it.
    Name(u64, u64, OsString),
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Identity {
        Identity::File(metadata.dev(), metadata.ino())
    }

    /// The name, in its directory, or in the nearest that is there.
    pub(super) fn of_name(path: &Path) -> io::Result<Identity> {
        for above in path.ancestors().skip(1) {
            let there = if above == Path::new("") { Path::new(".") } else { above };
            match (there.metadata(), path.strip_prefix(above)) {
                (Ok(there), Ok(name)) => {
                    return Ok(Identity::Name(there.dev(), there.ino(), name.into()));
                }
                (Err(error), _) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Err(ErrorKind::IsADirectory.into())
    }

    /// All that `path` names. What is no plain file, as a pipe or a device, can be many things at once, and is none.
    pub(crate) fn all(path: &Path) -> Vec<Identity> {
        let there = path.metadata();
        if there.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
            return Vec::new();
        }
        let led_to = follow(path).and_then(|path| Identity::of_name(&path));
        let names = [Identity::of_name(path), led_to].into_iter().flatten();
        names.chain(there.ok().map(|metadata| Identity::of(&metadata))).collect()
    }
}

/// The directory that a file stands in.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    }
}

/// What `path` leads to by symbolic links, also where nothing is there yet.
pub(crate) fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match path.read_link() {
            // relative to where the link is; an absolute one stands for itself
            Ok(target) => path = directory(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}
