//! `-z`: bodies that are wanted by their date.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::command::{Ringdove, drivers};
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig};

const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A server that heeds conditions, with a file of that date.
fn nginx() -> (Nginx, String) {
    let nginx = Nginx::start(NginxConfig::default());
    let path = nginx.docroot().join("dated");
    fs::write(&path, "dated").expect("a file");
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let file = fs::File::options().write(true).open(path).expect("the file");
    file.set_modified(then).expect("a date");
    let url = nginx.url("/dated");
    (nginx, url)
}

#[test]
fn what_has_not_changed_is_left_alone_and_no_failure() {
    let (_nginx, url) = nginx();
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    fs::write(&out, "old").expect("a file");
    for driver in drivers() {
        let fetch = |date: &str| {
            let ended = Ringdove::fetch(["-z", date, "--jsonl", "--driver", driver, &url]);
            ended.path("-o", &out).run().exits(0).text()
        };
        let told = fetch(THEN);
        assert!(told.contains(r#""status":304,"error":null"#), "{told}");
        assert!(told.contains(r#""file":null"#), "{told}");
        assert_eq!(fs::read(&out).expect("a file"), b"old");
        assert!(fetch("1994-Nov-06 08:49:36").contains(r#""status":200"#));
        assert_eq!(fs::read(&out).expect("a file"), b"dated");
        fs::write(&out, "old").expect("a file");
    }
    // to standard output there is nothing
    assert_eq!(Ringdove::fetch(["-z", THEN, &url]).run().exits(0).text(), "");
    // only if it is as old as that: the server says no, which is a status as any
    assert_eq!(Ringdove::fetch(["-z", &format!("-{THEN}"), &url]).run().exits(0).text(), "dated");
    Ringdove::fetch(["-f", "-z", "-1994 Nov 6", &url]).run().exits(1).says(&["status 412"]);
}

#[test]
fn the_date_of_a_file_is_a_date() {
    let (nginx, url) = nginx();
    let dated = nginx.docroot().join("dated");
    assert_eq!(Ringdove::fetch([&url]).path("-z", &dated).run().exits(0).text(), "");
    let before = tempfile::NamedTempFile::new().expect("a file");
    before.as_file().set_modified(SystemTime::UNIX_EPOCH).expect("a date");
    assert_eq!(Ringdove::fetch([&url]).path("-z", before.path()).run().exits(0).text(), "dated");
    let ended = Ringdove::fetch(["-z", "no such file", &url]).run().exits(0);
    assert_eq!(ended.text(), "dated");
    ended.says(&["-z no such file: neither a date nor a file that is there"]);
    Ringdove::fetch(["-z", THEN, "-C", "-", &url]).run().exits(2).says(&["cannot be used with"]);
}

/// Dates count also where the server looks at none.
#[test]
fn a_server_that_does_not_heed_the_condition_delivers_nothing_either() {
    let head = format!("200 OK\r\nLast-Modified: {THEN}");
    let server = Plan::new()
        .path("/", Script::new().respond(&head, Framing::ContentLength, "body"))
        .path("/undated", Script::new().ok("body"))
        .start();
    let text = |args: &[&str], path: &str| {
        Ringdove::fetch(args).args([server.url(path)]).run().exits(0).text()
    };
    assert_eq!(text(&["-z", THEN], "/"), "");
    assert_eq!(text(&["-z", "6 Nov 1994 08:49:36"], "/"), "body");
    assert_eq!(text(&["-z", &format!("-{THEN}")], "/"), "body");
    assert_eq!(text(&["-z", "-6 Nov 1994 08:49:36"], "/"), "");
    assert_eq!(text(&["-z", THEN], "/undated"), "body");
    let with_head = text(&["--include", "-z", THEN], "/");
    assert!(with_head.starts_with("HTTP/1.1 200 OK\r\n") && with_head.ends_with("\r\n\r\n"));
    let own = "If-Modified-Since: Mon, 01 Jan 1990 00:00:00 GMT";
    text(&["-z", "1 Jan 1980", "-H", own], "/");
    let asked: Vec<_> = server
        .requests()
        .iter()
        .map(|request| (request.field("if-modified-since"), request.field("if-unmodified-since")))
        .collect();
    let then = || Some(THEN.to_owned());
    assert_eq!(asked[0], (then(), None));
    assert_eq!(asked[2], (None, then()));
    assert_eq!(asked[6], (Some(own[19..].to_owned()), None));
}
