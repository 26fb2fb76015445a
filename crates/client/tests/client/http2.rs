//! Calls over HTTP/2, many on a connection: shaped as gRPC has them.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body_util::BodyExt as _;
use ringdove::HttpVersions;
use ringdove_client::{Body, Client, ClientBuilder};
use ringdove_test_support::h2::{Plan, Script, Setup};
use tokio::sync::mpsc;

use crate::run;

fn speaking_http2() -> ClientBuilder {
    Client::builder().options(|options| options.versions = HttpVersions::Http2)
}

/// What is said on a channel.
struct Said(mpsc::Receiver<Bytes>);

impl Stream for Said {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|said| said.map(Ok))
    }
}

/// Each message is answered before the next one is sent, and a status comes after the last.
#[test]
fn streams_go_both_ways_and_end_in_trailers() {
    let echo = Script::new().head(200, &[("content-type", "application/grpc")]).echo();
    let peer = Setup::new(Plan::new().path("/", echo.trailers(&[("grpc-status", "0")]))).start();
    let client = speaking_http2().build().unwrap();
    run(async {
        let (say, said) = mpsc::channel(1);
        let call = client.post(peer.url("/")).body(Body::stream(Said(said)));
        let mut body = call.send().await.unwrap().into_body();
        for round in 0..10_u8 {
            let message = Bytes::from(vec![round; 5_000]);
            say.send(message.clone()).await.unwrap();
            let mut heard = Vec::new();
            while heard.len() < message.len() {
                let frame = body.frame().await.unwrap().unwrap();
                heard.extend_from_slice(&frame.into_data().unwrap());
            }
            assert!(heard == message);
        }
        drop(say);
        let end = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(end.get("grpc-status").unwrap(), "0");
        assert!(body.frame().await.is_none());
    });
    assert_eq!(peer.violations(), [""; 0], "{}", peer.dump());
}

/// One that is given up leaves the others, and the connection, as they are.
#[test]
fn calls_share_a_connection() {
    let plan = Plan::new().path("/never", Script::new().head(200, &[]).stall());
    let peer = Setup::new(plan.path("/", Script::ok(100_000))).start();
    let client = speaking_http2().build().unwrap();
    run(async {
        let stuck = client.get(peer.url("/never")).send().await.unwrap();
        let length = |call: ringdove_client::Pending| async {
            call.await.unwrap().bytes().await.unwrap().len()
        };
        let mut calls: Vec<_> =
            (0..20).map(|_| Box::pin(length(client.get(peer.url("/")).send()))).collect();
        let mut lengths = Vec::new();
        std::future::poll_fn(|cx| {
            calls.retain_mut(|call| match call.as_mut().poll(cx) {
                Poll::Ready(length) => {
                    lengths.push(length);
                    false
                }
                Poll::Pending => true,
            });
            if calls.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(lengths, [100_000; 20]);
        drop(stuck);
        assert_eq!(pin!(length(client.get(peer.url("/")).send())).await, 100_000);
        let stats = client.stats().await.unwrap();
        assert_eq!((stats[0].opened, stats[0].running), (1, 0));
    });
    assert_eq!(peer.violations(), [""; 0], "{}", peer.dump());
}
