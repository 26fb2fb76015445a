//! In place on compio, by the descriptor: a runtime that is a ring itself.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use compio::runtime::Runtime;
use compio::runtime::fd::PollFd;
use ringdove::DriverKind;
use ringdove_client::{Client, LocalClient, Turner};
use ringdove_test_support::hostile::{Plan, Script};

/// Turns the engine on compio until nobody is left.
async fn drive(mut turner: Turner) {
    let descriptor = PollFd::new(turner.descriptor().unwrap()).unwrap();
    while turner.turn(Some(Duration::ZERO)).unwrap() {
        let timeout = turner.timeout();
        let mut ready = pin!(descriptor.read_ready());
        let mut sleep = pin!(timeout.map(compio::time::sleep));
        poll_fn(|cx| {
            if turner.poll_called(cx).is_ready() || ready.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match sleep.as_mut().as_pin_mut() {
                Some(sleep) => sleep.poll(cx),
                None => Poll::Pending,
            }
        })
        .await;
    }
}

#[test]
fn in_place_on_compio() {
    let server = Plan::new()
        .path("/", Script::new().ok(vec![b'x'; 300_000]))
        .path("/slow", Script::new().wait(Duration::from_millis(50)).ok("late"))
        .start();
    for kind in DriverKind::ALL {
        Runtime::new().unwrap().block_on(async {
            let (client, turner) = LocalClient::build(Client::builder().driver(kind)).unwrap();
            let driving = compio::runtime::spawn(drive(turner));
            let calls = ["/", "/slow", "/", "/slow"].map(|path| {
                let call = client.get(server.url(path));
                compio::runtime::spawn(async move {
                    call.send().await.unwrap().bytes().await.unwrap().len()
                })
            });
            let mut lengths = Vec::new();
            for call in calls {
                lengths.push(call.await.unwrap());
            }
            assert_eq!(lengths, [300_000, 4, 300_000, 4], "{kind}");
            drop(client);
            // nobody is left
            driving.await.unwrap();
        });
    }
}
