//! Whether a file can have a name, as far as the name and what is there says, and in plain words why not.
//!
//! Must not know what the file is for.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::identity::directory;

/// Fails where no file can be made or replaced under this name.
pub(super) fn check(path: &Path) -> io::Result<()> {
    // what Path takes away, the system does not
    let last = path.as_os_str().as_bytes().rsplit(|&byte| byte == b'/').next();
    if last.is_none_or(|last| matches!(last, b"" | b"." | b"..")) {
        return Err(io::Error::other("that is the name of a directory"));
    }
    match path.symlink_metadata() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => check_directory(directory(path)),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(no_directory(path)),
        Err(error) => Err(error),
    }
}

/// A file that is made anew.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    check(path).and_then(|()| File::create(path))
}

/// Fails where there is no directory of this name.
fn check_directory(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let why = format!("there is no directory {}", path.display());
            Err(io::Error::new(ErrorKind::NotFound, why))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Makes a directory, with those that it is in.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => no_directory(path),
        _ => error,
    })
}

/// Which part of a path is there and no directory.
fn no_directory(path: &Path) -> io::Error {
    let is_other = |path: &&Path| path.metadata().is_ok_and(|metadata| !metadata.is_dir());
    match path.ancestors().find(is_other) {
        Some(other) => io::Error::other(format!("{} is no directory", other.display())),
        None => ErrorKind::NotADirectory.into(),
    }
}
