//! Files that are gone on with (`-C`).
//!
//! Knows files that grow in place. Must not know what a response means, which is
//! [`Resumption`]'s, nor who else writes, which is [`Writers`]'s. Invariants: a file is touched only by a
//! response that said where its bytes belong, and there alone; of these no more are written than were
//! announced, and fewer are a failure.

use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ringdove::protocol::{ResponseHead, Resumption};
use ringdove::{FileWriter, Request, RequestError, Room, Written};

use super::aside::Home;
use super::refusal::{Refusal, WriteError};
use super::stream::SharedStream;
use super::writers::{Claim, Writers};

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
    /// Where in the file the next byte belongs.
    position: u64,
    /// The file may be begun again.
    may_restart: bool,
    etag: Option<String>,
    own_range: bool,
    /// What is still to come, if that is known.
    left: Option<u64>,
    /// Bytes of the whole that the server keeps for another time.
    missing: u64,
    home: Option<Home>,
}

/// What becomes of a body that is about to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Yes,
    /// All that it could bring is there.
    No,
}

#[derive(Debug)]
enum Place {
    Stream(SharedStream),
    File(Claim),
    Open(Claim, FileWriter),
    /// There is no more.
    Complete(Option<PathBuf>),
}

impl Rest {
    /// The rest into the file `path`, to which none of `writers` may write.
    pub(crate) fn of_file(
        path: &Path,
        resume: &Resume,
        writers: &Writers,
    ) -> Result<Rest, Refusal> {
        let claim =
            writers.claim(path).map_err(|error| Refusal::Write(WriteError::new(path, error)))?;
        let (offset, length) = (resume.offset, claim.length());
        let have = match offset {
            Offset::End => length,
            // the file is begun again, as by curl
            Offset::At(0) => 0,
            Offset::At(at) if length == 0 || length == at => at,
            Offset::At(at) => {
                let path = path.display();
                let why = format!("-C {at}: {path} has {length} bytes: neither {at} nor none");
                return Err(Refusal::Rest(why));
            }
        };
        let (place, may_restart) = (Place::File(claim), offset == Offset::End || have == 0);
        Ok(Rest { position: length, ..Rest::new(place, have, may_restart, resume) })
    }

    /// The rest into a stream.
    pub(crate) fn of_stream(stream: SharedStream, resume: &Resume) -> Result<Rest, Refusal> {
        let Offset::At(have) = resume.offset else {
            let why = "-C - goes on with a file: say which by -o, -O or --output-dir";
            return Err(Refusal::Rest(why.to_owned()));
        };
        let (place, may_restart) = (Place::Stream(stream), have == 0);
        Ok(Rest::new(place, have, may_restart, resume))
    }

