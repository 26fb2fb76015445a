//! Where the bytes of a request's body come from while it is sent: files, and pipes.
//!
//! Knows files and one thread. Must not know what the bytes mean. Invariants: of a file exactly the
//! bytes that were announced are sent, or the transfer fails; of a pipe no more is in memory than
//! [`PIECES_AHEAD`] pieces, and the loop never waits for it.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use ringdove::engine::BodySource;
use ringdove::protocol::SourceRead;
use ringdove::sys::Waker;

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
    at: usize,
    /// Bytes given of the piece at `at`.
    given: u64,
    file: Option<File>,
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
    pub(crate) fn new(pieces: Arc<[Piece]>) -> Pieces {
        Pieces { pieces, at: 0, given: 0, file: None }
    }

    pub(crate) fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    fn read_piece(&mut self, out: &mut [u8]) -> Result<usize, String> {
        let piece = &self.pieces[self.at];
        let left = piece.len() - self.given;
        let room = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        let out = &mut out[..room];
        let given = match piece {
            Piece::Memory(bytes) => {
                let from = self.given as usize;
                out.copy_from_slice(&bytes[from..from + room]);
                room
            }
            Piece::File { path, from, .. } if room > 0 => {
                let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
                let mut file = match self.file.take() {
                    Some(file) => file,
                    None => {
                        let mut file = File::open(path).map_err(failed)?;
                        file.seek(SeekFrom::Start(*from)).map_err(failed)?;
                        file
                    }
                };
                let read = read_some(&mut file, out).map_err(failed)?;
                if read == 0 {
                    let path = path.display();
                    return Err(format!("{path} is shorter by {left} bytes than it was"));
                }
                self.file = Some(file);
                read
            }
            Piece::File { .. } => 0,
        };
        self.given += given as u64;
        Ok(given)
    }
}

impl BodySource for Pieces {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        while self.at < self.pieces.len() {
            match self.read_piece(out) {
                Ok(0) => (self.at, self.given, self.file) = (self.at + 1, 0, None),
                Ok(given) => return SourceRead::Data(given),
                Err(why) => return SourceRead::Failed(why),
            }
        }
        SourceRead::End
    }

    fn rewind(&mut self) -> bool {
        (self.at, self.given, self.file) = (0, 0, None);
        true
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
                Err(TryRecvError::Disconnected) => return SourceRead::End,
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

    use super::*;

    fn read_all(source: &mut impl BodySource, room: usize) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        let mut out = vec![0; room];
        loop {
            match source.read(&mut out) {
                SourceRead::Data(n) | SourceRead::Piece(n) => all.extend_from_slice(&out[..n]),
                SourceRead::End | SourceRead::EndWith(_) => return Ok(all),
                SourceRead::Pending => std::thread::yield_now(),
                SourceRead::Failed(why) => return Err(why),
            }
        }
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
        let mut source = Pieces::new(pieces.into());
        assert_eq!(source.len(), 17);
        for room in [1, 2, 3, 7, 100] {
            assert_eq!(read_all(&mut source, room).unwrap(), b"<012345678901289>", "{room}");
            assert!(source.rewind());
        }
    }

    #[test]
    fn a_file_that_has_shrunk_or_gone_is_an_error() {
        let file = file(b"abc");
        let mut source = Pieces::new([Piece::file(file.path(), 5)].into());
        let why = read_all(&mut source, 10).unwrap_err();
        assert!(why.ends_with("is shorter by 2 bytes than it was"), "{why}");
        drop(file);
        assert!(source.rewind());
        assert!(read_all(&mut source, 10).unwrap_err().starts_with("cannot read /"));
    }

    #[test]
    fn a_pipe_is_read_once_by_a_thread() {
        let bytes: Vec<u8> = (0..200_000).map(|n| n as u8).collect();
        let mut pipe = Pipe::new(Box::new(io::Cursor::new(bytes.clone())));
        pipe.start(Waker::new().expect("an eventfd")).expect("a thread");
        assert!(read_all(&mut pipe.clone(), 1000).unwrap() == bytes);
        assert_eq!(read_all(&mut pipe, 1000).unwrap(), b"");
        assert!(!pipe.rewind());
    }
}
