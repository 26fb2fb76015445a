//! Four workers over one engine, with what takes too long given up: `workers URL…`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringdove_client::Client;
use tokio::time::timeout;

/// How many bodies were had, and how many calls were given up. Dropping a call is all that there is to giving it up.
pub(crate) async fn work(urls: Vec<String>, patience: Duration) -> (usize, usize) {
    let (client, urls) = (Client::new(), Arc::new(Mutex::new(urls)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, urls) = (client.clone(), urls.clone());
        workers.spawn(async move {
            let (mut had, mut given_up) = (0, 0);
            loop {
                let Some(url) = urls.lock().expect("nobody panics").pop() else { break };
                let call = async { client.get(url).send().await?.bytes().await };
                match timeout(patience, call).await {
                    Ok(Ok(_)) => had += 1,
                    Ok(Err(error)) => eprintln!("{error}"),
                    Err(_) => given_up += 1,
                }
            }
            (had, given_up)
        });
    }
    workers.join_all().await.iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

#[allow(dead_code, reason = "a test runs what this calls")]
fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let urls = std::env::args().skip(1).collect();
    let (had, given_up) = runtime.block_on(work(urls, Duration::from_secs(1)));
    println!("{had} bodies, {given_up} given up");
    Ok(())
}
