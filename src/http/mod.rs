//! HTTP/1.1 and 1.0 messages and their bytes on the wire, as RFC 9110 and RFC 9112 demand of a
//! client.
//!
//! Knows request and response heads, body framing, chunks, when a connection may carry another
//! exchange, what a redirect asks for, and content codings. Must not know sockets, time, transfers. Invariants: what leaves was validated when it
//! was put in; what comes in is either understood exactly or a fault, never guessed at; each byte
//! is looked at a bounded number of times, however it is cut into pieces; nothing is kept but
//! within [`HttpLimits`](crate::limits::HttpLimits).

mod body;
mod chunked;
mod coding;
mod exchange;
mod fault;
mod framing;
mod head;
mod host;
mod redirect;
mod request;
mod retry;
mod reuse;

pub use body::{BodyLength, Fill, SourceRead};
pub use coding::{Coding, CodingFault, ContentDecoder, DecodePolicy, Decoded, codings};
pub use exchange::{Event, Exchange, Read};
pub use fault::{BodyFault, HttpFault, RequestError};
pub use head::{Fields, ResponseHead, Version};
pub use host::{Host, Origin, Scheme};
pub(crate) use redirect::redirects;
pub use redirect::{KeepPost, Redirect, RedirectFault, RedirectPolicy};
pub use request::RequestHead;
pub(crate) use retry::{is_transient, is_unheard, retry_after};
pub use reuse::{CloseReason, CloseReasons};
