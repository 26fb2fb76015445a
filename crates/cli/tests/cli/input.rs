//! Lists of URLs: junk is named and counted, and the rest fetched; nothing is read before it is
//! needed, and nothing waits for what may come later.

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::command::Ringdove;
use ringdove_test_support::dead_end::Blackhole;
use ringdove_test_support::nginx::{Nginx, OK_BODY};
use ringdove_test_support::{PATIENCE, eventually};

#[test]
fn junk_lines_are_named_with_their_number_and_the_rest_is_fetched() {
    let nginx = Nginx::plain();
    let url = nginx.url("/ok");
    let long = format!("{url}?{}", "x".repeat(70_000));
    let lines: [(&str, &[&str]); 17] = [
        ("# a comment", &[]),
        ("", &[]),
        ("  \t ", &[]),
        (&url, &[]),
        ("ftp.example/", &["line 5: ftp.example/", "http://"]),
        ("http://", &["line 6: http://", "empty host"]),
        ("http://[::1/", &["line 7: http://[::1/", "IPv6"]),
        ("http://h:99999/", &["line 8: http://h:99999/", "port"]),
        ("http://h:0/", &["line 9: http://h:0/", "port 0"]),
        ("ftp://h/", &["line 10: ftp://h/", "ftp"]),
        ("http://h/a b", &["line 11: http://h/a b", "space"]),
        ("http://h/\u{1b}[2J", &["line 12: http://h/", "control"]),
        ("http://h\0/", &["line 13: http://h", "control", "0x00"]),
        ("http://a..b/", &["line 14: http://a..b/", "empty label"]),
        (&long, &["line 15: ", "longer than 65536 bytes"]),
        (&url, &[]),
        ("https://:443/", &["line 17: https://:443/", "empty host"]),
    ];
    let list = lines.map(|(line, _)| line).join("\n");
    let mut list = list.into_bytes();
    list.extend_from_slice(b"\nhttp://h/\xff\xfe\n");
    let ended = Ringdove::fetch(["--discard", "-i", "-", &url, "http:///"]).stdin(list).run();
    let mut ended = ended
        .exits(1)
        .says(&["done", "3 (2xx 3)"])
        .says(&["failed", "14 (input 14)"])
        .says(&["ringdove: http:///", "empty host"])
        .says(&["line 18: ", "not UTF-8"]);
    for (_, words) in lines.iter().filter(|(_, words)| !words.is_empty()) {
        ended = ended.says(words);
    }
    assert!(!ended.stderr.contains('\u{1b}'), "no control character reaches the terminal");
}

#[test]
fn lists_have_urls_without_a_scheme_but_no_globs() {
    let nginx = Nginx::plain();
    let url = nginx.url("/ok");
    let list = format!("{}\n{url}?{{a,b}}[1-9]\n", url.trim_start_matches("http://"));
    let ended = Ringdove::fetch(["--jsonl", "-i", "-"]).stdin(list).run().exits(0);
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    assert!(stdout.contains("?{a,b}[1-9]"), "{stdout}");
}

#[test]
fn a_glob_of_ten_billion_urls_is_begun_at_once_and_ended_by_its_first_failure() {
    let nginx = Nginx::plain();
    let glob = format!("{}?[0000000000-9999999999]", nginx.url("/missing"));
    let args = ["--fail-early", "-f", "--discard", "--connections", "2", &glob];
    Ringdove::fetch(args)
        .under(&["prlimit", "--as=1500000000"])
        .run()
        .exits(1)
        .says(&["404", "?000000000"])
        .says(&["--fail-early: ", "99999999", "URLs of the command line not begun"]);
}

#[test]
fn a_bad_url_of_the_command_line_harms_no_other() {
    let nginx = Nginx::plain();
    let url = nginx.url("/ok");
    let ended = Ringdove::fetch([&url, "http://h:x/", &url]).run().exits(1);
    assert_eq!(ended.stdout, OK_BODY.repeat(2));
    ended.says(&["http://h:x/", "invalid port"]);
}

