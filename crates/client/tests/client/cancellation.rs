//! Calls that are given up, anywhere.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use ringdove_client::{Body, Client, Error};
use ringdove_test_support::PATIENCE;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};

use crate::run;

/// Numbers from a seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % most
    }
}

/// Polls a future so many times at most, each time that it is woken. What it gave, if that was enough.
async fn polled<F: Future>(future: F, most: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        if polls == most {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // the last one need not wait for an event that nobody will see
            Poll::Pending if polls == most => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn call(client: &Client, url: &str, kind: u64) -> Result<usize, Error> {
    let upload = || {
        let piece = |_| Ok::<_, std::io::Error>(Bytes::from(vec![1; 9_000]));
        Body::stream(crate::bodies::Pieces::new((0..4).map(piece).collect()))
    };
    let request = match kind {
        0 => client.post(url).body(upload()),
        _ => client.get(url),
    };
    Ok(request.send().await?.bytes().await?.len())
}

fn server() -> Hostile {
    Plan::new()
        .path("/small", Script::new().ok("hello"))
        .path("/large", Script::new().ok(vec![b'x'; 200_000]))
        .path("/chunked", Script::new().respond("200 OK", Framing::Chunked(900), vec![b'x'; 5_000]))
        .path("/up", Script::new().read_body().ok("taken"))
        .forget()
        .start()
}

/// Calls are dropped after any number of polls, dozens at once; nothing of them stays, and others are served.
#[test]
fn calls_dropped_anywhere_leave_nothing() {
    let seed = std::env::var("RINGDOVE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(15);
    let calls: u64 =
        std::env::var("RINGDOVE_CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(6_000);
    eprintln!("RINGDOVE_SEED={seed} RINGDOVE_CALLS={calls}");
    let server = server();
    let limit = |config: &mut ringdove::Config| config.max_per_origin = 8;
    let client = Client::builder().window(30_000).config(limit).build().unwrap();
    let urls = ["/up", "/small", "/large", "/chunked"].map(|path| server.url(path));
    let workers: Vec<_> = (0..24)
        .map(|worker| {
            let (client, urls) = (client.clone(), urls.clone());
            std::thread::spawn(move || {
                let mut numbers = Numbers(seed ^ (worker << 32));
                for _ in 0..calls / 24 {
                    let kind = numbers.below(4);
                    let most = numbers.below(9);
                    let done = run(polled(call(&client, &urls[kind as usize], kind), most));
                    if let Some(outcome) = done {
                        assert!([5, 200_000, 5_000].contains(&outcome.unwrap()));
                    }
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    run(async {
        // what was given up last is heard of by then
        let stats = client.stats().await.unwrap();
        let stats = stats[0];
        assert_eq!(stats.running, 0, "{stats:?}");
        assert!(stats.connections <= 8, "{stats:?}");
        assert!(stats.removed > calls / 4 && stats.succeeded > calls / 50, "{stats:?}");
        assert_eq!(call(&client, &urls[1], 1).await.unwrap(), 5);
        client.close_idle();
        assert_eq!(client.stats().await.unwrap()[0].connections, 0);
    });
    drop(client);
    assert!(server.wait_for(PATIENCE, |seen| seen.iter().all(|it| it.end.is_some())));
}
