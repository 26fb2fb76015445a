//! opendal, by its `HttpTransport`.

use std::pin::Pin;

use futures_util::TryStreamExt as _;
use opendal::services::S3;
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator,
};
use ringdove_client::{Body, Client};

use crate::server::{Store, serve};

/// Ringdove's client, where opendal wants one. It follows redirects, as that asks.
struct Ringdove(Client);

impl HttpTransport for Ringdove {
    async fn fetch(
        &self,
        request: http::Request<Buffer>,
    ) -> Result<http::Response<HttpBody>, Error> {
        let request = request.map(|body| Body::from(body.to_bytes()));
        // what is announced of a body that does not come is not its size
        let is_head = request.method() == http::Method::HEAD;
        let response = self.0.execute(request).await.map_err(told)?;
        let size = response.content_length().filter(|_| !is_head);
        let response = response.into_http();
        Ok(response.map(|body| {
            let pieces = body.map_ok(Buffer::from).map_err(told);
            HttpBody::new(Box::pin(pieces) as Pin<Box<_>>, size)
        }))
    }
}

fn told(error: ringdove_client::Error) -> Error {
    let is_transient = error.is_transient();
    let told = Error::new(ErrorKind::Unexpected, error.to_string()).set_source(error);
    if is_transient { told.set_temporary() } else { told }
}

fn operator(url: &str) -> Operator {
    let service = S3::default()
        .endpoint(url)
        .bucket("b")
        .region("r")
        .access_key_id("key")
        .secret_access_key("secret")
        .disable_config_load()
        .disable_ec2_metadata();
    let transport =
        HttpTransporter::new(Ringdove(Client::builder().browserlike().build().unwrap()));
    let context = OperationContext::new().with_http_transport(transport);
    Operator::new(service).unwrap().with_context(context)
}

#[tokio::test]
async fn files_are_written_and_read() {
    let server = Store::default();
    let operator = operator(&serve(server.router()).await);
    operator.write("some/where", "hello there").await.unwrap();
    assert_eq!(operator.read("some/where").await.unwrap().to_vec(), b"hello there");
    let part = operator.read_with("some/where").range(6..11).await.unwrap();
    assert_eq!(part.to_vec(), b"there");
    assert_eq!(operator.stat("some/where").await.unwrap().content_length(), 11);
    let listed = operator.list("some/").await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.path()).collect::<Vec<_>>(), ["some/where"]);
    operator.delete("some/where").await.unwrap();
    let missing = operator.read("some/where").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    // what may pass is told as such
    server.refuse(1);
    assert!(operator.stat("some/where").await.unwrap_err().is_temporary());
}

#[tokio::test]
async fn large_files_are_written_in_parts() {
    let server = Store::default();
    let operator = operator(&serve(server.router()).await);
    let large: Vec<u8> = (0..12_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = operator.writer_with("large").chunk(5 * 1024 * 1024).await.unwrap();
    for piece in large.chunks(1_000_000) {
        writer.write(piece.to_vec()).await.unwrap();
    }
    writer.close().await.unwrap();
    assert!(operator.read("large").await.unwrap().to_vec() == large);
}
