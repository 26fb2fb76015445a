//! A file has one writer, of this run and of others, and is whole whoever else writes to it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::command::Ringdove;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig};
use ringdove_test_support::{PATIENCE, eventually};

const LENGTH: usize = 400_000;

/// Bytes that are there before.
const BEGUN: usize = 100_000;

/// A body in which each place has its own bytes.
fn whole() -> Vec<u8> {
    (0..LENGTH / 8).flat_map(|at| format!("{at:07}\n").into_bytes()).collect()
}

fn nginx() -> Nginx {
    let nginx = Nginx::start(NginxConfig::default());
    fs::write(nginx.docroot().join("whole"), whole()).expect("a file");
    nginx
}

/// A directory with a file that was begun, under several names.
struct Begun {
    directory: tempfile::TempDir,
}

impl Begun {
    fn new() -> Begun {
        let begun = Begun { directory: tempfile::tempdir().expect("a directory") };
        fs::write(begun.path("whole"), &whole()[..BEGUN]).expect("a file");
        fs::hard_link(begun.path("whole"), begun.path("hard")).expect("a link");
        symlink("whole", begun.path("soft")).expect("a link");
        begun
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[track_caller]
    fn is_whole(&self) {
        assert!(fs::read(self.path("whole")).expect("a file") == whole());
    }
}

#[test]
fn a_file_that_is_gone_on_with_twice_has_one_writer() {
    let nginx = nginx();
    let (first, second) = (nginx.url("/whole"), nginx.url("/whole?again"));
    for other in ["whole", "hard", "soft", "./soft"] {
        let begun = Begun::new();
        let other = begun.path(other);
        Ringdove::fetch(["-q", "-C", "-", &first, &second])
            .path("-o", &begun.path("whole"))
            .path("-o", &other)
            .run()
            .exits(1)
            .says(&["whole?again: cannot write to", "another transfer writes to it"]);
        begun.is_whole();
    }
    // by the name in the URL
    let begun = Begun::new();
    Ringdove::fetch(["-q", "-C", "-", "-O", &first, &second])
        .path("--output-dir", begun.directory.path())
        .run()
        .exits(1)
        .says(&["cannot write to", "/whole:", "another transfer writes to it"]);
    begun.is_whole();
}

#[test]
fn a_file_that_is_not_there_yet_has_one_writer_as_well() {
    let nginx = nginx();
    let begun = Begun::new();
    for name in ["whole", "hard", "soft"] {
        fs::remove_file(begun.path(name)).expect("a file");
    }
    symlink("whole", begun.path("dangling")).expect("a link");
    Ringdove::fetch(["-q", "-C", "-", &nginx.url("/whole"), &nginx.url("/whole?again")])
        .path("-o", &begun.path("whole"))
        .path("-o", &begun.path("dangling"))
        .run()
        .exits(1)
        .says(&["whole?again: cannot write to", "another transfer writes to it"]);
    begun.is_whole();
}

/// Sends a part of what is announced, and no more.
fn unending(head: &str, body: &[u8]) -> Hostile {
    Plan::new().path("/", Script::new().send(head).send(body).stall()).start()
}

/// Starts a fetch that goes on with a file, and waits until it has written.
fn start(server: &Hostile, begun: &Begun, before: usize) -> crate::command::Running {
    let running = Ringdove::fetch(["-q", "-C", "-", &server.url("/")])
        .path("-o", &begun.path("whole"))
        .start();
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len()) as usize;
    assert!(eventually(PATIENCE, || {
        let length = length(&begun.path("whole"));
        length != BEGUN && length > before
    }));
    running
}

#[test]
fn two_runs_do_not_write_to_one_file() {
    let nginx = nginx();
    let rest = format!(
        "HTTP/1.1 206 X\r\nContent-Range: bytes {BEGUN}-{}/{LENGTH}\r\nContent-Length: {}\r\n\r\n",
        LENGTH - 1,
        LENGTH - BEGUN,
    );
    let all = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
    let body = whole();
    let table = [(rest, &body[BEGUN..2 * BEGUN], BEGUN), (all, &body[..BEGUN / 2], 0)];
    for (head, part, before) in table {
        let (server, begun) = (unending(&head, part), Begun::new());
        let running = start(&server, &begun, before);
        for (url, name) in [("/whole", "whole"), ("/whole", "hard"), ("/ok", "soft")] {
            Ringdove::fetch(["-q", "-C", "-", &nginx.url(url)])
                .path("-o", &begun.path(name))
                .run()
                .exits(1);
        }
        // with the offset at hand it is the lock that tells
        let (server, path) = (answering_whole(), begun.path("whole"));
        Ringdove::fetch(["-q", "-C", "-", &server.url("/")])
            .path("-o", &path)
            .run()
            .exits(1)
            .says(&["cannot write to", "another program writes to it"]);
        running.signal("INT");
        running.signal("INT");
        running.wait().exits(130);
        // and what came is the beginning of the whole
        let there = fs::read(begun.path("whole")).expect("a file");
        assert!(there.len() < LENGTH && there == body[..there.len()]);
        Ringdove::fetch(["-q", "-C", "-", &nginx.url("/whole")]).path("-o", &path).run().exits(0);
        begun.is_whole();
    }
}

/// A server that does not know ranges.
fn answering_whole() -> Hostile {
    Plan::new().path("/", Script::new().respond("200 OK", Framing::ContentLength, whole())).start()
}

