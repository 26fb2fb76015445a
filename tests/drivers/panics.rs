//! Handlers and sources that panic.

use std::time::Instant;

use ringdove::driver::Kind;
use ringdove::engine::{BodySource, Outcome};
use ringdove::error::Cause;
use ringdove::protocol::{RedirectFault, RequestHead, ResponseHead, SourceRead};
use ringdove::{Body, Flow, Handler, HttpVersions, Options, RedirectPolicy, Request, RetryPolicy};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::{PATIENCE, h2};

on_every_driver! {
    a_handler_that_panics_ends_its_transfer_alone,
    a_source_that_panics_ends_its_transfer_alone,
    a_handler_that_panics_ends_its_stream,
    one_that_is_told_of_what_is_sent_ends_its_transfer_alone,
    one_that_is_asked_to_begin_anew_has_said_no,
    a_source_that_panics_going_back_has_failed,
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
    fn sending(&mut self, _: &[u8], _: &[u8]) {
        self.reach("sending");
    }

    fn sending_head(&mut self, _: &RequestHead) {
        self.reach("sending_head");
    }

    fn starts_over(&mut self) -> bool {
        self.reach("starts_over");
        true
    }

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
    assert!(
        matches!(&broken.error().cause, Cause::Body(why) if why.to_string().contains("panicked"))
    );
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

/// What is sent is told while a driver's memory is filled, over either version, and of a body too. Those beside it go on.
fn one_that_is_told_of_what_is_sent_ends_its_transfer_alone(kind: Kind) {
    let server = Plan::new().path("/", Script::new().read_body().ok("here")).start();
    let peer = h2::Setup::new(h2::Plan::new().path("/", h2::Script::ok(5))).start();
    let on_stream = Options { versions: HttpVersions::Http2, ..Options::default() };
    let mut run = Run::new(kind);
    for (url, options, place) in [
        (server.url("/"), Options::default(), "sending"),
        (peer.url("/"), on_stream.clone(), "sending"),
        (peer.url("/"), on_stream.clone(), "sending_head"),
    ] {
        // on a new connection, and on a kept one
        for _ in 0..2 {
            let request = Request::new(http::Method::POST, &url).expect("a good URL").body("body");
            let request = request.options(options.clone().into());
            run.driver.add(request, Box::new(Fragile(place))).expect("it can be added");
            let ended = ends(&mut run);
            let [(_, Err(Cause::Aborted(why)))] = &ended[..] else { panic!("{ended:?}") };
            assert!(why.ends_with(&format!("its handler panicked: at {place}")), "{why}");
            let other = run.get_with(&url, options.clone());
            run.finish();
            assert_eq!(other.status(), 200);
        }
    }
    assert_eq!(peer.violations(), [""; 0], "{}", peer.dump());
}

/// The transfer ends with what it would have begun anew after.
fn one_that_is_asked_to_begin_anew_has_said_no(kind: Kind) {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    let server = Plan::new().path("/", Script::new().send(half).close()).start();
    let mut run = Run::new(kind);
    let retry = RetryPolicy { all_errors: true, ..RetryPolicy::default() };
    let options = Options { retry: Some(retry.into()), ..Options::default() };
    let request = Request::get(&server.url("/")).expect("a good URL").options(options.into());
    run.driver.add(request, Box::new(Fragile("starts_over"))).expect("it can be added");
    let ended = ends(&mut run);
    assert!(matches!(ended[..], [("starts_over", Err(Cause::Http(_)))]), "{ended:?}");
}

/// Can be read once.
struct Once(bool);

impl BodySource for Once {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        match std::mem::replace(&mut self.0, true) {
            true => SourceRead::End,
            false => {
                out[0] = b'x';
                SourceRead::Data(1)
            }
        }
    }

    fn rewind(&mut self) -> bool {
        panic!("it is gone")
    }
}

fn a_source_that_panics_going_back_has_failed(kind: Kind) {
    let away = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
    let server = Plan::new()
        .path("/", Script::new().read_body().ok("here"))
        .path("/away", Script::new().read_body().send(away))
        .start();
    let mut run = Run::new(kind);
    let options = Options { redirects: Some(RedirectPolicy::default()), ..Options::default() };
    let body = Body::Stream { length: None, source: Box::new(Once(false)) };
    let request = Request::new(http::Method::POST, &server.url("/away")).expect("a good URL");
    let once = run.add(request.body(body).options(options.into()));
    let other = run.get(&server.url("/"));
    run.finish();
    let Cause::Redirect(error) = once.error().cause else { panic!("{:?}", once.error()) };
    assert_eq!(error.fault, RedirectFault::BodyNotRepeatable);
    other.assert_response(200, b"here");
}
