//! Connections that a program speaks on by itself: CURLOPT_CONNECT_ONLY, curl_easy_send(3), curl_easy_recv(3).
//!
//! Knows bytes in both directions, from when such a connection stands until its handle asks for something else. The engine's
//! transfer goes on although the program was told that it is done: what it receives is taken here, and asked for by the
//! program. Must not know what they mean: that is `websocket`.
#![allow(
    unsafe_code,
    reason = "buffers are C's, and the engine wants sources that can change threads"
)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use ringdove::{BodySource, SourceRead};

use super::Easy;
use crate::codes::Code;
use crate::edge::{Pointer, guard};
use crate::multi::{Id, Multi};

/// Bytes that wait to be sent before no more are taken.
const MOST_UNSENT: usize = 64 * 1024;

/// A connection that a handle has to itself.
#[derive(Default)]
pub(crate) struct Link {
    /// The program takes it over once it stands; otherwise the transfer goes on, and its callbacks are told what comes.
    pub(crate) is_given: bool,
    unsent: RefCell<VecDeque<u8>>,
    received: RefCell<VecDeque<u8>>,
    /// It stands.
    pub(crate) is_open: Cell<bool>,
    /// The program was told so.
    pub(crate) is_told: Cell<bool>,
    /// The peer says no more.
    pub(crate) has_ended: Cell<bool>,
    /// Where it is carried.
    pub(crate) place: RefCell<Option<(Weak<Multi>, Id)>>,
}

impl Link {
    pub(crate) fn new(is_given: bool) -> Link {
        Link { is_given, ..Link::default() }
    }

    /// Takes what came.
    pub(crate) fn receive(&self, bytes: &[u8]) {
        self.received.borrow_mut().extend(bytes);
    }

    /// Has bytes go out with what else does.
    pub(crate) fn say(&self, bytes: &[u8]) {
        self.unsent.borrow_mut().extend(bytes);
    }

    /// What came and was not taken, up to so many bytes.
    pub(crate) fn take(&self, most: usize) -> Vec<u8> {
        let mut received = self.received.borrow_mut();
        let length = most.min(received.len());
        received.drain(..length).collect()
    }

    /// Takes as much of what came as this says.
    pub(crate) fn take_by<T>(&self, take: impl FnOnce(&[u8]) -> (usize, T)) -> T {
        let mut received = self.received.borrow_mut();
        let (length, result) = take(received.make_contiguous());
        received.drain(..length);
        result
    }

    pub(crate) fn has_received(&self) -> bool {
        !self.received.borrow().is_empty()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.borrow().is_empty()
    }

    /// Gives what is to go out next. Says how many bytes.
    pub(crate) fn give(&self, out: &mut [u8]) -> usize {
        let mut unsent = self.unsent.borrow_mut();
        let length = out.len().min(unsent.len());
        for (to, byte) in out.iter_mut().zip(unsent.drain(..length)) {
            *to = byte;
        }
        length
    }

    pub(crate) fn is_full(&self) -> bool {
        self.unsent.borrow().len() >= MOST_UNSENT
    }

    /// Sends and receives what can be now.
    pub(crate) fn pump(&self, easy: &Easy) {
        let place = self.place.borrow().clone();
        let multi = place.and_then(|(multi, id)| Some((multi.upgrade()?, id)));
        let Some((multi, id)) = multi else { return };
        multi.pump(easy.own.get(), id);
    }

    /// Its descriptor.
    pub(crate) fn socket(&self, easy: &Easy) -> Option<i32> {
        let place = self.place.borrow();
        let (multi, _) = place.as_ref()?;
        multi.upgrade()?.socket_of(easy.own.get())
    }

    /// Gives the connection up.
    pub(crate) fn close(&self) {
        let place = self.place.take().and_then(|(multi, id)| Some((multi.upgrade()?, id)));
        if let Some((multi, id)) = place {
            multi.drop_link(id);
        }
    }
}

/// What goes out on a link.
pub(crate) struct Outgoing(pub(crate) Rc<Link>);

// SAFETY: as of `Upload`: a handle, and with it its multi and what that transfers, is used by one thread at a time.
unsafe impl Send for Outgoing {}

impl BodySource for Outgoing {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        match self.0.give(out) {
            0 => SourceRead::Pending,
            length => SourceRead::Data(length),
        }
    }
}

/// The link of a handle that has one, or what is answered where it has none.
pub(crate) fn link_of(handle: Pointer) -> Result<(Rc<Easy>, Rc<Link>), Code> {
    let easy = super::find(handle).ok_or(Code::BAD_FUNCTION_ARGUMENT)?;
    if easy.is_calling() {
        return Err(Code::RECURSIVE_API_CALL);
    }
    let link = easy.link.borrow().clone().filter(|link| link.is_given && link.is_open.get());
    let link = link.ok_or(Code::UNSUPPORTED_PROTOCOL)?;
    Ok((easy, link))
}

/// The same for a call that moves bytes and counts them: none so far. It has no buffer if that is `missing`.
fn link_for(
    handle: Pointer,
    missing: bool,
    count: *mut usize,
) -> Result<(Rc<Easy>, Rc<Link>), Code> {
    if count.is_null() || missing {
        return Err(Code::BAD_FUNCTION_ARGUMENT);
    }
    // SAFETY: not null, and the caller promises room for one number.
    unsafe { count.write(0) };
    link_of(handle)
}

/// curl_easy_recv(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_recv(
    handle: Pointer,
    buffer: *mut u8,
    size: usize,
    count: *mut usize,
) -> Code {
    guard(Code::FAILED_INIT, || {
        let (easy, link) = match link_for(handle, buffer.is_null() && size > 0, count) {
            Ok(found) => found,
            Err(code) => return code,
        };
        if !link.has_received() {
            link.pump(&easy);
        }
        let bytes = link.take(size);
        if bytes.is_empty() && size > 0 && !link.has_ended.get() {
            return Code::AGAIN;
        }
        // SAFETY: the caller promises room for so many bytes in `buffer`, and for one number.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len());
            count.write(bytes.len());
        }
        Code::OK
    })
}

/// curl_easy_send(3): what is taken goes out with this call, or the next one that sends or receives.
#[unsafe(no_mangle)]
extern "C" fn curl_easy_send(
    handle: Pointer,
    buffer: *const u8,
    size: usize,
    count: *mut usize,
) -> Code {
    guard(Code::FAILED_INIT, || {
        let (easy, link) = match link_for(handle, buffer.is_null() && size > 0, count) {
            Ok(found) => found,
            Err(code) => return code,
        };
        if link.is_full() {
            link.pump(&easy);
        }
        if link.has_ended.get() {
            return Code::SEND_ERROR;
        }
        if link.is_full() {
            return Code::AGAIN;
        }
        // SAFETY: the caller promises so many bytes.
        let bytes = unsafe { crate::edge::text::slice(buffer.cast(), size) };
        link.say(bytes);
        link.pump(&easy);
        // SAFETY: as above.
        unsafe { count.write(size) };
        Code::OK
    })
}
