//! What was typed, with the words of files (`-K`) among it, divided by `--next` into sets of options.
//!
//! Knows words, and of each option whether it has a value. Must not know what options mean. Invariants: a file's words
//! stand where its `-K` does; no value is taken for an option; what is wrong with a word of a file is told by its file and
//! line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::rc::Rc;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, CommandFactory as _, FromArgMatches as _};

use crate::args::{Args, Command};
use crate::config;
use crate::options::addresses::AddressArgs;
use crate::options::lookup::{LookupArgs, ResolverArgs};
use crate::options::politeness::PolitenessArgs;
use crate::options::ring::RingArgs;

/// A word, and where it stands if it was not typed.
#[derive(Debug, Clone)]
struct Given {
    word: OsString,
    origin: Option<Origin>,
}

/// A line of a file of options.
#[derive(Debug, Clone)]
struct Origin {
    file: Rc<Path>,
    line: usize,
}

/// What a word of the command line is.
enum Word<'a> {
    Next,
    /// `--`
    EndOfOptions,
    Url,
    /// An option, or several short ones; the long name of the one that has a value, and where that stands.
    Option(Option<(&'a str, Value)>),
}

/// Where an option's value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// It is the next word.
    Next,
    /// It is in the same word, from this byte on.
    At(usize),
}

/// What was typed, and what the files say that it names. Exits where clap would, and with an error where a file cannot be
/// read or has a line that is none.
pub(crate) fn parse() -> Result<Args, String> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let Some((program, words)) = typed.split_at_checked(2).filter(|(first, _)| first[1] == "fetch")
    else {
        return Ok(parse_words(&typed).unwrap_or_else(|error| error.exit()).0);
    };
    let fetch = config::fetch();
    let mut sets = sets(with_files(words, &fetch)?, &fetch)?.into_iter();
    let (mut args, _) = parse_set(program, &sets.next().expect("the first, if an empty one"))?;
    let Command::Fetch(first) = &mut args.command else { return Ok(args) };
    for set in sets {
        let (later, matches) = parse_set(program, &set)?;
        alone_in_the_first(&matches, &set)?;
        if let Command::Fetch(later) = later.command {
            first.later.push(*later);
        }
    }
    Ok(args)
}

/// What was typed, with the words of each file that -K names behind it.
fn with_files(words: &[OsString], fetch: &clap::Command) -> Result<Vec<Given>, String> {
    let typed = |word: &OsString| Given { word: word.clone(), origin: None };
    let (mut all, mut options_end) = (Vec::new(), false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let kind = if options_end { Word::Url } else { Word::of(&text, fetch) };
        all.push(typed(word));
        options_end |= matches!(kind, Word::EndOfOptions);
        let Word::Option(Some((name, value))) = kind else { continue };
        let value = match value {
            Value::Next => {
                words.next().inspect(|value| all.push(typed(value))).map(OsString::as_os_str)
            }
            Value::At(at) => Some(OsStr::from_bytes(&word.as_bytes()[at..])),
        };
        if let (Some(file), "config") = (value, name) {
            add_file(Path::new(file), fetch, &mut all)?;
        }
    }
    Ok(all)
}

fn add_file(file: &Path, fetch: &clap::Command, all: &mut Vec<Given>) -> Result<(), String> {
    let name = file.display();
    let text = config::read(file).map_err(|error| format!("cannot read -K {name}: {error}"))?;
    let lines = config::lines(&text, fetch).map_err(|why| format!("-K {name}: {why}"))?;
    let file: Rc<Path> = file.into();
    all.extend(lines.into_iter().map(|(line, word)| Given {
        word: word.into(),
        origin: Some(Origin { file: Rc::clone(&file), line }),
    }));
    Ok(())
}

/// The words between each `--next` and the following one. What would be a set without a URL is the beginning of the
/// one after it; behind the last there is one.
fn sets(words: Vec<Given>, fetch: &clap::Command) -> Result<Vec<Vec<Given>>, String> {
    let mut sets = vec![Vec::new()];
    let (mut has_url, mut options_end) = (false, false);
    let mut divided = None;
    let mut words = words.into_iter();
    while let Some(given) = words.next() {
        let set = sets.last_mut().expect("at least one");
        let text = given.word.to_string_lossy().into_owned();
        let kind = if options_end { Word::Url } else { Word::of(&text, fetch) };
        match kind {
            Word::Next if has_url => {
                sets.push(Vec::new());
                (has_url, divided) = (false, Some(given));
                continue;
            }
            Word::Next => continue,
            Word::EndOfOptions => options_end = true,
            Word::Url => has_url = true,
            Word::Option(with_value) => {
                has_url |= matches!(with_value, Some(("url" | "input", _)));
            }
        }
        set.push(given);
        if let Word::Option(Some((_, Value::Next))) = kind {
            set.extend(words.next());
        }
    }
    match divided.filter(|_| !has_url) {
        None => Ok(sets),
        Some(Given { origin: Some(origin), .. }) => {
            Err(format!("{origin}: no URL comes after this 'next'"))
        }
        Some(Given { origin: None, .. }) => Err("no URL comes after the last --next".to_owned()),
    }
}

