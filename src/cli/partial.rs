//! Parts of bodies: ranges (`-r`), and files that are gone on with (`-C`).
//!
//! Knows the options, and files that grow in place. Must not know what a response means: that is
//! [`Resumption`]'s. Invariants: a file is touched only by a response that said where its bytes
//! belong; of these no more are written than were announced, and fewer are a failure.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args as Group;
use ringdove::http::{ResponseHead, Resumption};
use ringdove::{Request, RequestError};

use super::output::{SharedStream, WriteError};
use super::values::Field;

#[derive(Debug, Group)]
#[command(next_help_heading = "Parts of bodies")]
pub(crate) struct RangeArgs {
    /// Ask for these bytes: FIRST-LAST, FIRST- or -COUNT, and more after commas, which come as
    /// multipart/byteranges
    #[arg(short, long, value_name = "RANGE", allow_hyphen_values = true)]
    pub(crate) range: Option<Ranges>,

    /// Go on with a file from byte OFFSET on; - for as many bytes as it has
    #[arg(
        short = 'C',
        long,
        value_name = "OFFSET",
        allow_hyphen_values = true,
        conflicts_with_all = ["range", "head", "include", "compressed", "raw", "upload_file"],
    )]
    pub(crate) continue_at: Option<Offset>,
}

/// What Range says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ranges(String);

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offset {
    End,
    At(u64),
}

/// How files are gone on with.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    pub(crate) offset: Offset,
    /// The strong validator of what is there, if it is known.
    pub(crate) etag: Option<String>,
    /// What to ask for is said by `-H Range`.
    pub(crate) own_range: bool,
}

/// Where the rest of a body goes.
#[derive(Debug)]
pub(crate) struct Rest {
    place: Place,
    /// Bytes that are there already, here or elsewhere.
    have: u64,
    /// Bytes of the file.
    length: u64,
    /// The file may be begun again.
    may_restart: bool,
    etag: Option<String>,
    own_range: bool,
    /// What is still to come, if that is known.
    left: Option<u64>,
}

#[derive(Debug)]
enum Place {
    Stream(SharedStream),
    File(PathBuf),
    Open(PathBuf, BufWriter<File>),
    /// There is no more.
    Complete(Option<PathBuf>),
}

impl RangeArgs {
    /// The field that asks for ranges, unless it was given by `-H`.
    pub(crate) fn field(&self, given: &[Field]) -> Option<Field> {
        let has_range = given.iter().any(|field| field.name.eq_ignore_ascii_case("range"));
        let Ranges(ranges) = self.range.as_ref().filter(|_| !has_range)?;
        Some(Field::new("Range", &format!("bytes={ranges}")))
    }
}

