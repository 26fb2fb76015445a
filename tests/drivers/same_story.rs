//! All drivers tell the same story of the same peers.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Cause, Error};
use ringdove::{Config, Driver, Options, RedirectPolicy};

use crate::run::{Run, Told, Transfer};
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::isolated;

/// What is the same whoever drives: events, status, how it failed, bytes; no times and no ports.
#[derive(Debug, PartialEq, Eq)]
struct Story {
    path: String,
    told: Vec<Told>,
    body: Vec<u8>,
    ending: String,
    reused: bool,
}

impl Story {
    fn of(path: &str, transfer: &Transfer) -> Story {
        let outcome = transfer.outcome();
        let ending = match outcome.result {
            Ok(response) => format!("{response:?}"),
            // the number of a RST's errno depends on which call met it
            Err(error) => match error.cause {
                Cause::Os { .. } => format!("os error in {:?}", error.phase),
                // it names the server's port
                Cause::Redirect(error) => format!("{:?}, {}", error.fault, error.chain.len()),
                // so does the URL
                _ => format!("{:?}", Error { url: None, ..error }),
            },
        };
        let record = transfer.record();
        Story {
            path: path.to_owned(),
            told: record.told.clone(),
            body: record.body.clone(),
            ending,
            reused: outcome.report.reused,
        }
    }
}

/// Responses whole, cut, wrong, slow, in every framing and in many pieces.
fn peers() -> Vec<(String, Script)> {
    let mut peers = Vec::new();
    let framings = [
        ("length", Framing::ContentLength),
        ("declared", Framing::Declared(70_000)),
        ("chunked", Framing::Chunked(999)),
        ("close", Framing::UntilClose),
    ];
    for (name, framing) in framings {
        for size in [0, 1, 70_000, 70_001] {
            let script = Script::new().respond("200 OK", framing, vec![b'b'; size]);
            peers.push((format!("/{name}/{size}"), script.close()));
        }
    }
    let fields = "Content-Length: 6\r\nX-A: b\r\n\r\nabcdef";
    for status in ["200 OK", "204 No Content", "304 Not Modified", "404 Not Found", "500 Oh"] {
        let response = format!("HTTP/1.1 {status}\r\n{fields}");
        let slow = Duration::from_micros(300);
        for piece in [1, 7, 1000] {
            let script = Script::new().trickle(&response, piece, slow).close();
            peers.push((format!("/{}/{piece}", &status[..3]), script));
        }
        let cut = &response[..response.len() - 3];
        peers.push((format!("/{}/cut", &status[..3]), Script::new().send(cut).close()));
    }
    let bad = [
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Field: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "",
    ];
    for (i, response) in bad.iter().enumerate() {
        peers.push((format!("/bad/{i}"), Script::new().send(response).close()));
    }
    for (i, location) in ["/length/70000", "/200/1000", "ftp://a/", "?x"].iter().enumerate() {
        let head = format!("302 Found\r\nConnection: close\r\nLocation: {location}");
        for framing in [Framing::ContentLength, Framing::Chunked(7), Framing::UntilClose] {
            let script = Script::new().respond(&head, framing, "moved").close();
            peers.push((format!("/redirect/{i}/{}", peers.len()), script));
        }
    }
    let mute = Script::new().stall();
    peers.push(("/mute".to_owned(), mute));
    peers
}

fn story(kind: Kind) -> Vec<Story> {
    let peers = peers();
    let server = peers
        .iter()
        .fold(Plan::new(), |plan, (path, script)| plan.path(path, script.clone()))
        .start();
    let mut run = Run::new(kind);
    let redirects = Some(RedirectPolicy::default());
    let mut options = Options { redirects, ..Options::default() };
    options.timeouts.first_byte = Some(Duration::from_millis(300));
    let mut stories = Vec::new();
    for (path, _) in &peers {
        let transfer = run
            .get_with(&format!("http://127.0.0.1:{}{path}", server.addr().port()), options.clone());
        run.finish();
        // an end that follows the response is seen, so that reuse does not depend on a race
        run.turn_until("the connection has ended", |run| run.driver.stats().connections == 0);
        stories.push(Story::of(path, &transfer));
    }
    stories
}

#[test]
fn all_drivers_tell_the_same_story() {
    isolated::run("same_story::all_drivers_tell_the_same_story", &[], || {
        let oracle = story(Kind::Epoll);
        assert!(oracle.iter().any(|story| story.ending.contains("Timeout")));
        for kind in Kind::ALL {
            if let Err(refused) = Driver::new(kind, Config::default()) {
                eprintln!("skipped: {refused}");
                continue;
            }
            for (told, expected) in story(kind).iter().zip(&oracle) {
                assert_eq!(told, expected, "{kind}");
            }
        }
    });
}
