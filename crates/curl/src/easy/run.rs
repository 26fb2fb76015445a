//! What there is of the transfer under way.

use std::cell::{Cell, RefCell};

use ringdove::Paused;

use crate::codes::Code;
use crate::errors::{Asked, Failure};
use crate::multi::Id;

/// How far a transfer has come, as the handler, the body's source and the interface all see it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// In the engine, while it is there.
    pub(crate) id: Cell<Option<Id>>,
    /// Its request is on its way, or was.
    pub(crate) has_started: Cell<bool>,
    /// What a callback made of it, which stands before what the engine says.
    failure: RefCell<Option<Failure>>,
    pub(crate) paused: Cell<Paused>,
    /// Bytes of the body that have come and were not taken.
    pub(crate) held: RefCell<Vec<u8>>,
    /// It is over, but for what is held.
    pub(crate) done: RefCell<Option<Done>>,
    /// Its multi has a message of it that nobody has read.
    pub(crate) has_message: Cell<bool>,
    /// Bytes of the body that came, and of the request's that went.
    pub(crate) downloaded: Cell<u64>,
    /// Bytes of it as they were decoded.
    pub(crate) delivered: Cell<u64>,
    pub(crate) uploaded: Cell<u64>,
    pub(crate) download_size: Cell<Option<u64>>,
    pub(crate) upload_size: Cell<Option<u64>>,
    /// A body that comes is not the rest that was asked for.
    pub(crate) not_the_rest: Cell<bool>,
    pub(crate) asked: RefCell<Asked>,
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done(pub(crate) Result<(), Failure>);

impl Done {
    pub(crate) fn code(&self) -> Code {
        self.0.as_ref().map_or_else(|failure| failure.code, |()| Code::OK)
    }
}

impl Run {
    /// Forgets the transfer before.
    pub(crate) fn begin(&self, asked: Asked) {
        let Run {
            id,
            has_started,
            failure,
            paused,
            held,
            done,
            has_message,
            downloaded,
            delivered,
            uploaded,
            download_size,
            upload_size,
            not_the_rest,
            asked: was_asked,
        } = self;
        id.set(None);
        has_started.set(false);
        failure.take();
        paused.set(Paused::default());
        held.take();
        done.take();
        has_message.set(false);
        downloaded.set(0);
        delivered.set(0);
        uploaded.set(0);
        download_size.set(None);
        upload_size.set(None);
        not_the_rest.set(false);
        was_asked.replace(asked);
    }

    /// No more is taken until the program says so.
    pub(crate) fn pause_receiving(&self) {
        self.paused.set(Paused { receiving: true, ..self.paused.get() });
    }

    /// The transfer fails for this, unless it has for something before.
    pub(crate) fn fail(&self, failure: Failure) {
        self.failure.borrow_mut().get_or_insert(failure);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub(crate) fn take_failure(&self) -> Option<Failure> {
        self.failure.take()
    }
}