    fn new(place: Place, have: u64, may_restart: bool, resume: &Resume) -> Rest {
        let Resume { etag, own_range, .. } = resume.clone();
        let (position, left, missing, home) = (0, None, 0, None);
        Rest { place, have, position, may_restart, etag, own_range, left, missing, home }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_) | Place::Open(..))
    }

    /// Who writes the file; said before its transfer begins.
    pub(super) fn live_in(&mut self, home: Home) {
        self.home = Some(home);
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
    pub(crate) fn begin(&mut self, head: &ResponseHead<'_>) -> Result<Wanted, Refusal> {
        let etag = self.etag.as_deref().map(str::as_bytes);
        let means = Resumption::of(head, self.have, etag)
            .map_err(|fault| Refusal::Rest(fault.to_string()))?;
        if means == Resumption::Restart && !self.may_restart {
            let why =
                "the server sends the whole and no part: -C with an offset cannot be followed";
            return Err(Refusal::Rest(why.to_owned()));
        }
        (self.left, self.missing) = match means {
            Resumption::Append { length, missing } => (Some(length), missing),
            Resumption::Restart | Resumption::Complete => (None, 0),
        };
        let place = std::mem::replace(&mut self.place, Place::Complete(None));
        self.place = match (place, means) {
            (Place::File(claim) | Place::Open(claim, _), Resumption::Complete) => {
                Place::Complete(claim.is_there().then(|| claim.path().to_owned()))
            }
            (_, Resumption::Complete) => Place::Complete(None),
            (Place::File(claim), Resumption::Append { .. }) => self.open(claim, false)?,
            (Place::File(claim), Resumption::Restart) => self.open(claim, true)?,
            (place, Resumption::Append { .. } | Resumption::Restart) => place,
        };
        Ok(if means == Resumption::Complete { Wanted::No } else { Wanted::Yes })
    }

    /// Bytes of the whole that are not there yet, though all came that this response has.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// Has the file written from its end on, or, `anew`, from its beginning.
    fn open(&mut self, mut claim: Claim, anew: bool) -> Result<Place, Refusal> {
        if anew {
            self.position = 0;
        }
        let opened = claim.open().and_then(|mut file| {
            if anew {
                file.set_len(0)?;
            }
            file.seek(SeekFrom::Start(self.position))?;
            let Home { files, transfer } = self.home.as_ref().expect("said before it begins");
            Ok(files.write_to(file).of(*transfer))
        });
        match opened {
            Ok(file) => Ok(Place::Open(claim, file)),
            Err(error) => Err(Refusal::Write(WriteError::new(claim.path(), error))),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Room, WriteError> {
        if let Some(left) = &mut self.left {
            let Some(still) = left.checked_sub(bytes.len() as u64) else {
                let more = io::Error::other("more bytes came than Content-Range announced");
                return Err(self.fail(more));
            };
            *left = still;
        }
        match &mut self.place {
            Place::Stream(stream) => stream.borrow_mut().write(bytes).map(|()| Room::More),
            Place::Open(claim, file) => {
                self.position += bytes.len() as u64;
                file.write(bytes).map_err(|errno| WriteError::new(claim.path(), errno.into()))
            }
            Place::File(_) | Place::Complete(_) => Ok(Room::More),
        }
    }

    /// The body is over.
    pub(crate) fn end(&mut self) -> Result<(), WriteError> {
        if let Some(left @ 1..) = self.left {
            let short = io::Error::other(format!("{left} bytes that were announced did not come"));
            return Err(self.fail(short));
        }
        match &mut self.place {
            Place::Stream(stream) => stream.borrow_mut().flush(),
            Place::Open(_, file) => {
                file.finish();
                Ok(())
            }
            Place::File(_) | Place::Complete(_) => Ok(()),
        }
    }

    /// The file that has the body, if one does.
    pub(crate) fn result(self) -> Result<Option<PathBuf>, WriteError> {
        match self.place {
            Place::Open(claim, mut file) => {
                let result = file.take_result();
                let whole = match result.expect("a message comes when its file is over") {
                    Ok(Written::Open(file)) => claim.check(&file, self.position),
                    Ok(Written::Named(_)) => Ok(()),
                    Err(errno) => Err(errno.into()),
                };
                match whole {
                    Ok(()) => Ok(Some(claim.path().to_owned())),
                    Err(error) => Err(WriteError::new(claim.path(), error)),
                }
            }
            Place::Complete(path) => Ok(path),
            Place::Stream(_) | Place::File(_) => Ok(None),
        }
    }

    fn fail(&self, error: io::Error) -> WriteError {
        let to = match &self.place {
            Place::File(claim) | Place::Open(claim, _) => claim.path(),
            Place::Complete(Some(path)) => path,
            Place::Stream(_) | Place::Complete(None) => Path::new("standard output"),
        };
        WriteError::new(to, error)
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
    fn offsets() {
        assert_eq!("-".parse(), Ok(Offset::End));
        assert_eq!("12".parse(), Ok(Offset::At(12)));
        for text in ["", "-1", "x", "1k"] {
            assert!(text.parse::<Offset>().is_err(), "{text}");
        }
    }
}
