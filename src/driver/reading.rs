//! A request's body from a reader that may block.
//!
//! Knows one thread, which reads, and the pieces that it has read. Must not know what reads them on, nor a driver: whoever turns one is
//! told which transfer has more. Invariants: no more than [`limits::READ_AHEAD`] pieces wait, and one is being read; who is told of more
//! finds it; a reader that fails or panics fails its transfer, and is never taken for the end of a body; a thread that reads for nobody
//! ends with its next piece.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::{BodySource, TransferId};
use crate::limits;
use crate::protocol::SourceRead;

/// What a reader has read together; an empty piece is the end.
type Piece = io::Result<Vec<u8>>;

/// What a reader that may block reads (a pipe, a decompressor, a file on a disk of the network), as a request's body. A thread of its
/// own reads, a few pieces ahead.
///
/// Where the transfer has found nothing, and there is more, it has to be resumed, which the thread that turns the driver does: it is woken
/// by the call that [`BlockingReader::start`] is given, and [`More`] says which transfer it is. (One that is paused otherwise is to stay
/// so: [`Driver::set_paused`](crate::Driver::set_paused).)
///
/// ```
/// # use std::io::{Read as _, Write as _};
/// use ringdove::{BlockingReader, Body, Collect, Config, Driver, Request};
///
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let server = listener.local_addr()?;
/// # std::thread::Builder::new().spawn(move || {
/// #     let (mut socket, _) = listener.accept().unwrap();
/// #     let mut request = Vec::new();
/// #     while !request.ends_with(b"\r\nhello\r\n0\r\n\r\n") {
/// #         let mut some = [0; 1024];
/// #         let read = socket.read(&mut some).unwrap();
/// #         request.extend_from_slice(&some[..read]);
/// #     }
/// #     socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
/// # })?;
/// let mut driver = Driver::auto(Config::default())?;
/// let waker = driver.waker()?;
/// let (reader, more) = BlockingReader::start(&b"hello"[..], move || waker.wake())?;
/// let body = Body::Stream { length: None, source: Box::new(reader) };
/// let request = Request::new(http::Method::PUT, &format!("http://{server}/"))?.body(body);
/// driver.add(request, Box::new(Collect::default()))?;
/// while driver.running() > 0 {
///     driver.turn(None)?;
///     if let Some(transfer) = more.take() {
///         // it may be over by now
///         let _ = driver.resume(transfer);
///     }
/// }
/// assert!(driver.next_message().expect("it is over").outcome.result.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is read once: a request that is to be sent again, after a redirect that keeps the method for one, fails.
/// [`Files::read`](crate::Files::read) is for files, which can be read again, and resumes by itself.
pub struct BlockingReader {
    pieces: Receiver<Piece>,
    piece: Vec<u8>,
    /// Bytes given of the piece.
    given: usize,
    has_ended: bool,
    told: Arc<Mutex<Told>>,
}

/// Whether the transfer of a [`BlockingReader`] is to be resumed.
#[derive(Debug, Clone)]
pub struct More(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    transfer: Option<TransferId>,
    /// Something was read, or has failed, since this was asked.
    has_more: bool,
}

impl BlockingReader {
    /// Begins to read. `wake` is called by the thread that does whenever there is more: [`Waker::wake`](crate::Waker::wake), for one.
    ///
    /// # Errors
    ///
    /// The system has no thread.
    pub fn start(
        reader: impl Read + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<(BlockingReader, More)> {
        let (sender, pieces) = sync_channel(limits::READ_AHEAD);
        let told = Arc::new(Mutex::new(Told::default()));
        let tell = Tell { told: Arc::clone(&told), wake };
        let thread = std::thread::Builder::new().name("ringdove-reader".to_owned());
        #[expect(clippy::disallowed_methods, reason = "what blocks has a thread of its own")]
        thread.spawn(move || read(reader, sender, &tell))?;
        let more = More(Arc::clone(&told));
        Ok((BlockingReader { pieces, piece: Vec::new(), given: 0, has_ended: false, told }, more))
    }
}

impl More {
    /// The transfer, if it may find more than when this was asked last.
    pub fn take(&self) -> Option<TransferId> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transfer = told.transfer?;
        std::mem::take(&mut told.has_more).then_some(transfer)
    }
}

/// Tells of more; also when it is dropped, since a reader that panics is heard of by that.
struct Tell<W: Fn()> {
    told: Arc<Mutex<Told>>,
    wake: W,
}

impl<W: Fn()> Tell<W> {
    fn tell(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).has_more = true;
        (self.wake)();
    }
}

impl<W: Fn()> Drop for Tell<W> {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Reads until the end, an error, or until nobody wants more. What is told of has been sent: the sender is gone before `tell` is.
fn read<W: Fn()>(mut reader: impl Read, pieces: SyncSender<Piece>, tell: &Tell<W>) {
    loop {
        let mut piece = vec![0; limits::READ_PIECE];
        let read = match reader.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read,
        };
        let is_last = !matches!(read, Ok(1..));
        let read = read.map(|length| {
            piece.truncate(length);
            piece
        });
        if pieces.send(read).is_err() {
            return;
        }
        // the last, too, is told of before the reader is dropped, which may take its time
        tell.tell();
        if is_last {
            return;
        }
    }
}

