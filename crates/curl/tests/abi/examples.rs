//! The programs of curl's documentation, as Debian packages them (libcurl4-doc): compiled from the package's files against the
//! system's header, and run on curl's library and on this one, against an nginx. Each has to do the same on both.
//!
//! What they ask for is on the Internet; here it is on the nginx: URLs in their text are replaced.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ringdove_test_support::nginx::{Nginx, NginxConfig};
use ringdove_test_support::{PATIENCE, eventually};

use crate::library;

/// Where the package has them.
const EXAMPLES: &str = "/usr/share/doc/libcurl4/examples";

/// Programs, what they are given (`URL` is the nginx), and what they are linked with besides.
const PROGRAMS: &[(&str, &[&str], &[&str])] = &[
    ("10-at-a-time", &[], &[]),
    ("anyauthput", &["a.txt", "URL/echo"], &[]),
    ("certinfo", &[], &[]),
    ("debug", &[], &[]),
    ("externalsocket", &[], &[]),
    ("fileupload", &[], &[]),
    ("getinfo", &[], &[]),
    ("getinmemory", &[], &[]),
    ("getredirect", &[], &[]),
    ("getreferrer", &[], &[]),
    ("headerapi", &[], &[]),
    ("http-post", &[], &[]),
    ("http2-download", &["2"], &[]),
    ("httpcustomheader", &[], &[]),
    ("httpput", &["a.txt", "URL/echo"], &[]),
    ("httpput-postfields", &["a.txt", "URL/echo"], &[]),
    ("https", &[], &[]),
    ("multi-debugcallback", &[], &[]),
    ("multi-double", &[], &[]),
    ("multi-event", &["URL/a.txt", "URL/big.bin"], &["-levent"]),
    ("multi-formadd", &[], &[]),
    ("multi-post", &[], &[]),
    ("multi-single", &[], &[]),
    ("multi-uv", &["URL/a.txt", "URL/big.bin"], &["-luv"]),
    ("multithread", &[], &["-lpthread"]),
    ("parseurl", &[], &[]),
    ("persistent", &[], &[]),
    ("post-callback", &[], &[]),
    ("postinmemory", &[], &[]),
    ("postit2", &[], &[]),
    ("postit2-formadd", &[], &[]),
    ("progressfunc", &[], &[]),
    ("resolve", &[], &[]),
    ("sepheaders", &[], &[]),
    ("shared-connection-cache", &[], &[]),
    ("simple", &[], &[]),
    ("simplepost", &[], &[]),
    ("url2file", &["URL/a.txt"], &[]),
    ("urlapi", &[], &[]),
];

/// Programs that take URLs from a pipe in their folder, and run until they are ended.
const PIPED: &[(&str, &[&str])] = &[
    ("ephiperfifo", &[]),
    ("hiperfifo", &["-levent"]),
    ("evhiperfifo", &["-lev"]),
    ("ghiper", &["-lglib-2.0"]),
];

/// Files that some of them read.
const FILES: [(&str, &str); 7] = [
    ("a.txt", "what is sent\n"),
    ("debugit", "what is uploaded\n"),
    ("multi-formadd.c", "int main;\n"),
    ("multi-post.c", "int main;\n"),
    ("postit2-formadd.c", "int main;\n"),
    ("postit2.c", "int main;\n"),
    ("test.txt", "what is posted\n"),
];

#[derive(Debug, PartialEq, Eq)]
struct Deeds {
    status: Option<i32>,
    stdout: String,
    /// What it has written.
    files: BTreeMap<String, String>,
}

impl Deeds {
    fn sort(&mut self) {
        let mut lines: Vec<_> = self.stdout.lines().collect();
        lines.sort_unstable();
        self.stdout = lines.join("\n");
    }
}

