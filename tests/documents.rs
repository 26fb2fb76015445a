//! What pages say of tests, files and names, compared with the sources.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Pages with tables whose last column is headed "test". A test is named by its path, of which the last part counts;
/// `*` stands for all of a module.
const PAGES: [&str; 3] = ["docs/curl-semantics.md", "docs/http-duties.md", "docs/situations.md"];

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

/// What is told of a transfer, for machines.
const RECORDS: &str = "crates/cli/src/report/record.rs";

/// Whatever is quoted as a path in the repository, or linked to, is there.
#[test]
fn every_file_that_a_page_names_is_there() {
    let mut missing = Vec::new();
    let mut named = 0;
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).expect("a page");
        let quoted = quoted(&text).filter_map(path_in_repository).map(|path| root().join(path));
        let beside = root().join(&page).parent().expect("a folder").to_owned();
        let linked = links(&text).map(|link| beside.join(link));
        for path in quoted.chain(linked) {
            named += 1;
            if !path.exists() && !path.with_extension("rs").exists() {
                missing.push(format!("{page}: {}", path.display()));
            }
        }
    }
    assert!(named > 60, "{named} files are named");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn paths_are_told_from_other_words() {
    let text = "`src/a.rs` `scripts/b --c` `application/json` `/src` `x` [d](e.md#f) [g](https://h/) [i](#j)";
    let paths: Vec<_> = quoted(text).filter_map(path_in_repository).collect();
    assert_eq!(paths, ["src/a.rs", "scripts/b"]);
    assert_eq!(links(text).collect::<Vec<_>>(), ["e.md"]);
}

