//! What the expectations of two other parsers say, as rows, and how rows are judged.
//!
//! The rows are in `robots_google` (robots_test.cc of google/robotstxt) and `robots_commons` (SimpleRobotRulesParserTest of
//! crawler-commons). Where the two contradict each other, or RFC 9309, the row says so, and is judged by what we do instead.

use ringdove_crawl::robots::Robots;

use crate::{robots_commons, robots_google};

/// One robots.txt, and what it says to whom.
pub(crate) struct Case {
    /// The test that it is from.
    pub(crate) from: &'static str,
    pub(crate) text: &'static [u8],
    pub(crate) says: &'static [Says],
}

/// What one crawler is told. Targets are what comes behind the host; URLs are read as URLs are.
pub(crate) struct Says {
    pub(crate) to: &'static str,
    pub(crate) may: &'static [&'static str],
    pub(crate) may_not: &'static [&'static str],
}

/// What is judged the other way round here than there: the test, the agent, the target, and why.
pub(crate) type Difference = (&'static str, &'static str, &'static str, &'static str);

#[test]
fn google_expects_it() {
    let judged = judge(robots_google::CASES, robots_google::DIFFERENCES);
    // with those of lines too long and of tokens, below, and those of line ends, marks and escapes, beside `robots`, all that
    // robots_test.cc expects of more than its own helpers
    assert_eq!(judged, 136);
}

#[test]
fn crawler_commons_expects_it() {
    assert_eq!(judge(robots_commons::CASES, robots_commons::DIFFERENCES), 383);
}