#[test]
fn each_does_the_same_on_both_libraries() {
    if !installed() {
        return;
    }
    let (nginx, folder) = stage();
    let mut wrong = String::new();
    for (name, args, libraries) in PROGRAMS {
        let program = build(name, libraries, &nginx, folder.path());
        let args: Vec<_> = args.iter().map(|arg| arg.replace("URL/", &nginx.url("/"))).collect();
        let mut theirs = run(&program, &args, None);
        let mut ours = run(&program, &args, Some(library::folder()));
        // which of several is done first is anybody's guess
        if args.len() > 1 {
            theirs.sort();
            ours.sort();
        }
        if ours != theirs {
            wrong += &format!("{name}: on curl's: {theirs:#?}\non ours: {ours:#?}\n\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(PROGRAMS.len() + PIPED.len() >= 30);
}

#[test]
fn loops_of_others_fetch_what_comes_by_a_pipe() {
    if !installed() {
        return;
    }
    let (nginx, folder) = stage();
    for (name, libraries) in PIPED {
        let program = build(name, libraries, &nginx, folder.path());
        let urls = [nginx.url("/a.txt"), nginx.url("/big.bin"), "http://127.0.0.1:1/".to_owned()];
        let theirs = piped(&program, &urls, None);
        let ours = piped(&program, &urls, Some(library::folder()));
        assert_eq!(ours, theirs, "{name}");
        assert_eq!(ours.len(), urls.len(), "{name}");
    }
}

fn installed() -> bool {
    let there = Path::new(EXAMPLES).join("simple.c").exists();
    if !there {
        eprintln!("skipped: the examples of libcurl4-doc are not installed");
    }
    there
}

/// A server, and a folder to build in.
fn stage() -> (Nginx, tempfile::TempDir) {
    let echo = "location /echo { return 200 \"$request_method $content_length\\n\"; }";
    let nginx =
        Nginx::start(NginxConfig { server_directives: echo.to_owned(), ..NginxConfig::default() });
    fs::write(nginx.docroot().join("a.txt"), "what is served\n").expect("a file");
    fs::write(nginx.docroot().join("big.bin"), vec![b'x'; 300_000]).expect("a file");
    (nginx, tempfile::tempdir().expect("a folder"))
}

/// Compiles a program, its URLs replaced.
fn build(name: &str, libraries: &[&str], nginx: &Nginx, folder: &Path) -> PathBuf {
    let text = fs::read(Path::new(EXAMPLES).join(format!("{name}.c"))).expect("an example");
    let text = String::from_utf8_lossy(&text).into_owned();
    let source = folder.join(format!("{name}.c"));
    fs::write(&source, with_urls(&text, &nginx.url("/a.txt"))).expect("a file");
    let glib = ["-I/usr/include/glib-2.0".to_owned(), format!("-I{}", glib_headers())];
    let program = folder.join(name);
    let built = Command::new("cc")
        .arg("-w")
        .args(glib.iter().filter(|_| libraries.contains(&"-lglib-2.0")))
        .arg("-o")
        .args([&program, &source])
        .arg("-lcurl")
        .args(libraries)
        .output()
        .expect("cc runs");
    assert!(built.status.success(), "{name}: {}", String::from_utf8_lossy(&built.stderr));
    program
}

fn glib_headers() -> &'static str {
    match cfg!(target_arch = "x86_64") {
        true => "/usr/lib/x86_64-linux-gnu/glib-2.0/include",
        false => "/usr/lib/aarch64-linux-gnu/glib-2.0/include",
    }
}

/// The program with `url` in the place of each URL of its own.
fn with_urls(text: &str, url: &str) -> String {
    let mut parts = text.split('"');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push('"');
        let is_url = part.starts_with("http://") || part.starts_with("https://");
        let is_host = part.starts_with("example.com") || part.starts_with("www.example.com");
        out += match (is_url, is_host) {
            (true, _) => url,
            (false, true) => url.trim_start_matches("http://"),
            (false, false) => part,
        };
    }
    out
}

fn folder_of_run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in FILES {
        fs::write(folder.path().join(name), content).expect("a file");
    }
    folder
}

fn command(program: &Path, folder: &Path, library: Option<&Path>) -> Command {
    let mut command = Command::new("/usr/bin/timeout");
    command
        .args(["30", "stdbuf", "-oL"])
        .arg(program)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        .envs(library.map(|library| ("LD_LIBRARY_PATH", library)))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn run(program: &Path, args: &[String], library: Option<&Path>) -> Deeds {
    let folder = folder_of_run();
    let output = command(program, folder.path(), library).args(args).output().expect("it runs");
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder.path()).expect("readable").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if FILES.iter().all(|(old, _)| *old != name) {
            let text = fs::read(entry.path()).unwrap_or_default();
            files.insert(name, String::from_utf8_lossy(&text).into_owned());
        }
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    // how long something took is another each time
    // what depends on when it was asked
    let told = stdout.lines().filter(|line| !line.contains("time") && !line.contains("Date: "));
    let stdout = told.map(|line| format!("{line}\n")).collect();
    Deeds { status: output.status.code(), stdout, files }
}

/// Ends a program with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program says of each URL once it is done with it, in the order of the URLs.
fn piped(program: &Path, urls: &[String], library: Option<&Path>) -> Vec<String> {
    let folder = folder_of_run();
    let fifo = folder.path().join("hiper.fifo");
    let child = command(program, folder.path(), library).stdout(Stdio::piped()).spawn();
    let mut running = Running(child.expect("it runs"));
    assert!(eventually(PATIENCE, || fifo.exists()), "it makes its pipe");
    let stdout = BufReader::new(running.0.stdout.take().expect("it is piped"));
    let mut lines = stdout.lines();
    let mut said = Vec::new();
    for url in urls {
        let mut pipe = fs::OpenOptions::new().write(true).open(&fifo).expect("a pipe");
        writeln!(pipe, "{url}").expect("written");
        // `timeout` ends what never says it
        let done = lines.by_ref().map_while(Result::ok).find(|line| line.contains("DONE: "));
        said.extend(done);
    }
    let after = |line: &String| line.split("DONE: ").nth(1).unwrap_or_default().to_owned();
    said.iter().map(after).map(without_time).collect()
}

/// How long a connect took is another each time.
fn without_time(line: String) -> String {
    line.split(" after ").next().unwrap_or_default().to_owned()
}
