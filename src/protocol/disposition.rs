//! The file name that a response proposes (RFC 6266).
//!
//! Knows Content-Disposition, as it should be written and as it is. Must not know file systems. Invariant:
//! a name is one component of 1 to [`NAME_MAX`] bytes, without separators, control characters and characters
//! that cannot be seen, and does not begin with a dot: it can neither leave its directory nor hide in it, nor look
//! like another.

use percent_encoding::percent_decode;

use super::field::trim;

/// Bytes of a name, as Linux's file systems have it (limits.h).
const NAME_MAX: usize = 255;

/// The file name in the value of a Content-Disposition field, if it has one that is fit to be one.
///
/// Of a path the last segment counts, and leading dots and characters that cannot be seen are left out. `filename*` (RFC 8187) stands before
/// `filename`, of which the first of each counts. Parameters may stand without a disposition type, values
/// with spaces and without quotation marks, or between single ones: some servers write so.
pub fn proposed_file_name(value: &[u8]) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    let mut rest = value;
    while !rest.is_empty() {
        let (name, value, after) = parameter(rest);
        rest = after;
        if name.eq_ignore_ascii_case(b"filename") {
            plain = plain.or(value);
        } else if name.eq_ignore_ascii_case(b"filename*") {
            extended = extended.or(value.and_then(|value| decode(&value)));
        }
    }
    extended.and_then(|name| fit(&name)).or_else(|| fit(&text(&plain?)))
}

/// What stands before the first semicolon outside quotation marks, as a name and a value, and what after it.
fn parameter(input: &[u8]) -> (&[u8], Option<Vec<u8>>, &[u8]) {
    let end = input.iter().position(|byte| b"=;".contains(byte)).unwrap_or(input.len());
    let (name, rest) = (trim(&input[..end]), &input[end..]);
    let Some(rest) = rest.strip_prefix(b"=") else {
        return (name, None, rest.strip_prefix(b";").unwrap_or_default());
    };
    let blanks = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
    let rest = &rest[blanks..];
    let (value, rest) = match rest.first() {
        Some(&mark @ (b'"' | b'\'')) => quoted(&rest[1..], mark),
        _ => {
            let end = rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len());
            (trim(&rest[..end]).to_vec(), &rest[end..])
        }
    };
    let end = rest.iter().position(|&byte| byte == b';').map_or(rest.len(), |at| at + 1);
    (name, Some(value), &rest[end..])
}

/// The content up to a quotation mark, or the end, and what follows it.
fn quoted(input: &[u8], mark: u8) -> (Vec<u8>, &[u8]) {
    let mut content = Vec::new();
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        at += 1;
        match byte {
            _ if byte == mark => break,
            b'\\' if at < input.len() => {
                content.push(input[at]);
                at += 1;
            }
            _ => content.push(byte),
        }
    }
    (content, &input[at..])
}

/// An `ext-value` (RFC 8187, 3.2.1), in one of the two charsets that are in use.
fn decode(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |&byte| byte == b'\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let is_encoded =
        |octet: &[u8]| octet.iter().take(2).all(u8::is_ascii_hexdigit) && octet.len() > 1;
    if !encoded.split(|&byte| byte == b'%').skip(1).all(is_encoded) {
        return None;
    }
    let bytes: Vec<u8> = percent_decode(encoded).collect();
    match charset {
        _ if charset.eq_ignore_ascii_case(b"UTF-8") => String::from_utf8(bytes).ok(),
        _ if charset.eq_ignore_ascii_case(b"ISO-8859-1") => Some(latin1(&bytes)),
        _ => None,
    }
}

