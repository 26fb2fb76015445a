//! What the caller gets back of a transfer that is over: how it ended, and what was handed in with it.

use std::any::Any;

use crate::engine::Handler;
use crate::engine::ids::TransferId;
use crate::engine::transfers::report::Outcome;
use crate::engine::transfers::request::Value;

/// A transfer that is over.
pub struct Message {
    /// Which.
    pub transfer: TransferId,
    /// How.
    pub outcome: Outcome,
    /// Its handler, given back.
    pub handler: Box<dyn Handler>,
    pub(in crate::engine) value: Value,
}

impl Message {
    /// How the transfer ended, and its handler as the type that it was added as.
    ///
    /// # Errors
    ///
    /// The message itself, if the handler is of another type.
    #[expect(clippy::result_large_err, reason = "what is handed back was handed in")]
    pub fn into_parts<H: Handler>(self) -> Result<(Outcome, H), Message> {
        if !(&*self.handler as &dyn Any).is::<H>() {
            return Err(self);
        }
        let handler: Box<dyn Any> = self.handler;
        Ok((self.outcome, *handler.downcast().expect("the type was looked at")))
    }

    /// What [`Request::value`](crate::engine::Request::value) was given, if that was of this type.
    pub fn value<T: Any>(&self) -> Option<&T> {
        self.value.0.as_deref()?.downcast_ref()
    }

    /// Takes it out of the message.
    pub fn take_value<T: Any>(&mut self) -> Option<T> {
        let value = self.value.0.take_if(|value| (***value).is::<T>())?;
        value.downcast().ok().map(|value| *value)
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Message { transfer, outcome, .. } = self;
        f.debug_struct("Message").field("transfer", transfer).field("outcome", outcome).finish()
    }
}
