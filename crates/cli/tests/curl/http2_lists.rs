//! What is compared by HTTP/1.1 in plaintext, over https with a server of both: as each program chooses, and with `--http1.1`.
//!
//! The servers are those of the other comparisons, by HTTP/2. Left out is what is about how HTTP/1.1 frames a message or fares without
//! TLS, each with its reason.

use crate::both::{Case, compare_with};
use crate::http2::{CHOSEN, HTTP1};
use crate::{everyday, globs, output, sets, together, ways};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::h2::{Plan, Setup};
use ringdove_test_support::hostile;

/// The same URLs with TLS, at the address that files of cookies and logins name.
const WORDS: [(&str, &str); 3] =
    [("http://", "https://"), ("https://localhost", "https://127.0.0.1"), (":80:", ":443:")];

/// Cases that are left out, and why.
type Without<'a> = &'a [(&'a str, &'a str)];

/// Why a body that is cut off is another thing to curl (7.88) by HTTP/2.
const CUT: &str = "curl gives out nothing of what came at once with a reset";

/// A server of these plans for one connection after the other, the last of them for all that follow.
fn compare(
    options: &[&str],
    of: &[Case],
    without: Without<'_>,
    plans: impl Fn() -> Vec<hostile::Plan>,
    files: &[(&str, &str)],
) {
    let authority = Authority::new();
    let tls = authority.server().server_config_that_speaks(&["h2", "http/1.1"]);
    let start = || {
        let mut plans = plans().into_iter().map(Plan::of_http1);
        let first = Setup::new(plans.next().expect("a plan"));
        plans.fold(first, Setup::then).tls(tls.clone()).and_http1().start()
    };
    for (name, why) in without {
        assert!(of.iter().any(|case| case.name == *name), "no case {name:?} ({why})");
    }
    let is_here = |case: &&Case| without.iter().all(|(name, _)| *name != case.name);
    let cases: Vec<_> = of.iter().filter(is_here).copied().collect();
    let words = WORDS.map(|(word, meaning)| (word, meaning.to_owned()));
    compare_with(&cases, options, start, files, &words);
}

/// By either version; `without` is left out by HTTP/2.
fn compare_both(
    of: &[Case],
    without: Without<'_>,
    plan: impl Fn() -> hostile::Plan,
    files: &[(&str, &str)],
) {
    for (options, without) in [(CHOSEN, without), (HTTP1, &[])] {
        compare(options, of, without, || vec![plan()], files);
    }
}

#[test]
fn options_go_together_as_with_curl() {
    let without = [("a body cut off, to a file", CUT)];
    compare_both(together::CASES, &without, together::server, &together::FILES);
}

#[test]
fn codings_are_undone_as_by_curl() {
    compare_both(everyday::CODED, &[], everyday::coded, &[]);
}

#[test]
fn what_fails_is_asked_again_as_by_curl() {
    let without = [("not without --retry-all-errors", CUT)];
    for (options, without) in [(CHOSEN, &without[..]), (HTTP1, &[])] {
        compare(options, everyday::CUT, without, || in_turn(everyday::recovering()), &[]);
        compare(options, everyday::BUSY, &[], || in_turn(everyday::busy()), &[]);
    }
}

fn in_turn(scripts: [hostile::Script; 2]) -> Vec<hostile::Plan> {
    scripts.map(|script| hostile::Plan::new().path("/", script)).into()
}

#[test]
fn what_is_kept_is_as_with_curl() {
    compare_both(everyday::KEPT, &[], everyday::served, &everyday::FILES);
}

#[test]
fn urls_stand_for_what_they_do_to_curl() {
    compare_both(globs::GLOBS, &[], globs::server, &[]);
}

#[test]
fn ways_are_those_of_curl() {
    compare_both(ways::CASES, &[], ways::server, &[]);
}

#[test]
fn parts_are_those_of_curl() {
    compare_both(output::RANGES, &[], output::ranges, &[("part", "1234")]);
}

#[test]
fn dates_are_conditions_as_for_curl() {
    compare_both(output::DATES, &[], output::dated, &[("part", "1234")]);
}

#[test]
fn tags_are_saved_and_compared_as_curl_does() {
    compare_both(output::TAGS, &[], output::tagged, &[("part", "1234"), ("tag", "\"v0\"\n")]);
}

#[test]
fn sets_and_files_are_those_of_curl_by_http1() {
    let old = [("name.txt", "old")];
    let lines = "%{http_code}\n\r\n a\nb\\n\n";
    let formats = [("format", "%{http_code}\\n"), ("lines", lines)];
    let by_http1 =
        |of: &[Case], without: Without<'_>, plan: fn() -> hostile::Plan, files: &[(&str, &str)]| {
            compare(HTTP1, of, without, || vec![plan()], files);
        };
    let without = [("-f of one", "what stands before the cases (-k) is for the first set alone")];
    by_http1(sets::SETS, &without, sets::server, &sets::FILES);
    by_http1(output::HEADS, &[], output::server, &old);
    by_http1(output::FILES, &[], output::server, &old);
    by_http1(output::PROPOSED, &[], output::proposing, &old);
    by_http1(output::TOLD, &[("no TLS", "there is TLS")], output::telling, &formats);
}
