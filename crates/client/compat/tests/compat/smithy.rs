//! The runtime of AWS's SDKs, by its `HttpClient`.

use std::convert::Infallible;
use std::time::Duration;

use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::HttpStatusCodeClassifier;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use ringdove_client::Client;

use crate::server::{Store, serve};

/// Ringdove's client, where the SDKs want one. Their time-outs are this client's.
#[derive(Debug, Clone, Default)]
struct Ringdove {
    client: Client,
    connect: Option<Duration>,
    read: Option<Duration>,
}

impl HttpClient for Ringdove {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let (connect, read) = (settings.connect_timeout(), settings.read_timeout());
        SharedHttpConnector::new(Ringdove { client: self.client.clone(), connect, read })
    }
}

impl HttpConnector for Ringdove {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Ringdove { client, connect, read } = self.clone();
        HttpConnectorFuture::new(async move {
            let user = |error| ConnectorError::user(Box::new(error));
            let mut request = request.try_into_http1x().map_err(user)?;
            let mut options = ringdove::Options::default();
            options.timeouts.connect = connect.or(options.timeouts.connect);
            options.timeouts.first_byte = read.or(options.timeouts.first_byte);
            request.extensions_mut().insert(std::sync::Arc::new(options));
            let response = client.execute(request).await.map_err(told)?.into_http();
            let response = response.map(SdkBody::from_body_1_x);
            response.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))
        })
    }
}

fn told(error: ringdove_client::Error) -> ConnectorError {
    match () {
        () if error.is_timeout() => ConnectorError::timeout(error.into()),
        () if error.is_request() || error.is_body() => ConnectorError::user(error.into()),
        () if error.is_transient() || error.is_connect() => ConnectorError::io(error.into()),
        () => ConnectorError::other(error.into(), None),
    }
}

fn operation(url: &str, retry: RetryConfig) -> Operation<(String, SdkBody), Vec<u8>, Infallible> {
    Operation::builder()
        .service_name("store")
        .operation_name("any")
        .http_client(Ringdove::default())
        .endpoint_url(url)
        .no_auth()
        .standard_retry(&retry)
        .retry_classifier(HttpStatusCodeClassifier::default())
        .timeout_config(TimeoutConfig::disabled())
        .sleep_impl(Tokio)
        .serializer(|(method, body): (String, SdkBody)| {
            let mut request = HttpRequest::new(body);
            request.set_method(&method)?;
            request.set_uri("/b/key")?;
            Ok(request)
        })
        .deserializer::<_, Infallible>(|response| {
            Ok(response.body().bytes().unwrap_or_default().to_vec())
        })
        .build()
}

/// Tokio's clock, as the runtime wants it.
#[derive(Debug)]
struct Tokio;

impl aws_smithy_async::rt::sleep::AsyncSleep for Tokio {
    fn sleep(&self, duration: Duration) -> aws_smithy_async::rt::sleep::Sleep {
        aws_smithy_async::rt::sleep::Sleep::new(tokio::time::sleep(duration))
    }
}

#[tokio::test]
async fn operations_are_invoked() {
    let server = Store::default();
    let url = serve(server.router()).await;
    let disabled = operation(&url, RetryConfig::disabled());
    let put = ("PUT".to_owned(), SdkBody::from("hello"));
    disabled.invoke(put).await.unwrap();
    let get = || ("GET".to_owned(), SdkBody::empty());
    assert_eq!(disabled.invoke(get()).await.unwrap(), b"hello");
    // as often as the runtime likes
    server.refuse(2);
    let retry = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    assert_eq!(operation(&url, retry).invoke(get()).await.unwrap(), b"hello");
}

#[tokio::test]
async fn who_is_not_there_is_told() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let get = ("GET".to_owned(), SdkBody::empty());
    let error = operation(&url, RetryConfig::disabled()).invoke(get).await.unwrap_err();
    let failure = error.into_source().unwrap();
    let failure = failure.downcast::<ConnectorError>().unwrap();
    assert!(failure.is_io(), "{failure:?}");
}
