//! Cookies, as tables: which are kept, and which requests they go along with.

use std::time::Duration;

use url::Url;

use super::*;
use crate::limits;
use crate::protocol::auth::with_head;

const NOW: Date = Date::from_unix(1_700_000_000);

fn origin(url: &str) -> Origin {
    Origin::from_url(&Url::parse(url).expect("a URL")).expect("an origin")
}

fn target(url: &str) -> String {
    let url = Url::parse(url).expect("a URL");
    url[url::Position::BeforePath..].to_owned()
}

fn set_at(jar: &CookieJar, url: &str, cookie: &str, now: Date) {
    let fields = [("Set-Cookie", cookie)];
    with_head(200, &fields, |head| jar.store(&origin(url), &target(url), head, now));
}

fn set(jar: &CookieJar, url: &str, cookie: &str) {
    set_at(jar, url, cookie, NOW);
}

fn sent_by(jar: &CookieJar, url: &str, initiator: Initiator, now: Date) -> String {
    let field = jar.field(&origin(url), &target(url), initiator, now);
    field.map_or(String::new(), |field| String::from_utf8(field).expect("text"))
}

fn sent(jar: &CookieJar, url: &str) -> String {
    sent_by(jar, url, Initiator::SameSite, NOW)
}

/// What goes to `to` after `from` has set this.
fn goes(from: &str, cookie: &str, to: &str) -> bool {
    let jar = CookieJar::new();
    set(&jar, from, cookie);
    !sent(&jar, to).is_empty()
}

#[test]
fn domains() {
    let table = [
        ("http://example.com/", "", "http://example.com/", true),
        ("http://example.com/", "", "http://www.example.com/", false),
        ("http://EXAMPLE.com./", "", "http://example.COM./", true),
        ("http://EXAMPLE.com./", "", "http://example.COM/", false),
        ("http://example.com/", "", "https://example.com:8443/", true),
        ("http://example.com/", "domain=example.com", "http://www.example.com/", true),
        ("http://example.com/", "domain=.EXAMPLE.com", "http://a.b.example.com/", true),
        ("http://www.example.com/", "domain=example.com", "http://example.com/", true),
        ("http://example.com/", "domain=example.com", "http://badexample.com/", false),
        ("http://example.com/", "domain=www.example.com", "http://www.example.com/", false),
        ("http://example.com/", "domain=other.com", "http://other.com/", false),
        (
            "http://bücher.example/",
            "domain=xn--bcher-kva.example",
            "http://a.bücher.example/",
            true,
        ),
        ("http://example.com/", "domain=", "http://example.com/", true),
        ("http://127.0.0.1/", "", "http://127.0.0.1:81/", true),
        ("http://127.0.0.1/", "domain=127.0.0.1", "http://127.0.0.1/", true),
        ("http://127.0.0.1/", "domain=0.0.1", "http://127.0.0.1/", false),
        ("http://127.0.0.1/", "domain=1", "http://127.0.0.1/", false),
        ("http://[::1]/", "", "http://[0::1]/", true),
        // where one name ends as another does it is not below that
        ("http://xb.a.example/", "domain=b.a.example", "http://xb.a.example/", false),
        ("http://b.a.example/", "domain=b.a.example", "http://xb.a.example/", false),
        ("http://b.a.example/", "domain=b.a.example", "http://c.b.a.example/", true),
        ("http://localhost/", "domain=localhost", "http://localhost/", true),
        ("http://localhost/", "domain=localhost", "http://a.localhost/", false),
    ];
    for (from, attributes, to, want) in table {
        assert_eq!(goes(from, &format!("a=b; {attributes}"), to), want, "{from} {attributes} {to}");
    }
    // an address has nothing below it, whatever is said
    let jar = CookieJar::new();
    set(&jar, "http://127.0.0.1/", "a=b; domain=127.0.0.1");
    let file = String::from_utf8(jar.to_netscape(NOW)).expect("text");
    assert!(file.contains("\n127.0.0.1\tFALSE\t"), "{file}");
}

