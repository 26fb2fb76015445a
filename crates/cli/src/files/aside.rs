//! A file that is written aside, and gets its name when it is whole.
//!
//! Knows names, and what becomes of a file that has one. Must not know bodies, nor how files are written, which is the library's
//! ([`Files`]). Invariant: under its final name a file is whole or not there (or is the one that was there before).

use std::io;
use std::path::{Path, PathBuf};

use ringdove::protocol::{ResponseHead, proposed_file_name};
use ringdove::sys::standard;
use ringdove::{Existing, FileWriter, Files, Room, TransferId, Written};

use super::identity::directory;
use super::place;
use super::refusal::WriteError;

/// What becomes of a file whose name another is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clobber {
    /// It is replaced, unless a response has proposed the name.
    Given,
    /// It is replaced.
    Always,
    /// It stays, and the other gets a number.
    Never,
}

/// A file that gets its name when it is whole.
#[derive(Debug)]
pub(crate) struct PartFile {
    path: PathBuf,
    name: Name,
    clobber: Clobber,
    home: Option<Home>,
    /// What came while its name may yet be another: heads.
    early: Vec<u8>,
    /// Made when the name is known.
    writer: Option<FileWriter>,
}

/// Where the files of a transfer are written.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub(super) files: Files,
    pub(super) transfer: TransferId,
}

/// Where the name of a file comes from.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    /// From who asks: what stands there is replaced.
    Given,
    /// From the response, if that proposes one; otherwise there may be none, for this reason.
    Awaited(Option<String>),
    /// From the response: what stands there stays.
    Proposed,
}

impl PartFile {
    pub(super) fn new(path: PathBuf) -> PartFile {
        let (name, clobber) = (Name::Given, Clobber::Given);
        PartFile { path, name, clobber, home: None, early: Vec::new(), writer: None }
    }

    pub(super) fn awaited(path: PathBuf, nameless: Option<String>) -> PartFile {
        PartFile { name: Name::Awaited(nameless), ..PartFile::new(path) }
    }

    /// Who writes it; said before its transfer begins.
    pub(super) fn live_in(&mut self, home: Home) {
        self.home = Some(home);
    }

    /// What becomes of a file that is there.
    pub(super) fn clobber(&mut self, clobber: Clobber) {
        self.clobber = clobber;
    }

    /// The name that it is to have; a response may propose another.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there already under the name that is known before a response.
    pub(super) fn existing(&self) -> Option<&Path> {
        match self.name {
            Name::Awaited(Some(_)) => None,
            Name::Given | Name::Awaited(None) | Name::Proposed => {
                Some(&*self.path).filter(|path| path.exists())
            }
        }
    }

    /// Forgets what was written.
    pub(super) fn start_over(&mut self) {
        (self.early, self.writer) = (Vec::new(), None);
    }

    /// Takes the name that a response proposes, if it is to.
    pub(super) fn begin(&mut self, head: &ResponseHead<'_>) -> Result<(), WriteError> {
        let Name::Awaited(nameless) = &mut self.name else { return Ok(()) };
        let proposed = head.field("content-disposition");
        match (proposed.and_then(|value| proposed_file_name(&value)), nameless.take()) {
            (Some(name), _) => {
                self.path.set_file_name(name);
                self.name = Name::Proposed;
                match self.path.symlink_metadata() {
                    Ok(_) if self.clobber == Clobber::Given => {
                        Err(self.fail(io::ErrorKind::AlreadyExists.into()))
                    }
                    Ok(_) | Err(_) => Ok(()),
                }
            }
            (None, None) => {
                self.name = Name::Given;
                Ok(())
            }
            (None, Some(why)) => {
                let why = format!("{why}, and the response proposes none");
                Err(WriteError::nameless(io::Error::other(why)))
            }
        }
    }

    fn fail(&self, error: io::Error) -> WriteError {
        WriteError::new(&self.path, error)
    }

    /// Takes bytes, and says whether there is room for more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Room, WriteError> {
        if let Name::Awaited(_) = self.name {
            self.early.extend_from_slice(bytes);
            return Ok(Room::More);
        }
        self.writer().write(bytes).map_err(|errno| self.fail(errno.into()))
    }

    /// Its body is whole: it gets its name.
    pub(super) fn end(&mut self) {
        self.writer().finish();
    }

    /// The name that it has got.
    pub(super) fn result(mut self) -> Result<PathBuf, WriteError> {
        let result = self.writer().take_result();
        match result.expect("a transfer's message comes when its file is over") {
            Ok(Written::Named(path)) => Ok(path),
            Ok(Written::Open(_)) => Ok(self.path),
            Err(errno) => Err(self.fail(errno.into())),
        }
    }

    /// What writes it, now that it is known where to.
    fn writer(&mut self) -> &mut FileWriter {
        let existing = match (self.clobber, &self.name) {
            (Clobber::Never, _) => Existing::Number,
            (Clobber::Given, Name::Proposed) => Existing::Keep,
            (Clobber::Given, Name::Given | Name::Awaited(_)) | (Clobber::Always, _) => {
                Existing::Replace
            }
        };
        let PartFile { path, home, early, writer, .. } = self;
        writer.get_or_insert_with(|| {
            let Home { files, transfer } = home.as_ref().expect("said before its transfer begins");
            let mut writer = files.create(&*path, existing).of(*transfer);
            // whatever is wrong is told with the next bytes, or at the end
            let _ = writer.write(&std::mem::take(early));
            writer
        })
    }
}

/// What stands against a file aside, without its name, which is nobody's business.
pub(crate) fn without_file_aside(error: io::Error) -> io::Error {
    let message = error.to_string();
    match message.split_once(" at path ") {
        Some((why, _)) => io::Error::new(error.kind(), why),
        None => error,
    }
}

/// Whether a file can be made beside `path`.
pub(super) fn try_aside(path: &Path) -> io::Result<()> {
    let mut aside = tempfile::Builder::new();
    let aside = aside.prefix(".ringdove-").suffix(".part").tempfile_in(directory(path));
    aside.map(drop).map_err(without_file_aside)
}

/// Whether a file can be made, or replaced, at the end of a run. The error names it.
pub(crate) fn try_replace(option: &str, path: &Path) -> Result<(), String> {
    if path.to_str() == Some("-") {
        return match standard::output_was_closed() {
            true => Err(format!("cannot write {option} to standard output: it is closed")),
            false => Ok(()),
        };
    }
    let tried = place::check(path).and_then(|()| match path.metadata() {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // what is no plain file is written to
        Ok(there) if !there.is_file() => Ok(()),
        Ok(_) | Err(_) => try_aside(path),
    });
    tried.map_err(|error| format!("cannot write {option} {}: {error}", path.display()))
}
