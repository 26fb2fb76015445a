//! What is wrong with a command line is told before anything begins, by the name of what is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::command::Ringdove;
use crate::support::hostile::{Plan, Script};

/// Without what lets root pass over permissions; others lack it anyway.
const UNPRIVILEGED: [&str; 3] = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
];

const URL: &str = "http://127.0.0.1:1/";

#[test]
fn bad_options_are_named() {
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["nothing to fetch"]),
        (&[URL, "--no-such-option"], &["--no-such-option"]),
        (&[URL, "--connections", "0"], &["'0'", "--connections"]),
        (&[URL, "--connections", "many"], &["'many'", "--connections"]),
        (&[URL, "--per-host", "-1"], &["-1"]),
        (&[URL, "--driver", "kqueue"], &["no driver 'kqueue' here", "auto", "poll", "epoll"]),
        (&[URL, "--connect-timeout", "soon"], &["'soon'", "--connect-timeout"]),
        (&[URL, "--timeout", "-3"], &["-3"]),
        (&[URL, "--idle-timeout", "0"], &["'0'", "--idle-timeout"]),
        (&[URL, "--max-body", "1x"], &["'1x'", "--max-body"]),
        (&[URL, "--max-redirs", "-2"], &["'-2'", "--max-redirs"]),
        (&[URL, "-X", "GET IT"], &["'GET IT'"]),
        (&[URL, "-X", "CONNECT"], &["CONNECT"]),
        (&[URL, "-X", "GET", "-I"], &["--request", "--head"]),
        (&[URL, "-d", "x", "-I"], &["-d", "-I"]),
        (&[URL, "-X", "TRACE", "-d", "x"], &["TRACE allows no body"]),
        (&[URL, "-H", "no colon"], &["'no colon'", "Name: value"]),
        (&[URL, "-H", "Bad Name: x"], &["Bad Name"]),
        (&[URL, "-H", "X: a\r\nY: b"], &["0x0d"]),
        (&[URL, "-H", "Content-Length: 5"], &["Content-Length"]),
        (&[URL, "-H", "Host: a", "-H", "host: b"], &["second Host", "b"]),
        (&[URL, "-A", "a\nb"], &["User-Agent", "0x0a"]),
        (&[URL, "-d", "@/no/such/file"], &["-d @/no/such/file"]),
        (&[URL, "-i", "-", "-d", "@-"], &["standard input"]),
        (&[URL, "-i", "/no/such/list"], &["/no/such/list", "No such file"]),
        (&["-i", "/"], &["URLs in /", "directory"]),
        (&[URL, "--cacert", "/no/such/roots.pem"], &["--cacert", "/no/such/roots.pem"]),
        (&[URL, "--cacert", "/dev/null"], &["--cacert", "/dev/null"]),
        (&[URL, "--resolve", "a"], &["'a'", "HOST:PORT:ADDR"]),
        (&[URL, "--resolve", "a:99999:127.0.0.1"], &["99999"]),
        (&[URL, "--resolve", "a:80:localhost"], &["localhost", "IP address"]),
        (&[URL, "-o", "/no/such/dir/file"], &["/no/such/dir/file"]),
        (&[URL, "-o", "/"], &["cannot write to /", "directory"]),
        (&[URL, "--output-dir", "/dev/null"], &["/dev/null"]),
        (&[URL, "--output-dir", "/dev/null/x"], &["/dev/null/x"]),
        (&[URL, "-o", "x", "--discard"], &["--discard"]),
        (&[URL, "-f", "--fail-with-body"], &["--fail-with-body"]),
        (&[URL, "-e", "http://a/;auto"], &["-e", ";auto"]),
        (&[URL, "--retry", "often"], &["'often'", "--retry", "whole number"]),
        (&[URL, "--netrc-file", "/no/such/logins"], &["netrc", "/no/such/logins"]),
        (&[URL, URL, "-o", "x"], &["-o", "--output-dir"]),
        (&[URL, "-o", "-", "--jsonl"], &["--jsonl", "standard output"]),
    ];
    for (args, words) in table {
        let ended = Ringdove::fetch(*args).run().exits(2).says(words);
        assert!(ended.stdout.is_empty(), "{args:?}: {}", ended.text());
    }
}

#[test]
fn what_may_not_be_read_or_written_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let list = directory.path().join("list");
    fs::write(&list, "").expect("a file");
    fs::set_permissions(&list, fs::Permissions::from_mode(0o000)).expect("its permissions");
    let bodies = directory.path().join("bodies");
    fs::create_dir(&bodies).expect("a directory");
    fs::set_permissions(&bodies, fs::Permissions::from_mode(0o555)).expect("its permissions");
    let denied = |option: &str, path: &std::path::Path| {
        Ringdove::fetch([URL])
            .path(option, path)
            .under(&UNPRIVILEGED)
            .run()
            .exits(2)
            .says(&[&path.display().to_string(), "Permission denied"]);
    };
    denied("-i", &list);
    denied("--output-dir", &bodies);
    denied("--output-dir", &bodies.join("below"));
    denied("-o", &bodies.join("file"));
    assert_eq!(fs::read_dir(&bodies).expect("a directory").count(), 0);
}

#[test]
fn help_and_version_are_no_failures() {
    for args in [["fetch", "--help"], ["doctor", "--help"]] {
        let ended = Ringdove::new(args[0]).args([args[1]]).run().exits(0);
        assert!(ended.text().contains("Usage: ringdove"), "{}", ended.text());
    }
    let version = Ringdove::new("--version").run().exits(0).text();
    assert_eq!(version.trim(), format!("ringdove {}", env!("CARGO_PKG_VERSION")));
    Ringdove::new("launch").run().exits(2).says(&["launch"]);
}

#[test]
fn one_letter_for_a_number_of_connections_and_a_file_of_cookies() {
    let server = Plan::new().path("/", Script::new().ok("x")).start();
    let directory = tempfile::tempdir().expect("a directory");
    let jar = directory.path().join("jar");
    let url = server.url("/");
    Ringdove::fetch(["-c", "2", &url]).path("-c", &jar).run().exits(0);
    assert!(jar.exists());
    Ringdove::fetch(["-c", "0", &url]).run().exits(2).says(&["-c", "must be at least 1"]);
}
