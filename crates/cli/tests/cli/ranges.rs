//! `-r` and `-C`: parts of bodies, and files that are gone on with.

use std::fs;
use std::path::PathBuf;

use crate::command::{Ended, Ringdove, drivers};
use ringdove_test_support::hostile::{Hostile, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig};

const WHOLE: &str = "0123456789abcdef";

fn nginx() -> (Nginx, String) {
    let nginx = Nginx::start(NginxConfig::default());
    fs::write(nginx.docroot().join("whole"), WHOLE).expect("a file");
    let url = nginx.url("/whole");
    (nginx, url)
}

/// A server that answers so, whatever it is asked.
fn answering(head: &str, body: &str) -> Hostile {
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    Plan::new().path("/", Script::new().send(answer)).start()
}

/// A file in a directory of its own.
struct Part {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Part {
    fn new(content: Option<&str>) -> Part {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("part");
        if let Some(content) = content {
            fs::write(&path, content).expect("a file");
        }
        Part { _directory: directory, path }
    }

    fn fetch(&self, offset: &str, args: &[&str]) -> Ended {
        Ringdove::fetch(["-C", offset, "-q"]).args(args).path("-o", &self.path).run()
    }

    #[track_caller]
    fn has(&self, content: &str) {
        assert_eq!(fs::read_to_string(&self.path).expect("a file"), content);
    }
}

#[test]
fn ranges_are_asked_for() {
    let (_nginx, url) = nginx();
    for (range, want) in [("0-3", "0123"), ("10-", "abcdef"), ("-2", "ef"), ("14", "ef")] {
        assert_eq!(Ringdove::fetch(["-r", range, &url]).run().exits(0).text(), want, "{range}");
    }
    let parts = Ringdove::fetch(["-r", "0-1,4-5", &url]).run().exits(0).text();
    assert!(parts.contains("Content-Range: bytes 4-5/16\r\n\r\n45\r\n--"), "{parts}");
    let own = Ringdove::fetch(["-r", "0-1", "-H", "Range: bytes=3-4", &url]).run().exits(0);
    assert_eq!(own.text(), "34");
    Ringdove::fetch(["-r", "3-2", &url]).run().exits(2).says(&["--range", "FIRST-LAST"]);
}

#[test]
fn files_are_gone_on_with_on_every_driver() {
    let (_nginx, url) = nginx();
    for driver in drivers() {
        for have in [None, Some(""), Some("0"), Some(&WHOLE[..15]), Some(WHOLE)] {
            let part = Part::new(have);
            part.fetch("-", &["--driver", driver, &url]).exits(0);
            part.has(WHOLE);
        }
    }
    // elsewhere
    let part = Part::new(None);
    part.fetch("10", &[&url]).exits(0);
    part.has("abcdef");
    assert_eq!(Ringdove::fetch(["-C", "14", &url]).run().exits(0).text(), "ef");
}

#[test]
fn what_is_longer_than_the_whole_is_left_alone() {
    let (_nginx, url) = nginx();
    let part = Part::new(Some("0123456789abcdef and more"));
    part.fetch("-", &[&url]).exits(1).says(&["16 bytes, which is not the length"]);
    part.has("0123456789abcdef and more");
}

#[test]
fn nothing_is_appended_that_is_not_the_rest() {
    let table = [
        ("206 X\r\nContent-Range: bytes 4-15/16", "456789abcdef", "another range: bytes 4-15/16"),
        ("206 X\r\nContent-Range: bytes 6-8/16", "678", "another range"),
        ("200 OK\r\nContent-Range: bytes 4-15/16", "456789abcdef", "another range: bytes 4-15/16"),
        ("206 X\r\nContent-Range: lines 5-15/16", "56789abcdef", "does not say which range"),
        ("206 X", "56789abcdef", "does not say which range"),
        ("206 X\r\nContent-Range: bytes 5-15/16", "56789abcdefg", "more bytes came"),
        ("206 X\r\nContent-Type: multipart/byteranges; boundary=x", "--x", "does not say"),
        ("416 X\r\nContent-Range: bytes */4", "", "4 bytes, which is not the length"),
        ("416 X\r\nContent-Range: */4", "", "4 bytes, which is not the length"),
        ("404 X", "not found", "status 404 brings no rest"),
    ];
    for (head, body, why) in table {
        let (server, part) = (answering(head, body), Part::new(Some("01234")));
        part.fetch("-", &[&server.url("/")]).exits(1).says(&[why]);
        part.has("01234");
    }
    // too little: what came stays, and can be gone on with
    let server = answering("206 X\r\nContent-Range: bytes 5-15/16", "56789");
    let part = Part::new(Some("01234"));
    part.fetch("-", &[&server.url("/")]).exits(1).says(&["6 bytes that were announced"]);
    part.has("0123456789");
}

#[test]
fn what_says_less_than_it_should_is_taken_as_curl_takes_it() {
    let table = [
        ("416 X", "what is wrong", "01234"),
        ("416 X\r\nContent-Range: */5", "", "01234"),
        ("416 X\r\nContent-Range: bytes */*", "", "01234"),
        ("206 X\r\nContent-Range: bytes 5-8/16", "5678", "012345678"),
        ("206 X\r\nContent-Range: 5-8/9", "5678", "012345678"),
        ("206 X\r\nContent-Range: bytes: 5-8/9", "5678", "012345678"),
        ("200 OK\r\nContent-Range: bytes 5-8/9", "5678", "012345678"),
        ("200 OK", "abcde", "01234"),
    ];
    for (head, body, want) in table {
        let server = answering(head, body);
        let first = Plan::new()
            .path("/", Script::new().send(format!("HTTP/1.1 302 X\r\nLocation: {}\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nmoved", server.url("/"))))
            .start();
        for (url, more) in [(server.url("/"), "-f"), (first.url("/"), "-L")] {
            let part = Part::new(Some("01234"));
            part.fetch("-", &[more, &url]).exits(0);
            part.has(want);
        }
        for asked in first.requests().into_iter().chain(server.requests()) {
            assert_eq!(asked.field("range").as_deref(), Some("bytes=5-"));
        }
        assert_eq!((first.requests().len(), server.requests().len()), (1, 2));
    }
    // what is still missing is told
    let server = answering("206 X\r\nContent-Range: bytes 5-8/16", "5678");
    let part = Part::new(Some("01234"));
    Ringdove::fetch(["-C", "-", &server.url("/")])
        .path("-o", &part.path)
        .run()
        .exits(0)
        .says(&[&server.url("/"), "7 bytes are still missing"]);
    // and nobody waits for a whole that is there
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let server = Plan::new().path("/", Script::new().send(head).stall()).start();
    part.fetch("5", &[&server.url("/")]).exits(1).says(&["has 9 bytes: neither 5 nor none"]);
    let part = Part::new(Some("01234"));
    part.fetch("-", &[&server.url("/")]).exits(0);
    part.has("01234");
}

#[test]
fn a_whole_begins_the_file_again_where_that_may_be() {
    let (server, part) = (answering("200 OK", "another"), Part::new(Some("01234")));
    part.fetch("-", &[&server.url("/")]).exits(0);
    part.has("another");
    let part = Part::new(Some("01234"));
    part.fetch("5", &[&server.url("/")]).exits(1).says(&["sends the whole"]);
    part.has("01234");
}

#[test]
fn what_an_error_cuts_off_stays_and_is_gone_on_with() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n01234";
    let server = Plan::new().path("/", Script::new().send(cut).close()).start();
    let part = Part::new(None);
    part.fetch("-", &[&server.url("/")]).exits(1);
    part.has("01234");
    let (_nginx, url) = nginx();
    part.fetch("-", &[&url]).exits(0);
    part.has(WHOLE);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let (_nginx, url) = nginx();
    Ringdove::fetch(["-C", "-", &url]).run().exits(1).says(&["-C - goes on with a file"]);
    let part = Part::new(Some("01234"));
    part.fetch("3", &[&url]).exits(1).says(&["has 5 bytes: neither 3 nor none"]);
    part.has("01234");
    for option in ["--include", "-I", "--compressed", "--raw", "-r0-1"] {
        part.fetch("-", &[option, &url]).exits(2);
    }
}

