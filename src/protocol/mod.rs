//! HTTP as RFC 9110 demands it of a client: what messages mean, whatever the version. Their bytes on the wire are those of
//! HTTP/1.1 and 1.0 (RFC 9112) in `h1`, and of HTTP/2 (RFC 9113) in [`h2`].
//!
//! Knows request and response heads, body framing, chunks, when a connection may carry another
//! exchange, what a redirect asks for, content codings, and which proxy a request goes by. Must not know sockets, time, transfers. Invariants: what leaves was validated when it
//! was put in; what comes in is either understood exactly or a fault, never guessed at; each byte
//! is looked at a bounded number of times, however it is cut into pieces; nothing is kept but
//! within [`HttpLimits`](crate::limits::HttpLimits).

mod auth;
mod coding;
mod cookie;
mod date;
mod disposition;
mod fault;
mod field;
mod field_line;
mod h1;
pub mod h2;
mod head;
mod host;
mod hsts;
mod proxy;
mod range;
mod redirect;
mod request;
mod retry;
mod trailers;
mod version;
mod write_head;
mod zone;

pub use auth::{
    Attempt, AuthPolicy, AuthScheme, Authenticator, ClientNonces, Credentials, Netrc, NetrcError,
    Role, Scope, Secret, SecretError,
};
pub use coding::{Coding, CodingFault, ContentDecoder, DecodePolicy, Decoded, codings};
pub use cookie::{CookieJar, Initiator};
pub(crate) use cookie::{is_same_site, registrable_domain};
pub use date::Date;
pub use disposition::proposed_file_name;
pub use fault::{BodyFault, HttpFault, RequestError, UrlFault, user_information};
pub use h1::body::{BodyLength, Fill, SourceRead};
pub use h1::exchange::{Event, Exchange, Read};
pub use h1::reuse::{CloseReason, CloseReasons};
pub use head::{Fields, HeadStart, ResponseHead};
pub(crate) use head::{KeptFields, KeptHead};
pub use host::{Host, Origin, Scheme};
pub use hsts::Hsts;
pub(crate) use proxy::Credentials as ProxyCredentials;
pub use proxy::{Bypass, Proxies, Proxy, ProxyError, ProxyFault, ProxyProtocol, SocksVersion};
pub use range::{ContentRange, ResumeFault, Resumption};
pub(crate) use redirect::redirects;
pub use redirect::{ActsAs, KeepPost, OwnMethod, Redirect, RedirectFault, RedirectPolicy};
pub use request::RequestHead;
pub(crate) use retry::{is_transient, is_unheard, retry_after};
pub use trailers::Trailers;
pub use version::Version;
pub use write_head::{HeadToWrite, WriteHead};
pub use zone::{take_zone, zone_in};
