//! The import table of ARCHITECTURE.md, and where `unsafe` may stand, read off the sources.
//!
//! Comments, strings and test modules are left out: they may name whatever they like.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of the crate may import of the others. Modules of one file that know nothing
/// of the rest are below all layers.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("protocol", &["limits", "owner"]),
    ("dns", &["limits"]),
    ("tls", &["limits", "owner"]),
    ("engine", &["dns", "protocol", "tls", "dial", "error", "id", "limits", "owner", "time"]),
    ("sys", &["dial", "id", "limits", "time"]),
    (
        "driver",
        &["engine", "sys", "dns", "protocol", "tls", "dial", "error", "id", "limits", "time"],
    ),
    ("dial", &[]),
    ("error", &["protocol"]),
    ("id", &[]),
    ("limits", &[]),
    ("owner", &[]),
    ("time", &[]),
];

/// The same of the rooms of the command, which is another crate.
const ROOMS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("interrupt", &[]),
    ("status", &[]),
    ("files", &["interrupt", "text"]),
    ("options", &["files", "text"]),
    ("report", &["files", "options"]),
    ("plan", &["files", "interrupt", "options", "report", "text"]),
    ("run", &["files", "interrupt", "options", "plan", "report", "status", "text"]),
    ("bench", &["interrupt", "options", "plan", "text"]),
    ("crawl", &["interrupt", "options", "status"]),
    ("doctor", &["status"]),
    ("manual", &["status"]),
    ("completions", &["status"]),
    ("args", &["bench", "completions", "crawl", "doctor", "manual", "options"]),
    ("config", &["args"]),
    ("typed", &["args", "config", "options"]),
];

/// The same of the rooms of the C library, which is another crate. A handle is in a multi, which has handles, and a
/// websocket is a handle's, and calls its callbacks: these pairs know each other.
const LIBCURL_ROOMS: &[(&str, &[&str])] = &[
    ("codes", &[]),
    ("edge", &[]),
    ("slist", &["edge"]),
    ("escape", &["edge"]),
    ("getdate", &["edge"]),
    ("global", &["codes", "edge"]),
    ("version", &["edge", "which"]),
    ("which", &[]),
    ("errors", &["codes"]),
    ("options", &["codes", "edge"]),
    ("url", &["codes", "edge", "escape"]),
    ("share", &["codes", "edge", "multi"]),
    ("mime", &["codes", "easy", "edge", "errors", "options", "slist"]),
    (
        "easy",
        &[
            "codes",
            "edge",
            "errors",
            "escape",
            "getdate",
            "mime",
            "multi",
            "options",
            "share",
            "slist",
            "url",
            "websocket",
        ],
    ),
    ("multi", &["codes", "easy", "edge", "errors", "options", "which"]),
    ("websocket", &["codes", "easy", "edge", "errors"]),
];

/// The same of the parts of the crawler, which is another crate: they know nothing of each other, and `crawl` joins them.
const CRAWLER_PARTS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("canonical", &[]),
    ("frontier", &["limits"]),
    ("links", &["limits"]),
    ("robots", &["limits"]),
    ("schedule", &[]),
    ("scope", &[]),
    ("simhash", &["limits"]),
    ("traps", &[]),
    ("warc", &["limits"]),
    (
        "crawl",
        &[
            "canonical",
            "frontier",
            "limits",
            "links",
            "robots",
            "schedule",
            "scope",
            "simhash",
            "traps",
            "warc",
        ],
    ),
];

/// Where C's pointers come into the C library: its only files with `unsafe`.
const C_EDGE: [&str; 30] = [
    "easy/body",
    "easy/callbacks",
    "easy/heads",
    "easy/hsts",
    "easy/link",
    "easy/info",
    "easy/mod",
    "easy/opening",
    "easy/request",
    "easy/setopt",
    "edge/handle",
    "edge/memory",
    "edge/text",
    "escape",
    "getdate",
    "global",
    "mime/form",
    "mime/interface",
    "mime/reader",
    "multi/epoll",
    "multi/interface",
    "multi/notify",
    "multi/watch",
    "options/names",
    "share",
    "slist",
    "url/mod",
    "version",
    "websocket/interface",
    "websocket/upload",
];

/// Files that are in no table: they join all others.
const JOIN_ALL: [&str; 2] = ["lib", "main"];

const BACK_ENDS: [&str; 3] = ["epoll", "ring_poll", "ring_native"];

