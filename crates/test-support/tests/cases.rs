//! The cases of HTTP/2 tried on nghttp: a row that is wrong shows as a client that is.

use std::process::Command;

use ringdove_test_support::h2::cases::{self, BODY, Reaction};
use ringdove_test_support::h2::raw::code;

/// What nghttp2 makes an error of the stream, and RFC 9113 of the connection.
const OTHERWISE: &str = "windows that settings push beyond 2^31-1";

#[test]
fn nghttp_does_what_the_rows_say() {
    let mut wrong = Vec::new();
    for case in cases::all().filter(|case| case.what != OTHERWISE) {
        wrong.extend(case.run(None, fetched).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_client_that_does_otherwise_is_found_out() {
    let wrong = |case: &cases::Case| case.run(None, |urls| vec![None; urls.len()]).unwrap_err();
    let case = cases::all().find(|case| case.allowed == [Reaction::GoesOn]).unwrap();
    assert!(wrong(case).contains("None"), "{}", wrong(case));
    let case = cases::all().find(|case| case.what == OTHERWISE).unwrap();
    let error = case.run(None, fetched).unwrap_err();
    assert!(
        error.contains(&format!("{:?}", Reaction::Stream(code::FLOW_CONTROL_ERROR))),
        "{error}"
    );
}

/// Asks for all of these on one connection. What comes is not told apart: it is the last's if it ends so.
fn fetched(urls: &[String]) -> Vec<Option<Vec<u8>>> {
    let nghttp =
        Command::new("nghttp").args(["--no-dep", "--no-push", "-t", "5"]).args(urls).output();
    let mut first = nghttp.expect("nghttp runs (`scripts/test deps` installs it)").stdout;
    let last = first.ends_with(BODY).then(|| first.split_off(first.len() - BODY.len()));
    vec![Some(first).filter(|body| !body.is_empty()), last]
}
