//! Pages that are no code.

/// Which client is for whom.
///
/// | | for | costs |
/// | --- | --- | --- |
/// | [`Client`](crate::Client) | programs with many calls under way, from any thread | two threads meet for each call: little where dozens share a meeting, more than a client without a thread where there is one at a time |
/// | [`LocalClient`](crate::LocalClient) | one call after the other, or all of them on one thread (a current-thread runtime, a thread per core) | nothing crosses threads; what keeps the thread busy keeps the engine waiting |
/// | [`blocking::Client`](crate::blocking::Client) | code that is not async | the thread that waits does the work |
/// | [`ringdove::Driver`], [`ringdove::Multi`] | whoever has a loop of their own, and handlers in the place of futures | nothing between you and the engine |
///
/// Of a [`Client`](crate::Client), more engines than one ([`threads`](crate::ClientBuilder::threads)) pay when one thread is busy, which takes
/// some ten thousand requests in a second and more. Origins are divided among them; one with more calls than an engine's share is on several.
///
/// The threads of a [`Client`](crate::Client) and of a runtime wake each other by writes to eventfds. Per request these are 0.07 (1,000 in flight) and 0.1
/// (64), the runtime's own included, where a server answers many at once, and 0.2 to 0.3 (64) where answers come nearly one by one.
///
/// A [`LocalClient`](crate::LocalClient) lives in any loop that can wait for a descriptor and a time-out:
/// [`Turner::descriptor`](crate::Turner::descriptor), [`Turner::timeout`](crate::Turner::timeout). Tokio's is there behind the feature `tokio`.
pub mod choosing {}

/// What is where, for users of reqwest.
///
/// | reqwest | here |
/// | --- | --- |
/// | `Client::new()`, `Client::builder()…build()` | the same |
/// | `client.get(url).header(..).query(..).json(..).send().await?` | the same; `query` takes a slice of pairs, `json` wants the feature |
/// | `response.status()`, `.headers()`, `.bytes()`, `.text()`, `.json()`, `.chunk()` | the same; held in memory up to [`max_buffered`](crate::ClientBuilder::max_buffered) |
/// | `response.bytes_stream()` | [`Response::into_body`](crate::Response::into_body), a `Stream` and an `http_body::Body` with trailers |
/// | `response.error_for_status()` | the same |
/// | `response.remote_addr()` | [`Response::account`](crate::Response::account): address, times by phase, whether the connection was reused |
/// | `Body::wrap_stream` | [`Body::stream`](crate::Body::stream), [`Body::wrap`](crate::Body::wrap) (with trailers), [`Body::reader`](crate::Body::reader) |
/// | `.timeout(d)`, `connect_timeout`, `read_timeout` | [`timeout`](crate::RequestBuilder::timeout) and [`timeouts`](crate::RequestBuilder::timeouts): each wait has its own, per request too |
/// | `response.upgrade().await` | [`RequestBuilder::upgrade`](crate::RequestBuilder::upgrade) and [`Response::upgrade`](crate::Response::upgrade) |
/// | redirects, decoding on unless switched off | off unless asked for: [`browserlike`](crate::ClientBuilder::browserlike) |
/// | `http2_prior_knowledge()` | [`versions`](crate::RequestBuilder::versions) with `HttpVersions::Http2`, per request |
/// | `pool_max_idle_per_host` | [`config`](crate::ClientBuilder::config): connections per origin, host and address, and in all |
/// | `resolve(..)`, `dns_resolver(..)` | [`Options::ways`](ringdove::Options::ways), `Config::names` |
/// | `error.is_timeout()`, `.is_connect()`, `.is_status()` … | the same, and [`is_transient`](crate::Error::is_transient), [`retry`](crate::Error::retry), [`transfer`](crate::Error::transfer) |
/// | `reqwest::blocking` | [`blocking`](crate::blocking), without a runtime within |
/// | `.multipart(form)`, `multipart::{Form, Part}` | the same: [`multipart`](crate::multipart); files are opened without `await` |
/// | `socks`, HTTP/3, WASM | proxies are in [`proxies`](crate::ClientBuilder::proxies); neither of the last two |
pub mod from_reqwest {}

/// How to watch what a client does.
///
/// **At any time**: [`Client::stats`](crate::Client::stats), the counters of each engine, and [`Client::origins`](crate::Client::origins), which
/// connections each origin has (active, idle, connecting) and how many calls wait for one. **Of each call**: what its
/// [`Account`](crate::Account) tells once it is over.
///
/// # Spans
///
/// With the feature `tracing` each call is a span, `call` of the target `ringdove_client` at level INFO, within the span that its caller is in
/// when it is first polled. It ends with the transfer, or when it is given up. Its fields:
///
/// | field | what |
/// | --- | --- |
/// | `http.request.method`, `url.scheme`, `server.address`, `server.port`, `url.path` | what is asked for; user information, query and fragment of the URL are not told |
/// | `outcome` | `2xx` and so on; of one that failed the word of [`ringdove::Error::kind`], `request`, `refused` or `gone`; `cancelled` |
/// | `http.response.status_code`, `network.protocol.version`, `network.peer.address` | who has answered, and how |
/// | `reused`, `requests`, `retried` | whether the connection was another's before; requests made one after the other; how often it was sent again |
/// | `sent`, `received` | bytes on the wire |
/// | `queue_us`, `resolve_us`, `connect_us`, `tls_us`, `first_byte_us`, `total_us` | its phases, in microseconds: see [`ringdove::Report::times`] |
///
/// # Metrics
///
/// With the feature `metrics`, by the crate of that name:
///
/// | name | kind | labels | what |
/// | --- | --- | --- | --- |
/// | `ringdove_client_calls_running` | gauge | | calls under way |
/// | `ringdove_client_calls_total` | counter | `method`, `outcome` as above | calls that have ended |
/// | `ringdove_client_call_seconds` | histogram | `outcome` | how long they took, from admission to the end |
/// | `ringdove_client_phase_seconds` | histogram | `phase`: `queue`, `resolve`, `connect`, `tls`, `first_byte` | how long each phase took |
/// | `ringdove_client_sent_bytes_total`, `ringdove_client_received_bytes_total` | counter | | bytes on the wire |
/// | `ringdove_client_connections_used_total` | counter | `reused` | connections that calls were on at their end |
/// | `ringdove_client_retries_total` | counter | | requests that were sent again |
pub mod watching {}
