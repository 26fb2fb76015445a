//! JSON both ways, with what can go wrong told apart: `json URL`.

use ringdove_client::{Client, Error};
use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Serialize)]
pub(crate) struct Question<'a> {
    /// By whom.
    pub(crate) name: &'a str,
}

/// What is answered.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Answer {
    /// How much.
    pub(crate) sum: u32,
}

/// Asks.
pub(crate) async fn ask(client: &Client, url: &str) -> Result<Answer, Error> {
    let response = client.post(url).json(&Question { name: "dove" }).send().await?;
    response.error_for_status()?.json().await
}

/// What to do about an error.
pub(crate) fn advice(error: &Error) -> &'static str {
    match error {
        error if error.is_decode() => "the server speaks another language",
        error if error.status().is_some_and(|status| status.is_client_error()) => "ask otherwise",
        error if error.is_transient() => "ask again later",
        error if error.is_connect() => "is that the right server?",
        _ => "tell somebody",
    }
}

#[allow(dead_code, reason = "a test runs what this calls")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("URL")?;
    match futures_executor::block_on(ask(&Client::new(), &url)) {
        Ok(answer) => println!("{answer:?}"),
        Err(error) => println!("{error}: {}", advice(&error)),
    }
    Ok(())
}
