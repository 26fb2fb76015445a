//! Files that bodies are written to, or read from, without a wait of the loop's for a disk.
//!
//! Knows who writes to which file. Must not know sockets, nor what a body means. What a file that is written goes through is in
//! `part`, what all of them hold in `table`; of those that are read in `ahead` and `sources`; and who does what they want in `work`: a
//! ring, or threads. The design is in `docs/files.md`.

mod ahead;
mod part;
mod reader;
mod sources;
mod table;
mod work;

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::engine::{Flow, Handler, Outcome, TransferId};
use crate::sys::Errno;

use part::{End, Part};
use sources::Sources;
use table::{PartId, Table};

pub use reader::FileReader;
pub(super) use work::FileWork;

/// The files of a driver: where a handler gets one that its body is written to, and a request one that is sent. A clone is the
/// same.
///
/// Nothing that is done here waits for a disk. Files are made, read, written, closed and renamed by operations of the ring, with
/// [`Kind::Ring`](super::Kind), or by a few threads.
#[derive(Clone)]
pub struct Files {
    table: Rc<RefCell<Table>>,
    sources: Rc<RefCell<Sources>>,
}

/// What becomes of a file that has the name which another is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It is replaced by the other, which takes after it: its permissions, and its owner and group as far as that is
    /// allowed.
    #[default]
    Replace,
    /// It stays, and the other fails (`EEXIST`).
    Keep,
    /// It stays, and the other gets the first name that is free of those with `.1` to `.100` behind them.
    Number,
}

/// A file that is written, with its bytes.
#[derive(Debug)]
pub enum Written {
    /// It has this name.
    Named(PathBuf),
    /// It is what it was before, and standing behind the last byte.
    Open(File),
}

/// Whether a file has room for more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It has.
    More,
    /// Enough are to be written already. A handler answers with [`Flow::Pause`]: its transfer is resumed when there is room
    /// again.
    Full,
}

/// A file that is being written. Dropped before it was finished it is given up: nothing is left of one that was to get a
/// name; of one that was open already what it was given is written.
pub struct FileWriter {
    files: Files,
    id: PartId,
    transfer: Option<TransferId>,
    /// Where it begins anew.
    place: Option<(PathBuf, Existing)>,
}

impl Files {
    pub(super) fn new(seed: u64) -> Files {
        Files { table: Rc::new(RefCell::new(Table::new(seed))), sources: Rc::default() }
    }

    /// A file that is to be called `path`. It is written beside that, under a name that begins with `.ringdove-` and ends in
    /// `.part`, and gets its own when it is whole.
    pub fn create(&self, path: impl Into<PathBuf>, existing: Existing) -> FileWriter {
        let path = path.into();
        let id = self.make(&path, existing, None);
        let place = Some((path, existing));
        FileWriter { files: self.clone(), id, transfer: None, place }
    }

    /// A file that was opened by the caller, and is written from where it stands: at its end, for one, or a pipe.
    pub fn write_to(&self, file: File) -> FileWriter {
        let id = self.table.borrow_mut().insert(Part::open(file), None);
        FileWriter { files: self.clone(), id, transfer: None, place: None }
    }

    /// The part of a file that has so many bytes and begins `from` so many: as a request's body, or a piece of one. It is for plain
    /// files: one that may have nothing for long, as a pipe, keeps one of the few threads, or of the kernel's workers, to itself.
    ///
    /// ```no_run
    /// use ringdove::{Body, Collect, Config, Driver, Request};
    ///
    /// let mut driver = Driver::auto(Config::default())?;
    /// let length = std::fs::metadata("photo.jpg")?.len();
    /// let source = Box::new(driver.files().read("photo.jpg", 0, length));
    /// let body = Body::Stream { length: Some(length), source };
    /// let request = Request::new(http::Method::PUT, "http://127.0.0.1:8080/photo.jpg")?.body(body);
    /// driver.add(request, Box::new(Collect::default()))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(&self, path: impl Into<PathBuf>, from: u64, length: u64) -> FileReader {
        FileReader::new(&mut self.sources.borrow_mut(), path.into(), from, length)
    }

    fn make(&self, path: &Path, existing: Existing, of: Option<TransferId>) -> PartId {
        let mut table = self.table.borrow_mut();
        let mark = table.next_mark();
        table.insert(Part::aside(path.to_owned(), existing, mark), of)
    }
}

