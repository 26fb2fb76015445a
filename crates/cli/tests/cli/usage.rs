//! What is wrong with a command line is told before anything begins, by the name of what is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::command::Ringdove;
use ringdove_test_support::hostile::{Plan, Script};

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
        (&[URL, URL, URL, "-o", "x", "-o", "y"], &["-o is given 2 times"]),
        (&[URL, "-o", "x", "-o", "y"], &["-o is given 2 times"]),
        (&[URL, "-T", "x", "-T", "y"], &["-T is given 2 times", "each URL"]),
        (&[URL, URL, URL, "-T", "x", "-T", "y"], &["-T is given 2 times"]),
        (&["-i", "-", "-T", "x", "-T", "y"], &["-T is given 2 times"]),
        (&[URL, URL, "-T", "Cargo.toml", "-T", "/no/such"], &["-T /no/such"]),
        (&[URL, "http://127.0.0.1:1/{a,b}", "-T", "Cargo.toml", "-T", "-"], &["one URL"]),
        (&[URL, URL, "-T", "-", "-T", "-"], &["standard input", "-T"]),
        (&[URL, "-T", "/dev/null", "-r", "0-3"], &["-T", "-r"]),
        (&[URL, "-T", "-", "-C", "3"], &["-C", "no pipe"]),
        (&[URL, "-T", "Cargo.toml", "-C", "9999999"], &["-C 9999999", "-T Cargo.toml", "bytes"]),
        (&["-i", "http://127.0.0.1:1/"], &["-i", "--include"]),
        (&["localhost:8001/a", "-o", "/no/such/dir/file"], &["/no/such/dir/file"]),
        (&[URL, "--etag-save", "/no/such/dir/e"], &["--etag-save", "/no/such/dir/e"]),
        (&[URL, "-c", "/no/such/dir/j"], &["-c", "/no/such/dir/j"]),
        (&[URL, "--hsts", "/no/such/dir/h"], &["--hsts", "/no/such/dir/h"]),
        (&[URL, "-o", "-", "--jsonl"], &["--jsonl", "standard output"]),
        (&[URL, "--dns-servers", "::1,fe80::1"], &["--dns-servers", "'fe80::1'", "needs a zone"]),
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
fn a_thread_that_cannot_be_started_is_named_by_its_purpose() {
    // a stack that no address space has room for
    let without_threads = ["env", "RUST_MIN_STACK=1125899906842624"];
    Ringdove::fetch([URL])
        .under(&without_threads)
        .run()
        .exits(2)
        .says(&["cannot start the thread that waits for signals: "]);
}

/// What is in a home directory is read by who asks for it alone.
#[test]
fn there_is_no_hidden_configuration() {
    let server = Plan::new().path("/", Script::new().ok("x")).start();
    let home = tempfile::tempdir().expect("a directory");
    let config = "user-agent = hidden\nheader = \"X-Hidden: 1\"\n";
    for name in [".curlrc", ".ringdoverc", ".config/curlrc", ".config/ringdove/config"] {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, config).expect("a file");
    }
    fs::write(home.path().join(".netrc"), "machine 127.0.0.1 login me password pw\n")
        .expect("a file");
    let home = |name: &str| format!("{name}={}", home.path().display());
    let (home, config, curl) = (home("HOME"), home("XDG_CONFIG_HOME"), home("CURL_HOME"));
    let environment = ["env", &home, &config, &curl];
    for more in [&[][..], &["-n"]] {
        Ringdove::fetch([server.url("/")]).args(more).under(&environment).run().exits(0);
    }
    let [plain, with_login] = &server.requests()[..] else { panic!("two requests") };
    assert!(!String::from_utf8_lossy(&plain.head).to_lowercase().contains("hidden"));
    assert_eq!(plain.field("authorization"), None);
    assert_eq!(with_login.field("authorization").as_deref(), Some("Basic bWU6cHc="));
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
