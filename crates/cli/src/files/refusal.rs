//! Why a body is not taken, and what could not be written.

use std::io;
use std::path::Path;

/// Why a response's body is not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is not the rest of what is there.
    Rest(String),
    /// There is no place for it.
    Write(WriteError),
}

/// A write that failed, with what it was to, if that has a name.
#[derive(Debug)]
pub(crate) struct WriteError {
    to: Option<String>,
    error: io::Error,
    is_unread: bool,
}

impl WriteError {
    pub(crate) fn new(to: impl AsRef<Path>, error: io::Error) -> WriteError {
        WriteError { to: Some(to.as_ref().display().to_string()), error, is_unread: false }
    }

    /// Of what has no name.
    pub(super) fn nameless(error: io::Error) -> WriteError {
        WriteError { to: None, error, is_unread: false }
    }

    /// Of standard output, whose reader may have closed it.
    pub(super) fn of_standard_output(to: &str, error: io::Error) -> WriteError {
        let is_unread = error.kind() == io::ErrorKind::BrokenPipe;
        WriteError { is_unread, ..WriteError::new(to, error) }
    }

    /// Whoever read standard output has closed it.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread
    }
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.to {
            Some(to) => write!(f, "cannot write to {to}: {}", self.error),
            None => self.error.fmt(f),
        }
    }
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write to {}: {error}", path.display())
}