#[test]
fn an_empty_list_is_done() {
    Ringdove::fetch(["--discard", "-i", "-"]).run().exits(0).says(&["done", "0"]);
    Ringdove::fetch(["--discard", "-i", "/dev/null"]).run().exits(0);
}

#[test]
fn a_list_that_cannot_be_read_on_is_named() {
    // its first read fails, though it opens
    Ringdove::fetch(["--discard", "-i", "/proc/self/mem"])
        .run()
        .exits(1)
        .says(&["/proc/self/mem", "cannot read on"]);
}

#[test]
fn a_url_is_fetched_while_the_next_one_has_yet_to_come() {
    let nginx = Nginx::plain();
    let mut running = Ringdove::fetch(["--jsonl", "-i", "-"]).start();
    let mut stdout = running.stdout.take().expect("a pipe");
    for round in 0..5 {
        running.write(&format!("{}?{round}\n", nginx.url("/ok")));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a record");
        assert!(line.contains(&format!("/ok?{round}\"")), "{line}");
    }
    running.close_stdin();
    running.wait().exits(0).says(&["done", "5 (2xx 5)"]);
}

#[test]
fn no_more_is_read_than_is_needed() {
    const MOST: usize = 4 << 20;
    let hole = Blackhole::start().expect("an address that does not answer");
    let mut running = Ringdove::fetch(["--discard", "--connections", "4", "-i", "-"]).start();
    let mut stdin = running.take_stdin();
    let written = Arc::new(AtomicUsize::new(0));
    let lines = format!("http://{}/\n", hole.addr()).repeat(100);
    let feeder = std::thread::spawn({
        let written = Arc::clone(&written);
        move || {
            while written.load(Ordering::Relaxed) < MOST
                && stdin.write_all(lines.as_bytes()).is_ok()
            {
                written.fetch_add(lines.len(), Ordering::Relaxed);
            }
        }
    });
    // it reads until it stops, far below what it is offered
    let mut before = 0;
    let settled = eventually(PATIENCE, || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let now = written.load(Ordering::Relaxed);
        std::mem::replace(&mut before, now) == now && now > 0
    });
    assert!(settled && before < MOST, "{before} bytes were taken");
    running.signal("INT");
    running.wait().exits(130).says(&[
        "interrupted",
        "8 transfers given up",
        "the input after line 8",
    ]);
    feeder.join().expect("the pipe is closed");
}

#[test]
fn a_file_is_read_as_standard_input_is() {
    let nginx = Nginx::plain();
    let directory = tempfile::tempdir().expect("a directory");
    let list = directory.path().join("urls");
    let urls = format!("# list\r\n\r\n{}\r\n  {}", nginx.url("/ok"), nginx.url("/ok"));
    fs::write(&list, &urls).expect("a list");
    for (name, input) in [(list.to_str().expect("UTF-8"), ""), ("-", &urls)] {
        let ended = Ringdove::fetch(["-i", name]).stdin(input).run().exits(0);
        assert_eq!(ended.stdout, OK_BODY.repeat(2));
    }
}

/// What would be read for ever is told of, and nothing is asked for.
#[test]
fn files_without_an_end_are_told_of() {
    for option in [
        &["--etag-save", "/dev/full"][..],
        &["--etag-compare", "/dev/zero"],
        &["--hsts", "/dev/zero"],
        &["-b", "/dev/zero"],
        &["--netrc-file", "/dev/zero"],
        &["--cacert", "/dev/zero"],
        &["--pinnedpubkey", "/dev/zero"],
        &["-w", "@/dev/zero"],
        &["-H", "@/dev/zero"],
    ] {
        let file = option[1].trim_start_matches('@');
        Ringdove::fetch(option).args(["https://127.0.0.1:9/"]).run().exits(2).says(&[file]);
    }
}
