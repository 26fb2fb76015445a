//! Where URLs come from: the command line, then the lines of a file or of standard input.
//!
//! Knows lines. Must not know what becomes of a URL. Lines are read by one thread of its own, since
//! a pipe may keep silent for as long as it likes while transfers go on; it wakes the loop.
//! Invariant: no more lines than [`LINES_AHEAD`] are in memory, none longer than [`LONGEST_LINE`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::{mem, vec};

use ringdove::sys::Waker;

use crate::interrupt::no_thread;
use crate::options::credentials::without_user_information;
use crate::text::glob::{Glob, Globbed};

/// Bytes of the longest line that is taken for a URL; servers refuse far shorter ones.
const LONGEST_LINE: usize = 64 * 1024;

/// Lines handed over together: one wake of the loop for all of them.
const BATCH_LINES: usize = 1024;

/// Bytes after which a batch is handed over, however few its lines are.
const BATCH_BYTES: usize = 64 * 1024;

/// Batches that wait to be taken, beside the one that is being taken and the one being read.
const BATCHES: usize = 4;

/// Lines in memory at most.
/// The URLs of the command line, of which each may stand for several.
pub(crate) fn globs(urls: &[String], globoff: bool) -> Result<Vec<Glob>, String> {
    let globs = urls.iter().map(|url| match globoff {
        true => Ok(Glob::literal(url.clone())),
        false => Glob::parse(url)
            .map_err(|why| format!("bad URL {}: {why}", without_user_information(url))),
    });
    globs.collect()
}

#[cfg(test)]
const LINES_AHEAD: usize = (BATCHES + 2) * BATCH_LINES;

/// A URL as it was given, or what stands where one should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number of its line, where it is of -i.
    pub(crate) line: Option<u64>,
    /// The text; fit to be shown, where it is none that a URL could have.
    pub(crate) text: String,
    /// What is wrong with the text, as far as can be told without parsing it.
    pub(crate) problem: Option<String>,
    /// Which of the URLs that were given it is or belongs to, from 0 on.
    pub(crate) number: usize,
    /// What its globs are in it.
    pub(crate) globs: Vec<String>,
}

/// What there is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Entry(Entry),
    /// Nothing yet: the loop will be woken.
    Wait,
    End,
}

/// All URLs of a run, in order.
pub(crate) struct Input {
    arguments: Arguments,
    lines: Option<Lines>,
    /// The number of the last line taken.
    line: u64,
    /// The number of the URL of the next line.
    number: usize,
}

/// URLs of the command line, made one by one.
struct Arguments {
    globs: Vec<Glob>,
    /// Which is at its turn.
    at: usize,
    /// How many URLs it has given.
    given: u64,
    /// The number of the first.
    number: usize,
}

/// A source of lines that was opened, so that it is known to exist.
pub(crate) struct Opened {
    name: PathBuf,
    reader: Box<dyn Read + Send>,
}

struct Lines {
    batches: Receiver<Vec<Entry>>,
    batch: vec::IntoIter<Entry>,
}

impl Entry {
    fn of_line(line: u64, text: String, problem: Option<String>) -> Entry {
        Entry { line: Some(line), text, problem, number: 0, globs: Vec::new() }
    }
}

impl Opened {
    /// Opens a file, or standard input for `-`. The error names the file.
    pub(crate) fn open(path: &Path) -> Result<Opened, String> {
        let reader: Box<dyn Read + Send> = match path.to_str() {
            Some("-") => Box::new(io::stdin()),
            _ => Box::new(open_file(path).map_err(|error| unreadable(path, &error))?),
        };
        Ok(Opened { name: path.to_owned(), reader })
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let name = path.display().to_string();
    match name.starts_with("http://") || name.starts_with("https://") {
        true => {
            format!("-i reads URLs from a file, and {name} is none: curl's -i is --include here")
        }
        false => format!("cannot read the URLs in {name}: {error}"),
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    match file.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(file),
    }
}

impl Input {
    /// Begins to read `opened`; `waker` is woken whenever there may be more. The first URL has this `number`.
    pub(crate) fn start(
        arguments: Vec<Glob>,
        opened: Option<Opened>,
        number: usize,
        waker: Waker,
    ) -> Result<Input, String> {
        let lines = opened.map(|opened| Lines::start(opened, waker)).transpose()?;
        let of_lines = number + arguments.len();
        let arguments = Arguments { globs: arguments, at: 0, given: 0, number };
        Ok(Input { arguments, lines, line: 0, number: of_lines })
    }

    pub(crate) fn next(&mut self) -> Next {
        if let Some(entry) = self.arguments.next() {
            return Next::Entry(entry);
        }
        let Some(lines) = &mut self.lines else { return Next::End };
        let mut next = lines.next();
        match &mut next {
            Next::Entry(entry) => {
                self.line = entry.line.unwrap_or(self.line);
                entry.number = self.number;
                self.number += 1;
            }
            Next::End => self.lines = None,
            Next::Wait => {}
        }
        next
    }

