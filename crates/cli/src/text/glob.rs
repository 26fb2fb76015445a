//! URL globs in curl's syntax: `{a,b}`, `[1-100]`, `[001-100:2]`, `[a-z:3]`.
//!
//! Knows the syntax, and `#1` in names of files. Must not know URLs. Invariant: the URLs of a glob are made
//! one by one, when they are asked for: what it holds is as long as its text, however many they are.

use std::fmt::Write as _;

/// Globs in one URL, as many as curl takes.
const MOST: usize = 100;

/// Characters that are shown of what is wrong.
const EXCERPT: usize = 24;

/// A text that stands for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    parts: Vec<Part>,
    /// How many texts it stands for.
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Set(Vec<String>),
    Letters { first: u8, step: u8, count: u64 },
    Numbers { first: u64, step: u64, count: u64, width: usize },
}

/// One of the texts of a glob, and what its parts are in it: what `#1`, `#2`, … stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Globbed {
    pub(crate) text: String,
    pub(crate) values: Vec<String>,
}

impl Glob {
    /// A text that stands for itself.
    pub(crate) fn literal(text: String) -> Glob {
        Glob { parts: vec![Part::Literal(text)], count: 1 }
    }

    /// Says what is wrong with it, and where.
    pub(crate) fn parse(text: &str) -> Result<Glob, String> {
        let mut parser = Parser { text, at: 0 };
        let mut parts = Vec::new();
        while !parser.rest().is_empty() {
            let literal = parser.literal()?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal));
            }
            match parser.rest().as_bytes().first() {
                Some(b'{') => parts.push(parser.set()?),
                Some(b'[') => parts.push(parser.range()?),
                Some(_) | None => {}
            }
            if parts.iter().filter(|part| part.varies()).count() > MOST {
                return Err(format!("more than {MOST} globs"));
            }
        }
        let count = parts.iter().try_fold(1_u64, |product, part| product.checked_mul(part.count()));
        match count.filter(|count| i64::try_from(*count).is_ok()) {
            Some(count) => Ok(Glob { parts, count }),
            None => Err("its globs stand for more URLs than can be counted".to_owned()),
        }
    }

    /// How many texts it stands for.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The one with this number, from 0 on: the last part changes first.
    pub(crate) fn get(&self, index: u64) -> Globbed {
        let mut rest = index;
        let mut pieces: Vec<(String, bool)> = Vec::with_capacity(self.parts.len());
        for part in self.parts.iter().rev() {
            pieces.push((part.get(rest % part.count()), part.varies()));
            rest /= part.count();
        }
        pieces.reverse();
        let text = pieces.iter().map(|(piece, _)| piece.as_str()).collect();
        let values = pieces.into_iter().filter_map(|(piece, varies)| varies.then_some(piece));
        Globbed { text, values: values.collect() }
    }
}

/// Whether a file's name has a number that a glob may stand in for.
pub(crate) fn has_number(name: &str) -> bool {
    name.as_bytes().windows(2).any(|pair| pair[0] == b'#' && pair[1].is_ascii_digit())
}

/// A file's name with `values` in the place of `#1`, `#2`, …; a number that there is no value for stays.
pub(crate) fn numbered(template: &str, values: &[String]) -> String {
    let mut name = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('#') {
        name.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let number = after[..digits].parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        match number.and_then(|number| values.get(number)) {
            Some(value) => {
                name.push_str(value);
                rest = &after[digits..];
            }
            None => {
                name.push('#');
                rest = after;
            }
        }
    }
    name.push_str(rest);
    name
}

impl Part {
    fn varies(&self) -> bool {
        !matches!(self, Part::Literal(_))
    }

    fn count(&self) -> u64 {
        match self {
            Part::Literal(_) => 1,
            Part::Set(texts) => texts.len() as u64,
            Part::Letters { count, .. } | Part::Numbers { count, .. } => *count,
        }
    }

