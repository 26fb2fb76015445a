//! Heads of requests over HTTP/1 that a caller writes by itself.
//!
//! Knows what has been settled of a request when its head is to be written. Must not know how that looks.

use std::borrow::Cow;
use std::fmt;

use super::h1::body::BodyLength;
use super::request::RequestHead;

/// Writes heads of requests over HTTP/1 in another shape than [`RequestHead::encode`]: another order, lines that are framed by
/// hand, spellings that a server insists on.
pub trait WriteHead: fmt::Debug + Send + Sync {
    /// All of a head, from the request line to the empty line. It is sent as it is: nothing looks at it, and it is this one's
    /// to say of the body what [`HeadToWrite::body`] says.
    fn write(&self, asked: &HeadToWrite<'_>) -> Vec<u8>;
}

/// A request as it stands when its head is written: after redirects, with the credentials and cookies of this time.
#[derive(Debug, Clone)]
pub struct HeadToWrite<'a> {
    /// What is asked.
    pub head: &'a RequestHead,
    /// What follows on the head.
    pub body: BodyLength,
    /// A proxy forwards it: the target is a whole URL (RFC 9112, 3.2.2).
    pub is_forwarded: bool,
    /// What Proxy-Authorization says to the proxy that forwards it.
    pub proxy_authorization: Option<Cow<'a, [u8]>>,
}

impl HeadToWrite<'_> {
    /// The target, as in the request line.
    pub fn target(&self) -> Cow<'_, str> {
        match self.is_forwarded {
            true => self.head.forwarded_target().into(),
            false => self.head.target().into(),
        }
    }
}