impl<'a> Word<'a> {
    fn of(word: &'a str, fetch: &'a clap::Command) -> Word<'a> {
        let Some(option) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            return Word::Url;
        };
        match option.strip_prefix('-') {
            Some("") => Word::EndOfOptions,
            Some("next") => Word::Next,
            None if option == ":" => Word::Next,
            Some(long) => Word::Option(match long.split_once('=') {
                Some((name, value)) => Some((name, Value::At(word.len() - value.len()))),
                None if config::long_wants_value(fetch, long) == Some(true) => {
                    Some((long, Value::Next))
                }
                None => None,
            }),
            None => Word::Option(match config::valued_short(fetch, option).flatten() {
                Some((name, "")) => Some((name, Value::Next)),
                Some((name, rest)) => {
                    let value = rest.strip_prefix('=').unwrap_or(rest);
                    Some((name, Value::At(word.len() - value.len())))
                }
                None => None,
            }),
        }
    }
}

fn parse_words(words: &[OsString]) -> Result<(Args, ArgMatches), clap::Error> {
    let matches = Args::command().try_get_matches_from(words)?;
    let mut args = Args::from_arg_matches(&matches)?;
    if let (Command::Fetch(fetch), Some((_, matches))) = (&mut args.command, matches.subcommand()) {
        fetch.urls = urls(matches);
    }
    Ok((args, matches))
}

fn parse_set(program: &[OsString], set: &[Given]) -> Result<(Args, ArgMatches), String> {
    parse_beginning(program, set).or_else(|error| match guilty(program, set, &error) {
        Some(origin) => Err(format!("{origin}: {}", message(&error))),
        None => error.exit(),
    })
}

fn parse_beginning(program: &[OsString], set: &[Given]) -> Result<(Args, ArgMatches), clap::Error> {
    let words = program.iter().chain(set.iter().map(|given| &given.word));
    parse_words(&words.cloned().collect::<Vec<_>>())
}

/// The line of a file that has this said: without it, what comes before is not wrong for this reason.
fn guilty<'a>(program: &[OsString], set: &'a [Given], error: &clap::Error) -> Option<&'a Origin> {
    if !error.use_stderr() {
        return None;
    }
    let told = message(error);
    let is_told_of = |end: usize| {
        parse_beginning(program, &set[..end]).is_err_and(|other| message(&other) == told)
    };
    let of_files: Vec<_> = (0..set.len()).filter(|&at| set[at].origin.is_some()).collect();
    let at = *of_files.get(of_files.partition_point(|&at| !is_told_of(at + 1)))?;
    set[at].origin.as_ref().filter(|_| !is_told_of(at))
}

/// What clap says, without what it adds about command lines.
fn message(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let lines = lines.collect::<Vec<_>>().join(" ");
    lines.strip_prefix("error: ").unwrap_or(&lines).to_owned()
}

