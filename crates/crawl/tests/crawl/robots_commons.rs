//! What crawler-commons' SimpleRobotRulesParserTest expects of rules. (What it expects of delays and sitemaps is beside these, in
//! `robots`; its extensions, warnings and matching by a part of a name are of no use here.)

use crate::robots::{Case, Difference, Says};

pub(crate) const DIFFERENCES: &[Difference] = &[
    (
        "several names, blank",
        "crawler2",
        "/index.html",
        "of what a line names the first token counts (RFC 9309, 2.2.1; Google)",
    ),
    ("several names, commas", "Two", "/fish", "the same"),
    ("several names, commas", "Three", "/fish", "the same"),
    ("nutch", "Agent3", "/d", "the same"),
    ("nutch", "Agent3", "/d/a", "the same"),
    ("nutch", "Agent3", "/e/d/foo.html", "the same"),
    ("nutch", "Agent3", "/foo/bar/baz.html", "the same"),
    (
        "a name of two words",
        "Download Ninja",
        "/index.html",
        "no product token has blanks (RFC 9309, 2.2.1; Google)",
    ),
    ("markup", "bogusbot", "/index.html", "markup is no robots.txt, and is not taken off"),
];

const ALL: &str = "anybot";
const ENDINGS: &[u8] = b"# /robots.txt for http://www.fict.org/\r\n# comments to webmaster@fict.org\n\rUser-agent: unhipbot\nDisallow: /\r\r\nUser-agent: webcrawler\nUser-agent: excite\rDisallow: \xc2\x85\rUser-agent: *\r\nDisallow: /org/plans.html\nAllow: /org/\rAllow: /serv\r\nAllow: /~mak\nDisallow: /\r\n";
const RFP: &[u8] = b"# /robots.txt for http://www.fict.org/\r\n# comments to webmaster@fict.org\r\n\r\nUser-agent: unhipbot\r\nDisallow: /\r\n\r\nUser-agent: webcrawler\r\nUser-agent: excite\r\nDisallow: \r\n\r\nUser-agent: *\r\nDisallow: /org/plans.html\r\nAllow: /org/\r\nAllow: /serv\r\nAllow: /~mak\r\nDisallow: /\r\n";
const RFP_ALL: &[&str] = &[
    "/",
    "/index.html",
    "/server.html",
    "/services/fast.html",
    "/services/slow.html",
    "/orgo.gif",
    "/org/about.html",
    "/org/plans.html",
    "/%7Ejim/jim.html",
    "/%7Emak/mak.html",
];
const NUTCH: &[u8] = b"User-Agent: Agent1 #foo\rDisallow: /a\rDisallow: /b/a\r#Disallow: /c\r\r\rUser-Agent: Agent2 Agent3#foo\rUser-Agent: Agent4\rDisallow: /d\rDisallow: /e/d/\r\rUser-Agent: *\rDisallow: /foo/bar/\r";

