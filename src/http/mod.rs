//! HTTP/1.1 and 1.0 messages and their bytes on the wire, as RFC 9110 and RFC 9112 demand of a
//! client; HTTP/2 (RFC 9113) in [`h2`].
//!
//! Knows request and response heads, body framing, chunks, when a connection may carry another
//! exchange, what a redirect asks for, content codings, and which proxy a request goes by. Must not know sockets, time, transfers. Invariants: what leaves was validated when it
//! was put in; what comes in is either understood exactly or a fault, never guessed at; each byte
//! is looked at a bounded number of times, however it is cut into pieces; nothing is kept but
//! within [`HttpLimits`](crate::limits::HttpLimits).

mod auth;
mod body;
mod chunked;
mod coding;
mod cookie;
mod date;
mod disposition;
mod exchange;
mod fault;
mod field_line;
mod framing;
pub mod h2;
mod head;
mod host;
mod hsts;
mod proxy;
mod range;
mod redirect;
mod request;
mod retry;
mod reuse;
mod trailers;
mod zone;

pub use auth::{
    Attempt, AuthPolicy, AuthScheme, Authenticator, ClientNonces, Credentials, Netrc, NetrcError,
    Role, Scope, Secret, SecretError,
};
pub use body::{BodyLength, Fill, SourceRead};
pub use coding::{Coding, CodingFault, ContentDecoder, DecodePolicy, Decoded, codings};
pub use cookie::{CookieJar, Initiator};
pub(crate) use cookie::{is_same_site, registrable_domain};
pub use date::Date;
pub use disposition::proposed_file_name;
pub use exchange::{Event, Exchange, Read};
pub use fault::{BodyFault, HttpFault, RequestError, UrlFault, user_information};
pub use head::{Fields, ResponseHead, Version};
pub(crate) use head::{KeptFields, KeptHead};
pub use host::{Host, Origin, Scheme};
pub use hsts::Hsts;
pub(crate) use proxy::Credentials as ProxyCredentials;
pub use proxy::{Bypass, Proxies, Proxy, ProxyError, ProxyFault, ProxyProtocol, SocksVersion};
pub use range::{ContentRange, ResumeFault, Resumption};
pub(crate) use redirect::redirects;
pub use redirect::{KeepPost, Redirect, RedirectFault, RedirectPolicy};
pub use request::RequestHead;
pub(crate) use retry::{is_transient, is_unheard, retry_after};
pub use reuse::{CloseReason, CloseReasons};
pub use trailers::Trailers;
pub use zone::{take_zone, zone_in};
