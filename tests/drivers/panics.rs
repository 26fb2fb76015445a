//! Handlers and sources that panic.

use std::time::Instant;

use ringdove::driver::Kind;
use ringdove::engine::{BodySource, Outcome};
use ringdove::error::Cause;
use ringdove::protocol::{ResponseHead, SourceRead};
use ringdove::{Body, Flow, Handler, HttpVersions, Options, Request};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::{PATIENCE, h2};

on_every_driver! {
    a_handler_that_panics_ends_its_transfer_alone,
    a_source_that_panics_ends_its_transfer_alone,
    a_handler_that_panics_ends_its_stream,
}

/// Panics where it is told to.
struct Fragile(&'static str);

impl Fragile {
    fn reach(&self, place: &str) -> Flow {
        assert!(self.0 != place, "at {place}");
        Flow::Continue
    }
}

impl Handler for Fragile {
    fn head(&mut self, _: &ResponseHead<'_>) -> Flow {
        self.reach("head")
    }

    fn body(&mut self, _: &[u8]) -> Flow {
        self.reach("body")
    }

    fn done(&mut self, _: &Outcome) {
        self.reach("done");
    }
}

/// Turns until nothing runs. What each that panicked is said to have ended with, by its place.
fn ends(run: &mut Run) -> Vec<(&'static str, Result<u16, Cause>)> {
    let (mut ends, begin) = (Vec::new(), Instant::now());
    while run.driver.running() > 0 {
        assert!(begin.elapsed() < PATIENCE, "something runs still");
        run.driver.turn(Some(PATIENCE)).expect("the driver can go on");
        while let Some(message) = run.driver.next_message() {
            if let Ok((outcome, Fragile(place))) = message.into_parts::<Fragile>() {
                let result = outcome.result.map(|response| response.status);
                ends.push((place, result.map_err(|error| error.cause)));
            }
        }
    }
    ends.sort_by_key(|end| end.0);
    ends
}

fn panicked(place: &str) -> Result<u16, Cause> {
    Err(Cause::Aborted(format!("its handler panicked: at {place}")))
}

fn a_handler_that_panics_ends_its_transfer_alone(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("here")).start();
    let mut run = Run::new(kind);
    for place in ["head", "body", "done", "nowhere"] {
        let request = Request::get(&server.url("/")).expect("a good URL");
        run.driver.add(request, Box::new(Fragile(place))).expect("it can be added");
    }
    let expected = [
        ("body", panicked("body")),
        // it had ended before
        ("done", Ok(200)),
        ("head", panicked("head")),
        ("nowhere", Ok(200)),
    ];
    assert_eq!(ends(&mut run), expected);
    let other = run.get(&server.url("/"));
    run.finish();
    other.assert_response(200, b"here");
}

struct Broken;

impl BodySource for Broken {
    fn read(&mut self, _: &mut [u8]) -> SourceRead {
        panic!("nothing to read")
    }
}

fn a_source_that_panics_ends_its_transfer_alone(kind: Kind) {
    let server = Plan::new().path("/", Script::new().read_body().ok("here")).start();
    let mut run = Run::new(kind);
    let body = Body::Stream { length: None, source: Box::new(Broken) };
    let request = Request::new(http::Method::POST, &server.url("/")).expect("a good URL");
    let broken = run.add(request.body(body));
    let other = run.get(&server.url("/"));
    run.finish();
    assert!(matches!(&broken.error().cause, Cause::Aborted(why) if why.contains("panicked")));
    other.assert_response(200, b"here");
}

/// Its connection is closed with it: those beside it are asked for again on another.
fn a_handler_that_panics_ends_its_stream(kind: Kind) {
    let server = h2::Setup::new(h2::Plan::new().path("/", h2::Script::ok(5))).start();
    let mut run = Run::new(kind);
    let options = Options { versions: HttpVersions::Http2, ..Options::default() };
    let first = run.get_with(&server.url("/"), options.clone());
    run.finish();
    assert_eq!(first.status(), 200);
    let request =
        Request::get(&server.url("/")).expect("a good URL").options(options.clone().into());
    run.driver.add(request, Box::new(Fragile("body"))).expect("it can be added");
    assert_eq!(ends(&mut run), [("body", panicked("body"))]);
    let after = run.get_with(&server.url("/"), options);
    run.finish();
    assert_eq!(after.status(), 200);
}
