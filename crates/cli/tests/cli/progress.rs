//! A bar on a terminal, and on a terminal alone.

use std::process::Command;
use std::time::Duration;

use crate::command::Ringdove;
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::nginx::Nginx;

/// Runs the rest of its arguments with a terminal for all three streams, and shows it.
const TERMINAL: [&str; 4] =
    ["sh", "-c", r#"TERM=xterm exec script --quiet --return --command "$*" /dev/null"#, "sh"];

/// Several times as long as the bar stands before it is drawn again.
const LATE: Duration = Duration::from_secs(1);

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn progress_is_shown_on_a_terminal_and_cleared_at_the_end() {
    if !runs("script") {
        eprintln!("skipped: there is no script(1) to make a terminal");
        return;
    }
    let nginx = Nginx::plain();
    let late = Plan::new().path("/", Script::new().wait(LATE).ok("late")).start();
    let urls = vec![nginx.url("/ok"); 50];
    let shown = |args: &[&str], code| {
        Ringdove::fetch(args)
            .args(&urls)
            .args([late.url("/")])
            .under(&TERMINAL)
            .run()
            .exits(code)
            .text()
    };
    let text = shown(&["--discard", "http://h:x/"], 1);
    assert!(text.contains("51/52"), "{text}");
    assert!(text.contains("1 failed  600 B"), "{text}");
    // the summary comes after all of it
    let after = text.rsplit("\u{1b}[2K").next().expect("text");
    assert!(after.contains("done      51 (2xx 51)"), "{text}");
    assert!(!shown(&["--discard", "--quiet"], 0).contains("/51"));
    // nor beside bodies
    assert!(!shown(&[], 0).contains("/51"));
}

#[test]
fn no_progress_is_shown_where_there_is_no_terminal() {
    let nginx = Nginx::plain();
    let ended = Ringdove::fetch(["--discard"]).args(vec![nginx.url("/ok"); 50]).run().exits(0);
    assert!(!ended.stderr.contains('\u{1b}') && !ended.stderr.contains('\r'), "{}", ended.stderr);
}
