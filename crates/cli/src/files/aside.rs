//! A file that is written aside, and gets its name when it is whole.
//!
//! Knows names, permissions and owners. Must not know bodies. Invariants: under its final name a file is whole or not
//! there (or is the one that was there before); what was written aside goes with its [`PartFile`], which holds at
//! most [`BUFFER`] bytes, and a descriptor only if there were more.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use ringdove::protocol::{ResponseHead, proposed_file_name};
use ringdove::sys::standard;
use tempfile::NamedTempFile;

use super::identity::directory;
use super::place;
use super::refusal::WriteError;

/// Bytes of a body that are gathered before they are written.
pub(super) const BUFFER: usize = 16 * 1024;

/// The last number that a file's name gets (--no-clobber), as curl has it.
const LAST_NUMBER: u32 = 100;

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
    buffer: Vec<u8>,
    /// Made when the buffer is full or the body over.
    aside: Option<NamedTempFile>,
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
        PartFile { path, name, clobber, buffer: Vec::new(), aside: None }
    }

    pub(super) fn awaited(path: PathBuf, nameless: Option<String>) -> PartFile {
        PartFile { name: Name::Awaited(nameless), ..PartFile::new(path) }
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
        (self.buffer, self.aside) = (Vec::new(), None);
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
            (None, None) => Ok(()),
            (None, Some(why)) => {
                let why = format!("{why}, and the response proposes none");
                Err(WriteError::nameless(io::Error::other(why)))
            }
        }
    }

    fn fail(&self, error: io::Error) -> WriteError {
        WriteError::new(&self.path, error)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.gather(bytes).map_err(|error| self.fail(error))
    }

    fn gather(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() <= BUFFER {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.spill()?;
        if bytes.len() < BUFFER {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.aside()?.write_all(bytes)
    }

    /// Has the file get its name, which is returned.
    pub(super) fn finish(self) -> Result<PathBuf, WriteError> {
        let path = self.path.clone();
        self.persist().map_err(|error| WriteError::new(&path, error))
    }

    fn persist(mut self) -> io::Result<PathBuf> {
        self.spill()?;
        let Some(aside) = self.aside else { return Ok(self.path) };
        match (self.clobber, &self.name) {
            (Clobber::Never, _) => return persist_numbered(aside, self.path),
            (Clobber::Given, Name::Proposed) => aside.persist_noclobber(&self.path)?,
            (Clobber::Given, Name::Given | Name::Awaited(_)) | (Clobber::Always, _) => {
                aside.persist(&self.path)?
            }
        };
        Ok(self.path)
    }

    /// Writes out what was gathered.
    fn spill(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.aside()?.write_all(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn aside(&mut self) -> io::Result<&mut File> {
        let aside = match self.aside.take() {
            Some(aside) => aside,
            None => make_aside(&self.path)?,
        };
        Ok(self.aside.insert(aside).as_file_mut())
    }
}

/// A new file beside `path`, under a name that no URL has, with the permissions of the file that it is to
/// replace, or those of a new one.
fn make_aside(path: &Path) -> io::Result<NamedTempFile> {
    let old = path.symlink_metadata().ok().filter(Metadata::is_file);
    let aside = tempfile::Builder::new()
        .prefix(".ringdove-")
        .suffix(".part")
        .permissions(Permissions::from_mode(if old.is_some() { 0o600 } else { 0o666 }))
        .tempfile_in(directory(path))
        .map_err(without_file_aside)?;
    if let Some(old) = old {
        take_after(aside.as_file(), &old)?;
    }
    Ok(aside)
}

/// Gives a file the owner, the group and the permissions of another, as far as that is allowed. A group
/// that could not be had may do no more than all others: it is another one.
fn take_after(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    // whoever writes has what is written, and the old owner need not
    _ = (new.uid() != old.uid()).then(|| fchown(file, Some(old.uid()), None));
    let has_group = new.gid() == old.gid() || fchown(file, None, Some(old.gid())).is_ok();
    let mode = match old.mode() & 0o777 {
        mode if has_group => mode,
        mode => mode & (0o707 | (mode & 0o007) << 3),
    };
    file.set_permissions(Permissions::from_mode(mode))
}

/// Gives a file this name, or, where there is something of that name, the first that is free with a number behind it.
fn persist_numbered(mut aside: NamedTempFile, path: PathBuf) -> io::Result<PathBuf> {
    let (mut name, mut number) = (path.clone(), 0);
    loop {
        match aside.persist_noclobber(&name) {
            Ok(_) => return Ok(name),
            Err(refused) => {
                let is_there = refused.error.kind() == io::ErrorKind::AlreadyExists;
                if !is_there || number == LAST_NUMBER {
                    return Err(refused.error);
                }
                aside = refused.file;
            }
        }
        number += 1;
        let mut numbered = path.clone().into_os_string();
        numbered.push(format!(".{number}"));
        name = numbered.into();
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

pub(super) fn try_aside(path: &Path) -> io::Result<()> {
    make_aside(path).map(drop)
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
