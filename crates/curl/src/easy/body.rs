//! Bodies of requests that are read as they are sent: from a read callback, or the parts of a form.
#![allow(unsafe_code, reason = "the engine wants sources that can change threads")]

use std::rc::Rc;

use ringdove::{BodySource, SourceRead};

use super::Easy;
use super::callbacks::{self, Gave};
use crate::codes::Code;
use crate::errors::Failure;
use crate::mime::Reader;

/// What is read for one transfer.
pub(crate) struct Upload {
    easy: Rc<Easy>,
    from: From,
}

/// Where the bytes come from.
pub(crate) enum From {
    /// CURLOPT_READFUNCTION.
    Callback,
    /// Bytes that are at hand.
    Bytes { bytes: Vec<u8>, at: usize },
    /// The parts of CURLOPT_MIMEPOST or CURLOPT_HTTPPOST.
    Parts(Reader),
}

// SAFETY: a handle, and with it its multi and what that transfers, is used by one thread at a time: curl's documentation
// (libcurl-thread(3)) has every program promise it. The source never leaves its multi.
unsafe impl Send for Upload {}

impl Upload {
    pub(crate) fn new(easy: &Rc<Easy>, from: From) -> Box<Upload> {
        Box::new(Upload { easy: Rc::clone(easy), from })
    }

    /// The end, with the fields of CURLOPT_TRAILERFUNCTION.
    fn end(&self) -> SourceRead {
        match callbacks::trailers(&self.easy) {
            Ok(None) => SourceRead::End,
            Ok(Some(trailers)) => SourceRead::EndWith(trailers),
            Err(failure) => self.fail(failure.code, &failure.text),
        }
    }

    fn fail(&self, code: Code, text: &str) -> SourceRead {
        self.easy.run.fail(Failure::new(code, text));
        SourceRead::Failed(text.to_owned())
    }
}

impl BodySource for Upload {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let run = &self.easy.run;
        if run.paused.get().sending {
            return SourceRead::Pending;
        }
        let gave = match &mut self.from {
            From::Callback => callbacks::read(&self.easy, out),
            From::Bytes { bytes, at } => {
                let rest = &bytes[*at..];
                let length = rest.len().min(out.len());
                out[..length].copy_from_slice(&rest[..length]);
                *at += length;
                Gave::Bytes(length)
            }
            From::Parts(reader) => reader.read(&self.easy, out),
        };
        match gave {
            Gave::Bytes(0) => self.end(),
            Gave::Bytes(bytes) => {
                run.uploaded.set(run.uploaded.get() + bytes as u64);
                // each of what a callback gives is a chunk, where it goes in chunks
                match self.from {
                    From::Bytes { .. } => SourceRead::Data(bytes),
                    From::Callback | From::Parts(_) => SourceRead::Piece(bytes),
                }
            }
            Gave::Pause => {
                run.paused.set(ringdove::Paused { sending: true, ..run.paused.get() });
                SourceRead::Pending
            }
            Gave::Abort => self.fail(Code::ABORTED_BY_CALLBACK, "operation aborted by callback"),
            Gave::TooMuch => self.fail(Code::READ_ERROR, "read function returned funny value"),
        }
    }

    fn rewind(&mut self) -> bool {
        self.easy.run.uploaded.set(0);
        match &mut self.from {
            From::Callback => callbacks::seek(&self.easy, 0),
            From::Bytes { at, .. } => {
                *at = 0;
                true
            }
            From::Parts(reader) => reader.rewind(&self.easy),
        }
    }
}