impl FileWriter {
    /// The file of a transfer, which goes on when there is room, and whose message comes when the file is over: one that was
    /// finished or dropped by the time of [`Handler::done`].
    #[must_use]
    pub fn of(mut self, transfer: TransferId) -> FileWriter {
        self.transfer = Some(transfer);
        self.files.table.borrow_mut().bind(self.id, transfer);
        self
    }

    /// Writes all of these bytes behind those before, sooner or later.
    ///
    /// # Errors
    ///
    /// What was given before could not be written, for this reason; or the driver is gone (`EBADF`).
    pub fn write(&mut self, bytes: &[u8]) -> Result<Room, Errno> {
        self.files.table.borrow_mut().write(self.id, bytes)
    }

    /// Why it has failed already.
    pub fn failure(&self) -> Option<Errno> {
        self.files.table.borrow().failure(self.id)
    }

    /// Forgets all that was written, so that the file begins anew; `false` if that cannot be, since it is not to get a name
    /// but has one.
    pub fn starts_over(&mut self) -> bool {
        let Some((path, existing)) = &self.place else { return false };
        let new = self.files.make(path, *existing, self.transfer);
        let old = std::mem::replace(&mut self.id, new);
        self.files.table.borrow_mut().disown(old);
        true
    }

    /// All bytes were given: the file gets its name, or is let go of.
    pub fn finish(&mut self) {
        self.files.table.borrow_mut().end(self.id, End::Whole);
    }

    /// What came of it, once, when it is over. Of the file of a transfer it is there with the transfer's message.
    ///
    /// # Errors
    ///
    /// What the system refused, such as `ENOSPC`.
    pub fn take_result(&mut self) -> Option<Result<Written, Errno>> {
        self.files.table.borrow_mut().take_result(self.id)
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        self.files.table.borrow_mut().disown(self.id);
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileWriter").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A handler that writes the body to a file, whatever the status. The file is there, under its name and whole, when the
/// transfer's message comes, or there is none of it.
///
/// ```
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let server = listener.local_addr()?;
/// # std::thread::Builder::new().spawn(move || {
/// #     let (mut socket, _) = listener.accept().unwrap();
/// #     let _ = socket.read(&mut [0; 1024]);
/// #     let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
/// # })?;
/// # let directory = tempfile::tempdir()?;
/// use ringdove::{Config, Driver, Existing, Request, ToFile};
///
/// let path = directory.path().join("hello");
/// let mut driver = Driver::auto(Config::default())?;
/// let file = driver.files().create(&path, Existing::Replace);
/// driver.add_with(Request::get(&format!("http://{server}/"))?, |id| ToFile::new(file.of(id)))?;
/// while driver.running() > 0 {
///     driver.turn(None)?;
/// }
/// let (outcome, file) = driver.next_message().unwrap().into_parts::<ToFile>().unwrap();
/// outcome.result?;
/// file.into_result()?;
/// assert_eq!(std::fs::read(&path)?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ToFile {
    file: Option<FileWriter>,
}

impl ToFile {
    /// The handler of the transfer whose file it is ([`FileWriter::of`]).
    pub fn new(file: FileWriter) -> ToFile {
        ToFile { file: Some(file) }
    }

    /// What came of the file, once its transfer's message is there.
    ///
    /// # Errors
    ///
    /// What the system refused; `NotFound` if the transfer has failed, so that there is no file.
    pub fn into_result(self) -> io::Result<Written> {
        let result = self.file.and_then(|mut file| file.take_result());
        match result {
            Some(result) => result.map_err(io::Error::from),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Handler for ToFile {
    fn body(&mut self, chunk: &[u8]) -> Flow {
        let Some(file) = &mut self.file else { return Flow::Continue };
        match file.write(chunk) {
            Ok(Room::More) => Flow::Continue,
            Ok(Room::Full) => Flow::Pause,
            Err(errno) => Flow::Abort(format!("cannot write to the file: {errno}")),
        }
    }

    fn starts_over(&mut self) -> bool {
        self.file.as_mut().is_some_and(FileWriter::starts_over)
    }

    fn done(&mut self, outcome: &Outcome) {
        match (&outcome.result, &mut self.file) {
            (Ok(_), Some(file)) => file.finish(),
            // what failed to be written says why
            (Err(_), Some(file)) if file.failure().is_some() => file.finish(),
            (Err(_), _) => self.file = None,
            (Ok(_), None) => {}
        }
    }
}
