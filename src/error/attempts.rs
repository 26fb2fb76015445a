//! The addresses that were tried for one connection, and what became of each.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::Cause;

/// The addresses that were tried for one connection, in the order in which they were begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts(pub(crate) Vec<Attempt>);

/// An address that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where to.
    pub address: SocketAddr,
    /// What became of it.
    pub end: AttemptEnd,
    /// From when it was begun to its end.
    pub took: Duration,
}

/// What became of an attempt to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It was the first to connect.
    Connected,
    /// It failed.
    Failed(Cause),
    /// It was given up, with the transfer, before there was an answer.
    Unanswered,
    /// Another one was connected first.
    Lost,
}

impl Attempts {
    /// How many addresses were tried.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was, which is never so where these are told.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each, in the order in which they were begun.
    pub fn iter(&self) -> std::slice::Iter<'_, Attempt> {
        self.0.iter()
    }

    /// Whether one of them was connected.
    pub fn connected(&self) -> bool {
        self.iter().any(|attempt| attempt.end == AttemptEnd::Connected)
    }
}

impl<'a> IntoIterator for &'a Attempts {
    type Item = &'a Attempt;
    type IntoIter = std::slice::Iter<'a, Attempt>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Attempts {
    /// One line: `10.0.0.1:80: connect: Connection refused (os error 111), after 1 ms; [::1]:80: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, attempt) in self.iter().enumerate() {
            let separator = if at > 0 { "; " } else { "" };
            write!(f, "{separator}{attempt}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attempt { address, end, took } = self;
        match end {
            AttemptEnd::Failed(Cause::Denied { why, .. }) => write!(f, "{address}: denied, {why}"),
            end => write!(f, "{address}: {end}, after {} ms", took.as_millis()),
        }
    }
}

impl fmt::Display for AttemptEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttemptEnd::Connected => f.write_str("connected"),
            AttemptEnd::Failed(cause) => write!(f, "{cause}"),
            AttemptEnd::Unanswered => f.write_str("no answer"),
            AttemptEnd::Lost => f.write_str("lost the race"),
        }
    }
}

impl AttemptEnd {
    /// Why it failed, if it did.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            AttemptEnd::Failed(cause) => Some(cause),
            AttemptEnd::Connected | AttemptEnd::Unanswered | AttemptEnd::Lost => None,
        }
    }

    /// A short word, stable, for machines.
    pub fn name(&self) -> &'static str {
        match self {
            AttemptEnd::Connected => "connected",
            AttemptEnd::Failed(Cause::Denied { .. }) => "denied",
            AttemptEnd::Failed(_) => "failed",
            AttemptEnd::Unanswered => "unanswered",
            AttemptEnd::Lost => "lost",
        }
    }
}