impl BodySource for BlockingReader {
    fn of(&mut self, transfer: TransferId) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).transfer = Some(transfer);
    }

    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        if self.has_ended {
            return SourceRead::End;
        }
        if self.given == self.piece.len() {
            match self.pieces.try_recv() {
                Ok(Ok(piece)) if piece.is_empty() => {
                    self.has_ended = true;
                    return SourceRead::End;
                }
                Ok(Ok(piece)) => (self.piece, self.given) = (piece, 0),
                Ok(Err(error)) => return SourceRead::Failed(format!("cannot read on: {error}")),
                Err(TryRecvError::Empty) => return SourceRead::Pending,
                Err(TryRecvError::Disconnected) => {
                    return SourceRead::Failed("what reads it has panicked".to_owned());
                }
            }
        }
        let rest = &self.piece[self.given..];
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        SourceRead::Data(length)
    }
}

impl fmt::Debug for BlockingReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingReader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::id::Id;

    /// Begins to read; whenever there is more, that is heard.
    fn start(reader: impl Read + Send + 'static) -> (BlockingReader, More, Receiver<()>) {
        let (told, heard) = channel();
        let wake = move || {
            let _ = told.send(());
        };
        let (reader, more) = BlockingReader::start(reader, wake).expect("a thread");
        (reader, more, heard)
    }

    /// Takes all, each time that there is more.
    fn take(
        mut reader: BlockingReader,
        more: &More,
        heard: &Receiver<()>,
    ) -> Result<Vec<u8>, String> {
        reader.of(Id::from_bits(7));
        let (mut all, mut out) = (Vec::new(), vec![0; 1000]);
        loop {
            match reader.read(&mut out) {
                SourceRead::Data(length) => all.extend_from_slice(&out[..length]),
                SourceRead::End => return Ok(all),
                SourceRead::Failed(why) => return Err(why),
                SourceRead::Pending => {
                    // what was told of may have been found already
                    while more.take().is_none() {
                        heard.recv().expect("whoever found nothing hears of more");
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 % 251) as u8).collect()
    }

    /// Gives a little at a time, then ends as it is told.
    struct Little(Vec<u8>, usize, fn() -> io::Result<usize>);

    impl Read for Little {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = (self.0.len() - self.1).min(700).min(out.len());
            if length == 0 {
                return (self.2)();
            }
            out[..length].copy_from_slice(&self.0[self.1..self.1 + length]);
            self.1 += length;
            Ok(length)
        }
    }

    #[test]
    fn all_comes_in_order_up_to_the_end() {
        for length in [0, 1, 699, 700, 701, 100_000] {
            let (reader, more, heard) = start(Little(bytes(length), 0, || Ok(0)));
            assert_eq!(take(reader, &more, &heard), Ok(bytes(length)));
            let (reader, more, heard) = start(io::Cursor::new(bytes(9 * length)));
            assert_eq!(take(reader, &more, &heard), Ok(bytes(9 * length)));
        }
    }

    /// Neither is the end of the body, and of both whoever waits is told.
    #[test]
    fn what_fails_or_panics_fails_the_transfer() {
        let fails = || Err(io::Error::other("the tape is torn"));
        let (reader, more, heard) = start(Little(bytes(5000), 0, fails));
        assert_eq!(take(reader, &more, &heard), Err("cannot read on: the tape is torn".to_owned()));
        let (reader, more, heard) =
            start(Little(bytes(5000), 0, || panic!("a panic for the test")));
        assert_eq!(take(reader, &more, &heard), Err("what reads it has panicked".to_owned()));
    }

    /// Counts how often it was asked, and says when it is gone.
    struct Endless {
        asked: Arc<AtomicUsize>,
        taken: Arc<AtomicUsize>,
        gone: Sender<()>,
    }

    impl Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            let ahead = asked.saturating_sub(self.taken.load(Ordering::SeqCst));
            // with the one that is being read now
            assert!(ahead <= limits::READ_AHEAD, "{ahead} pieces wait");
            Ok(out.len())
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            let _ = self.gone.send(());
        }
    }

    #[test]
    fn no_more_is_read_ahead_than_may_wait_and_nothing_for_nobody() {
        let (asked, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (gone, ended) = channel();
        let endless = Endless { asked: asked.clone(), taken: taken.clone(), gone };
        let (mut reader, more, heard) = start(endless);
        reader.of(Id::from_bits(7));
        let mut out = vec![0; limits::READ_PIECE];
        for _ in 0..20 {
            // before it is, so that there is never less
            taken.fetch_add(1, Ordering::SeqCst);
            let mut read = reader.read(&mut out);
            while read == SourceRead::Pending {
                while more.take().is_none() {
                    heard.recv().expect("whoever found nothing hears of more");
                }
                read = reader.read(&mut out);
            }
            assert_eq!(read, SourceRead::Data(out.len()));
        }
        assert!(asked.load(Ordering::SeqCst) >= 20);
        drop(reader);
        ended.recv().expect("its thread ends");
    }
}
