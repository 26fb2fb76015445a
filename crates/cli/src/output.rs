//! Where bodies go: nowhere, into a stream that all share, each into a file of its own.
//!
//! Knows files. Must not know transfers. Writes are made where the body arrives, in the loop's
//! thread: a disk or a pipe that is slow holds up all transfers. Invariants: under its final name a
//! file is whole or not there (or is the one that was there before); what was written aside goes
//! with its [`PartFile`]; a transfer holds at most [`BUFFER`] bytes of a body, and a descriptor only
//! if its body is larger.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, FileType, Metadata, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, sync_channel};

use ringdove::http::{ResponseHead, proposed_file_name};
use ringdove::sys::{Waker, standard};
use ringdove::{Request, RequestError};
use tempfile::NamedTempFile;
use url::Url;

use super::existing::Clobber;
use super::glob::{has_number, numbered};
use super::interrupt::no_thread;
use super::partial::{Rest, Resume, Wanted};
use super::remote::name_in_url;
use super::writers::{Writers, directory, follow};

/// Bytes of a body that are gathered before they are written.
const BUFFER: usize = 16 * 1024;

/// The last number that a file's name gets (--no-clobber), as curl has it.
const LAST_NUMBER: u32 = 100;

/// Where all bodies of a run go.
pub(crate) enum Output {
    Discard,
    /// One after the other into the same stream.
    Stream(SharedStream),
    /// The one body into this file.
    File(PathBuf),
    /// Each into a file whose name has `#1` and the like for what differs between the URLs of a glob, in directories
    /// that are made if that is said.
    Numbered(String, bool),
    /// Each body to a place of its own, in the order of the URLs.
    Each(Vec<Output>),
    /// Each into a file in this directory.
    Directory(PathBuf, Naming),
    /// The same, named by its response, or else as its URL's path ends.
    Proposed(PathBuf),
}

/// The name of a URL's file, or why it has none.
pub(crate) type Naming = fn(&Url) -> Result<String, String>;

/// Where one body goes.
#[derive(Debug)]
pub(crate) enum Sink {
    Discard,
    Stream(SharedStream),
    File(PartFile),
    Rest(Box<Rest>),
}

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

impl Output {
    /// The file `path` as the output of one body, in directories that are made if `create_dirs`
    /// says so. The error names it.
    pub(crate) fn file(path: &Path, create_dirs: bool) -> Result<Output, String> {
        let fail = |error: io::Error| cannot_write(path, &error);
        if path.to_str() == Some("-") {
            return Stream::standard_output().map(Output::Stream).map_err(fail);
        }
        make_directories(path, create_dirs)?;
        // a link stays one, and what it leads to is replaced, or made
        let is_file = path.metadata().map_or(true, |metadata| metadata.is_file());
        let path = if is_file { follow(path).map_err(fail)? } else { path.to_owned() };
        match path.metadata().map(|metadata| metadata.file_type()) {
            Ok(kind) if kind.is_dir() => Err(fail(io::ErrorKind::IsADirectory.into())),
            Ok(kind) if kind.is_char_device() && is_null(&path) => Ok(Output::Discard),
            // what is no plain file is written to, and stays what it is
            Ok(kind) if kind.is_fifo() => Ok(Output::Stream(Stream::of_pipe(&path))),
            Ok(kind) if !kind.is_file() => Stream::open(&path).map(Output::Stream).map_err(fail),
            _ => try_aside(&path).map(|()| Output::File(path.clone())).map_err(fail),
        }
    }

    /// Where a body goes by the name `path`, which may have `#1` and the like: such files are made as their URLs come.
    pub(crate) fn named(
        path: &Path,
        create_dirs: bool,
        clobber: Clobber,
    ) -> Result<Output, String> {
        match (path.to_str().filter(|name| has_number(name)), clobber) {
            (Some(name), _) => Ok(Output::Numbered(name.to_owned(), create_dirs)),
            (None, Clobber::Never) => Output::new_file(path, create_dirs),
            (None, Clobber::Given | Clobber::Always) => Output::file(path, create_dirs),
        }
    }