/// Whatever two options write, or one writes at the beginning and the other reads.
#[test]
fn a_file_is_for_one_thing() {
    let server = Plan::new().path("/", Script::new().read_body().ok("body")).start();
    let (directory, url) = (tempfile::tempdir().expect("a directory"), server.url("/"));
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("dir")).expect("a directory");
    symlink("file", path("soft")).expect("a link");
    let table: [(&str, &str, &[&str], &[&str]); 14] = [
        ("--etag-save", "file", &["-o", "file"], &["-o", "--etag-save"]),
        ("--stderr", "file", &["-v", "-o", "file"], &["--stderr", "-o"]),
        ("--trace", "soft", &["-o", "file"], &["--trace", "-o"]),
        ("--trace-ascii", "file", &["-o", "soft"], &["--trace-ascii", "-o"]),
        ("-D", "dir/../file", &["-o", "file"], &["-o", "-D"]),
        ("-D", "file", &["-o", "file", "--no-clobber"], &["-o", "-D"]),
        ("-c", "file", &["-o", "file"], &["-c", "-o"]),
        ("--hsts", "file", &["-o", "file"], &["--hsts", "-o"]),
        ("-o", "../file", &["--output-dir", "dir", "-c", "file"], &["-c", "-o"]),
        ("-D", "new/file", &["--create-dirs", "-o", "new/file"], &["-o", "-D"]),
        ("--stderr", "file", &["-D", "file"], &["file is for", "--stderr", "-D"]),
        ("--stderr", "file", &["-i", "file"], &["--stderr", "-i"]),
        ("-D", "file", &["-T", "file"], &["-D", "-T"]),
        ("--trace", "file", &["-F", "a=@dir/../file;type=a/b"], &["--trace", "-F"]),
    ];
    for (option, name, others, both) in table {
        fs::write(path("file"), "old").expect("a file");
        let command = Ringdove::fetch([&url[..], option, name]).args(others);
        let told = command.within(directory.path()).run().exits(2);
        told.says(&[&["is for two things"], both].concat());
        assert_eq!(fs::read_to_string(path("file")).expect("a file"), "old", "{option} {name}");
    }
    assert!(!path("new").exists());
    // a set that comes later, of which nothing is begun
    Ringdove::fetch([&url[..], "-c", "file", "--next", &url, "-o", "file"])
        .within(directory.path())
        .run()
        .exits(2)
        .says(&["file is for two things, -c and -o"]);
    assert_eq!(server.requests().len(), 0);
    // what is read before it is replaced, and what takes any number
    for args in
        ["-b file -c file", "-o file -T file", "-D - -o - --stderr -", "-D /dev/null -o /dev/null"]
    {
        let command = Ringdove::fetch([&url[..]]).args(args.split(' '));
        command.within(directory.path()).run().exits(0);
    }
}

/// The names of files that only URLs and responses say.
#[test]
fn no_body_gets_the_name_of_what_an_option_writes() {
    let named = "200 OK\r\nContent-Disposition: attachment; filename=f";
    let server = Plan::new()
        .path("/f", Script::new().ok("body"))
        .path("/named", Script::new().respond(named, Framing::ContentLength, "named"))
        .start();
    let directory = tempfile::tempdir().expect("a directory");
    let [url, named] = [server.url("/f"), server.url("/named")];
    let table: [(&[&str], &[&str], usize); 4] = [
        (&["-D", "f", "-O", &url], &["/f: cannot write to f: -D writes to it"], 0),
        (&["-D", "f", "-o", "#1", &server.url("/{f}")], &["/f: cannot write to f: -D writes"], 0),
        (&[&named, "-c", "f", "-o", "x", "--next", "-O", &url], &["-c writes to it"], 1),
        (&["--etag-save", "f", "-OJ", &named], &["cannot write to f", "--etag-save writes"], 1),
    ];
    for (args, words, asked) in table {
        let before = server.requests().len();
        Ringdove::fetch(args).args(["-q"]).within(directory.path()).run().exits(1).says(words);
        assert_eq!(server.requests().len(), before + asked, "{args:?}");
        _ = fs::remove_file(directory.path().join("f"));
    }
}

#[test]
fn one_name_for_many_bodies_has_one_of_them_whole() {
    let nginx = nginx();
    let other = vec![b'x'; LENGTH / 2];
    fs::write(nginx.docroot().join("other"), &other).expect("a file");
    fs::create_dir(nginx.docroot().join("below")).expect("a directory");
    fs::write(nginx.docroot().join("below/whole"), &other).expect("a file");
    let is_one = |begun: &Begun| {
        let there = fs::read(begun.path("whole")).expect("a file");
        assert!(there == whole() || there == other, "{} bytes", there.len());
        let names = fs::read_dir(begun.directory.path()).expect("a directory").count();
        assert_eq!(names, 3, "no part is left");
    };
    for name in ["whole", "soft"] {
        let begun = Begun::new();
        Ringdove::fetch(["-q", &nginx.url("/whole"), &nginx.url("/other")])
            .path("-o", &begun.path("whole"))
            .path("-o", &begun.path(name))
            .run()
            .exits(0);
        is_one(&begun);
    }
    let begun = Begun::new();
    Ringdove::fetch(["-q", "-O", &nginx.url("/whole"), &nginx.url("/below/whole")])
        .path("--output-dir", begun.directory.path())
        .run()
        .exits(0);
    is_one(&begun);
}
