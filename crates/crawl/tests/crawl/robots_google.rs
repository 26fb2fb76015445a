//! What robots_test.cc of google/robotstxt expects.

use crate::robots::{Case, Difference, Says};

pub(crate) const DIFFERENCES: &[Difference] = &[
    // There URLs are said to come encoded already; here they are URLs.
    (
        "Encoding",
        "FooBot",
        "/foo/bar/\u{30c4}",
        "octets are compared (RFC 9309, 2.2.2), as crawler-commons has it",
    ),
    ("Encoding, encoded", "FooBot", "/foo/bar/\u{30c4}", "the same"),
    (
        "Encoding, unreserved",
        "FooBot",
        "/foo/bar/baz",
        "%62%61%7A is baz (RFC 9309, 2.2.2), as crawler-commons has it",
    ),
];

const FOO: &str = "FooBot";

pub(crate) const CASES: &[Case] = &[
    Case { from: "LineSyntax", text: b"user-agent: FooBot\ndisallow: /\n", says: &[Says { to: FOO, may: &[], may_not: &["/x/y"] }] },
    Case { from: "LineSyntax, no keys", text: b"foo: FooBot\nbar: /\n", says: &[Says { to: FOO, may: &["/x/y"], may_not: &[] }] },
    Case { from: "LineSyntax, no colons", text: b"user-agent FooBot\ndisallow /\n", says: &[Says { to: FOO, may: &[], may_not: &["/x/y"] }] },
    Case {
        from: "Groups",
        text: b"allow: /foo/bar/\n\nuser-agent: FooBot\ndisallow: /\nallow: /x/\nuser-agent: BarBot\ndisallow: /\nallow: /y/\n\n\nallow: /w/\nuser-agent: BazBot\n\nuser-agent: FooBot\nallow: /z/\ndisallow: /\n",
        says: &[
            Says { to: FOO, may: &["/x/b", "/z/d"], may_not: &["/y/c", "/foo/bar/"] },
            Says { to: "BarBot", may: &["/y/c", "/w/a"], may_not: &["/z/d", "/foo/bar/"] },
            Says { to: "BazBot", may: &["/z/d"], may_not: &["/foo/bar/"] },
        ],
    },
    Case {
        from: "Groups, Sitemap within",
        text: b"User-agent: BarBot\nSitemap: https://foo.bar/sitemap\nUser-agent: *\nDisallow: /\n",
        says: &[Says { to: FOO, may: &[], may_not: &["/"] }, Says { to: "BarBot", may: &[], may_not: &["/"] }],
    },
    Case {
        from: "Groups, another line within",
        text: b"User-agent: FooBot\nInvalid-Unknown-Line: unknown\nUser-agent: *\nDisallow: /\n",
        says: &[Says { to: FOO, may: &[], may_not: &["/"] }, Says { to: "BarBot", may: &[], may_not: &["/"] }],
    },
    Case { from: "Keys, upper", text: b"USER-AGENT: FooBot\nALLOW: /x/\nDISALLOW: /\n", says: &[Says { to: FOO, may: &["/x/y"], may_not: &["/a/b"] }] },
    Case { from: "Keys, lower", text: b"user-agent: FooBot\nallow: /x/\ndisallow: /\n", says: &[Says { to: FOO, may: &["/x/y"], may_not: &["/a/b"] }] },
    Case { from: "Keys, both", text: b"uSeR-aGeNt: FooBot\nAlLoW: /x/\ndIsAlLoW: /\n", says: &[Says { to: FOO, may: &["/x/y"], may_not: &["/a/b"] }] },
    Case {
        from: "Agent, upper",
        text: b"User-Agent: FOO BAR\nAllow: /x/\nDisallow: /\n",
        says: &[Says { to: "Foo", may: &["/x/y"], may_not: &["/a/b"] }, Says { to: "foo", may: &["/x/y"], may_not: &["/a/b"] }],
    },
    Case {
        from: "Agent, lower",
        text: b"User-Agent: foo bar\nAllow: /x/\nDisallow: /\n",
        says: &[Says { to: "Foo", may: &["/x/y"], may_not: &["/a/b"] }, Says { to: "foo", may: &["/x/y"], may_not: &["/a/b"] }],
    },
    Case {
        from: "Agent, both",
        text: b"User-Agent: FoO bAr\nAllow: /x/\nDisallow: /\n",
        says: &[Says { to: "Foo", may: &["/x/y"], may_not: &["/a/b"] }, Says { to: "foo", may: &["/x/y"], may_not: &["/a/b"] }],
    },
    Case {
        from: "Agent up to the first blank",
        text: b"User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n",
        says: &[Says { to: "Foo", may: &["/x/y"], may_not: &[] }, Says { to: "Foo Bar", may: &[], may_not: &["/x/y"] }],
    },
    Case { from: "Global, empty", text: b"", says: &[Says { to: FOO, may: &["/x/y"], may_not: &[] }] },
    Case {
        from: "Global",
        text: b"user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n",
        says: &[Says { to: FOO, may: &[], may_not: &["/x/y"] }, Says { to: "BarBot", may: &["/x/y"], may_not: &[] }],
    },
    Case {
        from: "Global, none",
        text: b"user-agent: FooBot\nallow: /\nuser-agent: BarBot\ndisallow: /\nuser-agent: BazBot\ndisallow: /\n",
        says: &[Says { to: "QuxBot", may: &["/x/y"], may_not: &[] }],
    },
    Case { from: "Case of paths", text: b"user-agent: FooBot\ndisallow: /x/\n", says: &[Says { to: FOO, may: &[], may_not: &["/x/y"] }] },
    Case { from: "Case of paths, other", text: b"user-agent: FooBot\ndisallow: /X/\n", says: &[Says { to: FOO, may: &["/x/y"], may_not: &[] }] },
    Case { from: "Longest, disallow", text: b"user-agent: FooBot\ndisallow: /x/page.html\nallow: /x/\n", says: &[Says { to: FOO, may: &[], may_not: &["/x/page.html"] }] },
    Case { from: "Longest, allow", text: b"user-agent: FooBot\nallow: /x/page.html\ndisallow: /x/\n", says: &[Says { to: FOO, may: &["/x/page.html"], may_not: &["/x/"] }] },
    Case { from: "Longest, empty", text: b"user-agent: FooBot\ndisallow: \nallow: \n", says: &[Says { to: FOO, may: &["/x/page.html"], may_not: &[] }] },
    Case { from: "Longest, alike", text: b"user-agent: FooBot\ndisallow: /\nallow: /\n", says: &[Says { to: FOO, may: &["/x/page.html"], may_not: &[] }] },
    Case { from: "Longest, slash", text: b"user-agent: FooBot\ndisallow: /x\nallow: /x/\n", says: &[Says { to: FOO, may: &["/x/"], may_not: &["/x"] }] },
    Case { from: "Longest, alike again", text: b"user-agent: FooBot\ndisallow: /x/page.html\nallow: /x/page.html\n", says: &[Says { to: FOO, may: &["/x/page.html"], may_not: &[] }] },
    Case { from: "Longest, wildcard", text: b"user-agent: FooBot\nallow: /page\ndisallow: /*.html\n", says: &[Says { to: FOO, may: &["/page"], may_not: &["/page.html"] }] },
    Case { from: "Longest, wildcard shorter", text: b"user-agent: FooBot\nallow: /x/page.\ndisallow: /*.html\n", says: &[Says { to: FOO, may: &["/x/page.html"], may_not: &["/x/y.html"] }] },
    Case { from: "Longest, own group", text: b"User-agent: *\nDisallow: /x/\nUser-agent: FooBot\nDisallow: /y/\n", says: &[Says { to: FOO, may: &["/x/page"], may_not: &["/y/page"] }] },
    Case {
        from: "Encoding, query",
        text: b"User-agent: FooBot\nDisallow: /\nAllow: /foo/bar?qux=taz&baz=http://foo.bar?tar&par\n",
        says: &[Says { to: FOO, may: &["/foo/bar?qux=taz&baz=http://foo.bar?tar&par"], may_not: &[] }],
    },
    Case {
        from: "Encoding",
        text: b"User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/\xe3\x83\x84\n",
        says: &[Says { to: FOO, may: &["/foo/bar/%E3%83%84"], may_not: &["/foo/bar/\u{30c4}"] }],
    },
    Case {
        from: "Encoding, encoded",
        text: b"User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%E3%83%84\n",
        says: &[Says { to: FOO, may: &["/foo/bar/%E3%83%84"], may_not: &["/foo/bar/\u{30c4}"] }],
    },
    Case {
        from: "Encoding, unreserved",
        text: b"User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%62%61%7A\n",
        says: &[Says { to: FOO, may: &["/foo/bar/%62%61%7A"], may_not: &["/foo/bar/baz"] }],
    },
    Case {
        from: "Special, wildcard",
        text: b"User-agent: FooBot\nDisallow: /foo/bar/quz\nAllow: /foo/*/qux\n",
        says: &[Says { to: FOO, may: &["/foo/quz", "/foo//quz", "/foo/bax/quz"], may_not: &["/foo/bar/quz"] }],
    },
    Case {
        from: "Special, end",
        text: b"User-agent: FooBot\nDisallow: /foo/bar$\nAllow: /foo/bar/qux\n",
        says: &[Says { to: FOO, may: &["/foo/bar/qux", "/foo/bar/", "/foo/bar/baz"], may_not: &["/foo/bar"] }],
    },
    Case {
        from: "Special, comment",
        text: b"User-agent: FooBot\n# Disallow: /\nDisallow: /foo/quz#qux\nAllow: /\n",
        says: &[Says { to: FOO, may: &["/foo/bar"], may_not: &["/foo/quz"] }],
    },
    Case {
        from: "Index of a directory",
        text: b"User-Agent: *\nAllow: /allowed-slash/index.html\nDisallow: /\n",
        says: &[Says {
            to: "foobot",
            may: &["/allowed-slash/", "/allowed-slash/index.html"],
            may_not: &["/allowed-slash/index.htm", "/anyother-url"],
        }],
    },
    Case {
        from: "Documentation, /fish",
        text: b"user-agent: FooBot\ndisallow: /\nallow: /fish\n",
        says: &[Says {
            to: FOO,
            may: &["/fish", "/fish.html", "/fish/salmon.html", "/fishheads", "/fishheads/yummy.html", "/fish.html?id=anything"],
            may_not: &["/bar", "/Fish.asp", "/catfish", "/?id=fish"],
        }],
    },
    Case {
        from: "Documentation, /fish*",
        text: b"user-agent: FooBot\ndisallow: /\nallow: /fish*\n",
        says: &[Says {
            to: FOO,
            may: &["/fish", "/fish.html", "/fish/salmon.html", "/fishheads", "/fishheads/yummy.html", "/fish.html?id=anything"],
            may_not: &["/bar", "/Fish.bar", "/catfish", "/?id=fish"],
        }],
    },
    Case {
        from: "Documentation, /fish/",
        text: b"user-agent: FooBot\ndisallow: /\nallow: /fish/\n",
        says: &[Says {
            to: FOO,
            may: &["/fish/", "/fish/salmon", "/fish/?salmon", "/fish/salmon.html", "/fish/?id=anything"],
            may_not: &["/bar", "/fish", "/fish.html", "/Fish/Salmon.html"],
        }],
    },
    Case {
        from: "Documentation, /*.php",
        text: b"user-agent: FooBot\ndisallow: /\nallow: /*.php\n",
        says: &[Says {
            to: FOO,
            may: &["/filename.php", "/folder/filename.php", "/folder/filename.php?parameters", "//folder/any.php.file.html", "/filename.php/", "/index?f=filename.php/"],
            may_not: &["/bar", "/php/", "/index?php", "/windows.PHP"],
        }],
    },
    Case {
        from: "Documentation, /*.php$",
        text: b"user-agent: FooBot\ndisallow: /\nallow: /*.php$\n",
        says: &[Says {
            to: FOO,
            may: &["/filename.php", "/folder/filename.php"],
            may_not: &["/bar", "/filename.php?parameters", "/filename.php/", "/filename.php5", "/php/", "/filename?php", "/aaaphpaaa", "//windows.PHP"],
        }],
    },
    Case {
        from: "Documentation, /fish*.php",
        text: b"user-agent: FooBot\ndisallow: /\nallow: /fish*.php\n",
        says: &[Says { to: FOO, may: &["/fish.php", "/fishheads/catfish.php?parameters"], may_not: &["/bar", "/Fish.PHP"] }],
    },
    Case { from: "Documentation, order 1", text: b"user-agent: FooBot\nallow: /p\ndisallow: /\n", says: &[Says { to: FOO, may: &["/page"], may_not: &[] }] },
    Case { from: "Documentation, order 2", text: b"user-agent: FooBot\nallow: /folder\ndisallow: /folder\n", says: &[Says { to: FOO, may: &["/folder/page"], may_not: &[] }] },
    Case { from: "Documentation, order 3", text: b"user-agent: FooBot\nallow: /page\ndisallow: /*.htm\n", says: &[Says { to: FOO, may: &[], may_not: &["/page.htm"] }] },
    Case { from: "Documentation, order 4", text: b"user-agent: FooBot\nallow: /$\ndisallow: /\n", says: &[Says { to: FOO, may: &["/"], may_not: &["/page.html"] }] },
];