/// What a crowd makes of limits is said of limits that there are.
#[test]
fn every_limit_that_a_page_names_is_there() {
    let limits = fs::read_to_string(root().join("src/limits.rs")).expect("a source file");
    let page = fs::read_to_string(root().join("docs/limits.md")).expect("a page");
    let is_name = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let named: Vec<_> = quoted(&page).filter(is_name).collect();
    assert!(named.len() > 40, "{named:?}");
    let missing: Vec<_> =
        named.iter().filter(|name| !limits.contains(&format!("const {name}:"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // and of all of them
    let consts = limits.split("\npub const ").chain(limits.split("\npub(crate) const ")).skip(1);
    let untold: Vec<_> = consts
        .filter_map(|rest| rest.split_once(':').map(|(name, _)| name))
        .filter(|name| is_name(name) && !named.contains(name))
        .collect();
    assert!(untold.is_empty(), "{untold:?}");
}

/// The code map has each file and folder of each layer and of each other crate, and all tests and benches.
#[test]
fn the_code_map_is_whole() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("a page");
    let map = text.split("## Code map").nth(1).and_then(|rest| rest.split("## ").next());
    let map = map.expect("there is a code map");
    let rows = rows_by_folder(map);
    let mut missing = Vec::new();
    for folder in folders_of_the_map() {
        let Some(named) = rows.get(&folder) else {
            missing.push(format!("{folder}/"));
            continue;
        };
        let there = names_in(&folder);
        let there =
            there.iter().filter(|name| !["lib", "main", "mod", "tests"].contains(&&***name));
        let lacks = there.filter(|name| !named.contains(*name));
        missing.extend(lacks.map(|name| format!("{folder}/{name}")));
    }
    assert!(missing.is_empty(), "the code map lacks {missing:#?}");
}

/// What the map names in each folder. A row without a path goes on with the folder above.
fn rows_by_folder(map: &str) -> HashMap<String, HashSet<String>> {
    let mut folders: HashMap<String, HashSet<String>> = HashMap::new();
    let mut folder = String::new();
    for row in map.lines().filter_map(|line| line.strip_prefix('|')) {
        let Some((path, rest)) = row.split_once('|') else { continue };
        if let Some(path) = quoted(path).next() {
            folder = path.trim_end_matches('/').to_owned();
        }
        let names = quoted(rest).map(|name| name.trim_end_matches('/').to_owned());
        folders.entry(folder.clone()).or_default().extend(names);
    }
    folders
}

/// `src/`, each layer's folder, the sources and tests of the other crates, each room of the engine and of the
/// command, all tests and benches. Of a module with submodules in a folder of its own, beside its file, the file is enough.
fn folders_of_the_map() -> Vec<String> {
    let inner = |outer: &str| {
        let names = names_in(outer).into_iter();
        let paths = names.map(|name| format!("{outer}/{name}"));
        paths.filter(|path| root().join(path).join("mod.rs").exists()).collect::<Vec<_>>()
    };
    let mut folders = vec!["src".to_owned(), "tests".to_owned(), "benches".to_owned()];
    folders.extend(inner("src"));
    for krate in names_in("crates") {
        let parts = ["src", "tests"].map(|part| format!("crates/{krate}/{part}"));
        folders.extend(parts.into_iter().filter(|part| root().join(part).is_dir()));
    }
    folders.extend(inner("src/engine"));
    folders.extend(inner("crates/cli/src"));
    folders
}

/// docs/cli.md has all kinds of errors that a record may have, and no other.
#[test]
fn the_kinds_of_errors_are_those_that_are_documented() {
    let page = fs::read_to_string(root().join("docs/cli.md")).expect("a page");
    let list = between(&page, "`error.kind` is one of ", "`error.phase`");
    let documented: BTreeSet<_> = quoted(list)
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
        .collect();
    let errors = fs::read_to_string(root().join("src/error.rs")).expect("a source");
    let records = fs::read_to_string(root().join(RECORDS)).expect("a source");
    let mut kinds: BTreeSet<_> =
        strings_after(between(&errors, "pub fn kind(&self)", "\n    }\n"), "=> ").collect();
    assert!(kinds.len() > 10, "{kinds:?}");
    kinds.extend(strings_after(&records, "kind: "));
    assert_eq!(documented, kinds);
}

/// The table of `--jsonl` in docs/cli.md has all fields of a record, and no other.
#[test]
fn the_fields_of_records_are_those_that_are_documented() {
    let page = fs::read_to_string(root().join("docs/cli.md")).expect("a page");
    let rows = between(&page, "## `--jsonl`", "`error.kind`").lines();
    let documented: BTreeSet<_> =
        rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let records = fs::read_to_string(root().join(RECORDS)).expect("a source");
    let fields = between(&records, "pub(crate) struct Record<'a> {", "\n}\n").lines();
    let fields: BTreeSet<_> = fields
        .filter_map(|line| line.trim().strip_prefix("pub(crate) ")?.split(':').next())
        .collect();
    assert!(fields.len() > 10, "{fields:?}");
    assert_eq!(documented, fields);
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

/// The names of all functions in `src/`, `tests/` and `crates/`; those of tests are not told apart, since macros make some.
fn functions() -> HashSet<String> {
    let mut found = HashSet::new();
    let mut open: Vec<PathBuf> =
        ["src", "tests", "crates"].map(|folder| root().join(folder)).into();
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

/// The pages of the repository, from its root.
fn pages() -> Vec<String> {
    let pages = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
        let pages = names.map(|name| name.expect("a name")).filter(|name| name.ends_with(".md"));
        pages.map(|name| format!("{folder}{name}")).collect::<Vec<_>>()
    };
    ["", "docs/", "docs/benchmarks/", "benches/peers/"].into_iter().flat_map(pages).collect()
}

/// What stands in backticks, line by line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The path that a quotation begins with, if it is one from the root on.
fn path_in_repository(quotation: &str) -> Option<&str> {
    const FOLDERS: [&str; 8] =
        ["benches", "crates", "docs", "examples", "fuzz", "scripts", "src", "tests"];
    let path = quotation.split_whitespace().next()?;
    let (folder, rest) = path.split_once('/')?;
    (FOLDERS.contains(&folder) && !rest.contains(['*', '<'])).then_some(path)
}

/// Where links lead that stay in the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

/// The names in a folder, without `.rs`.
fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let sources = paths.filter(|path| path.is_dir() || path.extension().is_some_and(|e| e == "rs"));
    let stems = sources.map(|path| path.file_stem().expect("a name").to_owned());
    stems.map(|stem| stem.into_string().expect("a name")).collect()
}

/// The text between two others.
#[track_caller]
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("{start} is there")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("{end} is there")).0
}

/// The strings that follow on some text at once.
fn strings_after<'a>(text: &'a str, before: &str) -> impl Iterator<Item = &'a str> {
    let strings = text.split(before).skip(1).filter_map(|rest| rest.strip_prefix('"'));
    strings.filter_map(|rest| rest.split('"').next())
}
