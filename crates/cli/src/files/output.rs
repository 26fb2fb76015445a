//! Where bodies go: nowhere, into a stream that all share, each into a file of its own.
//!
//! Knows which body goes where. Must not know what transfers do. Files are the library's to write, beside the loop; what goes into a
//! stream is written where it arrives, in the loop's thread: a pipe that is slow holds up all transfers.

use std::collections::HashMap;
use std::fs::FileType;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ringdove::protocol::ResponseHead;
use ringdove::{Files, Request, RequestError, Room, TransferId};
use url::Url;

use super::aside::{Clobber, Home, PartFile, try_aside};
use super::identity::follow;
use super::place;
use super::refusal::{Refusal, WriteError, cannot_write};
use super::remote::name_in_url;
use super::rest::{Rest, Resume, Wanted};
use super::stream::{SharedStream, Stream, make_directories};
use super::writers::Writers;
use crate::text::glob::{has_number, numbered};

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

impl Output {
    /// The file `path` as the output of one body, in directories that are made if `create_dirs`
    /// says so. The error names it.
    pub(crate) fn file(path: &Path, create_dirs: bool) -> Result<Output, String> {
        let fail = |error: io::Error| cannot_write(path, &error);
        if path.to_str() == Some("-") {
            return Stream::standard_output().map(Output::Stream).map_err(fail);
        }
        make_directories(path, create_dirs)?;
        place::check(path).map_err(fail)?;
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
        match place::check(path).and_then(|()| try_aside(path)) {
            Ok(()) => Ok(Output::File(path.to_owned())),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    /// The directory `path`, made if it is not there, as the output of many. The error names it.
    pub(crate) fn directory(path: &Path, naming: Naming) -> Result<Output, String> {
        place::make_directory(path)
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
            file.clobber(clobber);
        }
        self
    }

    /// Whether it is written beside the loop.
    pub(crate) fn is_file(&self) -> bool {
        match self {
            Sink::File(_) => true,
            Sink::Rest(rest) => rest.is_file(),
            Sink::Discard | Sink::Stream(_) => false,
        }
    }

    /// The same place, of this transfer, whose file is one of these.
    pub(crate) fn of(mut self, files: Files, transfer: TransferId) -> Sink {
        let home = Home { files, transfer };
        match &mut self {
            Sink::File(file) => file.live_in(home),
            Sink::Rest(rest) => rest.live_in(home),
            Sink::Discard | Sink::Stream(_) => {}
        }
        self
    }

    /// The file that it is, by the name that is known so far.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Sink::File(file) => Some(file.path()),
            Sink::Discard | Sink::Stream(_) | Sink::Rest(_) => None,
        }
    }

    /// What is there already under the name that is known before a response.
    pub(crate) fn existing(&self) -> Option<&Path> {
        match self {
            Sink::File(file) => file.existing(),
            Sink::Discard | Sink::Stream(_) | Sink::Rest(_) => None,
        }
    }

    /// The same place, for the rest of a body.
    pub(crate) fn resumed(self, resume: &Resume, writers: &Writers) -> Result<Sink, Refusal> {
        let rest = match self {
            Sink::Discard | Sink::Rest(_) => return Ok(self),
            Sink::Stream(stream) => Rest::of_stream(stream, resume)?,
            Sink::File(file) => Rest::of_file(file.path(), resume, writers)?,
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

    /// Takes bytes, and says whether there is room for more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Room, WriteError> {
        match self {
            Sink::Rest(rest) => rest.write(bytes),
            Sink::Discard => Ok(Room::More),
            Sink::Stream(stream) => stream.borrow_mut().write(bytes).map(|()| Room::More),
            Sink::File(file) => file.write(bytes),
        }
    }

    /// Lets readers have what there is, where there are some.
    pub(crate) fn flush(&mut self) -> Result<(), WriteError> {
        match self {
            Sink::Stream(stream) => stream.borrow_mut().flush(),
            Sink::Discard | Sink::File(_) | Sink::Rest(_) => Ok(()),
        }
    }

    /// Forgets what was written, if that can be.
    pub(crate) fn starts_over(&mut self) -> bool {
        match self {
            Sink::Discard => true,
            Sink::File(file) => {
                file.start_over();
                true
            }
            // what is there is with whoever reads, or to be gone on with
            Sink::Stream(_) | Sink::Rest(_) => false,
        }
    }

    /// The body is whole.
    pub(crate) fn end(&mut self) -> Result<(), WriteError> {
        match self {
            Sink::Discard => {}
            Sink::Stream(stream) => return stream.borrow_mut().flush(),
            Sink::Rest(rest) => return rest.end(),
            Sink::File(file) => file.end(),
        }
        Ok(())
    }

    /// The file that has the body, if one does, once the transfer's message is there.
    pub(crate) fn result(self) -> Result<Option<PathBuf>, WriteError> {
        match self {
            Sink::Discard | Sink::Stream(_) => Ok(None),
            Sink::Rest(rest) => rest.result(),
            Sink::File(file) => file.result().map(Some),
        }
    }
}

