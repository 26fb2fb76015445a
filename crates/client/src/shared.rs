//! What all clones of a client, and its calls, have in common.

use std::sync::Arc;

use http::HeaderMap;
use ringdove::{Options, Url};

use crate::inbox::{Command, Inbox};
use crate::seats::{Seat, Seats};

/// As long as this is there, so are its engines.
pub(crate) struct Shared {
    inboxes: Vec<Arc<Inbox>>,
    /// Where there are several engines, who of them has which calls.
    seats: Option<Arc<Seats>>,
    settings: Settings,
}

/// What holds for all calls of a client.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) options: Arc<Options>,
    pub(crate) fields: HeaderMap,
    pub(crate) window: usize,
    pub(crate) max_buffered: usize,
}

impl Shared {
    pub(crate) fn new(
        inboxes: Vec<Arc<Inbox>>,
        seats: Option<Arc<Seats>>,
        settings: Settings,
    ) -> Arc<Shared> {
        Arc::new(Shared { inboxes, seats, settings })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn window(&self) -> usize {
        self.settings.window
    }

    pub(crate) fn max_buffered(&self) -> usize {
        self.settings.max_buffered
    }

    pub(crate) fn inboxes(&self) -> &[Arc<Inbox>] {
        &self.inboxes
    }

    /// The engine that has a call for this URL, and its place there.
    pub(crate) fn inbox_for(&self, url: &Url) -> (&Arc<Inbox>, Option<Seat>) {
        match &self.seats {
            None => (&self.inboxes[0], None),
            Some(seats) => {
                let seat = seats.sit(url);
                (&self.inboxes[seat.engine()], Some(seat))
            }
        }
    }
}

impl Drop for Shared {
    /// Nobody is left who could hear of anything.
    fn drop(&mut self) {
        for inbox in &self.inboxes {
            let _ = inbox.post(Command::End);
        }
    }
}
