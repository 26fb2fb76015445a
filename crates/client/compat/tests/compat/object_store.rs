//! object_store, by its `HttpConnector`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http_body_util::BodyExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig, WriteMultipart};
use ringdove_client::Client;

use crate::server::{Store, serve};

/// Ringdove's client, where object_store wants one.
#[derive(Debug, Default)]
struct Ringdove(Client);

#[async_trait::async_trait]
impl HttpService for Ringdove {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.execute(request).await.map_err(told)?.into_http();
        // it is a stream of bytes, too
        Ok(response.map(|body| HttpResponseBody::new(BodyExt::map_err(body, told))))
    }
}

impl HttpConnector for Ringdove {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Ringdove(self.0.clone())))
    }
}

/// What object_store retries is a question of the kind.
fn told(error: ringdove_client::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_cut_short() || error.is_transient() {
        HttpErrorKind::Interrupted
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new(kind, error)
}

fn store(url: &str, retries: usize) -> AmazonS3 {
    let retry = RetryConfig { max_retries: retries, ..RetryConfig::default() };
    AmazonS3Builder::new()
        .with_endpoint(url)
        .with_bucket_name("b")
        .with_region("r")
        .with_access_key_id("key")
        .with_secret_access_key("secret")
        .with_allow_http(true)
        .with_retry(retry)
        .with_http_connector(Ringdove::default())
        .build()
        .unwrap()
}

#[tokio::test]
async fn objects_are_put_and_got() {
    let server = Store::default();
    let store = store(&serve(server.router()).await, 0);
    let path = Path::from("some/where");
    store.put(&path, "hello there".into()).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "hello there");
    assert_eq!(store.get_range(&path, 6..11).await.unwrap(), "there");
    assert_eq!(store.head(&path).await.unwrap().size, 11);
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|object| object.size).collect::<Vec<_>>(), [11]);
    store.delete(&path).await.unwrap();
    let missing = store.get(&path).await.unwrap_err();
    assert!(matches!(missing, object_store::Error::NotFound { .. }), "{missing}");
}

#[tokio::test]
async fn objects_are_put_in_parts_and_come_as_a_stream() {
    let server = Store::default();
    let store = store(&serve(server.router()).await, 0);
    let path = Path::from("large");
    let large = Bytes::from((0..12_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    let mut writer = WriteMultipart::new(store.put_multipart(&path).await.unwrap());
    for piece in large.chunks(1_000_000) {
        writer.write(piece);
    }
    writer.finish().await.unwrap();
    let pieces: Vec<Bytes> =
        store.get(&path).await.unwrap().into_stream().try_collect().await.unwrap();
    assert!(pieces.len() > 1 && pieces.concat() == large);
}

/// What may pass is asked again, as object_store likes it.
#[tokio::test]
async fn what_fails_is_asked_again_or_told() {
    let server = Store::default();
    let url = serve(server.router()).await;
    store(&url, 0).put(&Path::from("it"), "here".into()).await.unwrap();
    server.refuse(2);
    let got = store(&url, 3).get(&Path::from("it")).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), "here");
    // nobody listens there
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let (store, path) = (store(&url, 0), Path::from("it"));
    let got = tokio::time::timeout(Duration::from_secs(20), store.get(&path)).await;
    let error = got.expect("nobody waits for who is not there").unwrap_err();
    assert!(format!("{error:?}").contains("Connect"), "{error:?}");
}
