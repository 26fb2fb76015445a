//! Pages of `docs/` whose tables name the tests that hold what they say: each of these tests is there.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Pages with tables whose last column is headed "test". A test is named by its path, of which the last part counts;
/// `*` stands for all of a module.
const PAGES: [&str; 2] = ["docs/curl-semantics.md", "docs/http-duties.md"];

#[test]
fn every_test_that_a_page_names_is_there() {
    let functions = functions();
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).expect("a page");
        let named = tests_named_by(&text);
        assert!(named.len() > 20, "{page} names hardly any tests: {named:?}");
        let missing: Vec<_> = named.iter().filter(|name| !functions.contains(*name)).collect();
        assert!(missing.is_empty(), "{page} names tests that are not there: {missing:?}");
    }
}

#[test]
fn names_are_found_in_the_last_column_alone() {
    let page = "`a::no`\n\n| what | test |\n| --- | --- |\n| `b::no` | `c::yes`, `…::too`, `d::*` |\n\
                | x | the same, and `single` |\n\n| what | how |\n| --- | --- |\n| x | `e::no` |\n";
    assert_eq!(tests_named_by(page), ["yes", "too", "single"]);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The last parts of the names in columns headed "test".
fn tests_named_by(page: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut of_tests = false;
    for line in page.lines() {
        let Some(row) = line.strip_prefix('|') else {
            of_tests = false;
            continue;
        };
        let last =
            row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        of_tests |= last == "test";
        if of_tests {
            let quoted = last.split('`').skip(1).step_by(2);
            names.extend(quoted.filter_map(|name| name.rsplit("::").next()).map(str::to_owned));
        }
    }
    names.retain(|name| name != "*");
    names
}

/// The names of all functions in `src/` and `tests/`; those of tests are not told apart, since macros make some.
fn functions() -> HashSet<String> {
    let mut found = HashSet::new();
    let mut open: Vec<PathBuf> = ["src", "tests"].map(|folder| root().join(folder)).into();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let names = text.split("fn ").skip(1).map(|rest| {
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .next()
                    .unwrap_or_default()
            });
            found.extend(names.map(str::to_owned));
        }
    }
    found
}
