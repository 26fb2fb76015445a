//! What all clones of a client, and its calls, have in common.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use http::HeaderMap;
use ringdove::{Options, Url};

use crate::inbox::{Command, Inbox};

/// As long as this is there, so are its engines.
pub(crate) struct Shared {
    inboxes: Vec<Arc<Inbox>>,
    /// Where there are several engines, an origin has one, so that its connections are found again.
    hash: RandomState,
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
    pub(crate) fn new(inboxes: Vec<Arc<Inbox>>, settings: Settings) -> Arc<Shared> {
        Arc::new(Shared { inboxes, hash: RandomState::new(), settings })
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

    /// The engine of a URL's origin.
    pub(crate) fn inbox_for(&self, url: &Url) -> &Arc<Inbox> {
        match &*self.inboxes {
            [only] => only,
            several => {
                let origin = (url.scheme(), url.host_str(), url.port());
                &several[self.hash.hash_one(origin) as usize % several.len()]
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
