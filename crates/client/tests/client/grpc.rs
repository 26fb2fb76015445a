//! gRPC by tonic, to which the client is any tower service.

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use ringdove::HttpVersions;
use ringdove_client::Client;
use ringdove_test_support::h2::{Plan, Script, Setup};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::run;

/// Messages as they are.
#[derive(Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Plain;
    type Decoder = Plain;

    fn encoder(&mut self) -> Plain {
        Plain
    }

    fn decoder(&mut self) -> Plain {
        Plain
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(input.copy_to_bytes(input.remaining())))
    }
}

fn echoing(status: &'static str) -> Script {
    let head = Script::new().head(200, &[("content-type", "application/grpc")]);
    head.echo().trailers(&[("grpc-status", status), ("grpc-message", "as asked")])
}

fn caller(url: &str) -> tonic::client::Grpc<Client> {
    let versions = |options: &mut ringdove::Options| options.versions = HttpVersions::Http2;
    let client = Client::builder().options(versions).build().unwrap();
    tonic::client::Grpc::with_origin(client, url.parse().unwrap())
}

#[test]
fn messages_are_streamed_both_ways() {
    let peer = Setup::new(Plan::new().path("/echo", echoing("0"))).start();
    let mut caller = caller(&peer.url(""));
    run(async {
        caller.ready().await.unwrap();
        let (say, said) = tokio::sync::mpsc::channel(1);
        let request = tonic::Request::new(ReceiverStream::new(said));
        let path = PathAndQuery::from_static("/echo");
        let response = caller.streaming(request, path, Plain).await.unwrap();
        let mut heard = response.into_inner();
        for round in 0..10_u8 {
            let message = Bytes::from(vec![round; 3_000]);
            say.send(message.clone()).await.unwrap();
            assert_eq!(heard.next().await.unwrap().unwrap(), message);
        }
        drop(say);
        assert!(heard.next().await.is_none());
        let trailers = heard.trailers().await.unwrap().unwrap();
        assert_eq!(trailers.get("grpc-message").unwrap(), "as asked");
    });
    assert_eq!(peer.violations(), [""; 0], "{}", peer.dump());
}

#[test]
fn a_status_comes_after_the_messages() {
    let peer = Setup::new(Plan::new().path("/echo", echoing("5"))).start();
    let mut caller = caller(&peer.url(""));
    run(async {
        caller.ready().await.unwrap();
        let request = tonic::Request::new(Bytes::from_static(b"one"));
        let path = PathAndQuery::from_static("/echo");
        let status = caller.unary(request, path, Plain).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::NotFound, "as asked"));
    });
}
