//! Bodies get where they should, whole or not at all.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::nginx::{Nginx, OK_BODY};
use ringdove_test_support::{PATIENCE, eventually, isolated};

/// Larger than what any pipe or buffer on the way takes.
const LARGE: usize = 8 << 20;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn with_large() -> Nginx {
    let nginx = Nginx::plain();
    fs::write(nginx.docroot().join("large"), vec![b'x'; LARGE]).expect("a large file");
    nginx
}

#[test]
fn one_body_goes_to_standard_output_alone() {
    let nginx = Nginx::plain();
    let ended = Ringdove::fetch([nginx.url("/ok")]).run().exits(0);
    assert_eq!((ended.stdout.as_slice(), ended.stderr.as_str()), (OK_BODY, ""));
    let ended = Ringdove::fetch(["-o", "-", &nginx.url("/ok")]).run().exits(0);
    assert_eq!(ended.stdout, OK_BODY);
}

#[test]
fn one_body_goes_to_a_file() {
    let nginx = with_large();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    for (path, size) in [("/large", LARGE), ("/ok", OK_BODY.len())] {
        let ended = Ringdove::fetch([nginx.url(path)]).path("-o", &file).run().exits(0);
        assert!(ended.stdout.is_empty());
        assert_eq!(fs::read(&file).expect("the file").len(), size);
    }
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn a_name_that_no_file_can_have_is_told_before_anything_is_sent() {
    let server = Plan::new().path("/", Script::new().ok("body")).start();
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("f"), "old").expect("a file");
    let long = "x".repeat(256);
    let told = |args: &[&str], words: &[&str]| {
        let command = Ringdove::fetch([&server.url("/")[..]]).args(args);
        command.within(directory.path()).run().exits(2).says(words);
    };
    for option in ["-o", "-c", "--hsts", "--etag-save", "-D", "--stderr", "--trace"] {
        told(&[option, "missing/"], &["missing/: that is the name of a directory"]);
        told(&[option, "f/."], &["f/.: that is the name of a directory"]);
        told(&[option, &long], &[&long, "File name too long"]);
        told(&[option, "missing/dir/x"], &["missing/dir/x: there is no directory missing/dir"]);
        told(&[option, "f/x"], &["f/x: f is no directory"]);
        told(&[option, "f/x/y"], &["f/x/y: f is no directory"]);
    }
    told(&["-c", "/"], &["-c /: ", "directory"]);
    told(&["--no-clobber", "-o", &long], &[&long, "File name too long"]);
    told(&["--create-dirs", "-o", "f/x/y"], &["f/x/y: f is no directory"]);
    told(&["--create-dirs", "-o", "new/"], &["new/: that is the name of a directory"]);
    told(&["--output-dir", "f"], &["f: f is no directory"]);
    told(&["--output-dir", "f/x", "-O"], &["f/x: f is no directory"]);
    assert_eq!((server.requests().len(), names(directory.path())), (0, vec!["f".to_owned()]));
}

#[test]
fn a_file_that_is_replaced_is_as_private_as_before() {
    let nginx = with_large();
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    for mode in [0o600, 0o640] {
        fs::write(&out, "secret").expect("a file");
        fs::set_permissions(&out, fs::Permissions::from_mode(mode)).expect("its permissions");
        Ringdove::fetch([nginx.url("/large")]).path("-o", &out).run().exits(0);
        let there = fs::metadata(&out).expect("a file");
        assert_eq!(there.permissions().mode() & 0o777, mode);
        assert!(there.len() > 10, "it is another file");
    }
}

#[test]
fn each_url_has_its_own_file() {
    let server =
        Plan::new().path("/a", Script::new().ok("one")).path("/b", Script::new().ok("two")).start();
    let directory = tempfile::tempdir().expect("a directory");
    let (a, b) = (directory.path().join("a"), directory.path().join("b"));
    let ended = Ringdove::fetch(["-s", "-w", "%{urlnum}%{filename_effective} "])
        .args([server.url("/a"), server.url("/b")])
        .path("-o", &a)
        .path("-o", &b)
        .run()
        .exits(0);
    assert_eq!(fs::read(&a).expect("a file"), b"one");
    assert_eq!(fs::read(&b).expect("a file"), b"two");
    assert!(ended.text().contains(&format!("1{} ", b.display())), "{}", ended.text());
}

