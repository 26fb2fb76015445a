//! Responses for rules that read heads.

use http::Method;
use ringdove::limits::HttpLimits;
use ringdove::protocol::{BodyLength, Event, Exchange, Origin, RequestHead, ResponseHead};
use url::Url;

/// Has a response of this status seen, with one line of this name for each line of `values`, if that is a
/// head at all.
#[allow(dead_code, reason = "each target uses a part")]
pub fn with_head(status: u16, name: &str, values: &[u8], see: impl FnOnce(&ResponseHead<'_>)) {
    let mut wire = format!("HTTP/1.1 {status} X\r\n").into_bytes();
    for value in values.split(|&byte| byte == b'\n') {
        wire.extend_from_slice(name.as_bytes());
        wire.extend_from_slice(b": ");
        wire.extend_from_slice(value);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    let request = request("http://a.example/");
    let mut exchange = Exchange::new(&request, BodyLength::None, &HttpLimits::DEFAULT);
    exchange.head_taken();
    if let Ok(read) = exchange.read(&wire)
        && let Event::Head(head) = read.event
    {
        see(&head);
    }
}

/// A GET.
#[allow(dead_code, reason = "each target uses a part")]
pub fn request(url: &str) -> RequestHead {
    RequestHead::new(Method::GET, &Url::parse(url).expect("a URL")).expect("a good request")
}

/// The origin of a URL.
#[allow(dead_code, reason = "each target uses a part")]
pub fn origin(url: &str) -> Origin {
    Origin::from_url(&Url::parse(url).expect("a URL")).expect("an origin")
}
