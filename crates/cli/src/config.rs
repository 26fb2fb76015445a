//! `-K FILE`: options from a file, in curl's syntax.
//!
//! Knows lines, and of each option whether it has a value. Must not know what options mean. Invariant: a line is one
//! option (or several short ones), with a value of its own where that has one; no value is taken for an option, and no
//! line for a value. A line has its option without its dashes or with them, and its value after blanks, `=` or `:`. A
//! value in quotation marks has the escapes `\\`, `\"`, `\t`, `\n`, `\r` and `\v`; one without ends at a blank. What
//! follows `#` at a line's beginning, or after a value, is passed over.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use clap::CommandFactory as _;

use crate::args::Args;

/// Bytes of a file of options.
const LARGEST: u64 = 1 << 20;

/// The words of a command line that the lines of a file stand for.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    Ok(lines(text, &fetch())?.into_iter().map(|(_, word)| word).collect())
}

/// The options that lines may have.
pub(crate) fn fetch() -> clap::Command {
    let mut command = Args::command();
    command.build();
    command.find_subcommand("fetch").expect("a subcommand").clone()
}

pub(crate) fn read(path: &Path) -> io::Result<String> {
    let reader: Box<dyn io::Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(fs::File::open(path)?),
    };
    let mut text = String::new();
    reader.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("more than {LARGEST} bytes"))),
        false => Ok(text),
    }
}

/// A word for each line that has an option, with the line's number.
pub(crate) fn lines(text: &str, fetch: &clap::Command) -> Result<Vec<(usize, String)>, String> {
    let mut words = Vec::new();
    // some editors begin a file with a byte order mark
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let word = line_word(line, fetch).map_err(|why| format!("line {number}: {why}"))?;
        words.push((number, word));
    }
    Ok(words)
}

/// An option and its value, in one word.
fn line_word(line: &str, fetch: &clap::Command) -> Result<String, String> {
    let separates = |char: char| char.is_whitespace() || matches!(char, '=' | ':');
    let is_short = line.starts_with('-') && !line.starts_with("--");
    let end = match is_short {
        true => line.find(char::is_whitespace),
        false => line.find(separates),
    };
    let (option, rest) = line.split_at(end.unwrap_or(line.len()));
    let value = value(rest.trim_start_matches(separates))?;
    let name = option.trim_start_matches('-');
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(format!("{option:?} is no option"));
    }
    let (long, wants_value) = match is_short {
        true if name == ":" => ("next", Some(false)),
        true => match valued_short(fetch, name) {
            Some(Some((long, value))) => (long, Some(value.is_empty())),
            Some(None) => ("", Some(false)),
            None => ("", None),
        },
        false => (name, long_wants_value(fetch, name)),
    };
    match (value, wants_value) {
        _ if long == "config" => Err("files of options name no others".to_owned()),
        (None, Some(true)) => Err(format!("{option} has no value (\"\" is an empty one)")),
        (Some(_), Some(false)) => Err(format!("{option} takes no value")),
        (None, _) if is_short => Ok(option.to_owned()),
        (None, _) => Ok(format!("--{name}")),
        // of the value nothing is taken for the sign
        (Some(value), _) if is_short => Ok(format!("-{name}={value}")),
        (Some(value), _) => Ok(format!("--{name}={value}")),
    }
}

/// Whether an option has a value; `None` if there is no such option, which is told later.
pub(crate) fn long_wants_value(fetch: &clap::Command, name: &str) -> Option<bool> {
    let mut options = fetch.get_arguments();
    let option = options.find(|arg| {
        arg.get_long() == Some(name)
            || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    });
    option.map(|arg| arg.get_action().takes_values())
}

/// Of several short options the one that has a value, by its long name, with the rest of the word, which is the value;
/// none of them, or `None` if there is no such option.
pub(crate) fn valued_short<'a>(
    fetch: &'a clap::Command,
    names: &'a str,
) -> Option<Option<(&'a str, &'a str)>> {
    let mut rest = names.chars();
    while let Some(name) = rest.next() {
        let option = fetch.get_arguments().find(|arg| arg.get_short() == Some(name))?;
        if option.get_action().takes_values() {
            return Some(Some((option.get_long()?, rest.as_str())));
        }
    }
    Some(None)
}

fn value(text: &str) -> Result<Option<String>, String> {
    let (value, rest) = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None if text.is_empty() || text.starts_with('#') => return Ok(None),
        None => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        }
    };
    match rest.trim_start() {
        rest if rest.is_empty() || rest.starts_with('#') => Ok(Some(value)),
        rest => Err(format!("{rest:?} after the value: one with blanks stands in quotation marks")),
    }
}

/// What stands before the closing quotation mark, and what comes after it.
fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next().map(|(_, char)| char) {
                Some('t') => value.push('\t'),
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('v') => value.push('\x0b'),
                Some(char) => value.push(char),
                None => break,
            },
            char => value.push(char),
        }
    }
    Err("a quotation mark that is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_options() {
        let text = "# a comment\n\n  --compressed\nfail\n-L\nurl = \"http://a/?b=c\"\nurl=http://b/\n\
                    user-agent: \"me \\\"1\\\"\\t\"\r\n-d  x=y # said\n--max-redirs 5\n\
                    data = \"-x\"\ndata=\"\"\nurl http://c/#frag\nurl = \"--output=pwn\"\n\
                    url: -opwn\n-sSL\nupload-file = -o\nmax-time 5\n-dx=y\n-d \"=x\"\n-:\nnext";
        let want = [
            "--compressed",
            "--fail",
            "-L",
            "--url=http://a/?b=c",
            "--url=http://b/",
            "--user-agent=me \"1\"\t",
            "-d=x=y",
            "--max-redirs=5",
            "--data=-x",
            "--data=",
            "--url=http://c/#frag",
            "--url=--output=pwn",
            "--url=-opwn",
            "-sSL",
            "--upload-file=-o",
            "--max-time=5",
            "-dx=y",
            "-d==x",
            "-:",
            "--next",
        ];
        assert_eq!(words(text).unwrap(), want);
        assert_eq!(words("\u{feff}fail\n\u{feff}x = y").unwrap(), ["--fail", "--\u{feff}x=y"]);
    }

    #[test]
    fn lines_that_are_none_are_named() {
        let lines = ["data = a b", "data = \"a", "data = \"a\" b", "= x", "--", "data \"a\\"];
        let lines = lines.iter().chain(&["user=", "--user", "-u", "-sd", "fail = yes", "-s x"]);
        for line in lines {
            let error = words(&format!("fail\n{line}")).expect_err(line);
            assert!(error.starts_with("line 2: "), "{error}");
        }
    }
}
