//! `-u`, netrc files, user information, `-b`, `-c` and `--hsts`: what is sent, kept and told.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls, OK_BODY};

const BASIC: &str = "Basic dTpw";

fn server() -> Hostile {
    Plan::new().path("/", Script::new().ok("fine")).start()
}

/// What Authorization said, request by request.
fn authorizations(server: &Hostile) -> Vec<Option<String>> {
    server.requests().iter().map(|request| request.field("authorization")).collect()
}

/// The same, of Cookie.
fn cookies(server: &Hostile) -> Vec<String> {
    let requests = server.requests();
    requests.iter().map(|request| request.field("cookie").unwrap_or_default()).collect()
}

#[test]
fn a_real_server_lets_those_in_who_may() {
    let nginx = Nginx::guarded("u", "p");
    let url = nginx.url("/private/x");
    let of_url = url.replace("//", "//u:p@");
    for driver in drivers() {
        let fetch =
            |args: &[&str]| Ringdove::fetch(["--driver", driver, "--fail"]).args(args).run();
        assert_eq!(fetch(&["-u", "u:p", &url]).exits(0).text(), "secret");
        assert_eq!(fetch(&["-u", "u:p", "--anyauth", &url]).exits(0).text(), "secret");
        assert_eq!(fetch(&[&of_url]).exits(0).text(), "secret");
        fetch(&["-u", "u:wrong", &url]).exits(1).says(&["status 401"]);
        fetch(&["-u", "u:p", "--digest", &url]).exits(1).says(&["status 401"]);
        fetch(&[&url]).exits(1).says(&["status 401"]);
    }
    let ended = Ringdove::fetch(["--jsonl", "-u", "u:p", "--anyauth", &url]).run().exits(0);
    let record: Value = serde_json::from_str(&ended.text()).unwrap();
    let statuses: Vec<_> =
        record["hops"].as_array().unwrap().iter().map(|h| &h["status"]).collect();
    assert_eq!(statuses, [401, 200]);
}

/// Guard: what is told is the URL without user information.
#[test]
fn passwords_of_urls_are_told_to_nobody() {
    let server = server();
    let url = server.url("/?q").replace("//", "//u:s3cret@");
    let odd = url.replace("http://", "http:");
    let nowhere = "http://u:s3cret@127.0.0.1:1/";
    for args in [
        &["-v", &url][..],
        &["--jsonl", &url],
        &["-v", &odd],
        &["-v", nowhere],
        &["--jsonl", nowhere],
        &["http://u:s3cret@a b/"],
    ] {
        let ended = Ringdove::fetch(args).run();
        let told = [ended.stdout.clone(), ended.stderr.clone().into_bytes()].concat();
        assert!(!String::from_utf8_lossy(&told).contains("s3cret"), "{args:?}");
    }
    assert_eq!(authorizations(&server), vec![Some("Basic dTpzM2NyZXQ=".to_owned()); 3]);
}

#[test]
fn netrc_files() {
    let server = server();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("netrc");
    fs::write(&file, "machine 127.0.0.1 login u password p\n").unwrap();
    let path = file.to_str().unwrap();
    let url = server.url("/");
    let of_url = url.replace("//", "//x:y@");
    Ringdove::fetch(["--netrc-file", path, &url]).run().exits(0);
    Ringdove::fetch(["--netrc-file", path, &of_url]).run().exits(0);
    Ringdove::fetch(["--netrc-file", path, "--netrc-optional", &of_url]).run().exits(0);
    Ringdove::fetch(["--netrc-file", path, "-u", "x:y", &url]).run().exits(0);
    Ringdove::fetch(["--oauth2-bearer", "t0k", &url]).run().exits(0);
    let want = [BASIC, BASIC, "Basic eDp5", "Basic eDp5", "Bearer t0k"];
    assert_eq!(authorizations(&server), want.map(|value| Some(value.to_owned())));
    fs::write(&file, "\u{feff}machine 127.0.0.1\n login a:b password p\n").unwrap();
    let told = ["warning", path, "line 1", "colon"];
    Ringdove::fetch(["--netrc-file", path, &url]).run().exits(0).says(&told);
    assert_eq!(authorizations(&server).last(), Some(&None));
    fs::write(&file, "machine\n").unwrap();
    Ringdove::fetch(["--netrc-file", path, &url]).run().exits(2).says(&["line"]);
    Ringdove::fetch(["--netrc-file", "/nowhere/x", &url]).run().exits(2).says(&["/nowhere/x"]);
}

