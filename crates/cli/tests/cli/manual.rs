//! What man(1) and shells are told of the options: all of them, in a form that these take.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::command::Ringdove;

const SUBCOMMANDS: &[&str] = &[
    "fetch",
    "doctor",
    "bench",
    #[cfg(feature = "crawl")]
    "crawl",
    #[cfg(feature = "crawl")]
    "warc",
    "man",
    "completions",
];
const SHELLS: [&str; 3] = ["bash", "fish", "zsh"];

fn said(subcommand: &str, argument: &str) -> String {
    Ringdove::new(subcommand).args([argument]).run().exits(0).text()
}

/// The options of a subcommand, as its help lists them.
fn options(subcommand: &str) -> BTreeSet<String> {
    let help = said(subcommand, "--help");
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split([' ', '=', ','])).filter(|word| word.len() > 1);
    words.filter(|word| word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn the_manual_has_every_option() {
    assert!(options("fetch").len() > 150, "{:?}", options("fetch"));
    for subcommand in SUBCOMMANDS {
        let page = said("man", subcommand).replace("\\-", "-");
        for option in options(subcommand) {
            // of an option's names man pages have those that are no alias
            let there = option == "-:" || page.contains(&format!("{option}\\fR"));
            assert!(there, "{subcommand} {option}:\n{page}");
        }
    }
    let whole = Ringdove::new("man").run().exits(0).text().replace("\\-", "-");
    for subcommand in SUBCOMMANDS {
        assert!(whole.contains(&format!("ringdove-{subcommand}(1)")), "{whole}");
    }
}

#[test]
fn a_manual_of_no_subcommand_is_refused_by_its_name() {
    Ringdove::new("man").args(["launch"]).run().exits(2).says(&["'launch'", "fetch", "doctor"]);
}

#[test]
fn man_takes_the_manual() {
    for subcommand in SUBCOMMANDS {
        let page = said("man", subcommand);
        let Some(said) = fed("man", &["--warnings", "-l", "-"], &page) else { return };
        assert_eq!(said, "", "{subcommand}");
    }
}

#[test]
fn the_completions_have_every_option() {
    for shell in SHELLS {
        let script = said("completions", shell);
        for option in SUBCOMMANDS.iter().copied().flat_map(options) {
            let words = match option.strip_prefix("--") {
                Some(long) if shell == "fish" => format!(" -l {long} "),
                None if shell == "fish" => format!(" -s {} ", &option[1..]),
                Some(_) | None => option,
            };
            assert!(script.contains(&words), "{shell} {words}");
        }
    }
}

#[test]
fn shells_take_the_completions() {
    for shell in SHELLS {
        if let Some(said) = fed(shell, &["-n"], &self::said("completions", shell)) {
            assert_eq!(said, "", "{shell}");
        }
    }
}

/// What is typed so far is completed.
#[test]
fn a_shell_completes() {
    let ask = "\nCOMP_WORDS=(ringdove fetch --max-h) COMP_CWORD=2\n\
               _ringdove ringdove --max-h fetch\nprintf '%s\\n' \"${COMPREPLY[@]}\" >&2\n";
    let script = said("completions", "bash") + ask;
    if let Some(said) = fed("bash", &[], &script) {
        assert_eq!(said, "--max-host-connections\n");
    }
}

/// What a program says on standard error of what it is given on standard input; it has to end well. `None`, said aloud,
/// where it is not installed.
fn fed(program: &str, args: &[&str], input: &str) -> Option<String> {
    let child = Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: {program} is not installed");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it can be waited for");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {said}");
    Some(said)
}
