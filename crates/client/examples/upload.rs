//! What a reader has, uploaded, and the trailers of the answer: `upload URL < FILE`.

use std::io::Read;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use ringdove_client::{Body, Client, Error};

/// Reads on a thread of its own, since a reader may block.
pub(crate) async fn upload(
    url: &str,
    reader: impl Read + Send + 'static,
) -> Result<Option<HeaderMap>, Error> {
    let body = Body::reader(reader, None);
    let response = Client::new().put(url).body(body).send().await?.error_for_status()?;
    Ok(response.into_body().collect().await?.trailers().cloned())
}

#[allow(dead_code, reason = "a test runs what this calls")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("URL")?;
    println!("{:?}", futures_executor::block_on(upload(&url, std::io::stdin()))?);
    Ok(())
}
