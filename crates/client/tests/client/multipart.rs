//! Forms with parts.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use ringdove_client::multipart::{Form, Part};
use ringdove_client::{Body, Client, blocking};
use ringdove_test_support::hostile::{Hostile, Plan, Script, SeenRequest};

use crate::bodies::Pieces;
use crate::run;

fn server() -> Hostile {
    Plan::new().path("/", Script::new().read_body().ok("taken")).start()
}

fn seen(server: &Hostile) -> SeenRequest {
    server.requests().pop().expect("a request")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_form_in_memory_has_a_length_and_can_be_sent_again() {
    let server = server();
    let form = Form::new().text("of \"me\"\r\n", "a\r\nb").part(
        "file",
        Part::body(Bytes::from_static(b"\0\xff"))
            .file_name("x\".bin")
            .content_type(HeaderValue::from_static("image/png"))
            .field(HeaderName::from_static("x-more"), HeaderValue::from_static("1")),
    );
    let boundary = form.boundary().to_owned();
    run(async {
        let request = Client::new().post(server.url("/")).multipart(form);
        let again = request.try_clone().expect("all of it is in memory");
        for request in [request, again] {
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "taken");
        }
    });
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"of %22me%22%0D%0A\"\r\n\r\na\r\nb\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x%22.bin\"\r\n\
         Content-Type: image/png\r\nX-More: 1\r\n\r\n"
    );
    let end = format!("\r\n--{boundary}--\r\n");
    let expected = [expected.as_bytes(), b"\0\xff", end.as_bytes()].concat();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.body, expected);
        let content = format!("multipart/form-data; boundary={boundary}");
        assert_eq!(request.field("content-type"), Some(content));
        assert_eq!(request.field("content-length"), Some(expected.len().to_string()));
    }
}

#[test]
fn a_file_is_streamed_with_its_length() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.txt");
    std::fs::write(&path, "0123456789".repeat(50_000)).unwrap();
    let form = Form::new().text("before", "1").file("file", &path).unwrap().text("after", "2");
    let boundary = form.boundary().to_owned();
    // and by the client that has no runtime
    let client = blocking::Client::new().unwrap();
    client.send(client.post(server.url("/")).multipart(form)).unwrap().text().unwrap();
    let request = seen(&server);
    assert_eq!(request.field("content-length"), Some(request.body.len().to_string()));
    let body = text(request.body);
    assert_eq!(body.matches(&boundary).count(), 4);
    assert_eq!(body.matches("0123456789").count(), 50_000);
    let head = "name=\"file\"; filename=\"large.txt\"\r\nContent-Type: application/octet-stream\r\n\r\n0123";
    assert!(body.contains(head), "{}", &body[..500]);
    assert!(Form::new().file("none", folder.path().join("none")).is_err());
}

#[test]
fn a_part_of_unknown_length_makes_it_chunked() {
    let server = server();
    let pieces = vec![Ok::<_, std::io::Error>("part1 "), Ok("part2")];
    let form = Form::new().part("streamed", Part::body(Body::stream(Pieces::new(pieces))));
    let boundary = form.boundary().to_owned();
    run(async {
        let call = Client::new().post(server.url("/")).multipart(form).send();
        assert_eq!(call.await.unwrap().status(), 200);
    });
    let request = seen(&server);
    assert_eq!(request.field("transfer-encoding").as_deref(), Some("chunked"));
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"streamed\"\r\n\r\npart1 part2\r\n--{boundary}--\r\n"
    );
    assert_eq!(text(request.body), expected);
}

#[test]
fn boundaries_are_not_used_twice() {
    let mut all: Vec<_> = (0..1_000).map(|_| Form::new().boundary().to_owned()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 1_000);
}