    /// The number of the first URL after these.
    pub(crate) fn next_number(&self) -> usize {
        self.number
    }

    /// What is left: URLs of the command line, and after which line of -i, if that had not ended.
    pub(crate) fn left(&self) -> (u64, Option<u64>) {
        (self.arguments.left(), self.lines.as_ref().map(|_| self.line))
    }
}

impl Arguments {
    fn next(&mut self) -> Option<Entry> {
        loop {
            let glob = self.globs.get(self.at)?;
            if self.given < glob.count() {
                let Globbed { text, values } = glob.get(self.given);
                self.given += 1;
                let problem = odd_byte(text.as_bytes());
                return Some(Entry {
                    line: None,
                    text,
                    problem,
                    number: self.number + self.at,
                    globs: values,
                });
            }
            (self.at, self.given) = (self.at + 1, 0);
        }
    }

    fn left(&self) -> u64 {
        let rest = self.globs.iter().skip(self.at).map(Glob::count);
        rest.fold(0, u64::saturating_add).saturating_sub(self.given)
    }
}

impl Lines {
    fn start(opened: Opened, waker: Waker) -> Result<Lines, String> {
        let (sender, batches) = sync_channel(BATCHES);
        let reader = Reader { batch: Vec::new(), bytes: 0, sender, waker: waker.clone() };
        #[expect(
            clippy::disallowed_methods,
            reason = "one thread, and what it may hold is bounded"
        )]
        let thread =
            std::thread::Builder::new().name("ringdove-input".to_owned()).spawn(move || {
                reader.run(&opened.name, BufReader::with_capacity(BATCH_BYTES, opened.reader));
                // the sender is gone by now: who wakes sees the end
                waker.wake();
            });
        thread.map_err(|error| no_thread("reads the lines of -i", &error))?;
        Ok(Lines { batches, batch: Vec::new().into_iter() })
    }

    fn next(&mut self) -> Next {
        loop {
            if let Some(entry) = self.batch.next() {
                return Next::Entry(entry);
            }
            match self.batches.try_recv() {
                Ok(batch) => self.batch = batch.into_iter(),
                Err(TryRecvError::Empty) => return Next::Wait,
                Err(TryRecvError::Disconnected) => return Next::End,
            }
        }
    }
}

struct Reader {
    batch: Vec<Entry>,
    bytes: usize,
    sender: SyncSender<Vec<Entry>>,
    waker: Waker,
}

/// The loop wants no more lines.
struct Unwanted;

impl Reader {
    fn run(mut self, name: &Path, mut input: impl LineSource) {
        // whether the rest is wanted makes no difference any more
        let _ = self.read(name, &mut input);
    }

    fn read(&mut self, name: &Path, input: &mut impl LineSource) -> Result<(), Unwanted> {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            match read_line(input, &mut line) {
                Ok(Some(length)) => self.take(number, &line, length)?,
                Ok(None) => break,
                Err(error) => {
                    let problem = Some(format!("cannot read on: {error}"));
                    let text = name.display().to_string();
                    self.batch.push(Entry::of_line(number, text, problem));
                    break;
                }
            }
            let full = self.batch.len() >= BATCH_LINES || self.bytes >= BATCH_BYTES;
            // what a pipe has given so far must not wait for what it may give later
            if full || !input.has_more() {
                self.hand_over()?;
            }
        }
        self.hand_over()
    }

    fn take(&mut self, number: u64, line: &[u8], length: usize) -> Result<(), Unwanted> {
        // some editors begin a file with a byte order mark
        let marked = (number == 1).then(|| line.strip_prefix("\u{feff}".as_bytes())).flatten();
        let line = marked.unwrap_or(line).trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let problem = match length {
            ..=LONGEST_LINE => odd_byte(line),
            _ => Some(format!("longer than {LONGEST_LINE} bytes")),
        };
        let text = match problem {
            None => String::from_utf8_lossy(line).into_owned(),
            Some(_) => excerpt(line),
        };
        self.bytes += text.len();
        self.batch.push(Entry::of_line(number, text, problem));
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Unwanted> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        self.sender.send(mem::take(&mut self.batch)).map_err(|_| Unwanted)?;
        self.waker.wake();
        Ok(())
    }
}

/// A buffered reader that can tell whether a read would have to ask the system.
trait LineSource: BufRead {
    fn has_more(&self) -> bool;
}

impl<R: Read> LineSource for BufReader<R> {
    fn has_more(&self) -> bool {
        !self.buffer().is_empty()
    }
}

/// Reads a line, of which `line` gets the beginning, and returns its length without its LF. `None`
/// at the end of input.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut length = 0;
    let mut read_any = false;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(read_any.then_some(length));
        }
        read_any = true;
        let end = memchr::memchr(b'\n', buffer);
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        length += piece.len();
        let room = LONGEST_LINE - line.len();
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let consumed = piece.len() + usize::from(end.is_some());
        input.consume(consumed);
        if end.is_some() {
            return Ok(Some(length));
        }
    }
}

