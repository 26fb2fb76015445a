//! `-J`: files that are named by their responses.

use std::fs;
use std::path::Path;

use crate::command::{Ended, Ringdove, drivers};
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};

fn server() -> Hostile {
    let says = |value: &str, body: &str| {
        let head = format!("200 OK\r\nContent-Disposition: {value}");
        Script::new().respond(&head, Framing::ContentLength, body)
    };
    Plan::new()
        .path("/a", says("attachment; filename=\"b c.txt\"", "named"))
        .path("/star", says("attachment; filename=no; filename*=UTF-8''%e2%82%ac", "euro"))
        .path("/path", says("attachment; filename=\"../../x/.hidden\"", "hidden"))
        .path("/dots", says("attachment; filename=..", "dots"))
        .path("/control", says("attachment; filename*=UTF-8''a%0ab", "control"))
        .path("/", says("attachment; filename=of-root", "root"))
        .path("/none/", Script::new().ok("nameless"))
        .path("/plain", Script::new().ok("plain"))
        .path(
            "/moved",
            Script::new().respond(
                "302 X\r\nLocation: /a\r\nContent-Disposition: attachment; filename=hop",
                Framing::ContentLength,
                "",
            ),
        )
        .start()
}

fn fetch(directory: &Path, args: &[&str]) -> Ended {
    Ringdove::fetch(["-O", "-J", "-q"]).args(args).path("--output-dir", directory).run()
}

fn files(directory: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            let name = entry.file_name().into_string().expect("UTF-8");
            (name, fs::read_to_string(entry.path()).expect("a file"))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn files_have_the_names_that_responses_propose() {
    let server = server();
    let table = [
        ("/a", "b c.txt", "named"),
        ("/star", "\u{20ac}", "euro"),
        ("/path", "hidden", "hidden"),
        ("/dots", "dots", "dots"),
        ("/control", "control", "control"),
        ("/", "of-root", "root"),
        ("/plain", "plain", "plain"),
        ("/moved", "b c.txt", "named"),
    ];
    for driver in drivers() {
        for (path, name, body) in table {
            let directory = tempfile::tempdir().expect("a directory");
            let url = server.url(path);
            fetch(directory.path(), &["-L", "--driver", driver, &url]).exits(0);
            assert_eq!(files(directory.path()), [(name.to_owned(), body.to_owned())], "{path}");
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    let told = fetch(directory.path(), &["--jsonl", &server.url("/a")]).exits(0).text();
    assert!(told.contains("/b c.txt\""), "{told}");
}

/// Guard: a file that a server names is made, and none is replaced, nor is a link followed.
#[test]
fn what_is_there_is_not_replaced() {
    let server = server();
    let directory = tempfile::tempdir().expect("a directory");
    let (mine, elsewhere) = (directory.path().join("b c.txt"), directory.path().join("elsewhere"));
    for is_link in [false, true] {
        match is_link {
            false => fs::write(&mine, "mine").expect("a file"),
            true => {
                fs::remove_file(&mine).expect("the file");
                std::os::unix::fs::symlink(&elsewhere, &mine).expect("a link");
            }
        }
        let ended = fetch(directory.path(), &["--jsonl", &server.url("/a")]).exits(1).text();
        assert!(
            ended.contains(r#""kind":"output""#) && ended.contains("already exists"),
            "{ended}"
        );
        assert!(!elsewhere.exists());
    }
    // a name that only the URL has is as with -O alone
    fs::write(directory.path().join("plain"), "old").expect("a file");
    fetch(directory.path(), &[&server.url("/plain")]).exits(0);
    assert_eq!(fs::read(directory.path().join("plain")).expect("a file"), b"plain");
    // two at once that propose the same: one of them has it
    let both = tempfile::tempdir().expect("a directory");
    fetch(both.path(), &[&server.url("/a?1"), &server.url("/a?2")]).exits(1);
    assert_eq!(files(both.path()), [("b c.txt".to_owned(), "named".to_owned())]);
}

#[test]
fn without_any_name_nothing_is_written() {
    let server = server();
    let directory = tempfile::tempdir().expect("a directory");
    fetch(directory.path(), &[&server.url("/none/")])
        .exits(1)
        .says(&["none/: -O: the URL's path ends in no name"]);
    assert_eq!(files(directory.path()), []);
    for other in [&["--include"][..], &["-I"], &["-C", "-"]] {
        fetch(directory.path(), &[other, &[&server.url("/a")]].concat()).exits(2);
    }
}
