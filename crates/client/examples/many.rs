//! Many URLs, some at a time: `many URL…`.

use std::sync::Arc;

use ringdove_client::{Client, Error};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long each body is, of so many at once.
pub(crate) async fn fetch(urls: Vec<String>, at_once: usize) -> Vec<Result<usize, Error>> {
    let (client, places) = (Client::new(), Arc::new(Semaphore::new(at_once)));
    let mut tasks = JoinSet::new();
    for url in urls {
        let place = places.clone().acquire_owned().await;
        let call = client.get(url);
        tasks.spawn(async move {
            let _place = place;
            Ok(call.send().await?.bytes().await?.len())
        });
    }
    tasks.join_all().await
}

#[allow(dead_code, reason = "a test runs what this calls")]
fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for fetched in runtime.block_on(fetch(std::env::args().skip(1).collect(), 50)) {
        match fetched {
            Ok(length) => println!("{length} bytes"),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}