    fn get(&self, index: u64) -> String {
        let mut text = String::new();
        match self {
            Part::Literal(literal) => text.push_str(literal),
            Part::Set(texts) => {
                let index = usize::try_from(index).expect("an index of a list in memory");
                text.push_str(&texts[index]);
            }
            Part::Letters { first, step, .. } => {
                let ahead = u8::try_from(index).expect("an index among 26") * step;
                text.push(char::from(first + ahead));
            }
            Part::Numbers { first, step, width, .. } => {
                _ = write!(text, "{:0width$}", first + index * step);
            }
        }
        text
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let char = self.rest().chars().next()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn wrong(&self, what: &str) -> String {
        let rest: String = self.rest().chars().take(EXCERPT).collect();
        format!("{what}: {rest:?} (-g takes URLs as they are)")
    }

    /// What stands before the next glob.
    fn literal(&mut self) -> Result<String, String> {
        let mut literal = String::new();
        loop {
            let rest = self.rest();
            match rest.as_bytes() {
                [] | [b'{', ..] => return Ok(literal),
                [b'[', ..] => match as_it_is(rest) {
                    0 => return Ok(literal),
                    length => {
                        literal.push_str(&rest[..length]);
                        self.at += length;
                        continue;
                    }
                },
                [b'}' | b']', ..] => {
                    return Err(self.wrong("a closing bracket without its opening one"));
                }
                [b'\\', b'{' | b'}' | b'[' | b']', ..] => self.at += 1,
                _ => {}
            }
            literal.extend(self.next());
        }
    }

    /// `{a,b}`
    fn set(&mut self) -> Result<Part, String> {
        let open = self.at;
        self.at += 1;
        let mut texts = vec![String::new()];
        loop {
            let at = self.at;
            let char = match self.next() {
                Some('}') if at == open + 1 => {
                    self.at = open;
                    return Err(self.wrong("nothing within braces"));
                }
                Some('}') => return Ok(Part::Set(texts)),
                Some(',') => {
                    texts.push(String::new());
                    continue;
                }
                Some('{' | '[' | ']') => {
                    self.at = at;
                    return Err(self.wrong("a bracket within braces"));
                }
                Some('\\') => self.next(),
                char => char,
            };
            let Some(char) = char else {
                self.at = open;
                return Err(self.wrong("a brace that is not closed"));
            };
            texts.last_mut().expect("at least one").push(char);
        }
    }

    /// `[1-5]` and its like
    fn range(&mut self) -> Result<Part, String> {
        let end = self.rest().find(']');
        let part = end.and_then(|end| range(&self.rest()[1..end]));
        let (Some(part), Some(end)) = (part, end) else {
            return Err(self.wrong("no range, as [1-9], [a-z] or [001-100:5]"));
        };
        self.at += end + 1;
        Ok(part)
    }
}

/// How much of what begins with a bracket stands for itself: an IPv6 address, or nothing in brackets.
fn as_it_is(text: &str) -> usize {
    let Some(end) = text.find(']') else { return 0 };
    let within = &text[1..end];
    let address = within.split_once('%').map_or(within, |(address, _)| address);
    let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
    if within.is_empty() || is_address { end + 1 } else { 0 }
}

/// What stands in the brackets.
fn range(text: &str) -> Option<Part> {
    let (bounds, step) = match text.split_once(':') {
        Some((bounds, step)) => (bounds, step.parse::<u64>().ok()?),
        None => (text, 1),
    };
    let (from, to) = bounds.split_once('-')?;
    if let (&[first], &[last]) = (from.as_bytes(), to.as_bytes())
        && first.is_ascii_alphabetic()
        && last.is_ascii_alphabetic()
    {
        let count = count(first.into(), last.into(), step)?;
        let few = last - first <= b'z' - b'a';
        // where there is one alone, curl allows no step but 1
        return few.then_some(Part::Letters { first, step: u8::try_from(step).ok()?, count });
    }
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let first = number(from)?;
    let count = count(first, number(to.trim_start_matches([' ', '\t']))?, step)?;
    let width = if from.starts_with('0') { from.len() } else { 0 };
    Some(Part::Numbers { first, step, count, width })
}

/// How many there are from `first` to `last`, if that is a range: a step leads to a second one.
fn count(first: u64, last: u64, step: u64) -> Option<u64> {
    let length = last.checked_sub(first)?;
    let fits = if length == 0 { step == 1 } else { (1..=length).contains(&step) };
    if fits { (length / step).checked_add(1) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(glob: &str) -> Vec<String> {
        let glob = Glob::parse(glob).expect(glob);
        (0..glob.count()).map(|index| glob.get(index).text).collect()
    }

    #[test]
    fn globs_stand_for_what_they_do_to_curl() {
        let table: [(&str, &[&str]); 18] = [
            ("", &[""]),
            ("h/é", &["h/é"]),
            ("h/{a,b}[1-3:2]", &["h/a1", "h/a3", "h/b1", "h/b3"]),
            ("{,a}x", &["x", "ax"]),
            ("{é,ü}", &["é", "ü"]),
            ("{a}", &["a"]),
            ("{a\\,b,c\\}}", &["a,b", "c}"]),
            ("[08-10]", &["08", "09", "10"]),
            ("[0-2]", &["0", "1", "2"]),
            ("[5-5]", &["5"]),
            ("[1- 2]", &["1", "2"]),
            ("[1-4:2]", &["1", "3"]),
            ("[a-e:2]", &["a", "c", "e"]),
            ("[Y-Z]", &["Y", "Z"]),
            ("\\{a,b\\}\\[1-2\\]", &["{a,b}[1-2]"]),
            ("a\\b", &["a\\b"]),
            ("http://[::1]:80/[]", &["http://[::1]:80/[]"]),
            ("http://[fe80::1%25eth0]/", &["http://[fe80::1%25eth0]/"]),
        ];
        for (glob, want) in table {
            assert_eq!(texts(glob), want, "{glob}");
        }
    }

    #[test]
    fn what_is_no_glob_is_told_with_its_place() {
        let table = [
            ("h/{a", "a brace that is not closed: \"{a\""),
            ("h/{}", "nothing within braces: \"{}\""),
            ("{a,{b}}", "a bracket within braces: \"{b}}\""),
            ("a}b", "a closing bracket without its opening one: \"}b\""),
            ("a]b", "a closing bracket without its opening one: \"]b\""),
            ("[3-1]", "no range"),
            ("[a-z:0]", "no range"),
            ("[a-z:300]", "no range"),
            ("[1-2", "no range"),
            ("[1-2:5]", "no range"),
            ("[5-5:2]", "no range"),
            ("[a-Z]", "no range"),
            ("[A-z]", "no range"),
            ("[1-2x]", "no range"),
            ("[0-1:]", "no range"),
            ("[+1-2]", "no range"),
            ("[b]", "no range"),
            ("[1-99999999999999999999]", "no range"),
            ("[0-18446744073709551615]", "no range"),
            ("[1-9999999999][1-9999999999]", "its globs stand for more URLs"),
        ];
        for (glob, complaint) in table {
            let error = Glob::parse(glob).expect_err(glob);
            assert!(error.starts_with(complaint), "{glob}: {error}");
        }
        assert!(Glob::parse(&"{a}".repeat(MOST)).is_ok());
        assert!(Glob::parse(&"{a}".repeat(MOST + 1)).is_err());
    }

    #[test]
    fn ten_billion_urls_are_made_one_by_one() {
        let glob = Glob::parse("http://h/[0000000000-9999999999]").expect("a glob");
        assert_eq!(glob.count(), 10_000_000_000);
        assert_eq!(glob.get(9_876_543_210).text, "http://h/9876543210");
        assert_eq!(glob.get(7).text, "http://h/0000000007");
    }

    #[test]
    fn names_take_parts_of_urls() {
        let globbed = Glob::parse("h{a,b}/[08-10]").expect("a glob").get(1);
        let table = [
            ("f_#1_#2.txt", "f_a_09.txt"),
            ("#3#0#x#", "#3#0#x#"),
            ("#11", "#11"),
            ("##1", "#a"),
            ("é#2é", "é09é"),
            ("plain", "plain"),
        ];
        for (template, name) in table {
            assert_eq!(numbered(template, &globbed.values), name, "{template}");
        }
    }
}
