//! `-K FILE`: options from a file, in curl's syntax; `--next`, which divides what was typed into sets of options.
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

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, CommandFactory as _, FromArgMatches as _};

use crate::args::{Args, Command};
use crate::options::addresses::AddressArgs;
use crate::options::lookup::{LookupArgs, ResolverArgs};
use crate::options::politeness::PolitenessArgs;
use crate::options::ring::RingArgs;

/// Bytes of a file of options.
const LARGEST: u64 = 1 << 20;

/// What was typed, with the options of each file that -K names before those that were typed beside it, which so
/// have the last word. Exits where clap would, and with an error where a file cannot be read.
pub(crate) fn parse() -> Result<Args, String> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let Some((program, words)) = typed.split_at_checked(2).filter(|(first, _)| first[1] == "fetch")
    else {
        return Ok(parse_from(&typed).0);
    };
    let (mut with_files, mut files) = (Vec::new(), 0);
    for (number, set) in sets(words.to_vec(), Urls::AlsoOfFiles).into_iter().enumerate() {
        if number > 0 {
            with_files.push("--next".into());
        }
        files += add_with_files(program, set, &mut with_files)?;
    }
    let sets = sets(with_files, Urls::AsGiven);
    let mut sets = sets.into_iter().map(|set| parse_from(&[program, &set].concat()));
    let (mut args, _) = sets.next().expect("the first, if an empty one");
    let Command::Fetch(first) = &mut args.command else { return Ok(args) };
    let mut named = first.config.len();
    for (later, matches) in sets {
        alone_in_the_first(&matches)?;
        if let Command::Fetch(later) = later.command {
            named += later.config.len();
            first.later.push(*later);
        }
    }
    if named > files { Err("-K within a file of -K".to_owned()) } else { Ok(args) }
}

/// Adds a set of options to `all`, after those of the files that it names. Says how many files these are.
fn add_with_files(
    program: &[OsString],
    set: Vec<OsString>,
    all: &mut Vec<OsString>,
) -> Result<usize, String> {
    let (args, _) = parse_from(&[program, &set].concat());
    let files = match args.command {
        Command::Fetch(fetch) => fetch.config,
        Command::Doctor(_) | Command::Bench(_) | Command::Man(_) | Command::Completions(_) => {
            Vec::new()
        }
    };
    for file in &files {
        let text =
            read(file).map_err(|error| format!("cannot read -K {}: {error}", file.display()))?;
        let words = words(&text).map_err(|why| format!("-K {}: {why}", file.display()))?;
        all.extend(words.into_iter().map(OsString::from));
    }
    all.extend(set);
    Ok(files.len())
}

fn parse_from(words: &[OsString]) -> (Args, ArgMatches) {
    let matches = Args::command().get_matches_from(words);
    let mut args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let (Command::Fetch(fetch), Some((_, matches))) = (&mut args.command, matches.subcommand()) {
        fetch.urls = urls(matches);
    }
    (args, matches)
}

/// The words between each `--next` and the following one. What would be a set without a URL is the beginning of the
/// one after it.
fn sets(words: Vec<OsString>, urls: Urls) -> Vec<Vec<OsString>> {
    if !words.iter().any(|word| word == "--next" || word == "-:") {
        return vec![words];
    }
    let mut command = Args::command();
    command.build();
    let fetch = command.find_subcommand("fetch").expect("a subcommand");
    let mut sets = vec![Vec::new()];
    let (mut has_url, mut options_end) = (false, false);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let set = sets.last_mut().expect("at least one");
        let text = word.to_string_lossy().into_owned();
        let kind = if options_end { Word::Url } else { Word::of(&text, fetch, urls) };
        match kind {
            Word::Next if has_url => {
                sets.push(Vec::new());
                (has_url, options_end) = (false, false);
                continue;
            }
            Word::Next => continue,
            Word::EndOfOptions => options_end = true,
            Word::Url => has_url = true,
            Word::Whole { gives_url } | Word::WithNext { gives_url } => has_url |= gives_url,
        }
        set.push(word);
        if let Word::WithNext { .. } = kind {
            set.extend(words.next());
        }
    }
    sets
}

