//! `-K FILE`: options from a file, in curl's syntax.
//!
//! Knows lines and words, and of each option whether it has a value. Must not know what options mean.
//! Invariant: a line is one option (or several short ones), with a value of its own where that has one;
//! no value is taken for an option, and no line for a value. A line has its option without its dashes or
//! with them, and its value after blanks, `=` or `:`. A value in quotation marks has the
//! escapes `\\`, `\"`, `\t`, `\n`, `\r` and `\v`; one without ends at a blank. What
//! follows `#` at a line's beginning, or after a value, is passed over.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use super::args::{Args, Command};

/// Bytes of a file of options.
const LARGEST: u64 = 1 << 20;

/// What was typed, with the options of each file that -K names before those that were typed, which so
/// have the last word. Exits where clap would, and with an error where a file cannot be read.
pub(crate) fn parse() -> Result<Args, String> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let args = parse_from(&typed);
    let files = match &args.command {
        Command::Fetch(fetch) => fetch.config.clone(),
        Command::Doctor(_) | Command::Bench(_) => Vec::new(),
    };
    if files.is_empty() {
        return Ok(args);
    }
    let mut all = Vec::from(&typed[..typed.len().min(2)]);
    for file in &files {
        let text =
            read(file).map_err(|error| format!("cannot read -K {}: {error}", file.display()))?;
        let words = words(&text).map_err(|why| format!("-K {}: {why}", file.display()))?;
        all.extend(words.into_iter().map(OsString::from));
    }
    all.extend_from_slice(&typed[typed.len().min(2)..]);
    let args = parse_from(&all);
    match &args.command {
        Command::Fetch(fetch) if fetch.config.len() > files.len() => {
            Err("-K within a file of -K".to_owned())
        }
        _ => Ok(args),
    }
}

fn parse_from(words: &[OsString]) -> Args {
    let matches = Args::command().get_matches_from(words);
    let mut args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let (Command::Fetch(fetch), Some((_, matches))) = (&mut args.command, matches.subcommand()) {
        fetch.urls = urls(matches);
    }
    args
}

/// URLs in their order, whether they were given as such or by `--url`.
fn urls(matches: &ArgMatches) -> Vec<String> {
    let of = |id: &str| {
        let values = matches.get_many::<String>(id).into_iter().flatten().cloned();
        matches.indices_of(id).into_iter().flatten().zip(values).collect::<Vec<_>>()
    };
    let mut given = [of("urls"), of("url")].concat();
    given.sort_by_key(|(at, _)| *at);
    given.into_iter().map(|(_, url)| url).collect()
}

fn read(path: &Path) -> io::Result<String> {
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

/// The words of a command line that the lines of a file stand for.
pub(crate) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut command = Args::command();
    command.build();
    let fetch = command.find_subcommand("fetch").expect("a subcommand");
    let mut words = Vec::new();
    // some editors begin a file with a byte order mark
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let word = line_word(line, fetch).map_err(|why| format!("line {number}: {why}"))?;
        words.push(word);
    }
    Ok(words)
}

/// An option and its value, in one word.
fn line_word(line: &str, fetch: &clap::Command) -> Result<String, String> {
    let separates = |char: char| char.is_whitespace() || matches!(char, '=' | ':');
    let end = line.find(separates).unwrap_or(line.len());
    let option = &line[..end];
    let rest = line[end..].trim_start_matches(separates);
    let value = value(rest)?;
    let name = option.trim_start_matches('-');
    let is_short = option.starts_with('-') && !option.starts_with("--");
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(format!("{option:?} is no option"));
    }
    let wants_value = match is_short {
        true => short_wants_value(fetch, name),
        false => long_wants_value(fetch, name),
    };
    match (value, wants_value) {
        (None, Some(true)) => Err(format!("{option} has no value (\"\" is an empty one)")),
        (Some(_), Some(false)) => Err(format!("{option} takes no value")),
        (None, _) if is_short => Ok(option.to_owned()),
        (None, _) => Ok(format!("--{name}")),
        (Some(value), _) if is_short => Ok(format!("-{name}{value}")),
        (Some(value), _) => Ok(format!("--{name}={value}")),
    }
}

/// Whether an option has a value; `None` if there is no such option, which is told later.
fn long_wants_value(fetch: &clap::Command, name: &str) -> Option<bool> {
    let mut options = fetch.get_arguments();
    let option = options.find(|arg| {
        arg.get_long() == Some(name)
            || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    });
    option.map(|arg| arg.get_action().takes_values())
}

/// Whether the last of several short options wants a value; of one before it the rest is the value.
fn short_wants_value(fetch: &clap::Command, names: &str) -> Option<bool> {
    let mut rest = names.chars();
    while let Some(name) = rest.next() {
        let option = fetch.get_arguments().find(|arg| arg.get_short() == Some(name))?;
        if option.get_action().takes_values() {
            return Some(rest.as_str().is_empty());
        }
    }
    Some(false)
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
                    url: -opwn\n-sSL\nupload-file = -o\nmax-time 5";
        let want = [
            "--compressed",
            "--fail",
            "-L",
            "--url=http://a/?b=c",
            "--url=http://b/",
            "--user-agent=me \"1\"\t",
            "-dx=y",
            "--max-redirs=5",
            "--data=-x",
            "--data=",
            "--url=http://c/#frag",
            "--url=--output=pwn",
            "--url=-opwn",
            "-sSL",
            "--upload-file=-o",
            "--max-time=5",
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
