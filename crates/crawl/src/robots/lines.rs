//! The lines of a robots.txt.
//!
//! Knows line ends, comments, keys and how they are misspelt. Must not know groups. Whatever is no line of a known key
//! is passed over.

use crate::limits;

/// What a line says something of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    UserAgent,
    Allow,
    Disallow,
    CrawlDelay,
    Sitemap,
    Unknown,
}

/// A line with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1 on.
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) value: &'a [u8],
}

const KEYS: [(&[u8], Kind); 18] = [
    (b"user-agent", Kind::UserAgent),
    (b"useragent", Kind::UserAgent),
    (b"user agent", Kind::UserAgent),
    (b"useg-agent", Kind::UserAgent),
    (b"allow", Kind::Allow),
    (b"disallow", Kind::Disallow),
    (b"dissallow", Kind::Disallow),
    (b"dissalow", Kind::Disallow),
    (b"disalow", Kind::Disallow),
    (b"diasllow", Kind::Disallow),
    (b"disallaw", Kind::Disallow),
    (b"desallow", Kind::Disallow),
    (b"crawl-delay", Kind::CrawlDelay),
    (b"crawldelay", Kind::CrawlDelay),
    (b"crawl delay", Kind::CrawlDelay),
    (b"sitemap", Kind::Sitemap),
    (b"site-map", Kind::Sitemap),
    (b"sitemaps", Kind::Sitemap),
];

/// The lines that have a key. A line ends with LF, CR or both; a byte order mark, or the beginning of one, is no part of
/// the first.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mark = [0xef, 0xbb, 0xbf].iter().zip(text).take_while(|(mark, byte)| mark == byte).count();
    let (mut rest, mut number) = (Some(&text[mark..]), 0);
    let numbered = std::iter::from_fn(move || {
        let text = rest?;
        number += 1;
        let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let line = &text[..end.unwrap_or(text.len())];
        rest = end.map(|end| match &text[end..] {
            [b'\r', b'\n', rest @ ..] => rest,
            after => &after[1..],
        });
        Some((number, line))
    });
    numbered.filter_map(|(number, line)| {
        let (key, value) = key_and_value(&line[..line.len().min(limits::ROBOTS_LINE)])?;
        let known = KEYS.iter().find(|(known, _)| key.eq_ignore_ascii_case(known));
        Some(Line { number, kind: known.map_or(Kind::Unknown, |(_, kind)| *kind), value })
    })
}

/// What stands before and after the colon, or, where somebody has forgotten that, before and after the only blank.
fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|byte| *byte == b'#').unwrap_or(line.len());
    let line = line[..end].trim_ascii();
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let (at, is_colon) = match line.iter().position(|byte| *byte == b':') {
        Some(at) => (at, true),
        None => (line.iter().position(is_blank)?, false),
    };
    let (key, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
    let is_line = !key.is_empty() && (is_colon || !value.iter().any(is_blank));
    is_line.then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lines have a known key, how many another, and the number of the last.
    fn counted(text: &[u8]) -> (usize, usize, usize) {
        let is_known = |line: &Line<'_>| !matches!(line.kind, Kind::Unknown | Kind::CrawlDelay);
        let (known, unknown): (Vec<_>, Vec<_>) = lines(text).partition(is_known);
        let last = known.iter().chain(&unknown).map(|line| line.number).max();
        (known.len(), unknown.len(), last.unwrap_or(0))
    }

    /// As robots_test.cc counts them: line ends of each kind, and marks.
    #[test]
    fn lines_are_counted_as_google_does() {
        let ends = [["\n"; 6], ["\r\n"; 6], ["\r"; 6], ["\n", "\r\n", "\n", "\r\n", "\n", ""]];
        for ends in ends.into_iter().chain([["\n", "\n", "\n", "\n", "\n", ""]]) {
            let lines =
                ["User-Agent: foo", "Allow: /some/path", "User-Agent: bar", "", "", "Disallow: /"];
            let text: String =
                lines.iter().zip(ends).flat_map(|(line, end)| [*line, end]).collect();
            assert_eq!(counted(text.as_bytes()), (4, 0, 6), "{text:?}");
        }
        let first = b"User-Agent: foo\nAllow: /AnyValue\n";
        let marks: [(&[u8], _); 4] = [
            (b"\xef\xbb\xbf", (2, 0)),
            (b"\xef\xbb", (2, 0)),
            (b"\xef", (2, 0)),
            (b"\xef\x11\xbf", (1, 1)),
        ];
        for (mark, (known, unknown)) in marks {
            assert_eq!(counted(&[mark, first].concat()), (known, unknown, 2), "{mark:?}");
        }
        assert_eq!(counted(b"User-Agent: foo\n\xef\xbb\xbfAllow: /AnyValue\n"), (1, 1, 2));
    }

    #[test]
    fn a_line_without_a_colon_has_two_words() {
        let table: [(&[u8], _); 7] = [
            (b"disallow /x", Some((&b"disallow"[..], &b"/x"[..]))),
            (b"disallow : /x # why", Some((b"disallow", b"/x"))),
            (b"disallow", None),
            (b"a word or two", None),
            (b": /x", None),
            (b"# disallow: /", None),
            (b"allow:", Some((b"allow", b""))),
        ];
        for (line, expected) in table {
            assert_eq!(key_and_value(line), expected, "{}", line.escape_ascii());
        }
    }
}