impl Rest {
    /// The rest into the file `path`.
    pub(crate) fn of_file(path: PathBuf, resume: &Resume) -> Result<Rest, String> {
        let length = match path.metadata() {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Err(format!("-C: {} is no plain file", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(format!("-C: {}: {error}", path.display())),
        };
        let offset = resume.offset;
        let have = match offset {
            Offset::End => length,
            // the file is begun again, as by curl
            Offset::At(0) => 0,
            Offset::At(at) if length == 0 || length == at => at,
            Offset::At(at) => {
                let path = path.display();
                return Err(format!("-C {at}: {path} has {length} bytes: neither {at} nor none"));
            }
        };
        let (place, may_restart) = (Place::File(path), offset == Offset::End || have == 0);
        let Resume { etag, own_range, .. } = resume.clone();
        Ok(Rest { place, have, length, may_restart, etag, own_range, left: None })
    }

    /// The rest into a stream.
    pub(crate) fn of_stream(stream: SharedStream, resume: &Resume) -> Result<Rest, String> {
        let Offset::At(have) = resume.offset else {
            return Err("-C - goes on with a file: say which by -o, -O or --output-dir".to_owned());
        };
        let (place, may_restart) = (Place::Stream(stream), have == 0);
        let Resume { etag, own_range, .. } = resume.clone();
        Ok(Rest { place, have, length: 0, may_restart, etag, own_range, left: None })
    }

    /// The request, for the rest alone.
    pub(crate) fn ask(&self, request: Request) -> Result<Request, RequestError> {
        if self.have == 0 || self.own_range {
            return Ok(request);
        }
        let request = request.field("Range", format!("bytes={}-", self.have))?;
        match &self.etag {
            Some(etag) => request.field("If-Range", etag),
            None => Ok(request),
        }
    }

    /// Takes the head of the response; the error says why its body is not what is wanted.
    pub(crate) fn begin(&mut self, head: &ResponseHead<'_>) -> Result<(), String> {
        let etag = self.etag.as_deref().map(str::as_bytes);
        let means = Resumption::of(head, self.have, etag).map_err(|fault| fault.to_string())?;
        if means == Resumption::Restart && !self.may_restart {
            return Err("the server sends the whole and no part: -C with an offset cannot be \
                        followed"
                .to_owned());
        }
        self.left = match means {
            Resumption::Append(left) => Some(left),
            Resumption::Restart | Resumption::Complete => None,
        };
        let (Place::File(path) | Place::Open(path, _)) = &self.place else {
            if means == Resumption::Complete {
                self.place = Place::Complete(None);
            }
            return Ok(());
        };
        self.place = match means {
            Resumption::Complete => Place::Complete(Some(path.clone())),
            Resumption::Append(_) | Resumption::Restart => {
                let anew = means == Resumption::Restart || self.have == 0;
                let file = open(path, self.length, anew)
                    .map_err(|error| format!("cannot write to {}: {error}", path.display()))?;
                Place::Open(path.clone(), BufWriter::new(file))
            }
        };
        Ok(())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if let Some(left) = &mut self.left {
            let Some(still) = left.checked_sub(bytes.len() as u64) else {
                let more = io::Error::other("more bytes came than Content-Range announced");
                return Err(self.fail(more));
            };
            *left = still;
        }
        match &mut self.place {
            Place::Stream(stream) => stream.borrow_mut().write(bytes),
            Place::Open(path, file) => {
                file.write_all(bytes).map_err(|error| WriteError::new(path, error))
            }
            Place::File(_) | Place::Complete(_) => Ok(()),
        }
    }

    /// The body is over. Returns the file that has it, if one does.
    pub(crate) fn finish(self) -> Result<Option<PathBuf>, WriteError> {
        if let Some(left @ 1..) = self.left {
            let short = io::Error::other(format!("{left} bytes that were announced did not come"));
            return Err(self.fail(short));
        }
        match self.place {
            Place::Stream(stream) => stream.borrow_mut().flush().map(|()| None),
            Place::Open(path, mut file) => match file.flush() {
                Ok(()) => Ok(Some(path)),
                Err(error) => Err(WriteError::new(&path, error)),
            },
            Place::Complete(path) => Ok(path),
            Place::File(_) => Ok(None),
        }
    }

    fn fail(&self, error: io::Error) -> WriteError {
        let to = match &self.place {
            Place::File(path) | Place::Open(path, _) | Place::Complete(Some(path)) => path,
            Place::Stream(_) | Place::Complete(None) => Path::new("standard output"),
        };
        WriteError::new(to, error)
    }
}

/// The file, to be written from its end, or from its beginning if that is to be `anew`.
fn open(path: &Path, length: u64, anew: bool) -> io::Result<File> {
    if anew {
        return File::create(path);
    }
    let file = File::options().append(true).create(true).open(path)?;
    match file.metadata()?.len() {
        now if now == length => Ok(file),
        _ => Err(io::Error::other("it has changed since")),
    }
}

impl FromStr for Ranges {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ranges: Vec<_> = text.split(',').map(|range| one_range(range.trim())).collect();
        let malformed = "not of the form FIRST-LAST, FIRST- or -COUNT";
        let ranges = ranges.into_iter().collect::<Option<Vec<_>>>().ok_or(malformed)?;
        Ok(Ranges(ranges.join(",")))
    }
}

fn one_range(text: &str) -> Option<String> {
    let number = |text: &str| -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    match text.split_once('-') {
        // as curl has it
        None => number(text).map(|first| format!("{first}-")),
        Some(("", count)) => number(count).map(|count| format!("-{count}")),
        Some((first, "")) => number(first).map(|first| format!("{first}-")),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| format!("{first}-{last}"))
        }
    }
}

impl FromStr for Offset {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "-" => Ok(Offset::End),
            text => text.parse().map(Offset::At).map_err(|_| "not a number of bytes, nor -"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let good = [("0-9", "0-9"), ("5-", "5-"), ("-5", "-5"), ("5", "5-"), ("0-1, -2", "0-1,-2")];
        for (text, want) in good {
            assert_eq!(text.parse(), Ok(Ranges(want.to_owned())), "{text}");
        }
        for text in ["", "-", "x", "9-5", "0-1,", "1-2-3", "+1-2", "bytes=0-1", "0-1\r\nA: b"] {
            assert!(text.parse::<Ranges>().is_err(), "{text}");
        }
    }

    #[test]
    fn offsets() {
        assert_eq!("-".parse(), Ok(Offset::End));
        assert_eq!("12".parse(), Ok(Offset::At(12)));
        for text in ["", "-1", "x", "1k"] {
            assert!(text.parse::<Offset>().is_err(), "{text}");
        }
    }
}
