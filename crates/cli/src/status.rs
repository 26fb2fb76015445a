//! What the command tells the shell, and how it writes what was asked for.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// Writes what was asked for to standard output, whole.
pub(crate) fn print(text: &[u8]) -> Status {
    // a reader who has had enough is no failure
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            _ = writeln!(io::stderr(), "ringdove: cannot write to standard output: {error}");
            Status::SomeFailed
        }
        Ok(()) | Err(_) => Status::Done,
    }
}

/// What the command tells the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// All that was asked for is done.
    Done,
    /// Some transfers failed.
    SomeFailed,
    /// Nothing began: bad usage, or something that all of it needs is missing.
    Usage,
    /// Ended by this signal.
    Interrupted(u8),
    /// The reader of standard output has closed it, and what was left was given up.
    Unread,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(match status {
            Status::Done => 0,
            Status::SomeFailed => 1,
            Status::Usage => 2,
            Status::Interrupted(signal) => 128 + signal,
            // as a shell has it of who is ended by SIGPIPE
            Status::Unread => 128 + 13,
        })
    }
}
