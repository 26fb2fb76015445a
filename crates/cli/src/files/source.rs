//! Where the bytes of a request's body come from while it is sent: files, and pipes.
//!
//! Knows what a driver reads of files, and one thread. Must not know what the bytes mean. Invariants: of a file exactly the
//! bytes that were announced are sent, or the transfer fails; of a pipe no more is in memory than
//! [`PIECES_AHEAD`] pieces; the loop waits for neither.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use ringdove::engine::BodySource;
use ringdove::protocol::SourceRead;
use ringdove::sys::Waker;
use ringdove::{FileReader, Files, TransferId};

use crate::interrupt::no_thread;

/// Bytes of a pipe that are read together.
const PIECE: usize = 16 * 1024;

/// Pieces of a pipe that wait to be sent.
const PIECES_AHEAD: usize = 4;

/// A part of a body that can be had any number of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Memory(Vec<u8>),
    /// Bytes of a file.
    File {
        /// Which file.
        path: PathBuf,
        /// The first byte.
        from: u64,
        /// How many bytes.
        length: u64,
    },
}

/// Pieces one after the other, from the first byte of the first.
#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: Arc<[Piece]>,
    /// Who reads those that are of files.
    readers: Vec<Option<FileReader>>,
    at: usize,
    /// Bytes given of the piece at `at`, if it is in memory.
    given: usize,
}

/// A source that is read by a thread of its own, once.
#[derive(Clone)]
pub(crate) struct Pipe {
    state: Arc<Mutex<PipeState>>,
    /// Something was read since somebody asked.
    news: Arc<AtomicBool>,
}

enum PipeState {
    /// Nobody has begun to read.
    Unread(Box<dyn Read + Send>),
    Open {
        pieces: Receiver<io::Result<Vec<u8>>>,
        piece: Vec<u8>,
        given: usize,
    },
    Ended,
}

impl Piece {
    pub(crate) fn file(path: impl Into<PathBuf>, length: u64) -> Piece {
        Piece::File { path: path.into(), from: 0, length }
    }

    /// What comes from byte `from` on, of a file that has so many.
    pub(crate) fn rest_of_file(path: impl Into<PathBuf>, from: u64, of: u64) -> Piece {
        Piece::File { path: path.into(), from, length: of.saturating_sub(from) }
    }

    fn len(&self) -> u64 {
        match self {
            Piece::Memory(bytes) => bytes.len() as u64,
            Piece::File { length, .. } => *length,
        }
    }
}

impl Pieces {
    /// Of files that a driver has read.
    pub(crate) fn new(pieces: Arc<[Piece]>, files: &Files) -> Pieces {
        let reader = |piece: &Piece| match piece {
            Piece::Memory(_) => None,
            Piece::File { path, from, length } => Some(files.read(path, *from, *length)),
        };
        let readers = pieces.iter().map(reader).collect();
        Pieces { pieces, readers, at: 0, given: 0 }
    }

    pub(crate) fn length(pieces: &[Piece]) -> u64 {
        pieces.iter().map(Piece::len).sum()
    }

    fn read_piece(&mut self, out: &mut [u8]) -> SourceRead {
        match (&self.pieces[self.at], &mut self.readers[self.at]) {
            (_, Some(reader)) => reader.read(out),
            (Piece::Memory(bytes), None) if self.given < bytes.len() => {
                let rest = &bytes[self.given..];
                let room = rest.len().min(out.len());
                out[..room].copy_from_slice(&rest[..room]);
                self.given += room;
                SourceRead::Data(room)
            }
            (Piece::Memory(_) | Piece::File { .. }, None) => SourceRead::End,
        }
    }
}

impl BodySource for Pieces {
    fn of(&mut self, transfer: TransferId) {
        self.readers.iter_mut().flatten().for_each(|reader| reader.of(transfer));
    }

    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        while self.at < self.pieces.len() {
            match self.read_piece(out) {
                SourceRead::End => (self.at, self.given) = (self.at + 1, 0),
                read => return read,
            }
        }
        SourceRead::End
    }

    fn rewind(&mut self) -> bool {
        (self.at, self.given) = (0, 0);
        self.readers.iter_mut().flatten().all(BodySource::rewind)
    }
}

