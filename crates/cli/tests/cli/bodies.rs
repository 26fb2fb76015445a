//! Bodies and queries, as curl makes them: `-d` and its like, `-F`, `-T`, `-G`, `-K`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::Ringdove;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script, SeenRequest};

fn server() -> Hostile {
    let taken = Script::new().read_body().ok("taken");
    ["/", "/p", "/d/f%20x.txt", "/d/"]
        .into_iter()
        .fold(Plan::new(), |plan, path| plan.path(path, taken.clone()))
        .start()
}

#[track_caller]
fn only_request(server: &Hostile) -> SeenRequest {
    let mut requests = server.requests();
    assert_eq!(requests.len(), 1, "{}", server.dump());
    requests.remove(0)
}

/// What differs between programs and runs is made the same.
fn comparable(request: &SeenRequest) -> (String, String, Vec<(String, String)>, String) {
    let content_type = request.field("content-type").unwrap_or_default();
    let boundary = content_type.split("boundary=").nth(1).unwrap_or("no boundary").to_owned();
    let fields = ["content-type", "accept", "content-length", "transfer-encoding"];
    let fields = fields.map(|name| {
        let value = request.field(name).unwrap_or_default().replace(&boundary, "BOUNDARY");
        // boundaries need not have the same length
        let is_form = name == "content-length" && boundary != "no boundary";
        (name.to_owned(), if is_form { String::new() } else { value })
    });
    let body = String::from_utf8_lossy(&request.body).replace(&boundary, "BOUNDARY");
    // of percent-encoded bytes either case will do
    (request.method(), request.target().to_ascii_lowercase(), fields.into(), body)
}

fn files(directory: &Path) {
    fs::write(directory.join("f x.txt"), "l1\r\nl2\0x\n").expect("a file");
    // of a line with a NUL or a lone CR, some versions of curl lose the rest
    fs::write(directory.join("lines"), "l1\r\nl2 x\r\n\n").expect("a file");
    fs::write(directory.join("image.PNG"), vec![0x89; 70_000]).expect("a file");
    fs::write(directory.join("empty"), "").expect("a file");
    fs::write(directory.join("fields"), "# no\nX-B: c\n").expect("a file");
}

/// The same options ask for the same thing, of either program.
#[test]
fn requests_are_curls() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl here to compare with");
        return;
    }
    let table: &[(&str, &[&str])] = &[
        ("/", &["-d", "a=1", "-d", "b=é"]),
        ("/", &["-d", "", "-d", "a"]),
        ("/", &["-d", "@lines", "--data-binary", "@f x.txt", "--data-raw", "@f x.txt"]),
        ("/", &["--data-ascii", "@lines"]),
        ("/", &["--data-urlencode", "a b", "--data-urlencode", "n=x &é+", "-d", "y"]),
        ("/", &["--data-urlencode", "=q+~", "--data-urlencode", "@f x.txt"]),
        ("/", &["--data-urlencode", "m@f x.txt", "--data-urlencode", "a@b=c"]),
        ("/", &["--json", "{\"a\":1}", "--json", "[2]"]),
        ("/", &["--json", "@f x.txt", "-d", "x"]),
        ("/", &["--json", "{}", "-H", "Content-Type: x/y", "-H", "Accept: z/z"]),
        ("/", &["-X", "PUT", "-d", "x", "-H", "Content-Type:"]),
        ("/p?x=1", &["-G", "-d", "a=b", "--data-urlencode", "c=d e"]),
        ("/p", &["-G", "-d", "a=b", "-I"]),
        ("/p#f", &["--url-query", "q=r s", "--url-query", "+t=u", "--url-query", "m@f x.txt"]),
        ("/", &["-F", "a=b", "-F", "c=d;type=text/x;charset=utf-8"]),
        ("/", &["-F", "f=@f x.txt", "-F", "g=<f x.txt", "-F", "h=@image.PNG"]),
        ("/", &["-F", "f=@f x.txt;filename=\"q\\\"u;.txt\";type=a/b;headers=\"X-A: b\""]),
        ("/", &["-F", "f=@f x.txt;headers=@fields", "--form-string", "a=@b;c", "-F", "e=@empty"]),
        ("/", &["-F", "n\"a\r\nme=\"x;y\"", "--form-string", "z="]),
        ("/d/", &["-T", "f x.txt"]),
        ("/p", &["-T", "image.PNG"]),
        ("/p", &["-T", "empty", "-X", "PATCH"]),
    ];
    let directory = tempfile::tempdir().expect("a directory");
    files(directory.path());
    for (path, args) in table {
        let seen = ["curl", "ringdove"].map(|program| {
            let server = server();
            let url = server.url(path);
            let mut command = match program {
                "curl" => Command::new("curl"),
                _ => Command::new(env!("CARGO_BIN_EXE_ringdove")),
            };
            match program {
                "curl" => command.args(["-q", "-s", "--max-time", "30"]),
                _ => command.arg("fetch"),
            };
            let output = command.args(*args).arg(&url).current_dir(&directory).output();
            let output = output.expect("it runs");
            assert!(output.status.success(), "{program} {args:?}: {output:?}");
            comparable(&only_request(&server))
        });
        assert_eq!(seen[1], seen[0], "{args:?}: ringdove, curl");
    }
}