/// Returns how many expectations there are.
fn judge(cases: &[Case], differences: &[Difference]) -> usize {
    let (mut judged, mut wrong) = (0, Vec::new());
    let mut unmet: Vec<_> =
        differences.iter().map(|(from, to, target, _)| (*from, *to, *target)).collect();
    for case in cases {
        for says in case.says {
            let robots = Robots::parse(case.text, says.to);
            let may = says.may.iter().map(|target| (*target, true));
            let may_not = says.may_not.iter().map(|target| (*target, false));
            for (target, theirs) in may.chain(may_not) {
                judged += 1;
                let row = (case.from, says.to, target);
                let differs = unmet.iter().position(|other| *other == row);
                if let Some(at) = differs {
                    unmet.remove(at);
                }
                let url = format!("http://foo.bar{target}").parse().expect("a URL");
                if robots.allows(&url) != (theirs ^ differs.is_some()) {
                    wrong.push(row);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(unmet.is_empty(), "no such expectations: {unmet:#?}");
    judged
}

/// robots_test.cc has this by itself, since its lines are made.
#[test]
fn a_line_is_cut_where_google_cuts_it() {
    const LIMIT: usize = 2083 * 8;
    let allows = |text: &str, target: &str| {
        Robots::parse(text.as_bytes(), "FooBot")
            .allows(&format!("http://foo.bar{target}").parse().unwrap())
    };
    let long = |key: &str, fill: &str| {
        let room = LIMIT - "/x/".len() - key.len() + 1;
        "/x/".to_owned() + &fill.repeat(room - "/x/".len())
    };
    let line = long("disallow: ", "a");
    let text = format!("user-agent: FooBot\ndisallow: {line}/qux\n");
    assert!(allows(&text, "/fux"));
    assert!(!allows(&text, &format!("{line}/fux")));
    let (one, other) = (long("allow: ", "a"), long("allow: ", "b"));
    let text = format!("user-agent: FooBot\ndisallow: /\nallow: {one}/qux\nallow: {other}/qux\n");
    assert!(!allows(&text, "/"));
    assert!(allows(&text, &format!("{one}/qux")));
    assert!(allows(&text, &format!("{other}/fux")));
}

/// As crawler-commons has them, in seconds; and where ours are others, theirs.
#[test]
fn crawl_delays() {
    let merged = "User-agent: mybot\nCrawl-delay: 10\nUser-agent: yourbot\nDisallow: /private/\n\n\
        User-agent: *\nAllow: /\n\nUser-agent: yourbot\nDisallow: /login/\n\nUser-agent: *\nCrawl-delay: 30\n";
    let engines = "User-Agent: bingbot\nCrawl-delay: 1\n\nUser-Agent: msnbot\nCrawl-delay: 2\n\n\
        User-Agent: pinterestbot\nCrawl-delay: 0.2\n\nUser-agent: *\nDisallow: /login\nDisallow: /assets/";
    let krugle = "User-agent: *\rDisallow: /maintenance.html\rCrawl-delay: 3\r\rUser-agent: googlebot\rCrawl-delay: 1\r\r\
        User-agent: qihoobot\rDisallow: /";
    let heritrix = "User-agent: denybot\nDisallow: /\n\nUser-agent: delaybot\nDisallow: /\nCrawl-delay: 20\nAllow: /images/\n";
    let table = [
        (merged, "mybot", Some(10.0)),
        (merged, "yourbot", None),
        (merged, "anyotherbot", Some(30.0)),
        (engines, "bingbot", Some(1.0)),
        (engines, "msnbot", Some(2.0)),
        (engines, "pinterestbot", Some(0.2)),
        (engines, "anybot", None),
        (krugle, "googlebot", Some(1.0)),
        (krugle, "qihoobot", None),
        (krugle, "anybot", Some(3.0)),
        (heritrix, "delaybot", Some(20.0)),
        (heritrix, "denybot", None),
        (
            "User-agent: bixo\rCrawl-delay: 10\rUser-agent: foobot\rCrawl-delay: 20\rUser-agent: *\rDisallow:/baz\r",
            "bixo",
            Some(10.0),
        ),
        ("User-agent: foobot\rCrawl-delay: 20\rUser-agent: *\rDisallow:/baz\r", "bixo", None),
        ("User-agent: *\rCrawl-delay: 0.5\rDisallow:\r", "bixo", Some(0.5)),
        ("User-agent: *\r\nCrawl-delay: 1\r\n", "bot1", Some(1.0)),
        ("User-agent: mybot<BR>\nDisallow: <BR>\nCrawl-Delay: 10<BR>\n", "mybot", Some(10.0)),
        // there: more than five minutes deny the whole host
        ("User-agent: *\rCrawl-delay: 3600\rDisallow:\r", "bixo", Some(3600.0)),
        ("User-agent: *\nCrawl-delay: 99999999999999999999\n", "bixo", Some(86400.0)),
        ("User-agent: *\nCrawl-delay: -1\n", "bixo", None),
        ("User-agent: *\nCrawl-delay: 1.2.3\n", "bixo", None),
        ("User-agent: *\nCrawl-delay: 1\nCrawl-delay: 3\nCrawl-delay: 2\n", "bixo", Some(3.0)),
    ];
    for (text, agent, expected) in table {
        let delay = Robots::parse(text.as_bytes(), agent).crawl_delay();
        assert_eq!(delay.map(|delay| delay.as_secs_f64()), expected, "{agent}: {text:?}");
    }
}

#[test]
fn sitemaps() {
    let google = "User-Agent: foo\nAllow: /some/path\nUser-Agent: bar\n\n\n";
    let (after, before) = (
        format!("{google}Sitemap: http://foo.bar/sitemap.xml\n"),
        format!("Sitemap: http://foo.bar/sitemap.xml\n{google}"),
    );
    let table: [(&str, &[&str]); 7] = [
        (&after, &["http://foo.bar/sitemap.xml"]),
        (&before, &["http://foo.bar/sitemap.xml"]),
        // there: a line that is nothing but a URL counts, too
        (
            "sitemap: http://d.com/sitemap.xml\n\nUser-agent: *\nDisallow: \n\nhttp://d.com/dir/my-sitemap.xml\n\n\
             sitemap: http://d.com/dir/MixedCased-sitemap.xml\n",
            &["http://d.com/sitemap.xml", "http://d.com/dir/MixedCased-sitemap.xml"],
        ),
        ("Sitemap: /sitemap.xml\n\nUser-agent: *\nDisallow: /cache/\n", &["/sitemap.xml"]),
        ("sitemap: http://e.org/s.xml\nSitemap: http://e.org/s.xml\n", &["http://e.org/s.xml"]),
        (
            "User-agent: c\r\nDisallow: /content/dam/\r\n\r\n\r\nSitemap: https://wwwfoocom/sitemapxml",
            &["https://wwwfoocom/sitemapxml"],
        ),
        ("Sitemap:\nSitemap: \n", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(Robots::parse(text.as_bytes(), "a").sitemaps(), expected, "{text:?}");
    }
}

/// As robots_test.cc has them of what an agent may be called; it takes no whole User-Agent, and no digits.
#[test]
fn product_tokens() {
    let of = ringdove_crawl::robots::product_token;
    for token in ["Foobot", "Foobot-Bar", "Foo_Bar"] {
        assert_eq!(of(token), Some(token));
    }
    for text in ["", "\u{30c4}", " Foobot ", "*"] {
        assert_eq!(of(text), None, "{text:?}");
    }
    for text in ["Foobot*", "Foobot/2.1", "Foobot Bar"] {
        assert_eq!(of(text), Some("Foobot"));
    }
}

#[test]
fn utf_16_is_read_if_it_says_so() {
    let text = "User-agent: *\nDisallow: /profile\n";
    let little: Vec<u8> =
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> =
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    for text in [little, big, format!("\u{feff}{text}").into_bytes()] {
        let robots = Robots::parse(&text, "foobot");
        assert!(!robots.allows(&"http://www.domain.com/profile".parse().unwrap()));
        assert!(robots.allows(&"http://www.domain.com/x".parse().unwrap()));
    }
}

/// What comes behind 500 KiB is as if it were not there, and a file of rules alone is read in time.
#[test]
fn a_large_file_is_bounded() {
    let mut text = b"User-agent: *\n".to_vec();
    while text.len() < 500 * 1024 {
        text.extend_from_slice(b"Disallow: /*a*b*c*d\n");
    }
    text.extend_from_slice(b"Disallow: /late\nDisallow: /\n");
    let robots = Robots::parse(&text, "bot");
    assert!(robots.allows_target(b"/late"));
    assert!(!robots.allows_target(b"/abcd"));
}
