//! Who writes to which file: of all transfers of a run, and of all runs, one at a time.
//!
//! Knows which file a path names ([`Identity`]). Must not know bytes. Only files that are written in place are claimed:
//! one that is written aside and renamed is whole whoever else does so. Invariants: a file is claimed before it is asked for what its rest is, until its last byte is written; what is
//! opened is the file that was looked at then, unchanged, and locked against other programs (flock(2)) that do so too.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::identity::{Identity, follow};

/// What the transfers of a run are writing to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writers(Rc<RefCell<HashSet<Identity>>>);

/// The one who may write to a file, as long as this is there.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    found: Option<Found>,
    held: Vec<Identity>,
    writers: Writers,
}

/// A file as it was found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    identity: Identity,
    length: u64,
    modified: SystemTime,
}

impl Writers {
    /// Claims the file `path`, whether it is there or not.
    pub(crate) fn claim(&self, path: &Path) -> io::Result<Claim> {
        let path = follow(path)?;
        let found = match path.metadata() {
            Ok(metadata) if metadata.is_file() => Some(Found::new(&metadata)?),
            Ok(_) => return Err(io::Error::other("it is no plain file")),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let name = Identity::of_name(&path)?;
        let writers = self.clone();
        let mut claim = Claim { path, found, held: Vec::new(), writers };
        claim.hold(name)?;
        if let Some(Found { identity, .. }) = &claim.found {
            claim.hold(identity.clone())?;
        }
        Ok(claim)
    }
}

impl Claim {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there was a file, when it was claimed.
    pub(crate) fn is_there(&self) -> bool {
        self.found.is_some()
    }

    /// Bytes of the file, when it was claimed.
    pub(crate) fn length(&self) -> u64 {
        self.found.as_ref().map_or(0, |found| found.length)
    }

    /// The file to be written, from its first byte on; made if it was not there.
    pub(crate) fn open(&mut self) -> io::Result<File> {
        let file = File::options().write(true).create(true).truncate(false).open(&self.path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another program writes to it"));
            }
            // there are file systems without locks: the checks have to do
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let now = Found::new(&file.metadata()?)?;
        match &self.found {
            Some(before) if *before == now => {}
            None if now.length == 0 => self.hold(now.identity)?,
            Some(_) | None => return Err(io::Error::other("it has changed since")),
        }
        Ok(file)
    }

    /// Whether the file that was written has so many bytes and still its name.
    pub(crate) fn check(&self, file: &File, length: u64) -> io::Result<()> {
        let written = file.metadata()?;
        let changed = match self.path.metadata() {
            _ if written.len() != length => true,
            Ok(named) => Identity::of(&named) != Identity::of(&written),
            Err(_) => true,
        };
        match changed {
            true => Err(io::Error::other("something else has changed it meanwhile")),
            false => Ok(()),
        }
    }

    fn hold(&mut self, identity: Identity) -> io::Result<()> {
        if !self.writers.0.borrow_mut().insert(identity.clone()) {
            return Err(io::Error::other("another transfer writes to it"));
        }
        self.held.push(identity);
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.writers.0.borrow_mut();
        for identity in &self.held {
            claimed.remove(identity);
        }
    }
}

impl Found {
    fn new(metadata: &Metadata) -> io::Result<Found> {
        let (identity, length) = (Identity::of(metadata), metadata.len());
        Ok(Found { identity, length, modified: metadata.modified()? })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn refusal<T: std::fmt::Debug>(result: io::Result<T>) -> String {
        result.expect_err("it is refused").to_string()
    }

    #[test]
    fn a_file_is_one_whatever_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "x").unwrap();
        fs::hard_link(path("file"), path("hard")).unwrap();
        symlink("file", path("soft")).unwrap();
        symlink(path("soft"), path("softer")).unwrap();
        symlink("none", path("dangling")).unwrap();
        symlink(".", path("here")).unwrap();
        let table = [
            ("file", &["file", "hard", "soft", "softer", "here/file", "./here/here/soft"][..]),
            ("hard", &["file", "soft"]),
            ("softer", &["hard"]),
            ("none", &["none", "dangling", "here/none", "here/dangling"]),
            ("dangling", &["none"]),
        ];
        for (first, others) in table {
            let writers = Writers::default();
            let claim = writers.claim(&path(first)).unwrap();
            for other in others {
                let why = refusal(writers.claim(&path(other)));
                assert_eq!(why, "another transfer writes to it", "{first} {other}");
            }
            drop(claim);
            for other in others {
                writers.claim(&path(other)).unwrap();
            }
        }
        symlink("round", path("round")).unwrap();
        assert_eq!(refusal(Writers::default().claim(&path("round"))), "too many symbolic links");
    }

    #[test]
    fn a_file_that_was_made_meanwhile_is_claimed_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        let writers = Writers::default();
        let mut claim = writers.claim(&path).unwrap();
        let _file = claim.open().unwrap();
        let hard = directory.path().join("hard");
        fs::hard_link(&path, &hard).unwrap();
        assert_eq!(refusal(writers.claim(&hard)), "another transfer writes to it");
    }

    #[test]
    fn another_program_and_a_changed_file_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "x").unwrap();
        let claim = || Writers::default().claim(&path).unwrap();
        let (mut first, mut second) = (claim(), claim());
        let mut file = first.open().unwrap();
        assert_eq!(refusal(second.open()), "another program writes to it");
        file.write_all(b"yz").unwrap();
        first.check(&file, 2).unwrap();
        drop(file);
        assert_eq!(refusal(second.open()), "it has changed since");
        fs::remove_file(&path).unwrap();
        let mut third = claim();
        fs::write(&path, "z").unwrap();
        assert_eq!(refusal(third.open()), "it has changed since");
    }

    #[test]
    fn what_others_do_to_a_file_meanwhile_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut claim = Writers::default().claim(&path).unwrap();
        let file = claim.open().unwrap();
        fs::write(&path, "more").unwrap();
        assert_eq!(refusal(claim.check(&file, 0)), "something else has changed it meanwhile");
        claim.check(&file, 4).unwrap();
        fs::write(directory.path().join("other"), "more").unwrap();
        fs::rename(directory.path().join("other"), &path).unwrap();
        assert_eq!(refusal(claim.check(&file, 4)), "something else has changed it meanwhile");
        fs::remove_file(&path).unwrap();
        assert_eq!(refusal(claim.check(&file, 4)), "something else has changed it meanwhile");
    }
}