/// Guard: `is_public_suffix`, which is asked of the canonical host and of the attribute in lower case.
#[test]
fn nothing_is_kept_for_a_public_suffix() {
    let table = [
        ("http://example.com/", "com"),
        ("http://example.com/", ".CoM"),
        ("http://example.com./", "com."),
        ("http://example.com./", "com"),
        ("http://example.co.uk/", "co.uk"),
        ("http://EXAMPLE.Co.Uk./", "Co.Uk"),
        ("http://me.github.io/", "github.io"),
        ("http://a.公司.cn/", "xn--55qx5d.cn"),
        ("http://a.internal/", "internal"),
        ("http://www.ck.ck/", "ck"),
    ];
    for (from, domain) in table {
        let jar = CookieJar::new();
        set(&jar, from, &format!("a=b; domain={domain}"));
        assert!(jar.is_empty(), "{from} {domain}");
    }
    // a host that is one keeps its own to itself
    let jar = CookieJar::new();
    set(&jar, "http://github.io/", "a=b; domain=github.io");
    assert_eq!(
        (sent(&jar, "http://github.io/"), sent(&jar, "http://me.github.io/")),
        ("a=b".into(), String::new())
    );
}

/// A name with a dot at its end is another host, to browsers and to curl: neither has the cookies of the other.
#[test]
fn trailing_dots() {
    let table = [
        ("http://a.example.com/", "domain=example.com.", "http://example.com/", false),
        ("http://a.example.com./", "domain=example.com", "http://example.com/", false),
        ("http://a.example.com./", "domain=example.com", "http://example.com./", false),
        ("http://a.example.com./", "domain=example.com.", "http://example.com./", true),
        ("http://a.example.com./", "domain=example.com.", "http://example.com/", false),
        ("http://example.com/", "domain=example.com", "http://a.example.com./", false),
    ];
    for (from, attributes, to, want) in table {
        assert_eq!(goes(from, &format!("a=b; {attributes}"), to), want, "{from} {attributes} {to}");
    }
}

#[test]
fn paths() {
    let table = [
        ("/a/b/c?d", "", "/a/b", true),
        ("/a/b/c?d", "", "/a/b/x", true),
        ("/a/b/c?d", "", "/a/bc", false),
        ("/a/b/c?d", "", "/a", false),
        ("/a", "", "/x", true),
        ("/a?/b/c", "", "/x", true),
        ("/x", "path=/a", "/a", true),
        ("/x", "path=/a", "/a/", true),
        ("/x", "path=/a", "/a?b", true),
        ("/x", "path=/a", "/ab", false),
        ("/x", "path=/a/", "/a", false),
        ("/x", "path=/a/", "/a/b", true),
        ("/a/x", "path=a", "/a/y", true),
        ("/a/x", "path=a", "/b", false),
        ("/x", "path=/A", "/a", false),
    ];
    for (from, attributes, to, want) in table {
        let (from, to) = (format!("http://a.com{from}"), format!("http://a.com{to}"));
        assert_eq!(
            goes(&from, &format!("a=b; {attributes}"), &to),
            want,
            "{from} {attributes} {to}"
        );
    }
}

#[test]
fn schemes_and_prefixes() {
    let (http, https) = ("http://a.com/x/y", "https://a.com/x/y");
    let table = [
        (https, "a=b; secure", true),
        (http, "a=b; secure", false),
        (https, "a=b; samesite=none", false),
        (https, "a=b; samesite=none; secure", true),
        (https, "__Secure-a=b", false),
        (https, "__sEcUrE-a=b; secure", true),
        (http, "__Secure-a=b; secure", false),
        (https, "__Host-a=b; secure; path=/", true),
        (https, "__Host-a=b; secure", false),
        (https, "__Host-a=b; path=/", false),
        (https, "__host-a=b; secure; path=/x", false),
        (https, "__Host-a=b; secure; path=/; domain=a.com", false),
        (https, "=__Host-a=b; secure; path=/", false),
        (https, "__Secure-a", false),
    ];
    for (from, cookie, want) in table {
        assert_eq!(goes(from, cookie, https), want, "{from} {cookie}");
    }
    assert!(!goes(https, "a=b; secure", http));
    // on this machine nobody is on the way
    for here in
        ["http://127.0.0.1:80/", "http://127.8.9.1/", "http://[::1]/", "http://localhost:1/"]
    {
        assert!(goes(here, "a=b; secure", here), "{here}");
        assert!(goes(here, "__Host-a=b; secure; path=/", here), "{here}");
    }
    for other in
        ["http://10.0.0.1/", "http://[::2]/", "http://localhost.a.com/", "http://x.localhost/"]
    {
        assert!(!goes(other, "a=b; secure", other), "{other}");
    }
}