/// Fails where an option about the whole run is not in the first set.
fn alone_in_the_first(matches: &ArgMatches, set: &[Given]) -> Result<(), String> {
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
    let others = [
        ("connections", "connections"),
        ("per_host", "per-host"),
        ("http2_connections", "http2-connections"),
        ("threads", "threads"),
        ("driver", "driver"),
    ];
    for (id, name) in names.chain(others) {
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            let option = format!("--{name}");
            let says = |given: &&Given| given.word.to_string_lossy().starts_with(&option);
            let origin = set.iter().find(says).and_then(|given| given.origin.as_ref());
            let before = origin.map(|origin| format!("{origin}: ")).unwrap_or_default();
            return Err(format!(
                "{before}{option} is about the whole run: it stands before --next"
            ));
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

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "-K {}: line {}", self.file.display(), self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(text: &str) -> Result<Vec<String>, String> {
        let fetch = config::fetch();
        let words: Vec<_> = text.split(' ').map(OsString::from).collect();
        let sets = sets(with_files(&words, &fetch)?, &fetch)?;
        let text = |given: Given| given.word.into_string().unwrap();
        let set = |set: Vec<Given>| set.into_iter().map(text).collect::<Vec<_>>().join(" ");
        Ok(sets.into_iter().map(set).collect())
    }

    #[test]
    fn sets_are_divided_where_no_value_stands() {
        let table: [(&str, &[&str]); 8] = [
            ("a --next b", &["a", "b"]),
            ("a -: b --next c", &["a", "b", "c"]),
            ("-d --next a", &["-d --next a"]),
            ("-sd --next a --next b", &["-sd --next a", "b"]),
            ("--data=x a --next -I b", &["--data=x a", "-I b"]),
            ("-- -x --next a", &["-- -x --next a"]),
            ("--next a --next --next b", &["a", "b"]),
            ("--url a --next -ilist --next -s --url=b", &["--url a", "-ilist", "-s --url=b"]),
        ];
        for (text, want) in table {
            assert_eq!(divided(text).unwrap(), want, "{text}");
        }
        assert_eq!(
            divided("-s --next a --next").unwrap_err(),
            "no URL comes after the last --next"
        );
    }

    #[test]
    fn the_words_of_a_file_stand_where_it_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().display().to_string();
        let table: [(&str, &str, &[&str]); 7] = [
            ("fail\n", "-s -K FILE a", &["-s -K FILE --fail a"]),
            ("fail\n", "-s --config=FILE a", &["-s --config=FILE --fail a"]),
            ("fail\n", "-sKFILE a", &["-sKFILE --fail a"]),
            ("fail\n", "-sK=FILE a", &["-sK=FILE --fail a"]),
            ("fail\n", "-d -K a -- -K FILE", &["-d -K a -- -K FILE"]),
            ("url=b\nnext\n-I", "-s -K FILE a", &["-s -K FILE --url=b", "-I a"]),
            ("-:\nurl b\n -: \n", "a -KFILE c", &["a -KFILE", "--url=b", "c"]),
        ];
        for (text, words, want) in table {
            std::fs::write(file.path(), text).unwrap();
            let divided = divided(&words.replace("FILE", &name)).unwrap();
            let divided: Vec<_> = divided.iter().map(|set| set.replace(&name, "FILE")).collect();
            assert_eq!(divided, want, "{words}");
        }
        let refusals = [
            ("url = a\nnext\n", "line 2: no URL comes after"),
            ("fail\n\nurl = \"a\n", "line 3: a quotation mark"),
            ("-sK x\n", "line 1: files of options name no others"),
            ("config = x\n", "line 1: files of options name no others"),
        ];
        for (text, want) in refusals {
            std::fs::write(file.path(), text).unwrap();
            let why = divided(&format!("-s -K {name}")).unwrap_err();
            assert!(why.starts_with(&format!("-K {name}: {want}")), "{why}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_by_its_number() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().display().to_string();
        let told = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            let fetch = config::fetch();
            let words = ["-s", "-K", &name, "a"].map(OsString::from);
            let sets = sets(with_files(&words, &fetch).unwrap(), &fetch).unwrap();
            let program = ["ringdove", "fetch"].map(OsString::from);
            let error = parse_beginning(&program, &sets[0]).err()?;
            Some((guilty(&program, &sets[0], &error)?.line, message(&error)))
        };
        let lines = "fail\n".repeat(100);
        let table = [
            ("fail\n\nno-such = 1\nsilent", 3, "unexpected argument '--no-such' found"),
            (
                "# x\nmax-time = soon\nfail",
                2,
                "invalid value 'soon' for '--timeout <SECONDS>': not ",
            ),
            ("fail\nsilent\nfail-with-body\nno-such", 4, "unexpected argument '--no-such' found"),
            ("fail\nsilent\nfail-with-body\n", 3, "the argument '--fail' cannot be used with"),
            ("retry-delay = 1\n", 1, "the following required arguments were not provided: --retry"),
            (&format!("{lines}-QZ\n{lines}"), 101, "unexpected argument '-Q' found"),
        ];
        for (text, line, want) in table {
            let (found, message) = told(text).unwrap_or_else(|| panic!("{text}: nobody is guilty"));
            assert!(found == line && message.starts_with(want), "{text}: {found}: {message}");
        }
        assert!(told("retry-delay = 1\nretry = 2").is_none());
        assert!(told("help").is_none());
    }
}