/// What cannot be in a URL, though the URL standard lets it pass and drops or encodes it.
fn odd_byte(text: &[u8]) -> Option<String> {
    if std::str::from_utf8(text).is_err() {
        return Some("not UTF-8".to_owned());
    }
    let byte = text.iter().find(|byte| byte.is_ascii_control() || **byte == b' ')?;
    let what = if *byte == b' ' { "a space" } else { "a control character" };
    Some(format!("{what} (0x{byte:02x}), which a URL has percent-encoded"))
}

/// The beginning of a line that is no URL, fit to be shown.
fn excerpt(line: &[u8]) -> String {
    const BYTES: usize = 80;
    let dots = if line.len() > BYTES { "…" } else { "" };
    format!("{}{dots}", line[..line.len().min(BYTES)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &[u8], capacity: usize) -> Vec<Entry> {
        let (sender, batches) = sync_channel(1000);
        let waker = Waker::new().expect("an eventfd");
        let reader = Reader { batch: Vec::new(), bytes: 0, sender, waker };
        reader.run(Path::new("urls"), BufReader::with_capacity(capacity, text));
        batches.into_iter().flatten().collect()
    }

    fn good(line: u64, text: &str) -> Entry {
        Entry::of_line(line, text.to_owned(), None)
    }

    #[test]
    fn lines_are_numbered_and_those_without_a_url_passed_over() {
        let text = b"http://a/\n\n# no\n  \t \nhttp://b/\r\n#\n  http://c/ \nhttp://d/";
        let want = [
            good(1, "http://a/"),
            good(5, "http://b/"),
            good(7, "http://c/"),
            good(8, "http://d/"),
        ];
        for capacity in [1, 2, 3, 7, 4096] {
            assert_eq!(read_all(text, capacity), want, "{capacity}");
        }
        // a byte order mark is none of the first line, and nothing that another may begin with
        let entries = read_all("\u{feff}http://a/\n\u{feff}http://b/".as_bytes(), 2);
        assert_eq!(entries, [good(1, "http://a/"), good(2, "\u{feff}http://b/")]);
        assert_eq!(read_all("\u{feff}# no\nhttp://b/".as_bytes(), 16), [good(2, "http://b/")]);
        assert_eq!(read_all("\u{feff}".as_bytes(), 16), []);
        assert_eq!(read_all(b"", 16), []);
        assert_eq!(read_all(b"\n", 16), []);
    }

    #[test]
    fn lines_that_are_no_text_are_told() {
        let long = [b"http://a/".as_slice(), &[b'x'; LONGEST_LINE]].concat();
        let longest = &long[..LONGEST_LINE];
        let table: [(&[u8], &str); 5] = [
            (b"http://a/\xff", "not UTF-8"),
            (b"http://a/ b", "a space (0x20)"),
            (b"http://a/\0b", "a control character (0x00)"),
            (b"http://a/\tb", "a control character (0x09)"),
            (&long, "longer than 65536 bytes"),
        ];
        for (line, want) in table {
            let text = [b"http://before/\n", line, b"\nhttp://after/\n"].concat();
            let entries = read_all(&text, 4096);
            assert_eq!(entries[0], good(1, "http://before/"));
            let problem = entries[1].problem.as_deref().expect("a problem");
            assert!(problem.starts_with(want), "{problem}");
            assert!(entries[1].text.len() < 400);
            assert_eq!(entries[2], good(3, "http://after/"));
        }
        assert_eq!(read_all(longest, 4096)[0].text.len(), LONGEST_LINE);
    }

    #[test]
    fn a_reader_that_is_not_kept_up_with_waits() {
        let opened = Opened { name: "endless".into(), reader: Box::new(Endless) };
        let waker = Waker::new().expect("an eventfd");
        let first = Glob::parse("http://first/").unwrap();
        let mut input = Input::start(vec![first], Some(opened), 7, waker).unwrap();
        assert_eq!(
            input.next(),
            Next::Entry(Entry { line: None, number: 7, ..good(0, "http://first/") })
        );
        let mut taken = 0;
        while taken < 10 * LINES_AHEAD {
            match input.next() {
                Next::Entry(entry) => {
                    taken += 1;
                    assert_eq!((entry.line, entry.number), (Some(taken as u64), 7 + taken));
                }
                Next::Wait => std::thread::yield_now(),
                Next::End => panic!("it is endless"),
            }
        }
        assert_eq!(input.left(), (0, Some(taken as u64)));
    }

    struct Endless;

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let line = b"http://endless/\n";
            let length = buffer.len() / line.len() * line.len();
            buffer[..length].chunks_mut(line.len()).for_each(|at| at.copy_from_slice(line));
            Ok(length)
        }
    }
}