/// Guard: who can write into plaintext cannot replace what came over TLS.
#[test]
fn plaintext_does_not_shadow_secure_cookies() {
    let jar = CookieJar::new();
    set(&jar, "https://www.a.com/", "s=good; secure; path=/login");
    for (from, cookie) in [
        ("http://www.a.com/", "s=bad; path=/login"),
        ("http://www.a.com/", "s=bad; path=/login/x"),
        ("http://a.com/", "s=bad; domain=a.com; path=/login"),
        ("http://x.www.a.com/", "s=bad; domain=a.com; path=/login"),
    ] {
        set(&jar, from, cookie);
        assert_eq!(sent(&jar, "https://www.a.com/login/x"), "s=good", "{from} {cookie}");
    }
    // a neighbour whose name ends alike is another host
    set(&jar, "http://xwww.a.com/", "s=mine; path=/login");
    assert_eq!(sent(&jar, "http://xwww.a.com/login"), "s=mine");
    set(&jar, "http://www.a.com/", "s=other; path=/");
    assert_eq!(sent(&jar, "http://www.a.com/"), "s=other");
    set(&jar, "https://www.a.com/", "s=new; path=/login");
    assert_eq!(sent(&jar, "http://www.a.com/login"), "s=new; s=other");
}

#[test]
fn sites() {
    use Initiator::{CrossSiteSafe, CrossSiteUnsafe, SameSite};
    let table = [
        ("", [true, true, true]),
        ("samesite=none; secure", [true, true, true]),
        ("samesite=lax", [true, true, false]),
        ("samesite=strict", [true, false, false]),
    ];
    for (attributes, want) in table {
        let jar = CookieJar::new();
        set(&jar, "https://a.com/", &format!("a=b; {attributes}"));
        let got = [SameSite, CrossSiteSafe, CrossSiteUnsafe]
            .map(|initiator| !sent_by(&jar, "https://a.com/", initiator, NOW).is_empty());
        assert_eq!(got, want, "{attributes}");
    }
    let same = |one, other| is_same_site(origin(one).host(), origin(other).host());
    assert!(
        same("http://a.b.com/", "https://c.b.com:81/") && same("http://[::1]/", "http://[::1]/")
    );
    assert!(
        !same("http://a.co.uk/", "http://b.co.uk/") && !same("http://1.2.3.4/", "http://2.2.3.4/")
    );
    assert!(!same("http://a.github.io/", "http://b.github.io/"));
}

#[test]
fn lives() {
    let later = |seconds| NOW.after(Duration::from_secs(seconds));
    let jar = CookieJar::new();
    let url = "http://a.com/";
    set(&jar, url, "session=1");
    set(&jar, url, "short=1; max-age=10");
    set(&jar, url, "long=1; expires=Fri, 31 Dec 9999 23:59:59 GMT");
    let at = |now| sent_by(&jar, url, Initiator::SameSite, now);
    assert_eq!(at(later(9)), "session=1; short=1; long=1");
    assert_eq!(at(later(10)), "session=1; long=1");
    assert_eq!(at(later(400 * 86_400 - 1)), "session=1; long=1");
    assert_eq!(at(later(400 * 86_400)), "session=1");
    set(&jar, url, "short=; max-age=0");
    assert_eq!((at(NOW), jar.len()), ("session=1; long=1".into(), 2));
    jar.end_session();
    assert_eq!(at(NOW), "long=1");
}