#[test]
fn credentials_stay_behind_unless_trusted() {
    let away = server();
    let home = Plan::new()
        .path(
            "/",
            Script::new().respond(
                &format!("302 X\r\nLocation: {}", away.url("/")),
                Framing::ContentLength,
                "",
            ),
        )
        .start();
    for option in ["-L", "--location-trusted"] {
        Ringdove::fetch([option, "-u", "u:p", "-b", "a=b", &home.url("/")]).run().exits(0);
    }
    assert_eq!(authorizations(&home), vec![Some(BASIC.to_owned()); 2]);
    assert_eq!(authorizations(&away), [None, Some(BASIC.to_owned())]);
    assert_eq!(
        (cookies(&home), cookies(&away)),
        (vec!["a=b".into(); 2], vec!["".into(), "a=b".into()])
    );
}

/// A server that sets a session's cookie, a lasting one, and one for nobody.
fn setting() -> Hostile {
    let head = "200 OK\r\nSet-Cookie: session=1\r\nSet-Cookie: lasting=2; max-age=1000; httponly\r\n\
                Set-Cookie: stray=3; domain=example.com";
    Plan::new().path("/", Script::new().respond(head, Framing::ContentLength, "fine")).start()
}

#[test]
fn cookies_go_from_run_to_run() {
    let server = setting();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jar");
    let path = file.to_str().unwrap();
    let url = server.url("/");
    Ringdove::fetch(["-c", path, &url]).run().exits(0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# Netscape HTTP Cookie File\n"), "{text}");
    assert!(text.contains("127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t1\n"), "{text}");
    assert!(text.contains("#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t"), "{text}");
    assert!(!text.contains("stray"), "{text}");
    Ringdove::fetch(["-b", path, &url]).run().exits(0);
    Ringdove::fetch(["-b", path, "-j", "-b", "own=3", &url]).run().exits(0);
    Ringdove::fetch(["-b", "own=3", &url]).run().exits(0);
    Ringdove::fetch(["-b", "/nowhere", &url, &url]).run().exits(0);
    let both = "session=1; lasting=2";
    assert_eq!(cookies(&server), ["", both, "lasting=2; own=3", "own=3", "", both]);
    let printed = Ringdove::fetch(["-c", "-", "--discard", &url]).run().exits(0).text();
    assert!(printed.contains("\tsession\t1\n"), "{printed}");
    let asked = server.requests().len();
    Ringdove::fetch(["-c", "/nowhere/jar", &url]).run().exits(2).says(&["-c /nowhere/jar"]);
    assert_eq!(server.requests().len(), asked, "it is known before anything is asked");
}

/// What ringdove writes curl reads, and the other way round.
#[test]
fn curl_reads_the_same_files() {
    let server = setting();
    let directory = tempfile::tempdir().unwrap();
    let url = server.url("/");
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let curl = |args: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null"]).args(args).arg(&url);
        curl.status().map(|status| assert!(status.success()))
    };
    Ringdove::fetch(["-c", &path("ours"), &url]).run().exits(0);
    if curl(&["-b", &path("ours"), "-c", &path("theirs")]).is_err() {
        eprintln!("skipped: curl is not installed");
        return;
    }
    Ringdove::fetch(["-b", &path("theirs"), &url]).run().exits(0);
    let sorted = |cookies: &str| {
        let mut cookies: Vec<_> = cookies.split("; ").map(str::to_owned).collect();
        cookies.sort();
        cookies
    };
    let sent = cookies(&server);
    assert_eq!(sent.len(), 3, "{}", server.dump());
    assert_eq!(sorted(&sent[1]), ["lasting=2", "session=1"]);
    assert_eq!(sorted(&sent[2]), ["lasting=2", "session=1"]);
}

#[test]
fn a_host_that_wants_tls_gets_it_from_then_on() {
    let authority = Authority::new();
    let nginx = Nginx::start(NginxConfig {
        tls: Some(NginxTls::new(&authority.server())),
        server_directives: "add_header Strict-Transport-Security \"max-age=1000\";\n".to_owned(),
        ..NginxConfig::default()
    });
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("hsts");
    let port = nginx.tls_addr().port();
    let resolve = format!("localhost:{port}:127.0.0.1");
    let fetch = |url: String| {
        let fetch = Ringdove::fetch(["--resolve", &resolve]).path("--cacert", &authority.ca_file());
        fetch.path("--hsts", &list).args([&url]).run().exits(0)
    };
    let secure = format!("https://localhost:{port}/ok");
    let plain = format!("http://localhost:{port}/ok");
    // plain HTTP to a port of TLS
    assert_ne!(fetch(plain.clone()).stdout, OK_BODY);
    // who was not verified is not believed (RFC 6797, 8.1)
    Ringdove::fetch(["-k", "--resolve", &resolve, &secure]).path("--hsts", &list).run().exits(0);
    assert!(!fs::read_to_string(&list).unwrap().contains("localhost"));
    assert_eq!(fetch(secure).stdout, OK_BODY);
    assert!(fs::read_to_string(&list).unwrap().contains("\nlocalhost \""));
    for plain in [plain.clone(), plain.replace("localhost", "LOCALHOST.")] {
        assert_eq!(fetch(plain).stdout, OK_BODY);
    }
}
