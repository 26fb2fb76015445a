//! What goes wrong, and what is said of it.

use std::time::{Duration, Instant};

use ringdove::error::Retry;
use ringdove_client::Client;
use ringdove_test_support::hostile::{Plan, Script};

use crate::run;

#[test]
fn who_is_not_there_is_told() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::new();
    let url = format!("http://{gone}/");
    let error = run(client.get(&url).send()).unwrap_err();
    assert!(error.is_connect() && error.is_transient() && !error.is_timeout(), "{error}");
    assert_eq!(error.retry(), Retry::Safe);
    assert_eq!(error.url().unwrap().as_str(), url);
    let os = std::error::Error::source(&error).and_then(std::error::Error::source);
    let os = os.and_then(|it| it.downcast_ref::<std::io::Error>()).expect("the system's");
    assert_eq!(os.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn requests_that_cannot_be_made_are_told_where_they_are_sent() {
    let client = Client::new();
    let bad = [
        client.get("no url at all"),
        client.get("ftp://127.0.0.1/"),
        client.get("http://127.0.0.1/").header("b a d", "x"),
        client.get("http://127.0.0.1/").header("bad", "x\ny"),
    ];
    for request in bad {
        let error = run(request.send()).unwrap_err();
        assert!(error.is_request(), "{error}");
    }
}

#[test]
fn deadlines_are_told_apart() {
    let server = Plan::new().path("/", Script::new().stall()).start();
    let client = Client::new();
    let total = client.get(server.url("/")).timeout(Duration::from_millis(30));
    let error = run(total.send()).unwrap_err();
    assert!(error.is_timeout() && error.is_deadline(), "{error}");
    let passed = client.get(server.url("/")).deadline(Instant::now());
    assert!(run(passed.send()).unwrap_err().is_deadline());
    let first_byte = client.get(server.url("/")).options(|options| {
        options.timeouts.first_byte = Some(Duration::from_millis(30));
    });
    let error = run(first_byte.send()).unwrap_err();
    assert!(error.is_timeout() && !error.is_deadline() && !error.is_connect(), "{error}");
}

#[test]
fn statuses_are_errors_where_that_is_asked() {
    let server = Plan::new()
        .path(
            "/503",
            Script::new().respond(
                "503 Busy",
                ringdove_test_support::hostile::Framing::ContentLength,
                "busy",
            ),
        )
        .start();
    let client = Client::new();
    run(async {
        let response = client.get(server.url("/503")).send().await.unwrap();
        let error = response.error_for_status_ref().unwrap_err();
        assert!(error.is_transient() && error.status().unwrap() == 503, "{error}");
        assert_eq!(response.text().await.unwrap(), "busy");
    });
}