#[test]
fn what_has_changed_since_begins_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let tag = directory.path().join("tag");
    let cut = "HTTP/1.1 200 OK\r\nETag: \"old\"\r\nContent-Length: 16\r\n\r\n01234";
    let server = Plan::new().path("/", Script::new().send(cut).close()).start();
    let part = Part::new(None);
    let save = ["--etag-save", tag.to_str().expect("UTF-8")];
    part.fetch("-", &[&save[..], &[&server.url("/")]].concat()).exits(1);
    assert_eq!(fs::read_to_string(&tag).expect("a tag"), "\"old\"\n");
    let server = answering("200 OK\r\nETag: \"new\"", "another");
    part.fetch("-", &[&save[..], &[&server.url("/")]].concat()).exits(0);
    part.has("another");
    let requests = server.requests();
    assert_eq!(requests[0].field("if-range").as_deref(), Some("\"old\""));
    assert_eq!(requests[0].field("range").as_deref(), Some("bytes=5-"));
    assert_eq!(fs::read_to_string(&tag).expect("a tag"), "\"new\"\n");
    let server = answering("206 X\r\nETag: \"newer\"\r\nContent-Range: bytes 7-9/10", "xyz");
    part.fetch("-", &[&save[..], &[&server.url("/")]].concat()).exits(1).says(&["another version"]);
    part.has("another");
}

#[test]
fn tags_of_bodies_that_were_cut_are_not_saved() {
    let directory = tempfile::tempdir().expect("a directory");
    let (tag, body) = (directory.path().join("tag"), directory.path().join("body"));
    let cut = "HTTP/1.1 200 OK\r\nETag: \"old\"\r\nContent-Length: 16\r\n\r\n01234";
    let server = Plan::new().path("/", Script::new().send(cut).close()).start();
    let url = server.url("/");
    Ringdove::fetch([&url]).path("--etag-save", &tag).path("-o", &body).run().exits(1);
    assert!(!tag.exists() && !body.exists());
    Ringdove::fetch([&url, &url]).path("--etag-save", &tag).run().exits(2).says(&["for one URL"]);
}
