//! Links in style sheets: `url(…)`, and the strings of `@import` (CSS Syntax Module Level 3).
//!
//! Knows comments, strings and escapes, as far as links need them. Invariant: each byte is looked at a bounded number of times.

use url::Url;

use super::{Kind, Link, Links};
use crate::limits;

/// Where a style sheet leads from `base`: what it is shown with, other style sheets included.
pub fn links_of_css(base: &Url, text: &str) -> Vec<Link> {
    let mut links = Links::default();
    let mut rest = text;
    let mut is_import = false;
    while let Some(char) = rest.chars().next() {
        let after = &rest[char.len_utf8()..];
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else if matches!(char, '"' | '\'') {
            let (value, after) = string(after, char);
            if is_import {
                links.add(base, &value, Kind::Part);
            }
            (rest, is_import) = (after, false);
        } else if let Some(import) = without_prefix(rest, "@import") {
            (rest, is_import) = (import, true);
        } else if let Some(argument) = without_prefix(rest, "url(") {
            let (value, after) = argument_of_url(argument);
            links.add(base, &value, Kind::Part);
            (rest, is_import) = (after, false);
        } else {
            is_import &= char.is_ascii_whitespace();
            rest = past_word(char, after);
        }
    }
    links.found
}

/// What no link begins within: the rest of a word, so that `curl(` is no `url(`.
fn past_word(first: char, after: &str) -> &str {
    let is_word = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_');
    if is_word(first) { after.trim_start_matches(is_word) } else { after }
}

fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let begin = text.get(..prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The value of a string up to its quote, and what stands behind that. A line ends it, too.
fn string(text: &str, quote: char) -> (String, &str) {
    let (value, after) = value_until(text, |char| char == quote || char == '\n');
    (value, after.strip_prefix(quote).unwrap_or(after))
}

/// The address within `url(`, and what stands behind its bracket.
fn argument_of_url(text: &str) -> (String, &str) {
    let text = text.trim_ascii_start();
    let (value, after) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => string(&text[1..], quote),
        _ => value_until(text, |char| char == ')'),
    };
    (value, after.trim_ascii_start().strip_prefix(')').unwrap_or(after))
}

/// What stands before the first that ends it, unescaped; longer than any link it is empty.
fn value_until(text: &str, ends: impl Fn(char) -> bool) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        if ends(char) {
            return (bounded(value), &text[at..]);
        }
        match char {
            '\\' => value.extend(escaped(&mut chars)),
            char if value.len() <= limits::LINK_BYTES => value.push(char),
            _ => {}
        }
    }
    (bounded(value), "")
}

fn bounded(value: String) -> String {
    if value.len() > limits::LINK_BYTES { String::new() } else { value }
}

/// What stands behind a backslash: up to six hexadecimal digits and a blank, or a character that is itself; a line end is nothing.
fn escaped(chars: &mut std::str::CharIndices<'_>) -> Option<char> {
    let digits: usize = chars.as_str().bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
    if digits == 0 {
        return chars.next().map(|(_, char)| char).filter(|char| *char != '\n');
    }
    let number = u32::from_str_radix(&chars.as_str()[..digits], 16).ok()?;
    chars.nth(digits - 1);
    if chars.as_str().starts_with(|char: char| char.is_ascii_whitespace()) {
        chars.next();
    }
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_style_sheets() {
        let table: [(&str, &[&str]); 13] = [
            ("a{background:url(x.png)}", &["x.png"]),
            ("a{background:URL( 'x y.png' )}b{c:url(\"z\")}", &["x%20y.png", "z"]),
            (
                "@import 'a.css';@import \"b.css\" print;@IMPORT url(c.css);",
                &["a.css", "b.css", "c.css"],
            ),
            ("@import foo 'a.css'", &[]),
            ("/* url(no) */ a{b:url(yes)} /* url(", &["yes"]),
            ("a{content:'url(no)'}", &[]),
            ("a{content:'\\'url(no)'}", &[]),
            ("a{b:curl(no)}", &[]),
            ("a{b:url(a\\)b)}", &["a)b"]),
            ("a{b:url(\\78 \\000079z)}", &["xyz"]),
            ("a{b:url(data:image/png;base64,AA)}", &[]),
            ("a{b:url(", &[]),
            ("a{b:url('x\n)}c{d:url(y)}", &["x", "y"]),
        ];
        let base: Url = "http://a.example/s/".parse().unwrap();
        for (text, expected) in table {
            let links = links_of_css(&base, text);
            let found: Vec<_> = links
                .iter()
                .map(|link| link.url.as_str().trim_start_matches(base.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
        let long = format!("a{{b:url({})}}c{{d:url(y)}}", "x".repeat(limits::LINK_BYTES + 1));
        assert_eq!(links_of_css(&base, &long).len(), 1);
    }
}
