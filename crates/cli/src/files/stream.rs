//! What is written to and stays what it is: standard output, a pipe, a terminal, a device; and files that are made anew.
//!
//! Knows descriptors. Must not know bodies. A pipe is opened on a thread of its own, since that waits for a reader. Invariant: of
//! several threads that write to standard output each writes whole what it has gathered.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, sync_channel};

use ringdove::sys::{Waker, standard};

use super::place;
use super::refusal::{WriteError, cannot_write};
use crate::interrupt::no_thread;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 16 * 1024;

pub(crate) type SharedStream = Rc<RefCell<Stream>>;

/// Standard output, or a file that is not replaced but written to: a pipe, a terminal, a device.
#[derive(Debug)]
pub(crate) struct Stream {
    name: String,
    /// Whose reader is the reader of the run.
    is_standard_output: bool,
    state: StreamState,
}

#[derive(Debug)]
enum StreamState {
    /// A pipe, whose opening waits for a reader.
    Unopened(PathBuf),
    /// A thread waits for that reader.
    Opening(Receiver<io::Result<File>>),
    Open(BufWriter<File>),
}

impl Stream {
    pub(crate) fn standard_output() -> io::Result<SharedStream> {
        if standard::output_was_closed() {
            return Err(io::Error::other("it is closed"));
        }
        // without the buffer of the standard library's, which ends at each line
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let stream = Stream::new("standard output".to_owned(), file);
        stream.borrow_mut().is_standard_output = true;
        Ok(stream)
    }

    pub(super) fn of_pipe(path: &Path) -> SharedStream {
        let (name, state) = (path.display().to_string(), StreamState::Unopened(path.to_owned()));
        Rc::new(RefCell::new(Stream { name, is_standard_output: false, state }))
    }

    /// Whether it can be written to. If not, `waker` is woken when it can: when a pipe has got a reader.
    pub(crate) fn is_open(&mut self, waker: &Waker) -> Result<bool, WriteError> {
        let fail = |error| WriteError::new(&self.name, error);
        match &self.state {
            StreamState::Open(_) => return Ok(true),
            StreamState::Unopened(path) => {
                let opening = open_aside(path.clone(), waker.clone()).map_err(fail)?;
                self.state = StreamState::Opening(opening);
                return Ok(false);
            }
            StreamState::Opening(opening) => match opening.try_recv() {
                Err(_) => return Ok(false),
                Ok(opened) => {
                    let writer = BufWriter::with_capacity(BUFFER, opened.map_err(fail)?);
                    self.state = StreamState::Open(writer);
                }
            },
        }
        Ok(true)
    }

    pub(crate) fn standard_error() -> io::Result<SharedStream> {
        let file = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        Ok(Stream::new("standard error".to_owned(), file))
    }

    pub(super) fn open(path: &Path) -> io::Result<SharedStream> {
        Ok(Stream::new(path.display().to_string(), File::options().write(true).open(path)?))
    }

    /// The file `path`, made anew, or standard output for `-`. The error names it.
    pub(crate) fn create(path: &Path, create_dirs: bool) -> Result<SharedStream, String> {
        let fail = |error: io::Error| cannot_write(path, &error);
        if path.to_str() == Some("-") {
            return Stream::standard_output().map_err(fail);
        }
        make_directories(path, create_dirs)?;
        let file = place::create(path).map_err(fail)?;
        Ok(Stream::new(path.display().to_string(), file))
    }

    fn new(name: String, file: File) -> SharedStream {
        let state = StreamState::Open(BufWriter::with_capacity(BUFFER, file));
        Rc::new(RefCell::new(Stream { name, is_standard_output: false, state }))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let _turn = self.turn();
        let written = match &mut self.state {
            StreamState::Open(writer) => writer.write_all(bytes),
            StreamState::Unopened(_) | StreamState::Opening(_) => {
                Err(io::ErrorKind::NotConnected.into())
            }
        };
        written.map_err(|error| self.fail(error))
    }

    /// Keeps others from writing between two parts of what a pipe takes in several.
    fn turn(&self) -> Option<StdoutLock<'static>> {
        self.is_standard_output.then(|| io::stdout().lock())
    }

    pub(crate) fn flush(&mut self) -> Result<(), WriteError> {
        let _turn = self.turn();
        let flushed = match &mut self.state {
            StreamState::Open(writer) => writer.flush(),
            StreamState::Unopened(_) | StreamState::Opening(_) => Ok(()),
        };
        flushed.map_err(|error| self.fail(error))
    }

    fn fail(&self, error: io::Error) -> WriteError {
        match self.is_standard_output {
            true => WriteError::of_standard_output(&self.name, error),
            false => WriteError::new(&self.name, error),
        }
    }
}

/// Opens a pipe on a thread of its own, which waits for a reader while transfers go on.
fn open_aside(path: PathBuf, waker: Waker) -> io::Result<Receiver<io::Result<File>>> {
    let (sender, opening) = sync_channel(1);
    #[expect(
        clippy::disallowed_methods,
        reason = "one at a time, and it ends when it has a reader"
    )]
    let thread = std::thread::Builder::new().name("ringdove-pipe".to_owned()).spawn(move || {
        // whoever does not want it any more has given it up
        _ = sender.send(File::options().write(true).open(path));
        waker.wake();
    });
    match thread {
        Ok(_) => Ok(opening),
        Err(error) => Err(io::Error::other(no_thread("opens it", &error))),
    }
}

/// Makes the directories that a file is to stand in, if that is wanted.
pub(super) fn make_directories(path: &Path, wanted: bool) -> Result<(), String> {
    match path.parent() {
        Some(parent) if wanted => {
            place::make_directory(parent).map_err(|error| cannot_write(path, &error))
        }
        _ => Ok(()),
    }
}
