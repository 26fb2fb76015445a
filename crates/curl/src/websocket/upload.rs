//! What goes out on a websocket: what the program says by curl_ws_send(3), and, of an upload, what its read callback gives.
#![allow(unsafe_code, reason = "the engine wants sources that can change threads")]

use std::cell::Cell;
use std::rc::Rc;

use ringdove::{BodySource, Paused, SourceRead};

use super::{Websocket, flag};
use crate::codes::Code;
use crate::easy::Easy;
use crate::easy::callbacks::{self, Gave};
use crate::errors::Failure;

/// Bytes that the read callback is asked for at once.
const PORTION: usize = 16 * 1024;

/// The source of a websocket's bytes.
pub(crate) struct Sending {
    easy: Rc<Easy>,
    websocket: Rc<Websocket>,
    /// The read callback has more to give.
    uploads: Cell<bool>,
}

// SAFETY: as of `Upload`: a handle, and with it its multi and what that transfers, is used by one thread at a time.
unsafe impl Send for Sending {}

impl Sending {
    pub(crate) fn new(easy: &Rc<Easy>, websocket: &Rc<Websocket>, uploads: bool) -> Box<Sending> {
        Box::new(Sending {
            easy: Rc::clone(easy),
            websocket: Rc::clone(websocket),
            uploads: uploads.into(),
        })
    }

    /// Asks the read callback. What it gives is of the frame that it has begun, or else a frame by itself.
    fn ask(&self) -> Result<(), Failure> {
        let mut bytes = vec![0; PORTION];
        match callbacks::read(&self.easy, &mut bytes) {
            Gave::Bytes(0) => self.uploads.set(false),
            Gave::Bytes(length) => {
                let mut rest = &bytes[..length];
                while !rest.is_empty() {
                    if self.websocket.encoder.borrow().left() == 0 && !self.websocket.is_raw {
                        self.websocket.begin(flag::BINARY, rest.len() as u64)?;
                    }
                    rest = &rest[self.websocket.say(rest)..];
                }
            }
            Gave::Pause => {
                let run = &self.easy.run;
                run.paused.set(Paused { sending: true, ..run.paused.get() });
            }
            Gave::Abort => {
                let text = "operation aborted by callback";
                return Err(Failure::new(Code::ABORTED_BY_CALLBACK, text));
            }
            Gave::TooMuch => {
                return Err(Failure::new(Code::READ_ERROR, "read function returned funny value"));
            }
        }
        Ok(())
    }
}

impl Websocket {
    /// Has bytes go out as the program gave them, or as the next of the frame. Says how many.
    pub(super) fn say(&self, bytes: &[u8]) -> usize {
        if self.is_raw {
            self.link.say(bytes);
            return bytes.len();
        }
        self.payload(bytes)
    }
}

impl BodySource for Sending {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let link = &self.websocket.link;
        let is_paused = self.easy.run.paused.get().sending;
        if !link.has_unsent()
            && self.uploads.get()
            && !is_paused
            && let Err(failure) = self.ask()
        {
            let text = failure.text.clone();
            self.easy.run.fail(failure);
            return SourceRead::Failed(text);
        }
        match link.give(out) {
            0 => SourceRead::Pending,
            length => SourceRead::Data(length),
        }
    }
}
