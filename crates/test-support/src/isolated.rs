//! Runs the body of a test in a process of its own.
//!
//! For what belongs to a whole process: counts of open files and threads, resource limits, seccomp
//! filters, death itself. The test binary is started again with that one test selected, on one
//! thread and with no other test near; a wrapper such as `prlimit --nofile=64` may stand before it.

use std::env;
use std::process::{Command, Output};

const MARK: &str = "RINGDOVE_ISOLATED_TEST";

/// Runs `body` isolated and panics with its output when it fails. `test` is the full name of the
/// calling test, with its modules; `wrapper` is a command that runs the rest of its arguments.
pub fn run(test: &str, wrapper: &[&str], body: impl FnOnce()) {
    let Some(output) = output(test, wrapper, body) else { return };
    let text = transcript(&output);
    // A skip or a figure inside must be heard outside.
    let heard = |line: &&str| line.contains("skipped:") || line.contains("measured:");
    text.lines().filter(heard).for_each(|line| eprintln!("{line}"));
    assert!(
        output.status.success() && text.contains("1 passed"),
        "isolated test {test} failed ({}):\n{text}",
        output.status
    );
}

/// As [`run`], but hands back how the process ended. `None` inside that process, once `body` ran.
pub fn output(test: &str, wrapper: &[&str], body: impl FnOnce()) -> Option<Output> {
    if env::var(MARK).as_deref() == Ok(test) {
        body();
        return None;
    }
    let exe = env::current_exe().expect("the path of this test binary");
    let mut argv: Vec<_> = wrapper.iter().map(|&arg| arg.into()).collect();
    argv.push(exe.into_os_string());
    let output = Command::new(&argv[0])
        .args(&argv[1..])
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, test)
        .output()
        .unwrap_or_else(|error| panic!("cannot start {argv:?}: {error}"));
    Some(output)
}

/// A wrapper for [`run`], if what it does can be done here; if not, that is said, with `what` it cannot.
pub fn possible<'a>(wrapper: &'a [&'a str], what: &str) -> Option<&'a [&'a str]> {
    let tried = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    if tried.is_ok_and(|output| output.status.success()) {
        return Some(wrapper);
    }
    eprintln!("skipped: {what}");
    None
}

/// Both streams of a finished process, for messages and for searching.
pub fn transcript(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}