#[test]
fn standard_input_is_uploaded_as_it_comes() {
    let server = server();
    let bytes: Vec<u8> = (0..300_000).map(|n| (n % 251) as u8).collect();
    Ringdove::fetch(["-T", "-", &server.url("/p")]).stdin(&bytes).run().exits(0);
    let request = only_request(&server);
    assert!(request.body == bytes, "every byte");
    assert_eq!(request.method(), "PUT");
    assert_eq!(request.field("transfer-encoding").as_deref(), Some("chunked"));

    // what is there is sent before the rest has come
    let server = self::server();
    let mut running = Ringdove::fetch(["-T", "-", &server.url("/p")]).start();
    for sent in 1..=3 {
        running.write("piece");
        let arrived = server.wait_for(std::time::Duration::from_secs(60), |seen| {
            seen.iter()
                .flat_map(|connection| &connection.requests)
                .any(|r| r.body.len() == sent * 5)
        });
        assert!(arrived, "{sent}: {}", server.dump());
    }
    running.close_stdin();
    running.wait().exits(0);
    assert_eq!(only_request(&server).body, b"piecepiecepiece");
}

#[test]
fn every_url_gets_the_files_again() {
    let directory = tempfile::tempdir().expect("a directory");
    files(directory.path());
    let file = directory.path().join("image.PNG").display().to_string();
    let server = server();
    let urls = vec![server.url("/p"); 20];
    let ended = Ringdove::fetch(["--discard", "-T", &file]).args(&urls).run().exits(0);
    assert!(ended.stdout.is_empty());
    let requests = server.requests();
    assert_eq!(requests.len(), 20);
    assert!(requests.iter().all(|request| request.body == vec![0x89; 70_000]));
    Ringdove::fetch(["--discard", "-F", &format!("f=@{file}")]).args(&urls).run().exits(0);
    assert!(server.requests()[20..].iter().all(|request| request.body.len() > 70_000));
}

#[test]
fn each_url_gets_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    files(directory.path());
    let server = server();
    let path = |name: &str| directory.path().join(name).display().to_string();
    // in the second set, too, URLs are counted from its first
    let args = [
        "--discard",
        "-T",
        &path("image.PNG"),
        &server.url("/p"),
        "--next",
        "--discard",
        "-T",
        &path("f x.txt"),
        "-T",
        &path("empty"),
        &server.url("/d/"),
        &server.url("/p"),
    ];
    Ringdove::fetch(args).run().exits(0);
    let mut seen: Vec<_> = server.requests().iter().map(|r| (r.target(), r.body.len())).collect();
    seen[1..].sort();
    let length = fs::metadata(path("f x.txt")).expect("a file").len() as usize;
    let want = [("/p", 70_000), ("/d/f%20x.txt", length), ("/p", 0)];
    assert_eq!(seen, want.map(|(target, length)| (target.to_owned(), length)));
}

#[test]
fn bodies_that_cannot_be_are_refused() {
    let url = "http://127.0.0.1:1/";
    let table: &[(&[&str], &[&str])] = &[
        (&["-d", "x", "-F", "a=b"], &["-d", "-F"]),
        (&["-d", "x", "-T", "/dev/null"], &["-d", "-T"]),
        (&["-F", "a"], &["NAME=CONTENT"]),
        (&["-F", "a=b;c"], &["--form-string"]),
        (&["-F", "a=@/no/such"], &["/no/such", "No such file"]),
        (&["-T", "/no/such"], &["/no/such", "No such file"]),
        (&["-T", "/"], &["directory"]),
        (&["-T", "-", "http://127.0.0.1:1/2"], &["one URL"]),
        (&["-T", "-", "-0"], &["HTTP/1.0"]),
        (&["-T", "-", "-K", "-"], &["standard input", "-K", "-T"]),
        (&["-d", "@-", "--data-urlencode", "@-"], &["standard input", "-d", "--data-urlencode"]),
        (&["-d", "x", "-I"], &["-I", "-d"]),
        (&["--request-target", "a b"], &["a b"]),
        (&["--proto", "=ftp"], &["--proto"]),
    ];
    for (args, words) in table {
        Ringdove::fetch(*args).args([url]).run().exits(2).says(words);
    }
    let ended = Ringdove::fetch(["--proto", "=https", url]).run().exits(1);
    ended.says(&["--proto does not allow http"]);
    let to = "302 Found\r\nLocation: https://127.0.0.1:1/";
    let respond = Script::new().respond(to, Framing::ContentLength, "");
    let server = Plan::new().path("/", respond).start();
    Ringdove::fetch(["-L", "--proto", "=http", &server.url("/")])
        .run()
        .exits(1)
        .says(&["--proto does not allow https"]);
}