pub(crate) const CASES: &[Case] = &[
    Case { from: "empty", text: b"", says: &[Says { to: ALL, may: &["/anypage.html"], may_not: &[] }] },
    Case {
        from: "query",
        text: b"User-agent: *\r\nDisallow: /index.cfm?fuseaction=sitesearch.results*",
        says: &[Says { to: ALL, may: &[], may_not: &["/index.cfm?fuseaction=sitesearch.results&type=People&qry=california&pg=2"] }],
    },
    Case {
        from: "/fish",
        text: b"User-agent: *\r\nDisallow: /fish\r\n",
        says: &[Says {
            to: ALL,
            may: &["/Fish.asp", "/catfish", "/?id=fish", "/fis"],
            may_not: &["/fish", "/fish.html", "/fish/salmon.html", "/fishheads", "/fishheads/yummy.html", "/fish.php?id=anything"],
        }],
    },
    Case {
        from: "/fish*",
        text: b"User-agent: *\r\nDisallow: /fish*\r\n",
        says: &[Says {
            to: ALL,
            may: &["/Fish.asp", "/catfish", "/?id=fish", "/fis"],
            may_not: &["/fish", "/fish.html", "/fish/salmon.html", "/fishheads", "/fishheads/yummy.html", "/fish.php?id=anything"],
        }],
    },
    Case {
        from: "/fish/",
        text: b"User-agent: *\r\nDisallow: /fish/\r\n",
        says: &[Says { to: ALL, may: &["/fish", "/fish.html", "/Fish/Salmon.asp"], may_not: &["/fish/", "/fish/?id=anything", "/fish/salmon.htm"] }],
    },
    Case {
        from: "/*.php",
        text: b"User-agent: *\r\nDisallow: /*.php\r\n",
        says: &[Says {
            to: ALL,
            may: &["/", "/windows.PHP"],
            may_not: &["/filename.php", "/folder/filename.php", "/folder/filename.php?parameters", "/folder/any.php.file.html", "/filename.php/"],
        }],
    },
    Case {
        from: "/*.php$",
        text: b"User-agent: *\r\nDisallow: /*.php$\r\n",
        says: &[Says {
            to: ALL,
            may: &["/filename.php?parameters", "/filename.php/", "/filename.php5", "/windows.PHP"],
            may_not: &["/filename.php", "/folder/filename.php"],
        }],
    },
    Case {
        from: "/fish*.php",
        text: b"User-agent: *\r\nDisallow: /fish*.php\r\n",
        says: &[Says { to: ALL, may: &["/Fish.PHP"], may_not: &["/fish.php", "/fishheads/catfish.php?parameters"] }],
    },
    Case {
        from: "/*fish*.php",
        text: b"User-agent: *\r\nDisallow: /*fish*.php\r\n",
        says: &[Says { to: ALL, may: &["/fishheads/catfish.htm"], may_not: &["/fish.php", "/superfishheads/catfish.php?parameters"] }],
    },
    Case {
        from: "comments",
        text: b"#user-agent: testAgent\n\n#allow: /index.html\n#allow: /test\n\n#user-agent: test\n\n#disallow: /test\n",
        says: &[Says { to: ALL, may: &["/anypage.html"], may_not: &[] }],
    },
    Case { from: "robots.txt", text: b"User-agent: *\r\nDisallow: /", says: &[Says { to: "any-darn-crawler", may: &["/robots.txt"], may_not: &[] }] },
    Case {
        from: "not listed",
        text: b"User-agent: crawler1\r\nDisallow: /index.html\r\nAllow: /\r\n\r\nUser-agent: crawler2\r\nDisallow: /",
        says: &[Says { to: "crawler3", may: &["/anypage.html", "/index.html"], may_not: &[] }],
    },
    Case { from: "other than ASCII", text: b"User-agent: * # \xc2\xa2 \xe2\x82\xb5\r\nDisallow:", says: &[Says { to: ALL, may: &["/anypage.html"], may_not: &[] }] },
    Case {
        from: "UTF-8 in paths",
        text: b"User-agent: *\r\nDisallow: /b\xc3\xbccher/\r\nDisallow: /k%C3%B6nyvek/\r\n\r\nUser-agent: GoodBot\r\nAllow: /",
        says: &[Says {
            to: "mybot",
            may: &["/"],
            may_not: &["/b%C3%BCcher/book1.html", "/b\u{fc}cher/book2.html", "/k%C3%B6nyvek/book1.html", "/k\u{f6}nyvek/book2.html"],
        }],
    },
    Case {
        from: "Latin-1 in paths",
        text: b"User-agent: *\r\nDisallow: /b\xfccher/\r\nDisallow: /k%C3%B6nyvek/\r\n\r\nUser-agent: GoodBot\r\nAllow: /",
        says: &[
            Says { to: "goodbot", may: &["/", "/b%C3%BCcher/book1.html"], may_not: &[] },
            Says { to: "mybot", may: &["/"], may_not: &["/k%C3%B6nyvek/book1.html", "/k\u{f6}nyvek/book2.html"] },
        ],
    },
    Case { from: "escapes, /*%20", text: b"User-agent: *\nDisallow: /*%20\nAllow: /", says: &[Says { to: "mybot", may: &["/", "/foobar/"], may_not: &["/foobar%20/"] }] },
    Case { from: "escapes, /*%2F*", text: b"User-agent: *\nDisallow: /*%2F*\nAllow: /", says: &[Says { to: "mybot", may: &["/path/index.html"], may_not: &["/topic/9%2F11/index.html"] }] },
    Case { from: "escapes, %2F", text: b"User-agent: *\nDisallow: /topic/9%2F11/\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/topic/9%2F11/index.html", "/topic/9%2f11/index.html"] }] },
    Case { from: "escapes, query", text: b"User-agent: *\nDisallow: /q?*mime=application%2Fpdf\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/q?mime=application%2Fpdf"] }] },
    Case { from: "escapes, /$", text: b"User-agent: *\nDisallow: /$\nAllow: /", says: &[Says { to: "mybot", may: &["/foobar"], may_not: &[] }] },
    Case { from: "escapes, /%24", text: b"User-agent: *\nDisallow: /%24\nAllow: /", says: &[Says { to: "mybot", may: &["/"], may_not: &["/%24100", "/$100"] }] },
    Case { from: "escapes, %2A", text: b"User-agent: *\nDisallow: /search/%2A/\nAllow: /", says: &[Says { to: "mybot", may: &["/search/foobar/"], may_not: &["/search/%2A/", "/search/%2a/", "/search/*/"] }] },
    Case { from: "escapes, %2a", text: b"User-agent: *\nDisallow: /search/%2a/\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/search/%2a/", "/search/*/"] }] },
    Case { from: "escapes, *", text: b"User-agent: *\nDisallow: /search/*/\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/search/foobar/"] }] },
    Case { from: "escapes, none", text: b"User-agent: *\nDisallow: /foo/bar?baz=quz\nDisallow: /foo/bar?baz=https://foo.bar\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/foo/bar?baz=quz", "/foo/bar?baz=https://foo.bar"] }] },
    Case { from: "escapes, reserved", text: b"User-agent: *\nDisallow: /foo/bar?baz=https%3A%2F%2Ffoo.bar\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/foo/bar?baz=https%3A%2F%2Ffoo.bar"] }] },
    Case { from: "escapes, UTF-8", text: b"User-agent: *\nDisallow: /foo/bar/\xe3\x83\x84\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/foo/bar/%E3%83%84"] }] },
    Case { from: "escapes, UTF-8 encoded", text: b"User-agent: *\nDisallow: /foo/bar/%E3%83%84\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/foo/bar/%E3%83%84"] }] },
    Case { from: "escapes, unreserved", text: b"User-agent: *\nDisallow: /foo/bar/%62%61%7A\nAllow: /", says: &[Says { to: "mybot", may: &[], may_not: &["/foo/bar/baz"] }] },
    Case {
        from: "escapes, of a file",
        text: b"User-agent: *\nDisallow: /path/file-with-a-%2A.html\nDisallow: /path/foo-%24\nAllow: /",
        says: &[Says {
            to: "mybot",
            may: &["/path/file-with-a-foo.html", "/path/foo-"],
            may_not: &["/path/file-with-a-*.html", "/path/file-with-a-%2A.html", "/path/foo-$", "/path/foo-%24"],
        }],
    },
    Case { from: "allow all", text: b"User-agent: *\r\nDisallow:", says: &[Says { to: ALL, may: &["/anypage.html"], may_not: &[] }] },
    Case { from: "a query alone", text: b"User-agent: *\r\nDisallow: /", says: &[Says { to: ALL, may: &[], may_not: &["", "?q=a"] }] },
    Case { from: "mixed endings", text: ENDINGS, says: &[
        Says { to: "WebCrawler", may: &["/", "/index.html"], may_not: &[] },
        Says {
            to: "Unknown",
            may: &["/robots.txt", "/server.html", "/services/fast.html", "/services/slow.html", "/org/about.html", "/%7Emak/mak.html"],
            may_not: &["/", "/index.html", "/orgo.gif", "/org/plans.html", "/%7Ejim/jim.html"],
        },
    ] },
    Case { from: "proposal", text: RFP, says: &[
        Says { to: "UnhipBot", may: &["/robots.txt"], may_not: RFP_ALL },
        Says { to: "WebCrawler", may: RFP_ALL, may_not: &[] },
        Says { to: "Excite", may: RFP_ALL, may_not: &[] },
        Says {
            to: "Unknown",
            may: &["/robots.txt", "/server.html", "/services/fast.html", "/services/slow.html", "/org/about.html", "/%7Emak/mak.html"],
            may_not: &["/", "/index.html", "/orgo.gif", "/org/plans.html", "/%7Ejim/jim.html"],
        },
    ] },
    Case { from: "nutch", text: NUTCH, says: &[
        Says {
            to: "Agent1",
            may: &["/b", "/b/b/foo.html", "/c", "/c/a", "/c/a/index.html", "/c/b/foo.html", "/d", "/d/a", "/e/a/index.html", "/e/d", "/e/d/foo.html", "/e/doh.html", "/f/index.html", "/foo/bar/baz.html", "/f/"],
            may_not: &["/a", "/a/", "/a/bloh/foo.html", "/b/a", "/b/a/index.html"],
        },
        Says {
            to: "Agent2",
            may: &["/a", "/a/", "/a/bloh/foo.html", "/b", "/b/a", "/b/a/index.html", "/b/b/foo.html", "/c", "/c/a", "/c/a/index.html", "/c/b/foo.html", "/e/a/index.html", "/e/d", "/e/doh.html", "/f/index.html", "/foo/bar/baz.html", "/f/"],
            may_not: &["/d", "/d/a", "/e/d/foo.html"],
        },
        Says {
            to: "Agent3",
            may: &["/a", "/a/", "/a/bloh/foo.html", "/b", "/b/a", "/b/a/index.html", "/b/b/foo.html", "/c", "/c/a", "/c/a/index.html", "/c/b/foo.html", "/e/a/index.html", "/e/d", "/e/doh.html", "/f/index.html", "/foo/bar/baz.html", "/f/"],
            may_not: &["/d", "/d/a", "/e/d/foo.html"],
        },
        Says {
            to: "Agent4",
            may: &["/a", "/a/", "/a/bloh/foo.html", "/b", "/b/a", "/b/a/index.html", "/b/b/foo.html", "/c", "/c/a", "/c/a/index.html", "/c/b/foo.html", "/e/a/index.html", "/e/d", "/e/doh.html", "/f/index.html", "/foo/bar/baz.html", "/f/"],
            may_not: &["/d", "/d/a", "/e/d/foo.html"],
        },
        Says {
            to: "Agent5",
            may: &["/a", "/a/", "/a/bloh/foo.html", "/b", "/b/a", "/b/a/index.html", "/b/b/foo.html", "/c", "/c/a", "/c/a/index.html", "/c/b/foo.html", "/d", "/d/a", "/e/a/index.html", "/e/d", "/e/d/foo.html", "/e/doh.html", "/f/index.html", "/f/"],
            may_not: &["/foo/bar/baz.html"],
        },
    ] },
    Case {
        from: "markup",
        text: b"<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\"><HTML>\n<HEAD>\n<TITLE>/robots.txt</TITLE>\n</HEAD>\n<BODY>\nUser-agent: mybot<BR>\nDisallow: <BR>\nCrawl-Delay: 10<BR>\n\nUser-agent: *<BR>\nDisallow: /<BR>\nCrawl-Delay: 30<BR>\n\n</BODY>\n</HTML>\n",
        says: &[Says { to: "mybot", may: &["/index.html"], may_not: &[] }, Says { to: "bogusbot", may: &[], may_not: &["/index.html"] }],
    },
    Case { from: "a page", text: b"<HTML><HEAD><TITLE>Site under Maintenance</TITLE></HTML>", says: &[Says { to: ALL, may: &["/"], may_not: &[] }] },
    Case {
        from: "heritrix",
        text: b"User-agent: *\nDisallow: /cgi-bin/\nDisallow: /details/software\n\nUser-agent: denybot\nDisallow: /\n\nUser-agent: allowbot1\nDisallow: \n\nUser-agent: allowbot2\nDisallow: /foo\nAllow: /\n\nUser-agent: delaybot\nDisallow: /\nCrawl-Delay: 20\nAllow: /images/\n",
        says: &[
            Says { to: "allowbot1", may: &["/path", "/"], may_not: &[] },
            Says { to: "allowbot2", may: &["/path", "/"], may_not: &["/foo"] },
            Says { to: "denybot", may: &[], may_not: &["/path", "/"] },
            Says { to: "anonbot", may: &["/path"], may_not: &["/cgi-bin/foo.pl"] },
        ],
    },
    Case {
        from: "case of paths",
        text: b"User-agent: *\r\nAllow: /AnyPage.html\r\nAllow: /somepage.html\r\nDisallow: /",
        says: &[Says { to: ALL, may: &["/AnyPage.html", "/somepage.html"], may_not: &["/anypage.html", "/SomePage.html"] }],
    },
    Case { from: "empty allow", text: b"User-agent: *\r\nAllow:", says: &[Says { to: ALL, may: &["/anypage.html"], may_not: &[] }] },
    Case {
        from: "empty disallow is weakest",
        text: b"User-agent: *\r\nDisallow: /disallowed/\r\nAllow: /allowed/\r\nDisallow: ",
        says: &[Says { to: ALL, may: &["/", "/anypage.html", "/allowed/index.html"], may_not: &["/disallowed/index.html"] }],
    },
    Case {
        from: "empty disallow in another group",
        text: b"User-agent: *\r\nDisallow: /disallowed/\r\nAllow: /allowed/\r\nUser-agent: *\r\nDisallow: ",
        says: &[Says { to: ALL, may: &["/", "/anypage.html", "/allowed/index.html"], may_not: &["/disallowed/index.html"] }],
    },
    Case {
        from: "all, twice",
        text: b"User-agent: *\r\nDisallow: /index.html\r\nAllow: /\r\n\r\nUser-agent: *\r\nDisallow: /",
        says: &[Says { to: ALL, may: &["/anypage.html"], may_not: &["/index.html"] }],
    },
    Case {
        from: "a name that begins another",
        text: b"User-agent: crawlerbot\r\nDisallow: /index.html\r\nAllow: /\r\n\r\nUser-agent: crawler\r\nDisallow: /",
        says: &[Says { to: "crawlerbot", may: &["/anypage.html"], may_not: &["/index.html"] }],
    },
    Case { from: "several names, blank", text: b"User-agent: crawler1 crawler2\r\nDisallow: /index.html\r\nAllow: /", says: &[Says { to: "crawler2", may: &["/anypage.html"], may_not: &["/index.html"] }] },
    Case { from: "a name of two words", text: b"User-agent: Download Ninja\r\nDisallow: /index.html\r\nAllow: /", says: &[Says { to: "Download Ninja", may: &["/anypage.html"], may_not: &["/index.html"] }] },
    Case { from: "a version", text: b"User-agent: foo/1.2\r\nDisallow: /index.html\r\nAllow: /", says: &[Says { to: "foo", may: &["/anypage.html"], may_not: &["/index.html"] }] },
    Case { from: "more words", text: b"User-agent: foo bar\r\nDisallow: /index.html\r\nAllow: /", says: &[Says { to: "foo", may: &["/anypage.html"], may_not: &["/index.html"] }] },
    Case { from: "other fields", text: b"User-agent: crawler1\r\nDisallow: /index.html\r\nAllow: /\r\nnewfield: 234\r\nUser-agent: crawler2\r\nDisallow: /", says: &[Says { to: "crawler2", may: &[], may_not: &["/anypage.html"] }] },
    Case {
        from: "krugle",
        text: b"User-agent: *\rDisallow: /maintenance.html\rDisallow: /perl/\rDisallow: /cgi-bin/\rDisallow: /examples/\rCrawl-delay: 3\r\rUser-agent: googlebot\rCrawl-delay: 1\r\rUser-agent: qihoobot\rDisallow: /",
        says: &[
            Says { to: "googlebot", may: &[], may_not: &["/examples/index.html", "/"] },
            Says { to: "qihoobot", may: &[], may_not: &["/examples/index.html", "/"] },
            Says { to: ALL, may: &["/"], may_not: &["/examples/index.html"] },
        ],
    },
    Case {
        from: "delays in groups",
        text: b"User-Agent: bingbot\r\nCrawl-delay: 1\r\n\r\nUser-Agent: msnbot\r\nCrawl-delay: 2\r\n\r\nUser-agent: *\r\nDisallow: /login\r\nSitemap: http://www.example.com/sitemap.xml\r\nDisallow: /assets/",
        says: &[
            Says { to: "bingbot", may: &["/"], may_not: &["/login", "/assets/"] },
            Says { to: "msnbot", may: &["/"], may_not: &["/login", "/assets/"] },
            Says { to: ALL, may: &["/"], may_not: &["/login", "/assets/"] },
        ],
    },
    Case {
        from: "delays merged",
        text: b"User-agent: mybot\nCrawl-delay: 10\nUser-agent: yourbot\nDisallow: /private/\n\nUser-agent: *\nAllow: /\n\nUser-agent: yourbot\nDisallow: /login/\n\nUser-agent: *\nCrawl-delay: 30\n",
        says: &[
            Says { to: "mybot", may: &["/login/", "/"], may_not: &["/private/"] },
            Says { to: "yourbot", may: &["/"], may_not: &["/private/", "/login/"] },
            Says { to: "anyotherbot", may: &["/private/", "/login/", "/"], may_not: &[] },
        ],
    },
    Case { from: "Host", text: b"User-agent: *\nDisallow: /bitrix/\nDisallow: /img/\nHost: flot.com\n", says: &[Says { to: "foobot", may: &[], may_not: &["/img/"] }] },
    Case {
        from: "typos",
        text: b"User-agent: bot1\nDesallow: /desallow/\ndissalow: /dissalow/\n\nuseragent: bot2\nDisallow: /useragent/\n\nuseg-agent: bot3\nDisallow: /useg-agent/\n\nuseragent bot4\nDisallow: /useragent-no-colon/\n",
        says: &[
            Says { to: "bot1", may: &[], may_not: &["/desallow/", "/dissalow/"] },
            Says { to: "bot2", may: &[], may_not: &["/useragent/"] },
            Says { to: "bot3", may: &[], may_not: &["/useg-agent/"] },
            Says { to: "bot4", may: &[], may_not: &["/useragent-no-colon/"] },
        ],
    },
    Case {
        from: "format",
        text: b"User-agent: bot1\ndisallow : /whitespace-before-colon/\ndisallow /no-colon/\n\nuser-agent bot2\ndisallow: /no-colon-useragent/\n\nuser-agent: bot3\nallow : /whitespace-before-colon\ndisallow: /\nsitemap : /sitemap.xml\n",
        says: &[
            Says { to: "bot1", may: &[], may_not: &["/whitespace-before-colon/", "/no-colon/"] },
            Says { to: "bot2", may: &[], may_not: &["/no-colon-useragent/"] },
            Says { to: "bot3", may: &["/whitespace-before-colon/"], may_not: &[] },
        ],
    },
    Case {
        from: "many agents",
        text: b"User-agent: OutfoxBot/0.5\nUser-agent: Bookmark search tool\nUser-agent: Crescent Internet ToolPak HTTP OLE Control v.1.0\nUser-agent: wget\nDisallow: /\n\nUser-agent: *\nDisallow: /bot-trap/\n",
        says: &[Says { to: "wget", may: &[], may_not: &["/"] }, Says { to: "mysuperlongbotname", may: &["/"], may_not: &["/bot-trap/"] }],
    },
    Case {
        from: "merged",
        text: b"User-Agent: testy\nDisallow: /\n\nUser-Agent: wget\nAllow: /foo/bar\n\nUser-Agent: *\nUser-Agent: wget\nDisallow: /foo/bar\nDisallow: /tmp/bar\nAllow: /ckh/bar\n",
        says: &[Says { to: "wget", may: &["/foo/bar/bar.txt", "/chk/bar/bar.txt"], may_not: &["/tmp/bar/bar.txt"] }],
    },
    Case {
        from: "precedence",
        text: b"User-Agent: testy\nDisallow: /foo\n\nUser-Agent: wget\nAllow: /\nAllow: /foo\nAllow: /index.html\nDisallow: /*\n\nUser-Agent: testy\nAllow: /foo/bar\nDisallow: /foo/b*\n",
        says: &[
            Says { to: "wget", may: &["/", "/foo/bar"], may_not: &["/bar/foo"] },
            Says { to: "testy", may: &["/", "/foo/bar"], may_not: &["/foo/blue", "/foo/", "/foo/tar"] },
        ],
    },
    Case {
        from: "no encoding",
        text: b"User-agent: *\nDisallow: /wiki/Wikipedia_talk:Mediation_Committee/\nDisallow: /wiki/Wikipedia_talk%3Mediation_Committee/\n",
        says: &[Says { to: "bot1", may: &["/wiki/"], may_not: &["/wiki/Wikipedia_talk:Mediation_Committee/"] }],
    },
    Case {
        from: "amazon",
        text: b"User-agent: *\nDisallow: /gp/registry/wishlist/*/reserve\nDisallow: /wishlist/\nAllow: /wishlist/universal*\nDisallow: */gcrnsts\n",
        says: &[Says { to: ALL, may: &["/wishlist/universal/page"], may_not: &["/wishlist/bogus", "/anydirectoryhere/gcrnsts"] }],
    },
    Case { from: "allow and disallow alike", text: b"User-agent: *\r\nDisallow: /fish\r\nAllow: /fish\r\n", says: &[Says { to: ALL, may: &["/fish"], may_not: &[] }] },
    Case {
        from: "several names, commas",
        text: b"User-agent: One, Two, Three\r\nDisallow: /\r\n\r\nUser-agent: *\r\nAllow: /\r\n",
        says: &[
            Says { to: "One", may: &[], may_not: &["/fish"] },
            Says { to: "Two", may: &[], may_not: &["/fish"] },
            Says { to: "Three", may: &[], may_not: &["/fish"] },
            Says { to: ALL, may: &["/fish"], may_not: &[] },
        ],
    },
    Case {
        from: "order of names",
        text: b"User-agent: crawlerbot\nDisallow: /foo/bar\n\nUser-agent: crawler\nAllow: /foo/bar\n",
        says: &[Says { to: "crawlerbot", may: &[], may_not: &["/foo/bar"] }, Says { to: "crawler", may: &["/foo/bar"], may_not: &[] }],
    },
    Case {
        from: "order of names, the other",
        text: b"User-agent: crawler\nAllow: /foo/bar\n\nUser-agent: crawlerbot\nDisallow: /foo/bar\n",
        says: &[Says { to: "crawlerbot", may: &[], may_not: &["/foo/bar"] }, Says { to: "crawler", may: &["/foo/bar"], may_not: &[] }],
    },
    Case {
        from: "a whole User-Agent in the file",
        text: b"User-agent: Mozilla/5.0 (compatible; Butterfly/1.0; +http://labs.topsy.com/butterfly/) Gecko/2009032608 Firefox/3.0.8\nDisallow: /",
        says: &[Says { to: "butterfly", may: &["/"], may_not: &[] }, Says { to: "mybot", may: &["/"], may_not: &[] }],
    },
    Case {
        from: "RFC 9309, 5.1",
        text: b"User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\nUser-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\nUser-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\nUser-Agent: quxbot",
        says: &[
            Says { to: "foobot", may: &["/example/page.html", "/example/allowed.gif"], may_not: &["/", "/path/index.html"] },
            Says { to: "barbot", may: &["/"], may_not: &["/example/page.html"] },
            Says { to: "bazbot", may: &["/"], may_not: &["/example/page.html"] },
            Says { to: "quxbot", may: &["/", "/example/page.html"], may_not: &[] },
            Says { to: "anyotherbot", may: &["/publications/doc1.html", "/"], may_not: &["/example/page.html", "/example.gif"] },
        ],
    },
    Case {
        from: "RFC 9309, 5.2",
        text: b"User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n",
        says: &[Says { to: "foobot", may: &["/example/page/", "/example/page/index.html", "/"], may_not: &["/example/page/disallowed.gif"] }],
    },
    Case {
        from: "RFC 9309, 2.2.1",
        text: b"user-agent: ExampleBot\ndisallow: /foo\ndisallow: /bar\n\nuser-agent: ExampleBot\ndisallow: /baz\n\nuser-agent: *\ndisallow: /foo\ndisallow: /bar\n\nuser-agent: BazBot\ndisallow: /baz\n",
        says: &[
            Says { to: "examplebot", may: &["/"], may_not: &["/foo", "/bar", "/baz"] },
            Says { to: "anyotherbot", may: &["/baz", "/"], may_not: &["/foo", "/bar"] },
            Says { to: "bazbot", may: &["/foo", "/bar", "/"], may_not: &["/baz"] },
        ],
    },
];