/// The crates whose sources are held to what holds for all.
const LIBRARY: &str = "src";
const COMMAND: &str = "crates/cli/src";
const CRAWLER: &str = "crates/crawl/src";
const LIBCURL: &str = "crates/curl/src";
const TEST_SUPPORT: &str = "crates/test-support/src";

/// One source file.
struct Source {
    /// From the crate's folder of sources on.
    path: PathBuf,
    /// The module path, such as `engine`, `pool`.
    modules: Vec<String>,
    text: String,
    /// The text without comments, strings and test modules.
    code: String,
}

fn sources(of: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(of);
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.len() > 5, "the sources are found");
    sources
}

fn all_sources() -> Vec<Source> {
    [LIBRARY, COMMAND, CRAWLER, LIBCURL, TEST_SUPPORT].into_iter().flat_map(sources).collect()
}

fn collect(root: &Path, dir: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("sources can be read") {
        let path = entry.expect("sources can be read").path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            let path = path.strip_prefix(root).expect("below the folder of sources").to_owned();
            let mut modules: Vec<String> = path
                .with_extension("")
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            modules.pop_if(|last| last == "mod");
            let code = without_tests(&code_of(&text)).to_owned();
            sources.push(Source { path, modules, text, code });
        }
    }
}

impl Source {
    fn layer(&self) -> &str {
        &self.modules[0]
    }

    fn is_test(&self) -> bool {
        self.modules.last().is_some_and(|last| last == "tests")
    }
}

/// The text with comments and the content of strings blanked out.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = hashes + 2;
            rest[begin..].find(&end).map_or(rest.len(), |at| begin + at + end.len())
        } else if next == '"' {
            string_end(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            2 + escape.find('\'').map_or(escape.len(), |at| at + 1)
        } else {
            0
        };
        if skipped == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

/// The number of hashes of a raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Tests stand at the bottom.
fn without_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod tests {").map_or(code, |at| &code[..at])
}

/// The modules of the crate's root that a source names: after `crate::`, or after as many `super::`
/// as lead to the root.
fn imports(source: &Source) -> BTreeSet<String> {
    let up = "super::".repeat(source.modules.len());
    let after = ["crate::", &up].into_iter().flat_map(|root| texts_after(source, root));
    after.flat_map(names_at).collect()
}

/// What follows wherever a source names something by a path that begins with `root`.
fn texts_after<'a>(source: &'a Source, root: &str) -> Vec<&'a str> {
    let begins = |at: usize| {
        let before = source.code[..at].chars().next_back();
        !before.is_some_and(|char| char.is_alphanumeric() || char == '_' || char == '$')
    };
    let found = source.code.match_indices(root).filter(|(at, _)| begins(*at));
    found.map(|(at, _)| &source.code[at + root.len()..]).collect()
}

/// The name with which a path goes on, or those of a group.
fn names_at(text: &str) -> Vec<String> {
    match text.strip_prefix('{') {
        Some(group) => first_names(group),
        None => name(text).into_iter().collect(),
    }
}

fn name(text: &str) -> Option<String> {
    let name: String =
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The first name of each path in a group that was just opened.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(name(&group[start..at]));
                start = at + 1;
                if char == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

/// Whether `word` stands in the code by itself.
fn has_word(code: &str, word: &str) -> bool {
    let part = |char: Option<char>| char.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| {
        let after = code[at + word.len()..].chars().next();
        !part(code[..at].chars().next_back()) && (word.ends_with(':') || !part(after))
    })
}

#[test]
fn imports_follow_the_table() {
    let crates = [
        (LIBRARY, MAY_IMPORT),
        (COMMAND, ROOMS),
        (CRAWLER, CRAWLER_PARTS),
        (LIBCURL, LIBCURL_ROOMS),
    ];
    for (crate_, table) in crates {
        let wrong = imports_against(table, &sources(crate_));
        assert!(wrong.is_empty(), "{crate_}: {wrong:#?}");
    }
}

fn imports_against(table: &[(&str, &[&str])], sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        if JOIN_ALL.contains(&source.layer()) || source.is_test() {
            continue;
        }
        let (_, allowed) = table
            .iter()
            .find(|(layer, _)| *layer == source.layer())
            .unwrap_or_else(|| panic!("{} is in no layer of the table", source.path.display()));
        for import in imports(source) {
            let module = table.iter().any(|(layer, _)| *layer == import);
            if import != source.layer() && !(module && allowed.contains(&import.as_str())) {
                wrong.push(format!("{} imports {import}", source.path.display()));
            }
        }
    }
    wrong
}

