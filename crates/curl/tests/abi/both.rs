//! One command line of curl's, run on curl's own library and on this one, and what came of each.
//!
//! The cases are those by which the command `ringdove` is compared with curl; where it differs on purpose, curl on this
//! library does not, so what is said of that there counts for nothing here. Differences are in `differences`.

use std::collections::BTreeMap;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;
use std::{fs, io};

use ringdove_test_support::h2::Peer;
use ringdove_test_support::hostile::{Hostile, Plan};

use crate::differences;
use crate::library;

/// A command line, and what stands around it.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// What is tried, in a few words.
    pub(crate) name: &'static str,
    /// Options and URLs; `URL/…` is a URL of the server, `PORT` its port.
    pub(crate) args: &'static [&'static str],
    stdin: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

impl Case {
    pub(crate) const fn new(name: &'static str, args: &'static [&'static str]) -> Case {
        Case { name, args, stdin: "", environment: &[] }
    }

    pub(crate) const fn fed(self, stdin: &'static str) -> Case {
        Case { stdin, ..self }
    }

    pub(crate) const fn with(self, environment: &'static [(&'static str, &'static str)]) -> Case {
        Case { environment, ..self }
    }

    /// Of the command: nothing here.
    pub(crate) const fn differs(self, _section: &'static str) -> Case {
        self
    }
}

/// What a run did that others can see.
#[derive(Debug, PartialEq, Eq)]
struct Deeds {
    status: Option<i32>,
    stdout: String,
    files: BTreeMap<String, String>,
    requests: Vec<Asked>,
}

/// A request on the server's side.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    line: String,
    fields: Vec<String>,
    body: String,
}

/// When files were written that stand in a run's directory.
const WRITTEN: SystemTime = SystemTime::UNIX_EPOCH;

/// A server that is alike for both.
pub(crate) trait Server {
    const SPEAKS_HTTP2: bool;
    /// Its URL, without a slash at the end.
    fn base(&self) -> String;
    /// Each request so far: its head, with the fields in lines, and its body.
    fn asked(&self) -> Vec<(Vec<u8>, Vec<u8>)>;
}

impl Server for Hostile {
    const SPEAKS_HTTP2: bool = false;

    fn base(&self) -> String {
        self.url("").trim_end_matches('/').to_owned()
    }

    fn asked(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let requests = self.requests().into_iter();
        requests.map(|request| (request.head, request.body)).collect()
    }
}

impl Server for Peer {
    const SPEAKS_HTTP2: bool = true;

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

/// Files that are kept from one run to the next: with a comment at their beginning, in another order.
const KEPT: [&str; 3] = ["jar", "hsts", "tag"];

/// Fields that proxies alone read, and curl's library alone sends.
const OF_CURL: [&str; 1] = ["proxy-connection"];

/// Runs each case on both libraries. `server` makes a server, alike each time; `files` stand in the directory in which they
/// run.
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
    // over https nothing becomes of HTTP/1.1 here that does not over http
    if options.contains(&"--http1.1") {
        eprintln!("left out: HTTP/1.1 over https");
        return;
    }
    if !Path::new("/usr/bin/curl").exists() {
        eprintln!("skipped: no curl is installed");
        return;
    }
    let mut wrong = String::new();
    for case in cases {
        let stage = Stage { options, files, words };
        let theirs = deeds(None, case, server(), &stage);
        let ours = deeds(Some(library::folder()), case, server(), &stage);
        let complaint = match differences::reason(case.name, S::SPEAKS_HTTP2) {
            None if ours == theirs => continue,
            None => format!("on curl's: {theirs:#?}\non ours: {ours:#?}"),
            Some(_) if ours == theirs => "there is no difference any more".to_owned(),
            Some(_) => continue,
        };
        wrong += &format!("{}, {:?}: {complaint}\n\n", case.name, case.args);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What stands around a run.
struct Stage<'a> {
    options: &'a [&'a str],
    files: &'a [(&'a str, &'a str)],
    words: &'a [(&'a str, String)],
}

fn deeds(library: Option<&Path>, case: &Case, server: impl Server, stage: &Stage<'_>) -> Deeds {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in stage.files {
        let path = directory.path().join(name);
        fs::write(&path, content).expect("a file");
        // whenever it was written: it is told to servers
        let file = fs::File::open(path).and_then(|file| file.set_modified(WRITTEN));
        file.expect("a file of one's own");
    }
    let base = server.base();
    let port = base.rsplit(':').next().unwrap_or_default().to_owned();
    let fill = |text: &str| {
        let text = text.replace("URL", &base).replace("PORT", &port);
        stage.words.iter().fold(text, |text, (word, meaning)| text.replace(word, meaning))
    };
    let mut stdin = tempfile::tempfile().expect("a file");
    stdin.write_all(case.stdin.as_bytes()).and_then(|()| stdin.rewind()).expect("a file");
    // bounded, whatever it waits for
    let output = Command::new("/usr/bin/timeout")
        .args([LIMIT, "/usr/bin/curl", "-q", "-s"])
        .args(stage.options)
        .args(case.args.iter().map(|arg| fill(arg)))
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", directory.path())
        .envs(library.map(|folder| ("LD_LIBRARY_PATH", folder)))
        .envs(case.environment.iter().map(|(name, value)| (name, fill(value))))
        .stdin(stdin)
        .stderr(Stdio::null())
        .output()
        .expect("it runs");
    let neutral = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&port, "PORT");
    let mut left = read_files(directory.path()).expect("readable");
    left.retain(|name, content| {
        !stage.files.iter().any(|(old, text)| old == name && text.as_bytes() == content)
    });
    let files = left.into_iter();
    Deeds {
        status: output.status.code(),
        stdout: neutral(&output.stdout),
        files: files.map(|(name, text)| (name.clone(), content(&name, neutral(&text)))).collect(),
        requests: server.asked().iter().map(|request| asked(request, &neutral)).collect(),
    }
}

fn content(name: &str, text: String) -> String {
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

fn asked((head, body): &(Vec<u8>, Vec<u8>), neutral: &dyn Fn(&[u8]) -> String) -> Asked {
    let head = neutral(head);
    let mut lines = head.lines().filter(|line| !line.is_empty());
    let line = lines.next().unwrap_or_default().to_owned();
    let (mut fields, mut boundary) = (Vec::new(), None);
    for field in lines {
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        let (name, mut value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if OF_CURL.contains(&&name[..]) || (name == "user-agent" && line.starts_with("CONNECT ")) {
            continue;
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
    let mut body = neutral(body);
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
