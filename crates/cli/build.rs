//! Tells a release build which commit it is made from, for the records of `ringdove bench`.
//!
//! Other builds go without, so that a commit rebuilds nothing that is being tested. Where this is no
//! repository's crate, as in a published package, nothing is known.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RINGDOVE_COMMIT");
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if !release || std::env::var("RINGDOVE_COMMIT").is_ok() || !Path::new("../../.git").exists() {
        return;
    }
    // the last line of the log is the commit; the rest of these decide whether it is all
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        for path in
            [log.as_str(), "src", "Cargo.toml", "../../src", "../../Cargo.toml", "../../Cargo.lock"]
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        let clean = git(&["status", "--porcelain", "--untracked-files=no"]) == Some(String::new());
        let modified = if clean { "" } else { "-modified" };
        println!("cargo::rustc-env=RINGDOVE_COMMIT={commit}{modified}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