/// What is on `Engine` itself can touch everything: half of what it was (222), and a reason to look below for a place first.
#[test]
fn the_engine_itself_has_few_methods() {
    const MOST: usize = 111;
    let sources = sources(LIBRARY).into_iter().filter(|source| source.layer() == "engine");
    let of_source = |source: Source| {
        let blocks = source.code.split("\nimpl Engine {\n").skip(1);
        let bodies = blocks.map(|block| block.split("\n}\n").next().expect("an end").to_owned());
        bodies.map(|body| methods_in(&body)).sum::<usize>()
    };
    let methods: usize = sources.map(of_source).sum();
    assert!((MOST / 2..=MOST).contains(&methods), "{methods} methods");
}

/// A function fits a screen.
#[test]
fn no_function_of_the_library_is_over_seventy_lines() {
    const MOST: usize = 70;
    let mut seen = 0;
    for source in sources(LIBRARY).iter().filter(|source| !source.is_test()) {
        let lines: Vec<_> = without_tests(&source.text).lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            if !begins_function(line) || line.trim_end().ends_with(';') {
                continue;
            }
            let end = format!("{indent}}}");
            let Some(length) = lines[at..].iter().position(|line| *line == end) else { continue };
            seen += 1;
            assert!(length < MOST, "{}: {} lines: {line}", source.path.display(), length + 1);
        }
    }
    assert!(seen > 3_000, "{seen} functions are found");
}

/// Whether a function begins on a line, whoever may see it.
fn begins_function(line: &str) -> bool {
    let line = line.trim_start();
    let seen = line.strip_prefix("pub(").and_then(|rest| rest.split_once(") "));
    let words = seen.map_or(line, |(_, rest)| rest).split(['(', '<']).next();
    !line.starts_with("//") && words.is_some_and(|words| has_word(words, "fn"))
}

fn methods_in(body: &str) -> usize {
    let begins = |line: &&str| {
        let signature = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '));
        let words = signature.unwrap_or("").split(['(', ' ']);
        words.take_while(|word| !word.contains("///")).any(|word| word == "fn")
    };
    body.lines().filter(begins).count()
}

/// The engine has three layers, which all rooms share: `Net` below, `Roster` above it, `Engine` on top.
#[test]
fn layers_of_the_engine_call_nothing_above_them() {
    let sources: Vec<_> =
        sources(LIBRARY).into_iter().filter(|source| source.layer() == "engine").collect();
    let above_net = ["Engine", "Roster", "Transfer", "Handler", "Message", "Report"];
    let above_roster = ["Engine", "Message"];
    for (layer, above) in [("Net", &above_net[..]), ("Roster", &above_roster[..])] {
        let mut blocks = 0;
        for source in &sources {
            for block in source.code.split(&format!("\nimpl {layer} {{\n")).skip(1) {
                let block = block.split("\n}\n").next().expect("an end");
                blocks += 1;
                let named: Vec<_> = above.iter().filter(|word| has_word(block, word)).collect();
                assert!(named.is_empty(), "{}: {layer} names {named:?}", source.path.display());
            }
        }
        assert!(blocks > 5, "{layer} is in {blocks} files");
    }
}

/// What a layer gives out of its rooms, and of which module each is.
fn given_out(layer: &str, face: &str) -> HashMap<String, Vec<String>> {
    let mut found = HashMap::new();
    for statement in face.split("pub use ").skip(1) {
        let path = statement.split(';').next().expect("an end");
        let (module, group) = match path.split_once("::{") {
            Some((module, _)) => (module, &path[module.len() + 2..]),
            None => path.rsplit_once("::").expect("a path"),
        };
        let modules: Vec<_> =
            [layer].into_iter().chain(module.split("::")).map(str::to_owned).collect();
        found.extend(names_at(group).into_iter().map(|name| (name, modules.clone())));
    }
    found
}

/// The modules of the same crate that a source names by a path from the root or from a module around it.
fn named_modules(source: &Source, all: &BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for ups in 0..=source.modules.len() {
        let prefix = if ups == 0 { "crate::".to_owned() } else { "super::".repeat(ups) };
        let around = if ups == 0 { 0 } else { source.modules.len() - ups };
        for (at, _) in source.code.match_indices(&prefix) {
            let before = &source.code[..at];
            let after = &source.code[at + prefix.len()..];
            if before.ends_with("super::") || after.starts_with("super::") {
                continue;
            }
            found.insert(module_at(source.modules[..around].to_vec(), after, all));
        }
    }
    found.remove(&source.modules);
    found
}

