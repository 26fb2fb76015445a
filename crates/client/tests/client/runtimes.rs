//! One client, on each runtime.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ringdove::DriverKind;
use ringdove_client::{Client, LocalClient};
use ringdove_test_support::hostile::{Hostile, Plan, Script};

fn server() -> Hostile {
    let body = vec![b'x'; 300_000];
    Plan::new().path("/", Script::new().ok(body)).path("/small", Script::new().ok("hello")).start()
}

async fn calls(client: &Client, server: &Hostile) {
    for path in ["/", "/small", "/"] {
        let response = client.get(server.url(path)).send().await.unwrap();
        let length = response.bytes().await.unwrap().len();
        assert_eq!(length, if path == "/" { 300_000 } else { 5 });
    }
}

#[test]
fn futures_executor() {
    let server = server();
    futures_executor::block_on(calls(&Client::new(), &server));
}

#[test]
fn tokio_of_one_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let server = server();
    runtime.block_on(calls(&Client::new(), &server));
}

/// Many calls at once, in tasks on several threads.
#[test]
fn tokio_of_several_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (server, client) = (Arc::new(server()), Client::new());
    runtime.block_on(async {
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (client, server) = (client.clone(), server.clone());
                tokio::spawn(async move { calls(&client, &server).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let stats = client.stats().await.unwrap();
        assert_eq!((stats[0].running, stats[0].succeeded), (0, 150));
    });
}

/// A client outlives the runtime that it was first used on.
#[test]
fn one_runtime_after_the_other() {
    let (server, client) = (server(), Client::new());
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(calls(&client, &server));
    }
    futures_executor::block_on(calls(&client, &server));
}

#[test]
fn smols_executor() {
    let (server, client) = (server(), Client::new());
    let executor = async_executor::Executor::new();
    let task = executor.spawn(async move { calls(&client, &server).await });
    futures_executor::block_on(executor.run(task));
}

fn on_tokio_in_place<F: Future>(
    kind: DriverKind,
    future: impl FnOnce(LocalClient) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let (client, turner) = LocalClient::build(Client::builder().driver(kind)).unwrap();
        let turning = tokio::task::spawn_local(turner.run_on_tokio());
        let output = future(client).await;
        // nobody is left
        turning.await.unwrap().unwrap();
        output
    })
}

/// Whichever driver nests in tokio's loop, it is woken for all that it has to do.
#[test]
fn in_place_on_tokio() {
    let server = server();
    for kind in DriverKind::ALL {
        on_tokio_in_place(kind, |client| in_turn(client, &server));
    }
}

async fn in_turn(client: LocalClient, server: &Hostile) {
    let tasks = (0..4).map(|_| {
        let calls: Vec<_> = ["/", "/small", "/"].map(|path| client.get(server.url(path))).into();
        tokio::task::spawn_local(async {
            let mut lengths = Vec::new();
            for call in calls {
                lengths.push(call.send().await.unwrap().bytes().await.unwrap().len());
                // the engine has nothing to do meanwhile
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            lengths
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), [300_000, 5, 300_000]);
    }
    assert!(client.stats().await.unwrap().opened <= 4);
}

/// On threads of their own, each driver does the same.
#[test]
fn every_driver_serves() {
    let server = server();
    for kind in DriverKind::ALL {
        let client = Client::builder().driver(kind).build().unwrap();
        futures_executor::block_on(calls(&client, &server));
    }
}

/// In a loop of the caller's own.
#[test]
fn in_place_by_hand() {
    let server = server();
    let (client, mut turner) = LocalClient::new().unwrap();
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    let mut call = std::pin::pin!(async move {
        client.get(server.url("/small")).send().await.unwrap().text().await.unwrap()
    });
    loop {
        if let std::task::Poll::Ready(text) = call.as_mut().poll(&mut cx) {
            break assert_eq!(text, "hello");
        }
        assert!(turner.turn(None).unwrap());
    }
}