#[test]
fn discarded_bodies_go_nowhere() {
    let nginx = Nginx::plain();
    let ended = Ringdove::fetch(["--discard", &nginx.url("/ok")]).run().exits(0);
    assert!(ended.stdout.is_empty());
    ended.says(&["done", "1 (2xx 1)"]).says(&["12 B in bodies"]);
    let ended = Ringdove::fetch(["-q", "--discard", &nginx.url("/ok")]).run().exits(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_body_that_ends_early_leaves_no_file_and_the_old_one_as_it_was() {
    let cut = |bytes: usize| {
        let body = Framing::Declared(2 * bytes as u64);
        Script::new().respond("200 OK", body, vec![b'x'; bytes]).close()
    };
    let server = Plan::new()
        .path("/small", cut(100))
        .path("/large", cut(100_000))
        .path("/good", Script::new().ok("good"))
        .start();
    let directory = tempfile::tempdir().expect("a directory");
    let old = format!("http,127.0.0.1+{},large", server.addr().port());
    fs::write(directory.path().join(&old), "old").expect("an old file");
    Ringdove::fetch(["/small", "/good", "/large"].map(|path| server.url(path)))
        .path("--output-dir", directory.path())
        .run()
        .exits(1)
        .says(&["/small", "100 of 200 bytes"])
        .says(&["/large", "100000 of 200000 bytes"])
        .says(&["failed", "2 (cut 2)"]);
    let good = old.replace("large", "good");
    assert_eq!(names(directory.path()), [good, old.clone()]);
    assert_eq!(fs::read(directory.path().join(old)).expect("the old file"), b"old");
}

#[test]
fn a_file_that_may_not_grow_fails_its_transfer_alone() {
    let nginx = with_large();
    let directory = tempfile::tempdir().expect("a directory");
    // a limit of 64 blocks of 512 bytes
    let limited = r#"ulimit -f 64; exec "$@""#;
    let limited = ["env", "--default-signal=XFSZ", "sh", "-c", limited, "sh"];
    let ended = Ringdove::fetch(["/ok", "/large", "/ok?again"].map(|path| nginx.url(path)))
        .path("--output-dir", directory.path())
        .under(&limited)
        .run()
        .exits(1);
    ended
        .says(&["/large: cannot write to ", ",large", "File too large"])
        .says(&["done", "2 (2xx 2)"])
        .says(&["failed", "1 (output 1)"]);
    let port = nginx.addr().port();
    let want = [format!("http,127.0.0.1+{port},ok"), format!("http,127.0.0.1+{port},ok@again")];
    assert_eq!(names(directory.path()), want);
}

#[test]
fn a_full_disk_fails_its_transfers_alone() {
    // a file system of 64 KiB of its own, gone with the command; its files are listed at the end
    let script = r#"mount -t tmpfs -o size=64k none "$DIR" || exit 99
        "$@"; code=$?; cd "$DIR" && ls -A; exit $code"#;
    let directory = tempfile::tempdir().expect("a directory");
    let dir = directory.path().to_str().expect("UTF-8");
    let assign = format!("DIR={dir}");
    let own = ["unshare", "--map-root-user", "--mount", "env", &assign, "sh", "-c", script, "sh"];
    let possible = Command::new("unshare")
        .args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", dir])
        .output()
        .is_ok_and(|output| output.status.success());
    if !possible {
        eprintln!("skipped: no file system can be mounted here (unshare, mount)");
        return;
    }
    let nginx = with_large();
    // one after the other: while the large one has the whole disk there is no room for the small one either
    let ended = Ringdove::fetch(["/ok", "/large"].map(|path| nginx.url(path)))
        .args(["--connections", "1"])
        .path("--output-dir", directory.path())
        .under(&own)
        .run()
        .exits(1)
        .says(&["/large: cannot write to ", "No space left on device"])
        .says(&["failed", "1 (output 1)"]);
    assert_eq!(ended.text(), format!("http,127.0.0.1+{},ok\n", nginx.addr().port()));
}

#[test]
fn a_device_that_is_full_is_named() {
    let nginx = Nginx::plain();
    let url = nginx.url("/ok");
    Ringdove::fetch([&url, "-o", "/dev/full"]).run().exits(1).says(&[
        &url,
        "cannot write to /dev/full",
        "No space left on device",
    ]);
    let to_full = ["sh", "-c", r#"exec "$@" >/dev/full"#, "sh"];
    Ringdove::fetch([&url]).under(&to_full).run().exits(1).says(&[
        &url,
        "cannot write to standard output",
        "No space left on device",
    ]);
    Ringdove::fetch([&url, "--jsonl"])
        .under(&to_full)
        .run()
        .exits(1)
        .says(&["cannot write to standard output", "No space left on device"]);
}

#[test]
fn what_is_given_up_since_nobody_reads_shows_in_the_exit_status() {
    let nginx = with_large();
    let list = format!("{}\n", nginx.url("/ok")).repeat(5000);
    let large = Ringdove::fetch([nginx.url("/large")]);
    let records = Ringdove::fetch(["--jsonl", "-i", "-"]).stdin(list);
    for (command, words) in [(large, None), (records, Some("nobody reads standard output: "))] {
        let mut running = command.start();
        running.close_stdin();
        let mut stdout = running.stdout.take().expect("a pipe");
        stdout.read_exact(&mut [0; 10]).expect("the beginning");
        drop(stdout);
        let ended = running.wait().exits(141);
        match words {
            Some(words) => _ = ended.says(&[words, "given up", "not begun"]),
            None => assert_eq!(ended.stderr, ""),
        }
    }
}

#[test]
fn a_standard_output_that_is_closed_is_an_error() {
    let server = Plan::new().path("/", Script::new().ok("x")).start();
    let url = server.url("/");
    let closed = ["sh", "-c", r#"exec "$@" >&-"#, "sh"];
    let discard = ["--discard"].as_slice();
    for args in [&[][..], &["-o", "-"], &["--jsonl"], &["-D", "-", "--discard"]] {
        let ended = Ringdove::fetch([&url]).args(args).under(&closed).run().exits(2);
        ended.says(&["cannot write to", "it is closed"]);
    }
    for args in [&["-w", "%{http_code}"][..], &["-c", "-"]] {
        let ended = Ringdove::fetch([&url]).args(discard).args(args).under(&closed).run().exits(2);
        ended.says(&["cannot write", "it is closed"]);
    }
    Ringdove::new("doctor").under(&closed).run().exits(2).says(&["it is closed"]);
    assert!(server.requests().is_empty());
    // who has no use for it does without
    Ringdove::fetch([&url]).args(discard).under(&closed).run().exits(0);
    // and one that leads nowhere is open
    let nowhere = ["sh", "-c", r#"exec "$@" <>/dev/null >&0"#, "sh"];
    Ringdove::fetch([&url]).under(&nowhere).run().exits(0);
}

#[test]
fn a_link_that_leads_to_nothing_is_written_through() {
    let nginx = Nginx::plain();
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("link");
    symlink("target", &link).expect("a link");
    for options in [&[][..], &["-C", "-"]] {
        Ringdove::fetch(["-q", &nginx.url("/ok")]).args(options).path("-o", &link).run().exits(0);
        assert!(link.is_symlink());
        assert_eq!(names(directory.path()), ["link", "target"]);
        let target = directory.path().join("target");
        assert_eq!(fs::read(&target).expect("the file"), OK_BODY);
        fs::remove_file(target).expect("a file");
    }
    fs::remove_file(&link).expect("a link");
    symlink("none/target", &link).expect("a link");
    let ended = Ringdove::fetch(["-q", &nginx.url("/ok")]).path("-o", &link).run().exits(2);
    ended.says(&[&link.display().to_string(), "No such file"]);
}

#[test]
fn a_pipe_among_files_does_not_make_them_wait() {
    let server = ["/1", "/2", "/3", "/4", "/5"]
        .iter()
        .fold(Plan::new(), |plan, path| plan.path(path, Script::new().ok(path)));
    let server = server.start();
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    for name in ["p", "q"] {
        let status = Command::new("mkfifo").arg(path(name)).status().expect("mkfifo");
        assert!(status.success());
    }
    symlink("p", path("again")).expect("a link");
    let running = Ringdove::fetch(["-q"])
        .args(["/1", "/2", "/3", "/4", "/5"].map(|path| server.url(path)))
        .path("-o", &path("p"))
        .path("-o", &path("a"))
        .path("-o", &path("again"))
        .path("-o", &path("q"))
        .args(["-o", "/dev/null"])
        .start();
    // nobody reads the pipes yet
    let goes_on = || path("a").exists() && server.requests().len() == 2;
    assert!(eventually(PATIENCE, goes_on), "{}", server.dump());
    let read = |name: &str| {
        let cat = Command::new("timeout").args(["20", "cat"]).arg(path(name)).output();
        let cat = cat.expect("cat runs");
        assert!(cat.status.success(), "{name} has no end");
        String::from_utf8(cat.stdout).expect("text")
    };
    // each has all that goes into it, and its end before the other is opened
    assert_eq!(read("p"), "/1/3");
    assert_eq!(read("q"), "/4");
    running.wait().exits(0);
    assert_eq!(fs::read(path("a")).expect("a file"), b"/2");
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn a_pipe_that_is_left_by_its_reader_fails_its_transfer_alone() {
    let nginx = with_large();
    let directory = tempfile::tempdir().expect("a directory");
    let (pipe, file) = (directory.path().join("pipe"), directory.path().join("file"));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let running = Ringdove::fetch(["-q", &nginx.url("/large"), &nginx.url("/large")])
        .path("-o", &pipe)
        .path("-o", &file)
        .start();
    let head = Command::new("timeout").args(["20", "head", "-c", "10"]).arg(&pipe).output();
    assert_eq!(head.expect("head runs").stdout.len(), 10);
    running.wait().exits(1).says(&["/large: cannot write to", "pipe", "Broken pipe"]);
    assert_eq!(fs::read(&file).expect("a file").len(), LARGE);
}

#[test]
fn traces_have_times_and_numbers_and_stop_nothing() {
    let nginx = Nginx::plain();
    let url = nginx.url("/ok");
    let args =
        ["--trace-ascii", "%", "--trace-time", "--trace-ids", "-s", "-u", "me:pass", &url, &url];
    let ended = Ringdove::fetch(args).run().exits(0);
    let of_second =
        ended.stderr.lines().filter(|line| line.contains(" [1-x] ")).collect::<Vec<_>>();
    assert!(
        of_second[0].contains(":") && of_second[0].contains(" => Send header, "),
        "{of_second:?}"
    );
    assert!(of_second[of_second.len() - 1].contains(" == Info: "), "{of_second:?}");
    assert!(ended.stderr.contains("Authorization: Basic bWU6cGFzcw=="), "what is sent is told");
    let ended = Ringdove::fetch(["-q", "--trace", "/dev/full", &url]).run().exits(0);
    assert_eq!(ended.stdout, OK_BODY);
    assert_eq!(ended.stderr.matches("--trace").count(), 1, "{}", ended.stderr);
}

#[test]
fn nothing_is_said_to_a_standard_error_that_is_closed() {
    let nginx = Nginx::plain();
    let closed = ["sh", "-c", r#"exec "$@" 2>&-"#, "sh"];
    let ended = Ringdove::fetch(["-v", &nginx.url("/ok"), "http://h:x/"]).under(&closed).run();
    assert_eq!(ended.exits(1).stdout, OK_BODY);
}

#[test]
fn a_process_that_is_killed_leaves_no_name_of_a_body_that_is_not_whole() {
    for driver in drivers() {
        let half = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
        let script = Script::new().send(half).send(vec![b'x'; LARGE / 2]).stall();
        let server = Plan::new().path("/half", script).path("/ok", Script::new().ok("ok")).start();
        let directory = tempfile::tempdir().expect("a directory");
        let running = Ringdove::fetch(["-q", "--driver", driver, "-O"])
            .args(["/ok", "/half"].map(|path| server.url(path)))
            .path("--output-dir", directory.path())
            .start();
        let is_begun = |name: &String| name.starts_with(".ringdove-");
        assert!(eventually(PATIENCE, || {
            let names = names(directory.path());
            names.iter().any(is_begun) && names.contains(&"ok".to_owned())
        }));
        running.signal("KILL");
        running.wait();
        let mut names = names(directory.path());
        names.retain(|name| !is_begun(name));
        assert_eq!(names, ["ok"], "{driver}");
        assert_eq!(fs::read(directory.path().join("ok")).expect("it is whole"), b"ok");
    }
}

#[test]
fn a_full_disk_fails_what_it_has_no_room_for() {
    // a file system of its own, which is gone with the command
    const SMALL: &str =
        "mount -t tmpfs -o size=1m none \"$0\" && \"$@\"; code=$?; ls -A \"$0\" >&2; exit $code";
    let unshare = ["unshare", "--mount", "--map-root-user"];
    if isolated::possible(&unshare, "no mount of one's own can be had here").is_none() {
        return;
    }
    let nginx = with_large();
    for driver in drivers() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_str().expect("UTF-8");
        let wrapper = [&unshare[..], &["sh", "-c", SMALL, path]].concat();
        let ended = Ringdove::fetch(["-q", "--driver", driver, "-O"])
            .args(["/ok", "/large", "/ok?again"].map(|path| nginx.url(path)))
            .path("--output-dir", directory.path())
            .under(&wrapper)
            .run()
            .exits(1)
            .says(&["/large: cannot write to", "No space left on device"]);
        assert!(ended.stderr.ends_with("\nok\n"), "{driver}: {}", ended.stderr);
    }
}