#[test]
fn targets_are_those_asked_for() {
    let server = Plan::new()
        .path("/a/../b", Script::new().ok("raw"))
        .path("/b", Script::new().ok("resolved"))
        .path("*", Script::new().ok("all"))
        .start();
    let fetched = |args: &[&str], path: &str| {
        Ringdove::fetch(args).args([server.url(path)]).run().exits(0).text()
    };
    assert_eq!(fetched(&[], "/a/../b?q"), "resolved");
    assert_eq!(fetched(&["--path-as-is"], "/a/../b?q#f"), "raw");
    assert_eq!(fetched(&["--request-target", "*", "-X", "OPTIONS"], "/x"), "all");
    let ended = fetched(&["--http1.1", "--disable"], "/b");
    assert_eq!(ended, "resolved");
    fetched(&["-0"], "/b");
    let heads: Vec<_> = server.requests().into_iter().map(|request| request.head).collect();
    let lines =
        heads.iter().map(|head| String::from_utf8_lossy(head).lines().next().unwrap().to_owned());
    let want = [
        "GET /b?q HTTP/1.1",
        "GET /a/../b?q HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /b HTTP/1.1",
        "GET /b HTTP/1.0",
    ];
    assert_eq!(lines.collect::<Vec<_>>(), want);
}

#[test]
fn options_come_from_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("options");
    let server = server();
    let text = format!(
        "# what to ask\nurl = \"{}\"\nuser-agent: \"from a file\"\n-X PATCH\ndata = \"-a\\tb\"\n",
        server.url("/p")
    );
    fs::write(&file, text).expect("a file");
    Ringdove::fetch::<&str>([]).path("-K", &file).args(["-A", "typed"]).run().exits(0);
    let request = only_request(&server);
    assert_eq!((request.method().as_str(), &request.body[..]), ("PATCH", &b"-a\tb"[..]));
    assert_eq!(request.field("user-agent").as_deref(), Some("typed"), "the last one counts");

    // sets of options, and what is said of them beside the file
    let server = self::server();
    let (one, two) = (server.url("/p"), server.url("/"));
    let text =
        format!("url = \"{one}\"\ndata = a\nnext\nurl = \"{two}\"\nhead\nnext\nuser-agent = x\n");
    fs::write(&file, text).expect("a file");
    Ringdove::fetch::<&str>([]).path("-K", &file).args(["-T", "-", &one]).stdin("b").run().exits(0);
    let seen: Vec<_> = server.requests().iter().map(|r| (r.method(), r.target())).collect();
    let want = [("POST", "/p"), ("HEAD", "/"), ("PUT", "/p")];
    assert_eq!(seen, want.map(|(method, target)| (method.to_owned(), target.to_owned())));

    let server = self::server();
    let text = format!("url {}\nfail", server.url("/none"));
    Ringdove::fetch(["-K", "-"]).stdin(text).run().exits(1).says(&["status 404"]);

    fs::write(&file, "fail\nno-such-option = 1").expect("a file");
    let refused = |words: &[&str]| {
        Ringdove::fetch(["--connections", "5"]).path("-K", &file).run().exits(2).says(words);
    };
    refused(&["-K", "/options: line 2: unexpected argument '--no-such-option' found"]);
    fs::write(&file, "url = a\nnext\nurl = a\nper-host = 5\n").expect("a file");
    refused(&["/options: line 4: --per-host is about the whole run"]);
    fs::write(&file, "url = a\nnext\nfail\n").expect("a file");
    refused(&["/options: line 2: no URL comes after this 'next'"]);
    fs::write(&file, "fail\ndata = \"x").expect("a file");
    Ringdove::fetch::<&str>([]).path("-K", &file).run().exits(2).says(&["line 2", "quotation"]);
    // what a file says is no option but by its name
    let pwned = directory.path().join("pwned");
    let pwned = pwned.display();
    for url in [format!("--output={pwned}"), format!("-o{pwned}"), "--help".to_owned()] {
        fs::write(&file, format!("url = \"{url}\"\n")).expect("a file");
        let ended = Ringdove::fetch::<&str>([]).path("-K", &file).run().exits(1);
        ended.says(&[&url, "bad URL"]);
    }
    assert!(!directory.path().join("pwned").exists());
    for line in ["user", "user=", "-u", "-A", "cookie ="] {
        fs::write(&file, format!("fail\n{line}\nurl = \"http://127.0.0.1:1/\"\n")).expect("a file");
        let ended = Ringdove::fetch::<&str>([]).path("-K", &file).run().exits(2);
        ended.says(&["line 2", "no value"]);
    }
    fs::write(&file, format!("config = {}", file.display())).expect("a file");
    Ringdove::fetch::<&str>([]).path("-K", &file).run().exits(2).says(&["-K"]);
    Ringdove::fetch(["-K", "/no/such"]).run().exits(2).says(&["/no/such", "No such file"]);
}
