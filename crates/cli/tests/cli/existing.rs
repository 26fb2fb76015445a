//! Files that are there already: numbered, replaced, skipped; and what is kept of a failure.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::command::Ringdove;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};

fn server() -> Hostile {
    let named = "200 OK\r\nContent-Disposition: attachment; filename=old";
    Plan::new()
        .path("/old", Script::new().ok("new"))
        .path("/named", Script::new().respond(named, Framing::ContentLength, "named"))
        .path("/bad", Script::new().respond("404 X", Framing::ContentLength, "bad"))
        .path("/cut", Script::new().respond("200 OK", Framing::Declared(9), "cut").close())
        .start()
}

/// A directory in which `old` is there.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("old"), "old").expect("a file");
    directory
}

#[track_caller]
fn has(directory: &Path, want: &[(&str, &str)]) {
    let mut found: Vec<_> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            let content = fs::read_to_string(directory.join(&name)).unwrap_or_default();
            (name, content)
        })
        .collect();
    found.sort();
    let want: Vec<_> =
        want.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect();
    assert_eq!(found, want);
}

#[test]
fn what_is_there_stays_and_the_new_file_gets_a_number() {
    let server = server();
    let directory = directory();
    let fetch = |url: &str, args: &[&str]| {
        Ringdove::fetch(["-q", "--no-clobber", "-w", "%{filename_effective}", &server.url(url)])
            .args(args)
            .path("--output-dir", directory.path())
            .run()
    };
    let told = fetch("/old", &["-o", "old"]).exits(0).text();
    assert!(told.ends_with("/old.1"), "{told}");
    fetch("/old", &["-O"]).exits(0);
    fetch("/named", &["-OJ"]).exits(0);
    fetch("/cut", &["-o", "old"]).exits(1);
    fetch("/old", &["-o", "new"]).exits(0);
    symlink("none", directory.path().join("link")).expect("a link");
    fetch("/old", &["-o", "link"]).exits(0);
    let want = [
        ("link", ""),
        ("link.1", "new"),
        ("new", "new"),
        ("old", "old"),
        ("old.1", "new"),
        ("old.2", "new"),
        ("old.3", "named"),
    ];
    has(directory.path(), &want);
    // at once
    let urls = [(); 5].map(|()| server.url("/old"));
    Ringdove::fetch(["-q", "--no-clobber", "-O"])
        .args(urls)
        .path("--output-dir", directory.path())
        .run()
        .exits(0);
    assert!(directory.path().join("old.8").exists());
    for number in 9..=100 {
        fs::write(directory.path().join(format!("old.{number}")), "").expect("a file");
    }
    fetch("/old", &["-o", "old"]).exits(1).says(&["/old: File exists"]);
}

#[test]
fn what_is_there_is_replaced_where_that_is_said() {
    let server = server();
    for args in [&["-OJ", "--clobber"][..], &["-OJ", "--no-clobber", "--clobber"]] {
        let directory = directory();
        Ringdove::fetch(["-q", &server.url("/named")])
            .args(args)
            .path("--output-dir", directory.path())
            .run()
            .exits(0);
        has(directory.path(), &[("old", "named")]);
    }
    let url = server.url("/old");
    for option in ["--no-clobber", "--remove-on-error"] {
        Ringdove::fetch([&url, option, "-C", "-", "-o", "x"]).run().exits(2).says(&[option]);
    }
}

#[test]
fn what_is_there_is_not_asked_for() {
    let server = server();
    let directory = directory();
    let fetch = |paths: &[&str], args: &[&str]| {
        Ringdove::fetch(["--skip-existing"])
            .args(paths.iter().map(|path| server.url(path)))
            .args(args)
            .path("--output-dir", directory.path())
            .run()
    };
    fetch(&["/old"], &["-O"]).exits(0).says(&["skipped", "1"]);
    let told = fetch(&["/old"], &["-o", "old", "-v"]).exits(0);
    told.says(&["* ", "/old: skipped, as ", "is there already"]);
    let records = fetch(&["/old"], &["-o", "old", "--jsonl"]).exits(0).text();
    let record: serde_json::Value = serde_json::from_str(&records).expect("JSON");
    assert!(record["file"].as_str().expect("a file").ends_with("/old"), "{records}");
    assert!(record["error"].is_null() && record["status"].is_null(), "{records}");
    assert!(server.requests().is_empty());
    has(directory.path(), &[("old", "old")]);
    // others are, whose file is not there
    fetch(&["/old", "/named", "/old"], &["-O"]).exits(0).says(&["skipped", "2"]);
    has(directory.path(), &[("named", "named"), ("old", "old")]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn nothing_is_kept_of_a_failure() {
    let server = server();
    let directory = directory();
    for (path, args) in [("/bad", &["--fail-with-body"][..]), ("/bad", &["-f"]), ("/cut", &[])] {
        for name in ["old", "new"] {
            Ringdove::fetch(["-q", "--remove-on-error", &server.url(path), "-o", name])
                .args(args)
                .path("--output-dir", directory.path())
                .run()
                .exits(1);
            has(directory.path(), &[("old", "old")]);
        }
    }
}
