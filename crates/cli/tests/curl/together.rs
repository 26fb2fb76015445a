//! Options that go together, as people who know curl type them.

use crate::both::{Case, compare};
use ringdove_test_support::digest::Guard;
use ringdove_test_support::hostile::{Framing, Plan, Script};

fn moved(status: u16, fields: &str) -> Script {
    Script::new().respond(&format!("{status} Moved\r\n{fields}"), Framing::ContentLength, "moved")
}

/// Lets in who proves by Digest that the password is known.
fn guarded(status: &'static str, ask: &'static str, field: &'static str) -> Script {
    let guard = Guard { field, realm: "r", ..Guard::of_proxy("MD5") };
    let refusal = format!("{status} Who\r\n{ask}: {}", guard.challenge());
    let refusal = Script::new().respond(&refusal, Framing::ContentLength, "who?");
    Script::new().guard(move |request| guard.admits(request), refusal)
}

pub(crate) fn server() -> Plan {
    let guard = || guarded("401", "WWW-Authenticate", "authorization");
    let busy = || Script::new().respond("503 Busy", Framing::ContentLength, "busy");
    let ok = |fields: &str, body: &str| {
        Script::new().respond(&format!("200 OK\r\n{fields}"), Framing::ContentLength, body)
    };
    let digits = "0123456789".repeat(3);
    let range = "206 Partial\r\nContent-Range: bytes 20-29/30";
    Plan::new()
        .path("/", Script::new().read_body().ok("taken"))
        .path("/a", ok("Content-Type: text/plain", "one"))
        .path("/b", Script::new().ok("two"))
        .path("/login", moved(303, "Location: /home\r\nSet-Cookie: sid=1; Path=/"))
        .path("/home", Script::new().ok("home"))
        .path("/302", moved(302, "Location: /a"))
        .path("/chain", moved(301, "Location: /302"))
        .path("/digest", guard().read_body().ok("in"))
        .path("/to-digest", moved(308, "Location: /digest"))
        .path(
            "http://a.test/",
            guarded("407", "Proxy-Authenticate", "proxy-authorization").ok("by proxy"),
        )
        .path("/missing", Script::new().respond("404 Not Found", Framing::ContentLength, "none"))
        .path("/busy", busy())
        .path("/part", Script::new().respond(range, Framing::ContentLength, &digits[20..]))
        .path("/whole", Script::new().ok(&digits))
        .path("/named", ok("Content-Disposition: attachment; filename=\"proposed\"", "named"))
        .path("/sets", ok("Set-Cookie: a=1; Path=/", "set"))
        .path("/cut", Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut").close())
}

pub(crate) const FILES: [(&str, &str); 5] = [
    ("body", "two\nlines\r\n"),
    ("json", "{\"a\": \"b c\"}\n"),
    ("part", "01234567890123456789"),
    ("cookies", "127.0.0.1\tFALSE\t/\tFALSE\t0\tfrom\tfile\n"),
    ("format", "%{http_code} %{num_redirects}\\n"),
];

pub(crate) const CASES: &[Case] = &[
    // logins, cookies, redirects
    Case::new(
        "log in by a form",
        &["-L", "-u", "user:pass", "-b", "from=me", "-d", "a=1", "-d", "b=2", "URL/login"],
    ),
    Case::new(
        "log in with the cookies of a file",
        &["-L", "-b", "cookies", "-d", "a=1", "URL/login"],
    ),
    Case::new("log in with cookies kept", &["-sSL", "-b", "", "-d", "a=1", "URL/login"]),
    Case::new("no session cookies", &["-j", "-b", "cookies", "URL/home"]),
    Case::new("what one sets, the next has", &["-b", "", "URL/sets", "URL/home"]),
    Case::new("-X, -L and 303", &["-L", "-X", "POST", "-d", "a=1", "URL/login"])
        .differs("Methods and redirects"),
    Case::new("-X, -L and 302", &["-L", "-X", "DELETE", "URL/302"]),
    Case::new("-D and -o over redirects", &["-sL", "-D", "heads", "-o", "out", "URL/chain"]),
    Case::new("-I -L", &["-sIL", "URL/302"]),
    // authentication
    Case::new("--digest over a redirect", &["-L", "--digest", "-u", "user:pass", "URL/to-digest"]),
    Case::new(
        "--anyauth with a body",
        &["--anyauth", "-u", "user:pass", "-d", "a=1", "URL/digest"],
    ),
    Case::new("--digest with a body", &["--digest", "-u", "user:pass", "-d", "a=1", "URL/digest"])
        .differs("Digest and bodies"),
    Case::new("-f and another password", &["-fsS", "--digest", "-u", "user:x", "URL/digest"]),
    Case::new(
        "a proxy by Digest",
        &["-x", "URL", "-U", "user:pass", "--proxy-digest", "-L", "http://a.test/"],
    ),
    Case::new("a login in the URL", &["http://me:pw@127.0.0.1:PORT/a"]),
    Case::new(
        "-u before a login in the URL",
        &["-u", "user:pass", "http://me:pw@127.0.0.1:PORT/a"],
    ),
    // parts
    Case::new("-C - -O", &["-C", "-", "-O", "URL/part"]),
    Case::new("-C - -O of what is not there", &["-C", "-", "-O", "URL/whole"]),
    Case::new("-C - -J -O", &["-C", "-", "-J", "-O", "URL/named"]),
    Case::new("-OJ", &["-OJ", "URL/named"]),
    Case::new("-r of several", &["-r", "0-1,5-6", "URL/whole"]),
    Case::new("-r of the last", &["-r", "-5", "-o", "out", "URL/part"]),
    // retries
    Case::new("--retry -f", &["--retry", "1", "-f", "-T", "body", "-H", "Expect:", "URL/busy"]),
    Case::new("--retry to standard output", &["--retry", "1", "URL/busy"]).differs("Retries"),
    // queries and bodies
    Case::new(
        "-G beside a query",
        &["-G", "--data-urlencode", "q=a b&c", "-d", "x=1", "URL/a?lang=en"],
    ),
    Case::new("-G before a fragment", &["-G", "-d", "x=1", "URL/a#here"]),
    Case::new("-G -X", &["-G", "-X", "DELETE", "-d", "x=1", "URL/a"]),
    Case::new(
        "-F with all",
        &["-F", "f=@body;type=text/csv;filename=x.csv", "-F", "t=text;type=text/html", "URL/"],
    ),
    Case::new("-F with a field", &["-F", "f=@body;headers=\"X-A: 1\"", "URL/"]),
    Case::new("-F < standard input", &["-F", "f=<-", "URL/"]).fed("from standard input"),
    Case::new("-F @ standard input", &["-F", "f=@-", "URL/"]).fed("piped").differs("Forms"),
    Case::new("--json @FILE", &["--json", "@json", "URL/"]),
    Case::new("--json by PATCH", &["--json", "{", "--json", "}", "-X", "PATCH", "URL/"]),
    Case::new("--data-binary @-", &["--data-binary", "@-", "URL/"]).fed("from\nstandard input\r\n"),
    Case::new("-d @-", &["-d", "@-", "URL/"]).fed("from\nstandard input\r\n"),
    Case::new("-T -", &["-T", "-", "-H", "Expect:", "URL/up"]).fed("from standard input"),
    Case::new("POST of nothing", &["-X", "POST", "URL/a"]).differs("Methods and bodies"),
    Case::new("-X HEAD", &["-X", "HEAD", "-m", "2", "URL/a"]).differs("Methods and bodies"),
    Case::new("GET with a body", &["-X", "GET", "-d", "a=1", "URL/"]),
    // fields
    Case::new(
        "fields left out",
        &["-H", "Accept:", "-H", "User-Agent:", "-d", "a", "-H", "Content-Type:", "URL/"],
    ),
    Case::new("a field without a value", &["-H", "X-Empty;", "URL/a"]),
    Case::new("a field twice", &["-H", "X-A: 1", "-H", "X-A: 2", "URL/a"]),
    Case::new("-A and -e of nothing", &["-A", "", "-e", "", "URL/a"]),
    Case::new("Host left out", &["-H", "Host:", "URL/a"]).differs("Fields that frame the message"),
    Case::new("fields of a file", &["-H", "@body", "URL/a"]).differs("Options that are not there"),
    Case::new("-e with ;auto", &["-L", "-e", "http://x/;auto", "URL/302"])
        .differs("Options that are not there"),
    Case::new("-A and -H", &["-A", "a", "-H", "User-Agent: b", "URL/a"]),
    Case::new("-e and -H", &["-e", "a", "-H", "Referer: b", "URL/a"]),
    Case::new("-b and -H", &["-b", "a=1", "-H", "Cookie: b=2", "URL/a"]),
    Case::new("-C and -H", &["-C", "-", "-H", "Range: bytes=20-", "-o", "part", "URL/part"]),
    Case::new("-u and no Authorization", &["-u", "me:pw", "-H", "Authorization:", "URL/a"]),
    Case::new(
        "a URL's login and no Authorization",
        &["-H", "Authorization:", "http://me:pw@127.0.0.1:PORT/a"],
    ),
    Case::new(
        "values that begin with -",
        &["-A", "-me", "-e", "-from", "-b", "-c=d", "-H", "-X: y", "-u", "-me:pw", "URL/a"],
    ),
    Case::new("--proto -ftps", &["--proto", "-ftps", "URL/a"]),
    Case::new("--url", &["--url", "URL/a", "URL/b", "--url", "URL/missing"]),
    Case::new("-X -I", &["-I", "-X", "GET", "URL/a"]),
    Case::new("-G alone", &["-G", "URL/a"]),
    Case::new("-G -I", &["-G", "-I", "URL/a"]),
    Case::new("--hsts of no file", &["--hsts", "", "URL/a"]),
    Case::new(
        "no limits",
        &["-m", "0", "--connect-timeout", "0", "-y", "0", "--max-filesize", "0", "URL/a"],
    ),
    Case::new("-T -r", &["-T", "body", "-r", "0-3", "URL/up"]).differs("Bodies"),
    Case::new("-T of one of two", &["-T", "body", "-H", "Expect:", "URL/", "URL/a"])
        .differs("Bodies"),
    Case::new(
        "-T of three for two",
        &["-T", "body", "-T", "json", "-T", "body", "-H", "Expect:", "URL/", "URL/a"],
    )
    .differs("Bodies"),
    Case::new("a port in the place of a scheme", &["localhost:PORT/a"]),
    // output
    Case::new("-f", &["-f", "-o", "out", "URL/missing"]),
    Case::new("--fail-with-body", &["--fail-with-body", "-o", "out", "URL/missing"]),
    Case::new("--fail-with-body of what is there", &["--fail-with-body", "URL/a"]),
    Case::new("-f of several, the last good", &["-f", "URL/missing", "URL/a"])
        .differs("Exit status"),
    Case::new("-sS", &["-sS", "URL/a"]),
    Case::new("-sSf", &["-sSf", "URL/missing"]),
    Case::new("-sN", &["-sN", "URL/a"]),
    Case::new("-g", &["-g", "URL/a"]),
    Case::new("-w of several", &["-w", "%{http_code} %{size_download}\\n", "URL/a", "URL/missing"]),
    Case::new("-w @FILE", &["-sL", "-o", "out", "-w", "@format", "URL/chain"]),
    Case::new("-w of where it leads", &["-so", "/dev/null", "-w", "%{redirect_url}", "URL/302"]),
    Case::new(
        "-w of where it led",
        &["-sLo", "/dev/null", "-w", "%{url_effective} %{redirect_url}", "URL/302"],
    ),
    Case::new("-O of two", &["-O", "-O", "URL/a", "URL/b"]),
    Case::new("--remote-name-all", &["--remote-name-all", "URL/a", "URL/b"]),
    Case::new("-o of two", &["-o", "one", "-o", "two", "URL/a", "URL/b"]),
    Case::new(
        "-o of two, one of them standard output",
        &["-o", "-", "-o", "two", "URL/a", "URL/b"],
    ),
    Case::new("-o onto a file", &["-o", "body", "URL/a"]),
    Case::new("-O onto a file", &["-O", "URL/part"]),
    Case::new("-o of one of two", &["-o", "one", "URL/a", "URL/b"])
        .differs("Where files are written"),
    Case::new("--output-dir -o", &["--output-dir", "dir", "--create-dirs", "-o", "x", "URL/a"]),
    Case::new("a body cut off, to a file", &["-o", "out", "URL/cut"])
        .differs("Where files are written"),
    Case::new("--max-filesize", &["--max-filesize", "10", "URL/whole"]),
    Case::new("--max-filesize with a unit", &["--max-filesize", "1k", "URL/whole"]),
    // URLs, and options from files
    Case::new("--next", &["URL/a", "--next", "-d", "x", "URL/"]),
    Case::new("no scheme", &["127.0.0.1:PORT/a"]),
    Case::new("a scheme in capitals", &["HTTP://127.0.0.1:PORT/a"]),
    Case::new("a blank", &["URL/a b"]),
    Case::new("-K with quotation marks", &["-K", "-", "URL/"])
        .fed("header = \"X-A: \\\"q\\\" \\t\"\n# said\n-d a=b\nuser-agent = me/1 # said\n"),
    Case::new("-K of a URL that looks like an option", &["-K", "-"])
        .fed("url = \"--output=pwn\"\nurl = \"-opwn\"\n"),
    Case::new("-K of an option without its value", &["-K", "-"])
        .fed("user=\nurl = \"http://127.0.0.1:1/\"\n"),
    Case::new("-K of words without values", &["-K", "-", "URL/302"])
        .fed("silent\nlocation\n--show-error\n"),
];

#[test]
fn options_go_together_as_with_curl() {
    compare(CASES, server, &FILES);
}