/// The module that a path leads to from another, as far as there are modules.
fn module_at(from: Vec<String>, path: &str, all: &BTreeSet<Vec<String>>) -> Vec<String> {
    let mut module = from;
    for name in path.split("::").map_while(name) {
        module.push(name);
        if !all.contains(&module) {
            module.pop();
            break;
        }
    }
    module
}

/// Whoever is left when those who name nobody that is left have been taken away, again and again, is in a circle or
/// leads to one.
fn in_circles(mut left: Vec<(Vec<String>, BTreeSet<Vec<String>>)>) -> Vec<String> {
    assert!(left.iter().any(|(_, named)| named.len() > 10), "imports are found");
    loop {
        let names: BTreeSet<_> = left.iter().map(|(modules, _)| modules.clone()).collect();
        let before = left.len();
        left.retain(|(_, named)| named.iter().any(|module| names.contains(module)));
        if left.len() == before {
            break;
        }
    }
    let name = |modules: &[String]| modules.join("/");
    left.iter()
        .map(|(modules, named)| {
            let named = named.iter().filter(|module| left.iter().any(|(left, _)| left == *module));
            format!("{} -> {:?}", name(modules), named.map(|it| name(it)).collect::<Vec<_>>())
        })
        .collect()
}

#[test]
fn no_circle_of_files_is_in_the_command() {
    let sources: Vec<_> =
        sources(COMMAND).into_iter().filter(|source| !JOIN_ALL.contains(&source.layer())).collect();
    let all: BTreeSet<_> = sources.iter().map(|source| source.modules.clone()).collect();
    let named = |source: &Source| (source.modules.clone(), named_modules(source, &all));
    let circles = in_circles(sources.iter().map(named).collect());
    assert!(circles.is_empty(), "{circles:#?}");
}

/// What a layer does with a part is in a file of its own, which knows both: so no part knows a layer, and no layer such a file.
/// (What is made of the files below it knows them as its own, and they know it.)
#[test]
fn no_circle_of_files_is_in_the_engine_nor_in_protocol() {
    let sources: Vec<_> = sources(LIBRARY).into_iter().filter(|source| !source.is_test()).collect();
    let all: BTreeSet<_> = sources.iter().map(|source| source.modules.clone()).collect();
    for layer in ["engine", "protocol"] {
        let face = |source: &&Source| source.modules == [layer];
        let given_out = given_out(layer, &sources.iter().find(face).expect("its mod.rs").code);
        assert!(given_out.len() > 30, "{given_out:?}");
        let of_layer = sources.iter().filter(|source| source.layer() == layer);
        let named = of_layer.map(|source| {
            let named = files_named(source, &all, layer, &given_out);
            (source.modules.clone(), named)
        });
        let circles = in_circles(named.collect());
        assert!(circles.is_empty(), "{circles:#?}");
    }
}

/// The files of a layer that a source names, by themselves or by what the layer gives out of them.
fn files_named(
    source: &Source,
    all: &BTreeSet<Vec<String>>,
    layer: &str,
    given_out: &HashMap<String, Vec<String>>,
) -> BTreeSet<Vec<String>> {
    let mut files = named_modules(source, all);
    let face = [layer.to_owned()];
    files.remove(&face[..]);
    if source.modules == face {
        files.extend(own_parts(source, all));
    }
    for name in texts_after(source, &format!("crate::{layer}::")).into_iter().flat_map(names_at) {
        let known = given_out.get(&name);
        let is_module = all.contains(&vec![layer.to_owned(), name.clone()]);
        if known.is_some() || !is_module {
            let mut file = known.cloned().unwrap_or_else(|| face.to_vec());
            while !all.contains(&file) {
                file.pop();
            }
            files.insert(file);
        }
    }
    files.remove(&source.modules);
    files
}

/// The modules below its own that a source imports from, for itself.
fn own_parts(source: &Source, all: &BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for statement in source.code.split("\nuse ").skip(1) {
        found.insert(module_at(source.modules.clone(), statement, all));
    }
    found.remove(&source.modules);
    found
}

/// The command is another crate, so it cannot do otherwise; what tests share knows no ringdove, so that a test fails
/// because of ringdove alone.
#[test]
fn the_test_support_does_not_know_ringdove() {
    for source in sources(TEST_SUPPORT) {
        assert!(!has_word(&source.code, "ringdove::"), "{}", source.path.display());
        assert!(!has_word(&source.code, "use ringdove"), "{}", source.path.display());
    }
}