/// As browsers have it: blanks around what a cookie says are none of it, tabs among them; other controls make it none.
#[test]
fn blanks_and_controls() {
    let table = [
        ("\ta\t=\tb\t", "a=b"),
        ("a=b;\tPath\t=\t/\t", "a=b"),
        ("a=b\tc", ""),
        ("a\tb=c", ""),
        ("a=b; Path=/\tx", "a=b"),
        ("a=\x01b", ""),
        ("a=b; x=\x01", ""),
        ("a=\x7f", ""),
    ];
    for (cookie, expected) in table {
        let jar = CookieJar::default();
        set(&jar, "http://a.com/", cookie);
        assert_eq!(sent(&jar, "http://a.com/"), expected, "{cookie:?}");
        // each is one line of a file
        let lines = String::from_utf8(jar.to_netscape(NOW)).unwrap().lines().count();
        assert_eq!(lines, if expected.is_empty() { 3 } else { 4 }, "{cookie:?}");
    }
}

#[test]
fn order_and_replacement() {
    let jar = CookieJar::new();
    let url = "http://www.a.com/x/y";
    for cookie in ["a=1; path=/", "b=1; path=/x", "c=1; path=/", "a=2; path=/; httponly"] {
        set(&jar, url, cookie);
    }
    assert_eq!(sent(&jar, url), "b=1; a=2; c=1");
    set(&jar, url, "a=3; path=/; domain=www.a.com");
    assert_eq!(sent(&jar, url), "b=1; a=2; c=1; a=3");
    set(&jar, url, "lonely; path=/");
    assert!(sent(&jar, url).ends_with("; lonely"));
}

#[test]
fn floods_are_bounded_and_stay_within_their_site() {
    let jar = CookieJar::new();
    set(&jar, "http://good.com/", "keep=me");
    for n in 0..10_000 {
        let host = format!("http://h{}.evil.com/", n % 1000);
        set(&jar, &host, &format!("c{n}={}; domain=evil.com", "x".repeat(50)));
    }
    let of_site = jar.len() - 1;
    assert!(of_site <= limits::COOKIES_PER_SITE && of_site > limits::COOKIES_PER_SITE * 9 / 10);
    assert_eq!(sent(&jar, "http://good.com/"), "keep=me");
    let text = String::from_utf8(jar.to_netscape(NOW)).unwrap();
    assert!(text.contains("\tc9999\t") && !text.contains("\tc0\t"), "the last are kept");
    let field = sent(&jar, "http://h1.evil.com/");
    assert!(field.len() <= limits::COOKIE_FIELD && field.len() > limits::COOKIE_FIELD / 2);
}

#[test]
fn floods_of_sites_leave_what_was_there_before() {
    let jar = CookieJar::new();
    let many = limits::COOKIES / 2;
    for n in 0..many {
        set(&jar, &format!("http://good{n}.com/"), "keep=me");
    }
    for n in 0..limits::COOKIES + 50 {
        set(&jar, &format!("https://evil{n}.com/"), "name=value; secure; max-age=99999999");
        assert!(jar.len() <= limits::COOKIES);
    }
    assert!((0..many).all(|n| sent(&jar, &format!("http://good{n}.com/")) == "keep=me"));
    let last = format!("https://evil{}.com/", limits::COOKIES + 49);
    assert_eq!(sent(&jar, &last), "name=value");
    // few sites with many cookies each, as against many with one
    let jar = CookieJar::new();
    for n in 0..2 * limits::COOKIES {
        let evil = format!("http://h{}.evil{}.com/", n % 50, n % 100);
        set(&jar, &evil, &format!("c{n}=x; max-age=99999999"));
        if n % 1000 == 0 {
            set(&jar, &format!("http://good{n}.com/"), "keep=me");
        }
    }
    let kept = |n: usize| sent(&jar, &format!("http://good{}.com/", n * 1000)) == "keep=me";
    assert!((0..2 * limits::COOKIES / 1000).all(kept));
}

/// One host of a site that many share, and then whoever sends what is not secure.
#[test]
fn a_flood_of_one_host_leaves_the_others_of_its_site() {
    let jar = CookieJar::new();
    set(&jar, "https://login.shop.com/", "session=1; secure; domain=shop.com");
    set(&jar, "http://www.shop.com/", "basket=2; domain=shop.com");
    for n in 0..1000 {
        set(&jar, "https://blog.shop.com/", &format!("x{n}=1; domain=shop.com; secure; path=/b"));
    }
    assert_eq!(sent(&jar, "https://login.shop.com/"), "session=1; basket=2");
    for n in 0..1000 {
        set(&jar, "http://login.shop.com/", &format!("y{n}=1; domain=shop.com; path=/c"));
    }
    assert_eq!(sent(&jar, "https://login.shop.com/"), "session=1; basket=2");
    assert!(jar.len() <= limits::COOKIES_PER_SITE);
}

