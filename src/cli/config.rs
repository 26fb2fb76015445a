//! `-K FILE`: options from a file, in curl's syntax.
//!
//! Knows lines and words. Must not know what options there are. A line has one option, without its
//! dashes or with them, and its value after blanks, `=` or `:`. A value in quotation marks has the
//! escapes `\\`, `\"`, `\t`, `\n`, `\r` and `\v`; one without ends at a blank. `url` is a URL. What
//! follows `#` at a line's beginning, or after a value, is passed over.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _};

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
    Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
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
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        line_words(line, &mut words).map_err(|why| format!("line {number}: {why}"))?;
    }
    Ok(words)
}

fn line_words(line: &str, words: &mut Vec<String>) -> Result<(), String> {
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
    match value {
        None if is_short => words.push(option.to_owned()),
        None => words.push(format!("--{name}")),
        Some(url) if name == "url" => words.push(url),
        // in one word, so that no value is taken for an option
        Some(value) if is_short => words.push(format!("-{name}{value}")),
        Some(value) => words.push(format!("--{name}={value}")),
    }
    Ok(())
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
                    data = \"-x\"\ndata=\"\"\nurl http://c/#frag";
        let want = [
            "--compressed",
            "--fail",
            "-L",
            "http://a/?b=c",
            "http://b/",
            "--user-agent=me \"1\"\t",
            "-dx=y",
            "--max-redirs=5",
            "--data=-x",
            "--data=",
            "http://c/#frag",
        ];
        assert_eq!(words(text).unwrap(), want);
    }

    #[test]
    fn lines_that_are_none_are_named() {
        for line in ["data = a b", "data = \"a", "data = \"a\" b", "= x", "--", "data \"a\\"] {
            let error = words(&format!("fail\n{line}")).expect_err(line);
            assert!(error.starts_with("line 2: "), "{error}");
        }
    }
}