/// What only `sys` has. (A path's first name may also follow `use`.)
const KERNEL: [&str; 5] = ["io_uring::", "libc::", "unsafe", "use io_uring", "use libc"];

#[test]
fn the_kernel_is_met_in_sys_alone() {
    let (sys, others): (Vec<_>, Vec<_>) =
        sources(LIBRARY).into_iter().partition(|source| source.layer() == "sys");
    for source in others.into_iter().chain(sources(COMMAND)).chain(sources(TEST_SUPPORT)) {
        for word in KERNEL {
            assert!(!has_word(&source.code, word), "{} has {word}", source.path.display());
        }
    }
    let code: String = sys.into_iter().map(|source| source.code).collect();
    assert!(KERNEL[..3].iter().all(|word| has_word(&code, word)));
    assert_eq!(
        code.matches(".push(&").count() + code.matches("push_multiple").count(),
        1,
        "SQEs are pushed in one place"
    );
}

/// Its edge is the second door for `unsafe`, and asks the kernel for nothing but waits.
#[test]
fn the_c_library_meets_c_at_its_edge_alone() {
    let mut found = BTreeSet::new();
    for source in sources(LIBCURL) {
        assert!(!has_word(&source.code, "io_uring"), "{}", source.path.display());
        // what C calls has to be exported by its name, which is `unsafe` too
        if has_word(&source.code, "unsafe") || has_word(&source.code, "libc::") {
            let path = source.path.with_extension("");
            found.insert(path.to_string_lossy().into_owned());
        }
    }
    let edge: BTreeSet<_> = C_EDGE.into_iter().map(str::to_owned).collect();
    assert_eq!(found, edge);
}

#[test]
fn no_back_end_imports_another() {
    for source in sources(LIBRARY).iter().filter(|source| source.layer() == "driver") {
        let Some(own) = source.modules.get(1) else { continue };
        if !BACK_ENDS.contains(&own.as_str()) {
            continue;
        }
        for other in BACK_ENDS.iter().filter(|other| *other != own) {
            let named = ["super::", "driver::"]
                .iter()
                .any(|path| source.code.contains(&format!("{path}{other}")));
            assert!(!named, "{} imports {other}", source.path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_knows() {
    for source in all_sources() {
        let path = source.path.display();
        assert!(source.text.starts_with("//!"), "{path} does not open with //!");
        assert!(!source.modules.iter().any(|module| module == "util"), "{path}");
        assert!(!has_word(&source.code, "mod util"), "{path}");
    }
}

#[test]
fn the_reader_of_sources_can_read() {
    let text = r##"
        use crate::{a::{b, c}, d}; // crate::comment
        /* crate::block */ let s = "crate::string \" crate::more"; let r = r#"crate::raw"#;
        fn f<'a>(x: &'a str) { '"'; crate::e::f(); super::super::g::h(); mycrate::no(); }
        #[cfg(test)]
        mod inline {}
"##;
    let source = Source {
        path: PathBuf::new(),
        modules: vec!["x".to_owned(), "y".to_owned()],
        text: text.to_owned(),
        code: code_of(text),
    };
    assert_eq!(imports(&source).into_iter().collect::<Vec<_>>(), ["a", "d", "e", "g"]);
    assert!(has_word("a unsafe {", "unsafe") && !has_word("unsafe_code", "unsafe"));
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests { b }"), "a\n");
}

/// docs/curl-semantics.md names a test for each promise, as `binary::module::test` or
/// `…::test`, in the binary and module of the one before.
#[test]
fn the_tests_that_hold_curls_promises_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/curl-semantics.md")).expect("the page");
    let (mut module, mut found) = (String::new(), 0);
    for quoted in page.split('`').skip(1).step_by(2) {
        let parts: Vec<_> = quoted.split("::").collect();
        let test = match parts[..] {
            ["…", test] => test,
            [binary @ ("multi" | "drivers" | "observed"), file, test] => {
                module = format!("{binary}/{file}");
                test
            }
            _ => continue,
        };
        let source = fs::read_to_string(root.join(format!("tests/{module}.rs")));
        let source = source.unwrap_or_else(|error| panic!("{quoted}: {error}"));
        let there = test == "*" || source.contains(&format!("fn {test}("));
        assert!(there, "{quoted} is in tests/{module}.rs no more");
        found += 1;
    }
    assert!(found > 50, "{found} tests are named");
}
