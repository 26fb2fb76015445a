//! One command line, run by curl and by ringdove, and what each of them did.

use std::collections::BTreeMap;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};
use std::{fs, io};

use ringdove_test_support::h2::Peer;
use ringdove_test_support::hostile::{Hostile, Plan};

/// What curl's documentation says of some options, tried on both.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// What is tried, in a few words.
    pub(crate) name: &'static str,
    /// Options and URLs; `URL/…` is a URL of the server, `PORT` its port.
    pub(crate) args: &'static [&'static str],
    /// What comes by standard input.
    stdin: &'static str,
    /// Variables of the environment.
    environment: &'static [(&'static str, &'static str)],
    /// The section of docs/curl-differences.md by which they differ.
    pub(crate) differs: Option<&'static str>,
}

impl Case {
    pub(crate) const fn new(name: &'static str, args: &'static [&'static str]) -> Case {
        Case { name, args, stdin: "", environment: &[], differs: None }
    }

    pub(crate) const fn fed(self, stdin: &'static str) -> Case {
        Case { stdin, ..self }
    }

    pub(crate) const fn with(self, environment: &'static [(&'static str, &'static str)]) -> Case {
        Case { environment, ..self }
    }

    pub(crate) const fn differs(self, section: &'static str) -> Case {
        Case { differs: Some(section), ..self }
    }
}

/// What a program did that others can see.
#[derive(Debug, PartialEq, Eq)]
struct Deeds {
    success: bool,
    stdout: String,
    /// What stands in its directory at the end, without what stood there at the beginning.
    files: BTreeMap<String, String>,
    /// What may be done with files that stood there at the beginning.
    modes: BTreeMap<String, u32>,
    requests: Vec<Asked>,
}

/// A request on the server's side.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    line: String,
    fields: Vec<String>,
    body: String,
}

/// A server that is alike for both.
pub(crate) trait Server {
    /// Its URL, without a slash at the end.
    fn base(&self) -> String;
    /// Each request so far: its head, with the fields in lines, and its body.
    fn asked(&self) -> Vec<(Vec<u8>, Vec<u8>)>;
}

impl Server for Hostile {
    fn base(&self) -> String {
        self.url("").trim_end_matches('/').to_owned()
    }

    fn asked(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let requests = self.requests().into_iter();
        requests.map(|request| (request.head, request.body)).collect()
    }
}

impl Server for Peer {
    fn base(&self) -> String {
        self.url("").trim_end_matches('/').to_owned()
    }

    /// With the version by which each came.
    fn asked(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.requests_in_lines()
    }
}

/// The longest that a run may take, in seconds.
const LIMIT: &str = "20";

/// Fields whose values are each program's own.
const OWN_VALUE: [&str; 2] = ["user-agent", "accept-encoding"];

/// Files that are kept from one run to the next, each program in its own way: with a comment at their
/// beginning, in another order, ringdove's for their owner alone.
const KEPT: [&str; 3] = ["jar", "hsts", "tag"];

/// When files were written that are there from the beginning, so that both programs say the same of that.
const WRITTEN: Duration = Duration::from_secs(1_700_000_000);

/// Of files that are there from the beginning: one that no new file has.
const MODE: u32 = 0o620;

/// Fields that proxies alone read, and curl alone sends (docs/curl-differences.md, "What proxies are told").
const OF_CURL: [&str; 1] = ["proxy-connection"];

/// Runs each case on both programs. `server` makes a server, alike each time; `files` stand in the directory in which they run.
pub(crate) fn compare(cases: &[Case], server: impl Fn() -> Plan, files: &[(&str, &str)]) {
    compare_by(cases, server, files, &[]);
}

/// The same, with words of the arguments that stand for others.
pub(crate) fn compare_by(
    cases: &[Case],
    server: impl Fn() -> Plan,
    files: &[(&str, &str)],
    words: &[(&str, String)],
) {
    compare_with(cases, &[], || server().start(), files, words);
}

/// The same, with options that stand before each case's, and any server.
pub(crate) fn compare_with<S: Server>(
    cases: &[Case],
    options: &[&str],
    server: impl Fn() -> S,
    files: &[(&str, &str)],
    words: &[(&str, String)],
) {
    if !has_curl() {
        eprintln!("skipped: no curl is installed");
        return;
    }
    let differences = include_str!("../../../../docs/curl-differences.md");
    let mut wrong = String::new();
    for case in cases {
        let stage = Stage { files, words };
        let curl = deeds("curl", &[&["-q", "-s"], options].concat(), case, server(), &stage);
        let ours = env!("CARGO_BIN_EXE_ringdove");
        let ours = deeds(ours, &[&["fetch", "-q"], options].concat(), case, server(), &stage);
        let complaint = match case.differs {
            None if ours == curl => continue,
            None => format!("curl: {curl:#?}\nringdove: {ours:#?}"),
            Some(_) if ours == curl => "there is no difference any more".to_owned(),
            Some(section) if !differences.contains(&format!("\n## {section}\n")) => {
                format!("no section \"{section}\" in docs/curl-differences.md")
            }
            Some(_) => continue,
        };
        wrong += &format!("{}, {:?}: {complaint}\n\n", case.name, case.args);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn has_curl() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
        curl.is_ok_and(|status| status.success())
    })
}

