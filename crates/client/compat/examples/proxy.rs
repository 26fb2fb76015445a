//! A server that answers each request from ten others, which it asks at once, and streams what they say: `proxy PORT URL...`.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use http::{StatusCode, Uri};
use ringdove_client::{Client, Error};

/// The servers that are asked, and what asks them.
#[derive(Clone)]
struct Backends {
    client: Client,
    urls: Vec<String>,
}

/// The answers of all, one after the other, each as it comes. One that is not there fails the request.
async fn ask_all(State(backends): State<Backends>, uri: Uri) -> Response {
    let Backends { client, urls } = backends;
    let calls = urls.iter().map(|url| client.get(format!("{url}{}", uri.path())).send());
    let answers: Result<Vec<_>, Error> =
        join_all(calls).await.into_iter().map(|answer| answer?.error_for_status()).collect();
    match answers {
        Ok(answers) => {
            let bodies = answers.into_iter().map(ringdove_client::Response::into_body);
            let all = futures_util::stream::iter(bodies);
            Body::from_stream(futures_util::StreamExt::flatten(all)).into_response()
        }
        Err(error) => {
            let status = match error.is_timeout() {
                true => StatusCode::GATEWAY_TIMEOUT,
                false => StatusCode::BAD_GATEWAY,
            };
            (status, error.to_string()).into_response()
        }
    }
}

/// The server.
pub fn router(client: Client, urls: Vec<String>) -> Router {
    Router::new().fallback(ask_all).with_state(Backends { client, urls })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let port = args.next().and_then(|port| port.parse().ok()).unwrap_or(8080_u16);
    let router = router(Client::new(), args.collect());
    axum::serve(tokio::net::TcpListener::bind(("127.0.0.1", port)).await?, router).await
}
