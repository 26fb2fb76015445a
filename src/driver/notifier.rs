//! What tells a loop that a ring is nested in that something has completed.
//!
//! Knows an eventfd that the kernel writes to. Must not know what completes. Invariant: what has completed before the eventfd was
//! registered is told as well.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::{MultiError, refused};
use crate::error::Operation;
use crate::sys::{Errno, Waker};

/// Nothing until somebody asks for its descriptor.
#[derive(Default)]
pub(super) struct Notifier(Option<Waker>);

impl Notifier {
    /// Another descriptor of the eventfd, which the first call makes and has a ring `register`.
    pub(super) fn descriptor(
        &mut self,
        register: impl FnOnce(RawFd) -> Result<(), Errno>,
    ) -> Result<OwnedFd, MultiError> {
        let refused = |errno| refused(Operation::Poll, errno);
        let eventfd = match &self.0 {
            Some(eventfd) => eventfd,
            None => {
                let eventfd = Waker::new().map_err(refused)?;
                register(eventfd.as_raw_fd()).map_err(refused)?;
                // what has completed before nobody was told of
                eventfd.wake();
                self.0.insert(eventfd)
            }
        };
        eventfd.duplicate().map_err(refused)
    }

    /// Whether somebody waits for it.
    pub(super) fn is_used(&self) -> bool {
        self.0.is_some()
    }

    /// What completes from here on is told again.
    pub(super) fn drain(&self) {
        if let Some(eventfd) = &self.0 {
            eventfd.drain();
        }
    }
}
