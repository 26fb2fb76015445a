//! A fan-out that asks again, and asks somebody else beside who is slow: `hedged URL URL…`.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringdove::RetryPolicy;
use ringdove_client::{Client, Error};

/// A client whose calls are asked again where that is safe and of use, and answered within `whole`.
pub(crate) fn client(whole: Duration) -> Result<Client, Error> {
    let retry =
        |options: &mut ringdove::Options| options.retry = Some(Arc::new(RetryPolicy::default()));
    Client::builder().timeout(whole).options(retry).build()
}

/// The first answer: of `first`, or, if that has none after this time, of whichever of both is sooner. The other call is given
/// up.
pub(crate) async fn hedge(
    client: &Client,
    first: &str,
    second: &str,
    after: Duration,
) -> Result<Bytes, Error> {
    let ask = |url: String| {
        let call = client.get(url);
        async move { call.send().await?.error_for_status()?.bytes().await }
    };
    let mut first = pin!(ask(first.to_owned()));
    tokio::select! {
        answer = first.as_mut() => return answer,
        () = tokio::time::sleep(after) => {}
    }
    sooner(first, pin!(ask(second.to_owned()))).await
}

/// What is ready first and no error, or else the other.
async fn sooner<T>(
    mut one: impl Future<Output = Result<T, Error>> + Unpin,
    mut other: impl Future<Output = Result<T, Error>> + Unpin,
) -> Result<T, Error> {
    tokio::select! {
        answer = &mut one => if answer.is_ok() { answer } else { other.await },
        answer = &mut other => if answer.is_ok() { answer } else { one.await },
    }
}

#[allow(dead_code, reason = "a test runs what this calls")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let urls: Vec<_> = std::env::args().skip(1).collect();
    let [first, second] = &urls[..] else { return Err("URL URL".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let client = client(Duration::from_secs(5))?;
    let answer = runtime.block_on(hedge(&client, first, second, Duration::from_millis(50)))?;
    println!("{} bytes", answer.len());
    Ok(())
}
