//! Whatever a URL says, its file stays in the directory and is no other URL's.

use std::collections::BTreeSet;
use std::fs;

use crate::command::Ringdove;
use ringdove_test_support::hostile::{Framing, Plan, Script};

#[test]
fn hostile_urls_stay_in_their_directory_and_apart() {
    let paths = [
        "/",
        "/a",
        "/A",
        "/a/",
        "/a.",
        "/a..",
        "/a/b",
        "/a,b",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a?b",
        "/a%3fb",
        "/a@b",
        "/../../../etc/passwd",
        "/%2e%2e/%2e%2e/up",
        "/..%2f..%2fup",
        "/%00",
        "/a%00b",
        "/...",
        "/.ringdove-x.part",
        "/con",
        "/CON",
        "/-rf",
        "/~",
        "/$(id)",
        "/a?x=../../y",
        "/a?x=1&y=2",
        "/a?X=1&y=2",
        "//a",
        "/a//b",
    ];
    let long: Vec<String> = [100, 254, 255, 256, 5000]
        .into_iter()
        .flat_map(|n| [format!("/{}", "x".repeat(n)), format!("/{}y", "X".repeat(n))])
        .collect();
    let all: Vec<String> = paths.map(str::to_owned).into_iter().chain(long).collect();
    // each path is answered with itself
    let mut plan = Plan::new();
    let mut targets = BTreeSet::new();
    for path in &all {
        let url = url::Url::parse(&format!("http://h{path}")).expect("a URL");
        let body = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        targets.insert(url[url::Position::BeforePath..].to_owned());
        plan = plan.path(url.path(), Script::new().respond("200 OK", Framing::ContentLength, body));
    }
    let server = plan.start();
    let directory = tempfile::tempdir().expect("a directory");
    let bodies = directory.path().join("in/here");
    let urls: String = all.iter().map(|path| server.url(path) + "\n").collect();
    let ended = Ringdove::fetch(["-i", "-", "--jsonl", "--connections", "4"])
        .path("--output-dir", &bodies)
        .stdin(urls)
        .run()
        .exits(0);
    // one level, below which nothing is, and beside which nothing is
    let entries = |path| fs::read_dir(path).expect("a directory").map(|entry| entry.unwrap());
    let files: Vec<_> = entries(bodies.clone()).collect();
    assert!(files.iter().all(|file| file.file_type().unwrap().is_file()));
    assert_eq!(entries(directory.path().into()).count(), 1);
    assert_eq!(entries(directory.path().join("in")).count(), 1);
    assert_eq!(files.len(), targets.len(), "as many files as there are targets");
    // also where case, and dots at the end, make no difference
    let folded = files.iter().map(|file| {
        let name = file.file_name().into_string().expect("ASCII");
        name.to_lowercase().trim_end_matches('.').to_owned()
    });
    assert_eq!(folded.collect::<BTreeSet<_>>().len(), files.len());
    // and each record names the file that has the body of its URL
    for line in ended.text().lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let url = url::Url::parse(record["url"].as_str().expect("a URL")).expect("a URL");
        let body = fs::read_to_string(record["file"].as_str().expect("a file")).expect("its body");
        let path = body.split('?').next().expect("a path");
        assert_eq!(path, url.path(), "{line}");
    }
}
