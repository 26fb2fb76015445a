//! Servers, as far as the crates ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

/// Serves until the runtime ends. The URL's beginning.
pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A store that speaks S3: objects below one bucket.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Objects>>);

#[derive(Default)]
struct Objects {
    whole: BTreeMap<String, Bytes>,
    parts: BTreeMap<String, BTreeMap<u32, Bytes>>,
    /// Answers that say 503 before others come.
    refusals: u32,
}

impl Store {
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Refuses the next requests.
    pub(crate) fn refuse(&self, times: u32) {
        self.0.lock().unwrap().refusals = times;
    }
}

async fn answer(
    State(store): State<Store>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path().trim_start_matches('/');
    let key = path.split_once('/').map_or("", |(_, key)| key).to_owned();
    let mut objects = store.0.lock().unwrap();
    if objects.refusals > 0 {
        objects.refusals -= 1;
        return status(StatusCode::SERVICE_UNAVAILABLE);
    }
    match (head.method, query.get("uploadId")) {
        (Method::GET | Method::HEAD, _) if key.is_empty() => objects.list(&query),
        (Method::GET | Method::HEAD, _) => objects.get(&key, &head.headers),
        (Method::PUT, Some(_)) => objects.put_part(&key, &query, body),
        (Method::PUT, None) => objects.put(&key, body),
        (Method::POST, None) if query.contains_key("uploads") => objects.begin(&key),
        (Method::POST, Some(_)) => objects.complete(&key),
        (Method::POST, None) if query.contains_key("delete") => objects.delete_all(&body),
        (Method::DELETE, _) => {
            objects.whole.remove(&key);
            status(StatusCode::NO_CONTENT)
        }
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

impl Objects {
    fn put(&mut self, key: &str, body: Bytes) -> Response {
        self.whole.insert(key.to_owned(), body);
        tagged("")
    }

    fn begin(&mut self, key: &str) -> Response {
        self.parts.insert(key.to_owned(), BTreeMap::new());
        xml(&format!(
            "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>{key}</Key><UploadId>one</UploadId></InitiateMultipartUploadResult>"
        ))
    }

    fn put_part(&mut self, key: &str, query: &BTreeMap<String, String>, body: Bytes) -> Response {
        let number = query["partNumber"].parse().unwrap();
        self.parts.get_mut(key).unwrap().insert(number, body);
        tagged("")
    }

    fn complete(&mut self, key: &str) -> Response {
        let parts = self.parts.remove(key).unwrap();
        let whole = parts.values().flatten().copied().collect::<Vec<u8>>();
        self.whole.insert(key.to_owned(), whole.into());
        xml(&format!(
            "<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>{key}</Key><ETag>\"tag\"</ETag></CompleteMultipartUploadResult>"
        ))
    }

    fn get(&self, key: &str, fields: &HeaderMap) -> Response {
        let Some(whole) = self.whole.get(key) else {
            return status(StatusCode::NOT_FOUND);
        };
        let response = Response::builder()
            .header(header::ETAG, "\"tag\"")
            .header(header::ACCEPT_RANGES, "bytes")
            .header(header::LAST_MODIFIED, "Tue, 01 Dec 2026 00:00:00 GMT");
        let range = fields.get(header::RANGE).and_then(|range| range.to_str().ok());
        let Some((from, to)) =
            range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
        else {
            return response.body(Body::from(whole.clone())).unwrap();
        };
        let from: usize = from.parse().unwrap();
        let end = to.parse().map_or(whole.len(), |last: usize| (last + 1).min(whole.len()));
        response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {from}-{}/{}", end - 1, whole.len()))
            .body(Body::from(whole.slice(from..end)))
            .unwrap()
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let prefix = query.get("prefix").map_or("", String::as_str);
        let rows: String = self
            .whole
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, whole)| {
                let size = whole.len();
                format!("<Contents><Key>{key}</Key><LastModified>2026-12-01T00:00:00.000Z</LastModified><ETag>\"tag\"</ETag><Size>{size}</Size></Contents>")
            })
            .collect();
        xml(&format!(
            "<ListBucketResult><Name>b</Name><Prefix>{prefix}</Prefix><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        ))
    }

    fn delete_all(&mut self, body: &[u8]) -> Response {
        let text = String::from_utf8_lossy(body);
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        let mut deleted = String::new();
        for (key, _) in keys {
            self.whole.remove(key);
            deleted += &format!("<Deleted><Key>{key}</Key></Deleted>");
        }
        xml(&format!("<DeleteResult>{deleted}</DeleteResult>"))
    }
}

fn status(status: StatusCode) -> Response {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

fn tagged(body: &'static str) -> Response {
    Response::builder().header(header::ETAG, "\"tag\"").body(Body::from(body)).unwrap()
}

fn xml(body: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}");
    Response::builder().header(header::CONTENT_TYPE, "application/xml").body(body.into()).unwrap()
}
