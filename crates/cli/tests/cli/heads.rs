//! `--include` and `-D`: heads where they are wanted; `-O`: names.

use std::fs;
use std::path::Path;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::h2;
use ringdove_test_support::hostile::{Framing, Plan, Script};

fn server() -> ringdove_test_support::hostile::Hostile {
    let moved = "302 Moved\r\nLocation: /dir/to";
    Plan::new()
        .path("/moved", Script::new().respond(moved, Framing::ContentLength, "moved"))
        .path("/dir/to", Script::new().ok("there"))
        .path("/dir/", Script::new().ok("nameless"))
        .path("/cut", Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"))
        .start()
}

const MOVED: &str = "HTTP/1.1 302 Moved\r\nLocation: /dir/to\r\nContent-Length: 5\r\n\r\n";
const THERE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("ASCII"))
        .collect();
    names.sort();
    names
}

#[test]
fn heads_stand_before_bodies_and_by_themselves() {
    for driver in drivers() {
        let (server, directory) = (server(), tempfile::tempdir().expect("a directory"));
        let dump = directory.path().join("new/heads");
        let args = ["-L", "--include", "--driver", driver, "--create-dirs", &server.url("/moved")];
        let ended = Ringdove::fetch(args).path("-D", &dump).run().exits(0);
        assert_eq!(ended.text(), format!("{MOVED}{THERE}there"));
        assert_eq!(fs::read_to_string(dump).expect("heads"), format!("{MOVED}{THERE}"));
    }
}

#[test]
fn trailers_stand_wherever_heads_do() {
    let body =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-T: v\r\n\r\n";
    let server = Plan::new().path("/", Script::new().send(body)).start();
    for driver in drivers() {
        let args = ["-D", "-", "-v", "--trace-ascii", "%", "--driver", driver, &server.url("/")];
        let ended =
            Ringdove::fetch(args).run().exits(0).says(&["< X-T: v"]).says(&["0000: X-T: v"]);
        assert!(ended.text().ends_with("\r\n\r\nbodyX-T: v\r\n"), "{}", ended.text());
    }
    // what cannot be written is an error, as it is with heads
    let full = Plan::new().path("/", Script::new().send(body)).start();
    let ended = Ringdove::fetch(["--include", "-o", "/dev/full", &full.url("/")]).run().exits(1);
    ended.says(&["/dev/full", "No space left"]);
}

/// HTTP/2 has no request line; what people are shown says which version it went by, as curl's does.
#[test]
fn requests_by_http2_are_told_as_such() {
    let server = h2::Plan::new().path("/", h2::Script::ok(1)).start();
    for driver in drivers() {
        let args = ["-v", "--trace-ascii", "%", "--driver", driver, "--http2-prior-knowledge"];
        let ended = Ringdove::fetch(args).args([&server.url("/")]).run().exits(0);
        let lines: Vec<_> = ended.stderr.lines().collect();
        for line in ["> GET / HTTP/2", "0000: GET / HTTP/2", "< HTTP/2 200 "] {
            assert!(lines.contains(&line), "{line}: {lines:#?}");
        }
    }
}

#[test]
fn heads_of_many_go_to_one_file_whole() {
    let (server, directory) = (server(), tempfile::tempdir().expect("a directory"));
    let dump = directory.path().join("heads");
    let urls = vec![server.url("/dir/to"); 50];
    Ringdove::fetch(["--discard", "-q"]).args(urls).path("-D", &dump).run().exits(0);
    assert_eq!(fs::read_to_string(dump).expect("heads"), THERE.repeat(50));
}

#[test]
fn heads_that_cannot_be_written_are_an_error() {
    let server = server();
    let (url, none) = (server.url("/dir/to"), ["-D", "/dev/null/heads"]);
    Ringdove::fetch(none).args([&url]).run().exits(2).says(&["/dev/null/heads"]);
    let ended = Ringdove::fetch(["-D", "/dev/full", &url]).run().exits(1);
    assert_eq!(ended.says(&["/dev/full", "No space left"]).text(), "");
}

#[test]
fn files_have_the_names_that_urls_end_in() {
    let (server, directory) = (server(), tempfile::tempdir().expect("a directory"));
    let urls = ["/moved", "/dir/to?x=/y", "/dir/", "/cut"].map(|path| server.url(path));
    Ringdove::fetch(["-L", "-O", "-m", "5"])
        .args(urls)
        .path("--output-dir", directory.path())
        .run()
        .exits(1)
        .says(&["/dir/: -O: the URL's path ends in no name"]);
    // what was cut is not there
    assert_eq!(names(directory.path()), ["moved", "to"]);
    assert_eq!(fs::read(directory.path().join("moved")).expect("a file"), b"there");
}