/// What is no UTF-8 is ISO-8859-1, as fields once were.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The name of a file that is proposed by this.
fn fit(path: &str) -> Option<String> {
    let segment = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let segment: String = segment.chars().filter(|&char| !is_unseen(char)).collect();
    let hides = |char: char| char == '.' || char.is_whitespace();
    let name = segment.trim_end().trim_start_matches(hides);
    let is_fit = (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    is_fit.then(|| name.to_owned())
}

/// Whether a character has no shape of its own: what sets the direction of writing, has no width, or is ignored where
/// it is not known (Unicode's `Bidi_Control`, `Default_Ignorable_Code_Point`, `Zl` and `Zp`).
fn is_unseen(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(value: &str) -> Option<String> {
        proposed_file_name(value.as_bytes())
    }

    #[test]
    fn names_that_are_proposed() {
        let table = [
            // RFC 6266, 5
            ("Attachment; filename=example.html", "example.html"),
            ("INLINE; FILENAME= \"an example.html\"", "an example.html"),
            ("attachment; filename*= UTF-8''%e2%82%ac%20rates", "\u{20ac} rates"),
            (
                "attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates",
                "\u{20ac} rates",
            ),
            ("attachment; filename*=iso-8859-1'en'%A3%20rates", "\u{a3} rates"),
            // as servers write
            ("attachment; filename=an example.html ; size=3", "an example.html"),
            ("filename=a", "a"),
            ("attachment;filename='a;b';x=y", "a;b"),
            ("attachment; filename=\"a;b\\\"c\" ; x", "a;b\"c"),
            ("attachment; x=\"filename=no\"; filename=yes", "yes"),
            ("attachment; filename=first; filename=second", "first"),
            ("attachment; filename=\"open", "open"),
            ("attachment; filename=a%20b", "a%20b"),
            ("attachment; filename=caf\u{e9}", "caf\u{e9}"),
            // an extended value that cannot be read stands aside
            ("attachment; filename*=UTF-8''%ff; filename=plain", "plain"),
            ("attachment; filename*=koi8-r''a; filename=plain", "plain"),
            ("attachment; filename*=a; filename=plain", "plain"),
            ("attachment; filename*=UTF-8''..; filename=plain", "plain"),
            ("attachment; filename*=UTF-8''%zz; filename=ok.txt", "ok.txt"),
            ("attachment; filename*=UTF-8''a%; filename=ok.txt", "ok.txt"),
            ("attachment; filename*=UTF-8''a%4; filename=ok.txt", "ok.txt"),
            ("attachment; filename*=UTF-8''a%4g%20b; filename=ok.txt", "ok.txt"),
            ("attachment; filename*=UTF-8''%zz; filename*=UTF-8''b; filename=ok.txt", "b"),
            // what cannot be seen is left out
            ("attachment; filename*=UTF-8''report%E2%80%AEfdp.exe", "reportfdp.exe"),
            ("attachment; filename=\"a\u{200b}b\u{2066}c\u{feff}\"", "abc"),
            ("attachment; filename=\"\u{200f}.bashrc\"", "bashrc"),
            ("attachment; filename=\"\u{5e9}\u{5dc}.txt\"", "\u{5e9}\u{5dc}.txt"),
            // paths
            ("attachment; filename=/etc/passwd", "passwd"),
            ("attachment; filename=\"..\\\\..\\\\x.dll\"", "x.dll"),
            ("attachment; filename*=UTF-8''..%2F..%2Fx", "x"),
            ("attachment; filename=.bashrc", "bashrc"),
            ("attachment; filename=\". ..a\"", "a"),
        ];
        for (value, want) in table {
            assert_eq!(name(value).as_deref(), Some(want), "{value}");
        }
        assert_eq!(proposed_file_name(b"a; filename=caf\xe9").as_deref(), Some("caf\u{e9}"));
    }

    #[test]
    fn what_is_no_name() {
        let long = format!("attachment; filename={}", "x".repeat(NAME_MAX + 1));
        let table = [
            "",
            ";",
            "attachment",
            "attachment; filename",
            "attachment; filename=",
            "attachment; filename=\"\"",
            "attachment; filename=.",
            "attachment; filename=..",
            "attachment; filename=\"a/\"",
            "attachment; filename=\"/\"",
            "attachment; filename=\"a\\\\\\\\\"",
            "attachment; filename*=UTF-8''a%0d%0ab",
            "attachment; filename*=UTF-8''%00",
            "attachment; filename*=UTF-8''%C2%85",
            "attachment; filename*=UTF-8''%E2%80%AE",
            "attachment; filename*=UTF-8''%zz",
            "attachment; filename=\".\u{200b}.\"",
            "attachment; xfilename=a",
            &long,
        ];
        for value in table {
            assert_eq!(name(value), None, "{value}");
        }
    }
}
