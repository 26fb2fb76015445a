//! What is said of each option and info: whole, by the header of the system, and as `OPTIONS.md` has it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use ringdove_curl::options::Status;
use ringdove_curl::options::table::{OPTIONS, Refusal};
use ringdove_curl::{INFOS, MULTI_OPTIONS};

/// The options of share handles: they are too few for a table of their own.
const SHARE_OPTIONS: [(&str, i64, &str); 5] = [
    (
        "SHARE",
        1,
        "cookies and HSTS by all at once; connections, DNS and TLS sessions by transfers of curl_easy_perform one after the other",
    ),
    ("UNSHARE", 2, "the same"),
    (
        "LOCKFUNC",
        3,
        "called where what is shared is taken, given, read or written for a handle; the rest guards itself",
    ),
    ("UNLOCKFUNC", 4, "the same"),
    ("USERDATA", 5, "the same"),
];

/// The values that the system's header gives names which begin so.
fn of_header(prefix: &str) -> Option<BTreeMap<String, i64>> {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("names.c");
    fs::write(&source, "#include <curl/curl.h>\n").expect("a file");
    let text = Command::new("cc").arg("-E").arg(&source).output().expect("cc runs");
    if !text.status.success() {
        eprintln!("skipped: there is no curl/curl.h (package libcurl4-openssl-dev)");
        return None;
    }
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let mut names: Vec<_> = words.filter(|word| word.starts_with(prefix)).collect();
    names.sort_unstable();
    names.dedup();
    let mut program = "#define CURL_DISABLE_DEPRECATION\n#include <curl/curl.h>\n#include <stdio.h>\nint main(void) {\n".to_owned();
    for name in &names {
        let _ = writeln!(program, "  printf(\"{name} %ld\\n\", (long){name});");
    }
    fs::write(&source, program + "  return 0;\n}\n").expect("a file");
    let binary = folder.path().join("names");
    let built = Command::new("cc").arg("-w").arg("-o").arg(&binary).arg(&source).output();
    let built = built.expect("cc runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let printed = Command::new(&binary).output().expect("it runs");
    let printed = String::from_utf8(printed.stdout).expect("names and numbers");
    let pairs = printed.lines().filter_map(|line| line.split_once(' '));
    Some(pairs.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect())
}

/// Compares a table with the header: all that is there has a row, with its number. Rows of later versions may be more.
fn compare(prefix: &str, none: &[&str], rows: &BTreeMap<String, i64>) {
    let Some(header) = of_header(prefix) else { return };
    assert!(header.len() > 3, "{header:?}");
    let known = header.iter().filter(|(name, _)| !none.contains(&name.as_str()));
    let wrong: Vec<_> = known
        .filter(|(name, number)| rows.get(name.trim_start_matches(prefix)) != Some(number))
        .collect();
    assert!(wrong.is_empty(), "{prefix}: {wrong:?}");
}

#[test]
fn each_option_of_the_header_has_a_row() {
    let rows = OPTIONS.iter().map(|row| (row.name.to_owned(), row.id.into())).collect();
    // what was taken out of curl long ago, and is kept in its header for old programs
    let none = ["CURLOPT_OBSOLETE72", "CURLOPT_OBSOLETE40", "CURLOPT_LASTENTRY"];
    compare("CURLOPT_", &none, &rows);
}

#[test]
fn each_info_of_the_header_has_a_row() {
    let rows = INFOS.iter().map(|row| (row.name.to_owned(), row.id.into())).collect();
    let none = ["CURLINFO_NONE", "CURLINFO_LASTONE", "CURLINFO_HTTP_CODE"];
    let debug = [
        "TEXT",
        "HEADER_IN",
        "HEADER_OUT",
        "DATA_IN",
        "DATA_OUT",
        "SSL_DATA_IN",
        "SSL_DATA_OUT",
        "END",
    ];
    let debug: Vec<_> = debug.iter().map(|name| format!("CURLINFO_{name}")).collect();
    let none: Vec<_> = none.into_iter().chain(debug.iter().map(String::as_str)).collect();
    compare("CURLINFO_", &none, &rows);
}

#[test]
fn each_option_of_multis_and_shares_has_a_row() {
    let rows = MULTI_OPTIONS.iter().map(|row| (row.name.to_owned(), row.id.into())).collect();
    compare("CURLMOPT_", &["CURLMOPT_LASTENTRY"], &rows);
    let rows = SHARE_OPTIONS.map(|(name, id, _)| (name.to_owned(), id)).into();
    compare("CURLSHOPT_", &["CURLSHOPT_NONE", "CURLSHOPT_LAST"], &rows);
}

fn told(status: Status) -> String {
    match status {
        Status::Done => "done | ".to_owned(),
        Status::Differs(how) => format!("differs | {how}"),
        Status::Refused(Refusal::Unknown, why) => format!("CURLE_UNKNOWN_OPTION | {why}"),
        Status::Refused(Refusal::NotBuiltIn, why) => format!("CURLE_NOT_BUILT_IN | {why}"),
    }
}

fn section<'a>(title: &str, rows: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut text = format!("\n## {title}\n\n| name | here | how, or why |\n| --- | --- | --- |\n");
    for (name, told) in rows {
        let _ = writeln!(text, "| {name} | {} |", told.trim_end());
    }
    text
}

/// The page, as the tables have it.
fn page() -> String {
    let head = include_str!("../../OPTIONS.head.md");
    let easy = OPTIONS.iter().filter(|row| !row.alias).map(|row| (row.name, told(row.status)));
    let infos = INFOS.iter().map(|row| (row.name, told(row.status)));
    let multi = MULTI_OPTIONS.iter().map(|row| {
        // of multis there is one code for all that is not taken
        (row.name, told(row.status).replace("CURLE_", "CURLM_"))
    });
    let share = SHARE_OPTIONS.iter().map(|(name, _, how)| (*name, format!("differs | {how}")));
    [
        head.to_owned(),
        section("CURLOPT", easy),
        section("CURLINFO", infos),
        section("CURLMOPT", multi),
        section("CURLSHOPT", share),
    ]
    .concat()
}

/// `RINGDOVE_WRITE=1` writes it.
#[test]
fn the_page_of_options_is_that_of_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("OPTIONS.md");
    if std::env::var_os("RINGDOVE_WRITE").is_some() {
        fs::write(&path, page()).expect("written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "OPTIONS.md is not what the tables say: RINGDOVE_WRITE=1 writes it");
}
