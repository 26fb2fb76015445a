//! instant-acme, by its `HttpClient`.

use std::pin::Pin;

use axum::extract::State;
use axum::routing::{get, head, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use instant_acme::{Account, BodyWrapper, BytesResponse, Error, HttpClient, NewAccount};
use ringdove_client::Client;
use serde_json::{Value, json};

/// Ringdove's client, where instant-acme wants one.
struct Ringdove(Client);

impl HttpClient for Ringdove {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let response = self.0.execute(request);
        Box::pin(async move {
            let response = response.await.map_err(|error| Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(response.into_http()))
        })
    }
}

async fn directory(State(url): State<String>) -> Json<Value> {
    let [nonce, account, order] = ["nonce", "account", "order"].map(|path| format!("{url}/{path}"));
    Json(json!({ "newNonce": nonce, "newAccount": account, "newOrder": order }))
}

async fn account(State(url): State<String>, body: Bytes) -> impl axum::response::IntoResponse {
    let signed: Value = serde_json::from_slice(&body).unwrap();
    assert!(signed["signature"].is_string());
    let fields = [("replay-nonce", "two".to_owned()), ("location", format!("{url}/account/1"))];
    (StatusCode::CREATED, fields, Json(json!({ "status": "valid" })))
}

#[tokio::test]
async fn an_account_is_made() {
    // the server has to know its own name
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/directory", get(directory))
        .route("/nonce", head(|| async { [("replay-nonce", "one")] }))
        .route("/account", post(account))
        .with_state(url.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let who =
        NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(Box::new(Ringdove(Client::new())));
    let (account, _) = builder.create(&who, format!("{url}/directory"), None).await.unwrap();
    assert_eq!(account.id(), format!("{url}/account/1"));
}