fn read_some(source: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Pipe {
    pub(crate) fn new(source: Box<dyn Read + Send>) -> Pipe {
        Pipe { state: Arc::new(Mutex::new(PipeState::Unread(source))), news: Arc::default() }
    }

    /// Whether there may be more than when this was asked last.
    pub(crate) fn has_more(&self) -> bool {
        self.news.swap(false, Ordering::AcqRel)
    }

    /// Begins to read; `waker` is woken whenever there is more.
    pub(crate) fn start(&self, waker: Waker) -> Result<(), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let PipeState::Unread(source) = std::mem::replace(&mut *state, PipeState::Ended) else {
            return Ok(());
        };
        let (sender, pieces) = sync_channel(PIECES_AHEAD);
        let (mut source, news) = (source, Arc::clone(&self.news));
        #[expect(
            clippy::disallowed_methods,
            reason = "one thread, and what it may hold is bounded"
        )]
        let thread =
            std::thread::Builder::new().name("ringdove-upload".to_owned()).spawn(move || {
                loop {
                    let mut piece = vec![0; PIECE];
                    let read = read_some(&mut source, &mut piece);
                    let last = !matches!(read, Ok(1..));
                    let read = read.map(|read| {
                        piece.truncate(read);
                        piece
                    });
                    // whoever does not want it any more has seen the end of it
                    if sender.send(read).is_err() {
                        break;
                    }
                    news.store(true, Ordering::Release);
                    waker.wake();
                    if last {
                        break;
                    }
                }
            });
        thread.map_err(|error| no_thread("reads what -T sends", &error))?;
        *state = PipeState::Open { pieces, piece: Vec::new(), given: 0 };
        Ok(())
    }
}

impl BodySource for Pipe {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let PipeState::Open { pieces, piece, given } = &mut *state else { return SourceRead::End };
        if *given == piece.len() {
            match pieces.try_recv() {
                Ok(Ok(next)) if next.is_empty() => {
                    *state = PipeState::Ended;
                    return SourceRead::End;
                }
                Ok(Ok(next)) => (*piece, *given) = (next, 0),
                Ok(Err(error)) => return SourceRead::Failed(format!("cannot read on: {error}")),
                Err(TryRecvError::Empty) => return SourceRead::Pending,
                Err(TryRecvError::Disconnected) => {
                    return SourceRead::Failed("cannot read on: its thread is gone".to_owned());
                }
            }
        }
        let length = (piece.len() - *given).min(out.len());
        out[..length].copy_from_slice(&piece[*given..*given + length]);
        *given += length;
        SourceRead::Data(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Duration;

    use ringdove::driver::Kind;
    use ringdove::{Config, Driver};

    use super::*;

    /// All that a source has, which `wait` waits for.
    fn read_all(
        source: &mut impl BodySource,
        room: usize,
        mut wait: impl FnMut(),
    ) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        let mut out = vec![0; room];
        loop {
            match source.read(&mut out) {
                SourceRead::Data(n) | SourceRead::Piece(n) => all.extend_from_slice(&out[..n]),
                SourceRead::End | SourceRead::EndWith(_) => return Ok(all),
                SourceRead::Pending => wait(),
                SourceRead::Failed(why) => return Err(why),
            }
        }
    }

    fn driver() -> Driver {
        Driver::new(Kind::Epoll, Config::default()).expect("there is epoll")
    }

    fn turn(driver: &mut Driver) -> impl FnMut() {
        || _ = driver.turn(Some(Duration::from_secs(1))).expect("it goes on")
    }

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("room on the disk");
        file
    }

    #[test]
    fn pieces_come_in_order_any_number_of_times() {
        let file = file(b"0123456789");
        let pieces = [
            Piece::Memory(b"<".to_vec()),
            Piece::file(file.path(), 10),
            Piece::Memory(Vec::new()),
            Piece::file(file.path(), 0),
            // it has grown since
            Piece::file(file.path(), 3),
            Piece::rest_of_file(file.path(), 8, 10),
            Piece::Memory(b">".to_vec()),
        ];
        assert_eq!(Pieces::length(&pieces), 17);
        let mut driver = driver();
        let mut source = Pieces::new(pieces.into(), &driver.files());
        for room in [1, 2, 3, 7, 100] {
            let all = read_all(&mut source, room, turn(&mut driver)).unwrap();
            assert_eq!(all, b"<012345678901289>", "{room}");
            assert!(source.rewind());
        }
    }

    #[test]
    fn a_file_that_has_shrunk_or_gone_is_an_error() {
        let file = file(b"abc");
        let mut driver = driver();
        let mut source = Pieces::new([Piece::file(file.path(), 5)].into(), &driver.files());
        let why = read_all(&mut source, 10, turn(&mut driver)).unwrap_err();
        assert!(why.ends_with("is shorter by 2 bytes than it was"), "{why}");
        drop(file);
        assert!(source.rewind());
        let why = read_all(&mut source, 10, turn(&mut driver)).unwrap_err();
        assert!(why.starts_with("cannot read /"), "{why}");
    }

    #[test]
    fn a_pipe_is_read_once_by_a_thread() {
        let bytes: Vec<u8> = (0..200_000).map(|n| n as u8).collect();
        let mut pipe = Pipe::new(Box::new(io::Cursor::new(bytes.clone())));
        pipe.start(Waker::new().expect("an eventfd")).expect("a thread");
        let wait = std::thread::yield_now;
        assert!(read_all(&mut pipe.clone(), 1000, wait).unwrap() == bytes);
        assert_eq!(read_all(&mut pipe, 1000, wait).unwrap(), b"");
        assert!(!pipe.rewind());
    }
}