/// What is in a file is the user's choice: it is kept, and written back, and bounds what is added.
#[test]
fn a_file_is_kept_whole() {
    let line = |n: usize| format!("h{n}.com\tFALSE\t/\tFALSE\t0\tname\tvalue\n");
    let many: String = (0..2 * limits::COOKIES).map(line).collect();
    let line = |n: usize| format!("big.com\tFALSE\t/\tFALSE\t0\tn{n}\tv\n");
    let big: String = (0..2 * limits::COOKIES_PER_SITE).map(line).collect();
    let fields: String =
        (0..200).map(|n| format!("Set-Cookie: m{n}=v; domain=big.com\n")).collect();
    let jar = CookieJar::new();
    jar.read_netscape(format!("{many}{big}{fields}").as_bytes(), NOW);
    let most = 2 * limits::COOKIES + 2 * limits::COOKIES_PER_SITE + 200;
    assert_eq!(jar.len(), most);
    for n in 0..300 {
        set(&jar, "http://big.com/", &format!("more{n}=1"));
    }
    let given_up = (2 * limits::COOKIES_PER_SITE + 200) / 16;
    assert!((most - given_up..=most).contains(&jar.len()), "{}", jar.len());
    for n in 0..=given_up {
        set(&jar, &format!("http://new{n}.com/"), "a=1");
    }
    assert!((most - most / 100..=most).contains(&jar.len()), "{}", jar.len());
    let text = String::from_utf8(jar.to_netscape(NOW)).unwrap();
    assert!((0..most / 2).all(|n| sent(&jar, &format!("http://h{n}.com/")) == "name=value"));
    assert!(text.lines().count() > most - most / 100);
}

#[test]
fn files_of_other_programs() {
    let jar = CookieJar::new();
    let text = "\u{feff}#HttpOnly_.a.com\tFALSE\t/\tFALSE\t1700000060.75\ta\t1\n\
                a.com\tFALSE\t/\tFALSE\t0.0\tb\t2\n\
                a.com\tFALSE\t/\tFALSE\t1700000060.\tc\t3\n\
                a.com\tFALSE\t/\tFALSE\t1700000060.x\td\t4\n\
                a.com\tFALSE\t/\tFALSE\t.5\te\t5\n";
    assert_eq!(jar.read_netscape(text.as_bytes(), NOW), 2);
    assert_eq!(sent(&jar, "http://a.com/"), "a=1; b=2");
    let later = NOW.after(Duration::from_secs(60));
    assert_eq!(sent_by(&jar, "http://a.com/", Initiator::SameSite, later), "b=2");
}

#[test]
fn a_file_may_have_fields_that_name_their_domain() {
    let jar = CookieJar::new();
    let text = "Set-Cookie: a=1; domain=.a.com; path=/\r\nSET-COOKIE: b=2; Domain=a.com; Secure\n\
                Set-Cookie: any=3\nSet-Cookie: c=4; domain=com\nSet-Cookie: d=5; domain=a.com/x\n";
    assert_eq!(jar.read_netscape(text.as_bytes(), NOW), 2);
    assert_eq!(jar.len(), 2);
    assert_eq!(sent(&jar, "http://www.a.com/"), "a=1");
    assert_eq!(sent(&jar, "https://a.com/"), "a=1; b=2");
    assert_eq!(sent(&jar, "http://b.com/"), "");
}