/// Where a set's URLs may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urls {
    /// Also in files of `-K`, which were not read yet.
    AlsoOfFiles,
    /// All are among its words.
    AsGiven,
}

/// What a word of the command line is.
enum Word {
    Next,
    /// `--`
    EndOfOptions,
    Url,
    /// An option without a value, or with its value.
    Whole {
        gives_url: bool,
    },
    /// An option whose value is the next word.
    WithNext {
        gives_url: bool,
    },
}

impl Word {
    fn of(word: &str, fetch: &clap::Command, urls: Urls) -> Word {
        let Some(option) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            return Word::Url;
        };
        let (value_follows, name) = match option.strip_prefix('-') {
            Some("") => return Word::EndOfOptions,
            Some("next") => return Word::Next,
            Some(long) => match long.split_once('=') {
                Some((name, _)) => (false, name),
                None => (long_wants_value(fetch, long) == Some(true), long),
            },
            None if option == ":" => return Word::Next,
            None => (short_wants_value(fetch, option) == Some(true), ""),
        };
        let with_value = if name.is_empty() { last_short(fetch, option) } else { Some(name) };
        let gives_url = match with_value {
            Some("url" | "input") => true,
            Some("config") => urls == Urls::AlsoOfFiles,
            Some(_) | None => false,
        };
        if value_follows { Word::WithNext { gives_url } } else { Word::Whole { gives_url } }
    }
}

/// The long name of the one with a value among several short options.
fn last_short<'a>(fetch: &'a clap::Command, names: &str) -> Option<&'a str> {
    for name in names.chars() {
        let option = fetch.get_arguments().find(|arg| arg.get_short() == Some(name))?;
        if option.get_action().takes_values() {
            return option.get_long();
        }
    }
    None
}

/// Fails where an option about the whole run is not in the first set.
fn alone_in_the_first(matches: &ArgMatches) -> Result<(), String> {
    let Some((_, matches)) = matches.subcommand() else { return Ok(()) };
    let fetch = clap::Command::new("fetch");
    let groups = [
        LookupArgs::augment_args(fetch.clone()),
        ResolverArgs::augment_args(fetch.clone()),
        PolitenessArgs::augment_args(fetch.clone()),
        AddressArgs::augment_args(fetch.clone()),
        RingArgs::augment_args(fetch),
    ];
    let of_groups = groups.iter().flat_map(clap::Command::get_arguments);
    let names = of_groups.filter_map(|arg| Some((arg.get_id().as_str(), arg.get_long()?)));
    // this one of theirs is about each transfer
    let names = names.filter(|(_, name)| *name != "happy-eyeballs-timeout-ms");
    let others = [("connections", "connections"), ("per_host", "per-host"), ("driver", "driver")];
    for (id, name) in names.chain(others) {
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            return Err(format!("--{name} is about the whole run: it stands before --next"));
        }
    }
    Ok(())
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
pub fn words(text: &str) -> Result<Vec<String>, String> {
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
    fn sets_are_divided_where_no_value_stands() {
        let table: [(&str, &[&str]); 9] = [
            ("a --next b", &["a", "b"]),
            ("a -: b --next c", &["a", "b", "c"]),
            ("-d --next a", &["-d --next a"]),
            ("-sd --next a --next b", &["-sd --next a", "b"]),
            ("--data=x a --next -I b", &["--data=x a", "-I b"]),
            ("-- -x --next a", &["-- -x --next a"]),
            ("-s --next a --next", &["-s a", ""]),
            ("--next a --next --next b", &["a", "b"]),
            ("--url a --next -ilist --next -s --url=b", &["--url a", "-ilist", "-s --url=b"]),
        ];
        let divided = |text: &str, urls| {
            let sets = sets(text.split(' ').map(OsString::from).collect(), urls);
            let set = |set: Vec<OsString>| set.join(" ".as_ref()).into_string().unwrap();
            sets.into_iter().map(set).collect::<Vec<_>>()
        };
        for (text, want) in table {
            assert_eq!(divided(text, Urls::AsGiven), want, "{text}");
        }
        assert_eq!(divided("-sKfile --next a", Urls::AlsoOfFiles), ["-sKfile", "a"]);
        assert_eq!(divided("-sKfile --next a", Urls::AsGiven), ["-sKfile a"]);
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