/// What stands around a run.
struct Stage<'a> {
    files: &'a [(&'a str, &'a str)],
    words: &'a [(&'a str, String)],
}

fn deeds(
    program: &str,
    first: &[&str],
    case: &Case,
    server: impl Server,
    stage: &Stage<'_>,
) -> Deeds {
    let Stage { files, words } = *stage;
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::write(&path, content).expect("a file");
        let file = fs::File::options().append(true).open(&path).expect("a file");
        file.set_modified(UNIX_EPOCH + WRITTEN).expect("a file of one's own");
        fs::set_permissions(path, fs::Permissions::from_mode(MODE)).expect("a file of one's own");
    }
    let base = server.base();
    let port = base.rsplit(':').next().expect("a port").to_owned();
    let fill = |text: &str| {
        let text = text.replace("URL", &base).replace("PORT", &port);
        words.iter().fold(text, |text, (word, meaning)| text.replace(word, meaning))
    };
    let args = case.args.iter().map(|arg| fill(arg));
    let mut stdin = tempfile::tempfile().expect("a file");
    stdin.write_all(case.stdin.as_bytes()).and_then(|()| stdin.rewind()).expect("a file");
    // bounded, whatever it waits for
    let output = Command::new("/usr/bin/timeout")
        .args([LIMIT, program])
        .args(first)
        .args(args)
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", directory.path())
        .envs(case.environment.iter().map(|(name, value)| (name, fill(value))))
        .stdin(stdin)
        .output()
        .expect("it runs");
    let neutral = |bytes: &[u8]| without_number(&String::from_utf8_lossy(bytes), &port, "PORT");
    let mut left = read_files(directory.path()).expect("readable");
    let mode = |name: &String| {
        let there = fs::metadata(directory.path().join(name)).expect("it is there");
        there.permissions().mode() & 0o777
    };
    let is_old =
        |name: &&String| !KEPT.contains(&&***name) && files.iter().any(|(old, _)| old == *name);
    let modes = left.keys().filter(is_old).map(|name| (name.clone(), mode(name))).collect();
    left.retain(|name, content| {
        !files.iter().any(|(old, text)| old == name && text.as_bytes() == content)
    });
    Deeds {
        success: output.status.success(),
        stdout: neutral(&output.stdout),
        files: left
            .into_iter()
            .map(|(name, content)| (name.clone(), content_of(&name, neutral(&content))))
            .collect(),
        modes,
        requests: server
            .asked()
            .iter()
            .map(|(head, body)| asked(&neutral(head), neutral(body)))
            .collect(),
    }
}

fn content_of(name: &str, text: String) -> String {
    if name == "trace" {
        let told = text.lines().filter(|line| !line.starts_with("== Info: "));
        return told.collect::<Vec<_>>().join("\n");
    }
    if !KEPT.contains(&name) {
        return text;
    }
    let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with("# ")).collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn asked(head: &str, mut body: String) -> Asked {
    let mut lines = head.lines().filter(|line| !line.is_empty());
    let line = lines.next().unwrap_or_default().to_owned();
    let (mut fields, mut boundary) = (Vec::new(), None);
    for field in lines {
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        let (name, mut value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if OF_CURL.contains(&&name[..]) || (name == "user-agent" && line.starts_with("CONNECT ")) {
            continue;
        }
        if OWN_VALUE.contains(&&name[..]) {
            value = "…".to_owned();
        }
        // a nonce of the program's own is in it; the server has verified the rest
        if value.starts_with("Digest ") {
            value = "Digest …".to_owned();
        }
        if let Some((before, random)) = value.split_once("boundary=") {
            boundary = Some(random.trim_matches('"').to_owned());
            value = format!("{before}boundary=…");
        }
        // the length goes with the boundary's
        if !(name == "content-length" && head.contains("boundary=")) {
            fields.push(format!("{name}: {value}"));
        }
    }
    fields.sort();
    if let Some(boundary) = boundary {
        body = body.replace(&boundary, "…");
    }
    Asked { line, fields, body }
}

fn read_files(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
                found.insert(name, fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

/// The text with another word for a number, where that is not part of a longer one.
fn without_number(text: &str, number: &str, word: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(number) {
        let (before, after) = (&rest[..at], &rest[at + number.len()..]);
        let is_part = out.ends_with(|c: char| c.is_ascii_digit()) && before.is_empty()
            || before.ends_with(|c: char| c.is_ascii_digit())
            || after.starts_with(|c: char| c.is_ascii_digit());
        out.push_str(before);
        out.push_str(if is_part { number } else { word });
        rest = after;
    }
    out + rest
}