#[test]
fn netscape_files_both_ways() {
    let jar = CookieJar::new();
    set(&jar, "https://www.a.com/x/", "a=1; secure; max-age=60");
    set(&jar, "https://www.a.com/x/", "b=2; domain=a.com; path=/; httponly");
    set(&jar, "http://[::1]/", "empty=");
    let text = String::from_utf8(jar.to_netscape(NOW)).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("# ")).collect();
    let want = [
        "",
        "www.a.com\tFALSE\t/x\tTRUE\t1700000060\ta\t1",
        "#HttpOnly_.a.com\tTRUE\t/\tFALSE\t0\tb\t2",
        "::1\tFALSE\t/\tFALSE\t0\tempty\t",
    ];
    assert_eq!(lines, want);
    assert!(text.starts_with("# Netscape HTTP Cookie File\n"));
    let other = CookieJar::new();
    assert_eq!(other.read_netscape(text.as_bytes(), NOW), 3);
    assert_eq!(String::from_utf8(other.to_netscape(NOW)).unwrap(), text);
    assert_eq!(sent(&other, "https://www.a.com/x/"), "a=1; b=2");
    assert_eq!(sent(&other, "http://[::1]/"), "empty=");
}

#[test]
fn lines_that_are_no_cookies() {
    let jar = CookieJar::new();
    for line in [
        "",
        "# a comment",
        "a.com\tFALSE\t/\tFALSE\t0",
        "a.com\tFALSE\t/\tFALSE\tsoon\tn\tv",
        "a.com\tFALSE\tx\tFALSE\t0\tn\tv",
        "a.com\tFALSE\t/\tFALSE\t0\tn\tv\tw",
        ".com\tTRUE\t/\tFALSE\t0\tn\tv",
        ".co.uk.\tTRUE\t/\tFALSE\t0\tn\tv",
        "a..com\tTRUE\t/\tFALSE\t0\tn\tv",
        "a.com:81\tTRUE\t/\tFALSE\t0\tn\tv",
        "u@a.com\tTRUE\t/\tFALSE\t0\tn\tv",
        "a.com\tFALSE\t/\tFALSE\t0\tn\tv;w",
        "a.com\tFALSE\t/\tFALSE\t0\tn=m\tv",
        "a.com\tFALSE\t/\tFALSE\t0\tn\tv\u{1}",
        "a.com\tFALSE\t/\tFALSE\t0\t__Host-n\tv",
        "a.com\tFALSE\t/\tFALSE\t1\texpired\tv",
    ] {
        jar.read_netscape(line.as_bytes(), NOW);
        assert!(jar.is_empty(), "{line:?}");
    }
    let long = format!("a.com\tFALSE\t/\tFALSE\t0\tn\t{}", "x".repeat(limits::COOKIE_LINE));
    assert_eq!(jar.read_netscape(long.as_bytes(), NOW), 0);
    assert_eq!(jar.read_netscape(b"A.COM.\tfalse\t/\tfalse\t0\tn\tv\r\n", NOW), 1);
    assert_eq!(sent(&jar, "http://a.com./"), "n=v");
}

#[test]
fn the_longest_names_may_go_first() {
    let jar = CookieJar::new();
    jar.keep_as_curl();
    let url = "http://www.a.com/x/y";
    for cookie in
        ["a=1; path=/", "bb=1; path=/", "c=1; path=/", "d=1; path=/x", "e=1; path=/; domain=a.com"]
    {
        set(&jar, url, cookie);
    }
    assert_eq!(sent(&jar, url), "d=1; bb=1; c=1; a=1; e=1");
}

#[test]
fn files_are_read_as_by_curl_where_that_is_asked_for() {
    let own = CookieJar::new();
    own.keep_as_curl();
    let lines =
        b"a.com\tFALSE\t/\tFALSE\t0\t__secure-x\tv\na.com\tFALSE\t/\tFALSE\t0\t__Secure-y\tv\n";
    assert_eq!(own.read_netscape(lines, NOW), 1);
    assert_eq!(own.read_netscape(b"Set-Cookie: a=b; domain=localhost", NOW), 1);
    let line = b"a.com\tFALSE\t/x/\tFALSE\t99999999999\tn\tv\n";
    for (as_curl, path, cut) in [(false, "/x/", true), (true, "/x", false)] {
        let jar = CookieJar::new();
        if as_curl {
            jar.keep_as_curl();
        }
        assert_eq!(jar.read_netscape(line, NOW), 1);
        let text = String::from_utf8(jar.to_netscape(NOW)).unwrap();
        assert!(text.contains(&format!("\t{path}\t")), "{text}");
        assert_eq!(text.contains("\t99999999999\t"), !cut, "{text}");
    }
}