    /// The same, where no file that is there is replaced, and so no link followed.
    fn new_file(path: &Path, create_dirs: bool) -> Result<Output, String> {
        let is_special = |kind: FileType| !kind.is_file() && !kind.is_dir();
        let there = path.metadata().map(|metadata| metadata.file_type());
        if path.to_str() == Some("-") || there.is_ok_and(is_special) {
            return Output::file(path, create_dirs);
        }
        make_directories(path, create_dirs)?;
        match try_aside(path) {
            Ok(()) => Ok(Output::File(path.to_owned())),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    /// The directory `path`, made if it is not there, as the output of many. The error names it.
    pub(crate) fn directory(path: &Path, naming: Naming) -> Result<Output, String> {
        std::fs::create_dir_all(path)
            .and_then(|()| try_aside(&path.join("x")))
            .map(|()| Output::Directory(path.to_owned(), naming))
            .map_err(|error| cannot_write(path, &error))
    }

    /// Standard output.
    pub(crate) fn standard_output() -> Result<Output, String> {
        Output::file(Path::new("-"), false)
    }

    pub(crate) fn writes_files(&self) -> bool {
        match self {
            Output::File(_)
            | Output::Numbered(..)
            | Output::Directory(..)
            | Output::Proposed(_) => true,
            Output::Each(outputs) => outputs.iter().any(Output::writes_files),
            Output::Discard | Output::Stream(_) => false,
        }
    }

    /// Whether a body goes into a stream.
    pub(crate) fn has_stream(&self) -> bool {
        match self {
            Output::Each(outputs) => outputs.iter().any(Output::has_stream),
            Output::Stream(_) => true,
            Output::Discard
            | Output::File(_)
            | Output::Numbered(..)
            | Output::Directory(..)
            | Output::Proposed(_) => false,
        }
    }

    /// The stream of the URL with this number. Bodies that go into streams come one after the other, whichever
    /// streams these are: who reads two pipes may read the one to its end before the other.
    pub(crate) fn stream(&self, number: usize) -> Option<&SharedStream> {
        match self {
            Output::Stream(stream) => Some(stream),
            Output::Each(outputs) => outputs.get(number)?.stream(number),
            Output::Discard
            | Output::File(_)
            | Output::Numbered(..)
            | Output::Directory(..)
            | Output::Proposed(_) => None,
        }
    }

    /// The URL with this number needs its place no more: a pipe that nobody else needs comes to its end.
    pub(crate) fn release(&mut self, number: usize) {
        if let Output::Each(outputs) = self
            && let Some(output @ Output::Stream(_)) = outputs.get_mut(number)
        {
            *output = Output::Discard;
        }
    }

    /// Each body to a place of its own; those that are one pipe or device are one stream.
    pub(crate) fn each(mut outputs: Vec<Output>, paths: &[PathBuf]) -> Output {
        let mut streams: HashMap<_, SharedStream> = HashMap::new();
        for (output, path) in outputs.iter_mut().zip(paths) {
            let Output::Stream(stream) = output else { continue };
            if let Ok(metadata) = path.metadata() {
                let identity = (metadata.dev(), metadata.ino());
                *stream = Rc::clone(streams.entry(identity).or_insert_with(|| Rc::clone(stream)));
            }
        }
        Output::Each(outputs)
    }

    /// Lets readers have what there is.
    pub(crate) fn flush(&self) -> Result<(), WriteError> {
        match self {
            Output::Stream(stream) => stream.borrow_mut().flush(),
            Output::Each(outputs) => outputs.iter().try_for_each(Output::flush),
            Output::Discard
            | Output::File(_)
            | Output::Numbered(..)
            | Output::Directory(..)
            | Output::Proposed(_) => Ok(()),
        }
    }

    /// The directory of another output, for files that are named by their responses.
    pub(crate) fn named_by_responses(self) -> Output {
        match self {
            Output::Directory(path, _) => Output::Proposed(path),
            other => other,
        }
    }

    /// Where the body of `url` goes, which is of the set's URL with this number, from 0 on, and what its globs are in it.
    pub(crate) fn sink(&self, url: &Url, number: usize, globs: &[String]) -> Result<Sink, String> {
        Ok(match self {
            Output::Discard => Sink::Discard,
            Output::Stream(stream) => Sink::Stream(Rc::clone(stream)),
            Output::File(path) => Sink::File(PartFile::new(path.clone())),
            Output::Numbered(name, create_dirs) => {
                let path = PathBuf::from(numbered(name, globs));
                match Output::file(&path, *create_dirs)? {
                    Output::Stream(_) => {
                        let why = io::Error::other("it is no plain file, and -o names many");
                        return Err(cannot_write(&path, &why));
                    }
                    output => output.sink(url, number, globs)?,
                }
            }
            Output::Each(outputs) => match outputs.get(number) {
                Some(output) => output.sink(url, number, globs)?,
                None => Sink::Discard,
            },
            Output::Directory(path, naming) => Sink::File(PartFile::new(path.join(naming(url)?))),
            Output::Proposed(directory) => Sink::File(match name_in_url(url) {
                Ok(name) => PartFile::awaited(directory.join(name), None),
                Err(why) => PartFile::awaited(directory.join("nameless"), Some(why)),
            }),
        })
    }
}

impl Sink {
    /// The same place, where this becomes of a file that is there.
    pub(crate) fn clobbering(mut self, clobber: Clobber) -> Sink {
        if let Sink::File(file) = &mut self {
            file.clobber = clobber;
        }
        self
    }

    /// What is there already under the name that is known before a response.
    pub(crate) fn existing(&self) -> Option<&Path> {
        match self {
            Sink::File(PartFile { name: Name::Awaited(Some(_)), .. }) => None,
            Sink::File(file) => Some(&*file.path).filter(|path| path.exists()),
            Sink::Discard | Sink::Stream(_) | Sink::Rest(_) => None,
        }
    }

    /// The same place, for the rest of a body.
    pub(crate) fn resumed(self, resume: &Resume, writers: &Writers) -> Result<Sink, Refusal> {
        let rest = match self {
            Sink::Discard | Sink::Rest(_) => return Ok(self),
            Sink::Stream(stream) => Rest::of_stream(stream, resume)?,
            Sink::File(file) => Rest::of_file(&file.path, resume, writers)?,
        };
        Ok(Sink::Rest(Box::new(rest)))
    }

    /// The request, with what it has to say for this.
    pub(crate) fn ask(&self, request: Request) -> Result<Request, RequestError> {
        match self {
            Sink::Rest(rest) => rest.ask(request),
            Sink::Discard | Sink::Stream(_) | Sink::File(_) => Ok(request),
        }
    }

    /// Takes the head of the response whose body is to come. The error says why it is not wanted.
    pub(crate) fn begin(&mut self, head: &ResponseHead<'_>) -> Result<Wanted, Refusal> {
        match self {
            Sink::Rest(rest) => return rest.begin(head),
            Sink::File(file) => file.begin(head).map_err(Refusal::Write)?,
            Sink::Discard | Sink::Stream(_) => {}
        }
        Ok(Wanted::Yes)
    }

    /// Whether this status may say that all is there already.
    pub(crate) fn may_be_complete_by(&self, status: u16) -> bool {
        matches!(self, Sink::Rest(_)) && status == 416
    }

    /// Bytes that are not there yet, though the body is whole.
    pub(crate) fn missing(&self) -> u64 {
        match self {
            Sink::Rest(rest) => rest.missing(),
            Sink::Discard | Sink::Stream(_) | Sink::File(_) => 0,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match self {
            Sink::Rest(rest) => rest.write(bytes),
            Sink::Discard => Ok(()),
            Sink::Stream(stream) => stream.borrow_mut().write(bytes),
            Sink::File(file) => {
                file.write(bytes).map_err(|error| WriteError::new(&file.path, error))
            }
        }
    }

    /// Forgets what was written, if that can be.
    pub(crate) fn starts_over(&mut self) -> bool {
        match self {
            Sink::Discard => true,
            Sink::File(file) => {
                (file.buffer, file.aside) = (Vec::new(), None);
                true
            }
            // what is there is with whoever reads, or to be gone on with
            Sink::Stream(_) | Sink::Rest(_) => false,
        }
    }

    /// The body is whole. Returns the file that has it, if one does.
    pub(crate) fn finish(self) -> Result<Option<PathBuf>, WriteError> {
        match self {
            Sink::Discard => Ok(None),
            Sink::Stream(stream) => stream.borrow_mut().flush().map(|()| None),
            Sink::Rest(rest) => rest.finish(),
            Sink::File(file) => {
                let path = file.path.clone();
                file.finish().map(Some).map_err(|error| WriteError::new(&path, error))
            }
        }
    }
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

    fn of_pipe(path: &Path) -> SharedStream {
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

    fn open(path: &Path) -> io::Result<SharedStream> {
        Ok(Stream::new(path.display().to_string(), File::options().write(true).open(path)?))
    }

    /// The file `path`, made anew, or standard output for `-`. The error names it.
    pub(crate) fn create(path: &Path, create_dirs: bool) -> Result<SharedStream, String> {
        let fail = |error: io::Error| cannot_write(path, &error);
        if path.to_str() == Some("-") {
            return Stream::standard_output().map_err(fail);
        }
        make_directories(path, create_dirs)?;
        let file = File::create(path).map_err(fail)?;
        Ok(Stream::new(path.display().to_string(), file))
    }

    fn new(name: String, file: File) -> SharedStream {
        let state = StreamState::Open(BufWriter::with_capacity(BUFFER, file));
        Rc::new(RefCell::new(Stream { name, is_standard_output: false, state }))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = match &mut self.state {
            StreamState::Open(writer) => writer.write_all(bytes),
            StreamState::Unopened(_) | StreamState::Opening(_) => {
                Err(io::ErrorKind::NotConnected.into())
            }
        };
        written.map_err(|error| self.fail(error))
    }

    pub(crate) fn flush(&mut self) -> Result<(), WriteError> {
        let flushed = match &mut self.state {
            StreamState::Open(writer) => writer.flush(),
            StreamState::Unopened(_) | StreamState::Opening(_) => Ok(()),
        };
        flushed.map_err(|error| self.fail(error))
    }

    fn fail(&self, error: io::Error) -> WriteError {
        let is_unread = self.is_standard_output && error.kind() == io::ErrorKind::BrokenPipe;
        WriteError { is_unread, ..WriteError::new(&self.name, error) }
    }
}

impl PartFile {
    fn new(path: PathBuf) -> PartFile {
        let (name, clobber) = (Name::Given, Clobber::Given);
        PartFile { path, name, clobber, buffer: Vec::new(), aside: None }
    }

    fn awaited(path: PathBuf, nameless: Option<String>) -> PartFile {
        PartFile { name: Name::Awaited(nameless), ..PartFile::new(path) }
    }

    /// Takes the name that a response proposes, if it is to.
    fn begin(&mut self, head: &ResponseHead<'_>) -> Result<(), WriteError> {
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
                Err(WriteError { to: None, error: io::Error::other(why), is_unread: false })
            }
        }
    }

    fn fail(&self, error: io::Error) -> WriteError {
        WriteError::new(&self.path, error)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
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
    fn finish(mut self) -> io::Result<PathBuf> {
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

impl WriteError {
    pub(crate) fn new(to: impl AsRef<Path>, error: io::Error) -> WriteError {
        WriteError { to: Some(to.as_ref().display().to_string()), error, is_unread: false }
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

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write to {}: {error}", path.display())
}

/// Whether nothing becomes of what is written to this device (null(4)), so that it need not be.
fn is_null(path: &Path) -> bool {
    const NULL: u64 = 1 << 8 | 3;
    path.metadata().is_ok_and(|metadata| metadata.rdev() == NULL)
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
fn make_directories(path: &Path, wanted: bool) -> Result<(), String> {
    match path.parent() {
        Some(parent) if wanted => {
            std::fs::create_dir_all(parent).map_err(|error| cannot_write(parent, &error))
        }
        _ => Ok(()),
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

fn try_aside(path: &Path) -> io::Result<()> {
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
    // what is no plain file is written to
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Ok(());
    }
    try_aside(path).map_err(|error| format!("cannot write {option} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        entries.map(|entry| name(entry).into_string().unwrap()).collect()
    }

    fn url() -> Url {
        Url::parse("http://h/a").expect("a URL")
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::directory(directory.path(), |_| Ok("a".to_owned())).unwrap();
        for pieces in [vec![], vec![1], vec![BUFFER, 1], vec![1, BUFFER], vec![3 * BUFFER, 5, 5]] {
            let mut sink = output.sink(&url(), 0, &[]).unwrap();
            let mut want = Vec::new();
            for (at, &length) in pieces.iter().enumerate() {
                sink.write(&vec![at as u8; length]).unwrap();
                want.resize(want.len() + length, at as u8);
            }
            let path = sink.finish().unwrap().expect("a file");
            assert_eq!(path, directory.path().join("a"));
            assert_eq!(fs::read(path).unwrap(), want);
            assert_eq!(names(directory.path()), ["a"]);
        }
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_the_old_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "old").unwrap();
        let output = Output::directory(directory.path(), |_| Ok("a".to_owned())).unwrap();
        let mut sink = output.sink(&url(), 0, &[]).unwrap();
        sink.write(&[0; 2 * BUFFER]).unwrap();
        assert_eq!(names(directory.path()).len(), 2, "written aside");
        drop(sink);
        assert_eq!(names(directory.path()), ["a"]);
        assert_eq!(fs::read(path).unwrap(), b"old");
    }

    #[test]
    fn new_files_have_the_permissions_of_new_files() {
        let directory = tempfile::tempdir().unwrap();
        let usual = directory.path().join("usual");
        fs::write(&usual, "").unwrap();
        let path = directory.path().join("new");
        let Ok(output) = Output::file(&path, false) else { panic!("it can be written") };
        output.sink(&url(), 0, &[]).unwrap().finish().unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&usual));
    }

    #[test]
    fn who_may_read_a_file_is_the_same_when_it_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let output = Output::directory(directory.path(), |_| Ok("a".to_owned())).unwrap();
        for mode in [0o600, 0o640, 0o444, 0o666, 0o755] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let mut sink = output.sink(&url(), 0, &[]).unwrap();
            sink.write(&[0; 2 * BUFFER]).unwrap();
            for name in names(directory.path()) {
                let there = fs::metadata(directory.path().join(name)).unwrap();
                assert_eq!(there.mode() & 0o777, mode, "also while it is written");
            }
            sink.finish().unwrap();
            let there = fs::metadata(&path).unwrap();
            assert_eq!((there.mode() & 0o777, there.len()), (mode, 2 * BUFFER as u64));
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_file_of_another_owner_stays_with_that_owner_if_it_may() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "old").unwrap();
        if std::os::unix::fs::chown(&path, Some(12_345), Some(12_346)).is_err() {
            eprintln!("skipped: files cannot be given away here");
            return;
        }
        let output = Output::file(&path, false).unwrap_or(Output::Discard);
        output.sink(&url(), 0, &[]).unwrap().finish().unwrap();
        let there = fs::metadata(&path).unwrap();
        assert_eq!((there.uid(), there.gid()), (12_345, 12_346));
    }

    #[test]
    fn a_link_stays_and_a_device_is_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut sink =
            Output::file(&link, false).unwrap_or(Output::Discard).sink(&url(), 0, &[]).unwrap();
        sink.write(b"new").unwrap();
        sink.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
        let mut sink = Output::file(Path::new("/dev/full"), false)
            .unwrap_or(Output::Discard)
            .sink(&url(), 0, &[])
            .unwrap();
        sink.write(b"new").unwrap();
        let error = sink.finish().expect_err("it is full").to_string();
        assert_eq!(error, "cannot write to /dev/full: No space left on device (os error 28)");
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let path = |name: &str| directory.path().join(name);
        let errors = [
            Output::file(directory.path(), false).err(),
            Output::file(&path("none/x"), false).err(),
            Output::directory(&file, |_| Ok(String::new())).err(),
            Output::directory(&path("file/x"), |_| Ok(String::new())).err(),
        ];
        for error in errors {
            let error = error.expect("it cannot be written");
            assert!(error.contains(&directory.path().display().to_string()), "{error}");
        }
    }
}
