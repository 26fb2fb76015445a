//! The example of a proxying server.

use ringdove_client::Client;
use ringdove_test_support::hostile::{Plan, Script};

use crate::server::serve;

#[allow(dead_code, unreachable_pub, reason = "it has a main of its own")]
#[path = "../../examples/proxy.rs"]
mod example;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_backends_are_asked_at_once() {
    let backends: Vec<_> = (0..10)
        .map(|n| Plan::new().path("/", Script::new().ok(format!("{n}").repeat(50_000))).start())
        .collect();
    let urls: Vec<_> = backends.iter().map(|backend| backend.url("")).collect();
    let expected: String = (0..10).map(|n| format!("{n}").repeat(50_000)).collect();
    let proxy = serve(example::router(Client::new(), urls)).await;
    let client = Client::new();
    let calls = (0..20).map(|_| {
        let call = client.get(format!("{proxy}/")).send();
        async move { call.await.unwrap().error_for_status().unwrap().text().await.unwrap() }
    });
    for text in futures_util::future::join_all(calls).await {
        assert!(text == expected, "{} bytes", text.len());
    }
    let missing = client.get(format!("{proxy}/nowhere")).send().await.unwrap();
    assert_eq!(missing.status(), 502);
}