/// Whether nothing becomes of what is written to this device (null(4)), so that it need not be.
fn is_null(path: &Path) -> bool {
    const NULL: u64 = 1 << 8 | 3;
    path.metadata().is_ok_and(|metadata| metadata.rdev() == NULL)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use ringdove::limits::FILE_BLOCK as BLOCK;
    use ringdove::{Config, Driver, DriverKind};

    use super::*;

    /// Who writes files, without transfers.
    struct Writing(Driver);

    impl Writing {
        fn new() -> Writing {
            Writing(Driver::new(DriverKind::Epoll, Config::default()).expect("a driver"))
        }

        fn sink(&mut self, output: &Output) -> Sink {
            let sink = output.sink(&url(), 0, &[]).expect("a place");
            sink.of(self.0.files(), TransferId::from_bits(1))
        }

        fn finish(&mut self, mut sink: Sink) -> Result<Option<PathBuf>, WriteError> {
            sink.end()?;
            self.turn();
            sink.result()
        }

        /// Until all that was ended is over.
        fn turn(&mut self) {
            while self.0.running() > 0 {
                self.0.turn(None).expect("it goes on");
            }
        }

        /// Until there are so many names.
        fn turn_until(&mut self, directory: &Path, count: usize) {
            for _ in 0..1000 {
                if names(directory).len() == count {
                    return;
                }
                self.0.turn(Some(Duration::from_millis(10))).expect("it goes on");
            }
            panic!("{:?}", names(directory));
        }
    }

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
        for pieces in [vec![], vec![1], vec![BLOCK, 1], vec![1, BLOCK], vec![3 * BLOCK, 5, 5]] {
            let mut writing = Writing::new();
            let mut sink = writing.sink(&output);
            let mut want = Vec::new();
            for (at, &length) in pieces.iter().enumerate() {
                sink.write(&vec![at as u8; length]).unwrap();
                want.resize(want.len() + length, at as u8);
            }
            let path = writing.finish(sink).unwrap().expect("a file");
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
        let mut writing = Writing::new();
        let mut sink = writing.sink(&output);
        sink.write(&[0; 2 * BLOCK]).unwrap();
        // written aside
        writing.turn_until(directory.path(), 2);
        drop(sink);
        writing.turn();
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
        let mut writing = Writing::new();
        let sink = writing.sink(&output);
        writing.finish(sink).unwrap();
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
            let mut writing = Writing::new();
            let mut sink = writing.sink(&output);
            sink.write(&[0; 2 * BLOCK]).unwrap();
            writing.turn_until(directory.path(), 2);
            for name in names(directory.path()) {
                let there = fs::metadata(directory.path().join(name)).unwrap();
                let written = [mode, 0o600].contains(&(there.mode() & 0o777));
                assert!(written, "nobody else may read it, also while it is written");
            }
            writing.finish(sink).unwrap();
            let there = fs::metadata(&path).unwrap();
            assert_eq!((there.mode() & 0o777, there.len()), (mode, 2 * BLOCK as u64));
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
        let mut writing = Writing::new();
        let sink = writing.sink(&output);
        writing.finish(sink).unwrap();
        let there = fs::metadata(&path).unwrap();
        assert_eq!((there.uid(), there.gid()), (12_345, 12_346));
    }

    #[test]
    fn a_link_stays_and_a_device_is_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut writing = Writing::new();
        let mut sink = writing.sink(&Output::file(&link, false).unwrap_or(Output::Discard));
        sink.write(b"new").unwrap();
        writing.finish(sink).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
        let full = Output::file(Path::new("/dev/full"), false).unwrap_or(Output::Discard);
        let mut sink = writing.sink(&full);
        sink.write(b"new").unwrap();
        let error = writing.finish(sink).expect_err("it is full").to_string();
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
