//! octocrab, to which the client is any tower service.

use axum::Json;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use ringdove_client::Client;
use serde_json::{Value, json};

use crate::server::serve;

async fn repository(Path((owner, name)): Path<(String, String)>, fields: HeaderMap) -> Json<Value> {
    let agent = fields.get("user-agent").map(|agent| agent.to_str().unwrap());
    Json(json!({ "full_name": format!("{owner}/{name}"), "agent": agent }))
}

async fn comment(Json(said): Json<Value>) -> (StatusCode, Json<Value>) {
    (StatusCode::CREATED, Json(json!({ "said": said["body"] })))
}

async fn missing() -> (StatusCode, Json<Value>) {
    let told =
        json!({ "message": "Not Found", "documentation_url": "https://docs.github.com/rest" });
    (StatusCode::NOT_FOUND, Json(told))
}

fn octocrab(url: &str) -> Octocrab {
    let agent = HeaderValue::from_static("dove");
    let client = Client::builder().default_header(header::USER_AGENT, agent).build().unwrap();
    OctocrabBuilder::new_empty()
        .with_service(client)
        .with_layer(&BaseUriLayer::new(url.parse::<Uri>().unwrap()))
        .with_auth(AuthState::None)
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_api_is_asked() {
    let router = Router::new()
        .route("/repos/{owner}/{name}", get(repository).post(comment))
        .fallback(missing);
    let octocrab = octocrab(&serve(router).await);
    let repository: Value = octocrab.get("/repos/a/b", None::<&()>).await.unwrap();
    assert_eq!(repository, json!({ "full_name": "a/b", "agent": "dove" }));
    let said = json!({ "body": "well" });
    let comment: Value = octocrab.post("/repos/a/b", Some(&said)).await.unwrap();
    assert_eq!(comment, json!({ "said": "well" }));
    let missing = octocrab.get::<Value, _, ()>("/nowhere", None).await.unwrap_err();
    let octocrab::Error::GitHub { source, .. } = missing else { panic!("{missing:?}") };
    assert_eq!((source.status_code, &*source.message), (StatusCode::NOT_FOUND, "Not Found"));
}
