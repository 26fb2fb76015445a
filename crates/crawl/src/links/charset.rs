//! In which encoding a body is.
//!
//! Knows byte order marks, `charset=`, the first bytes of HTML, and how to guess. Must not know links. As the HTML standard has it (13.2.3.2):
//! a mark, then what the transfer says, then what the page says of itself, then a guess by its bytes.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How many bytes of a page are looked at for what it says of itself (HTML, 13.2.3.2).
const PRESCAN: usize = 1024;

/// The encoding of a body that begins with `begin`, by its Content-Type and by itself. `domain` is the last label of its host, in
/// small ASCII letters, which says something about who writes there.
pub fn sniff(content_type: Option<&str>, begin: &[u8], domain: Option<&str>) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(begin) {
        return encoding;
    }
    let told = content_type.and_then(|field| charset_after(field.as_bytes()));
    told.or_else(|| prescan(begin)).unwrap_or_else(|| guess(begin, domain))
}

fn guess(begin: &[u8], domain: Option<&str>) -> &'static Encoding {
    let domain = domain.map(str::as_bytes);
    let domain = domain.filter(|domain| domain.iter().all(u8::is_ascii_lowercase));
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(begin, false);
    detector.guess(domain, Utf8Detection::Allow)
}

/// What a page says of itself within its first bytes: `<meta charset=…>`, or the same in `content`.
fn prescan(begin: &[u8]) -> Option<&'static Encoding> {
    let begin = begin[..begin.len().min(PRESCAN)].to_ascii_lowercase();
    let mut rest = &begin[..];
    while let Some(at) = rest.windows(5).position(|window| window == b"<meta") {
        rest = &rest[at + 5..];
        let end = rest.iter().position(|byte| *byte == b'>')?;
        if let Some(encoding) = charset_after(&rest[..end]) {
            // who can be read so far is in neither (13.2.3.3)
            let is_wide = encoding == UTF_16BE || encoding == UTF_16LE;
            return Some(if is_wide { UTF_8 } else { encoding });
        }
    }
    None
}

/// What stands behind the first `charset=`.
fn charset_after(text: &[u8]) -> Option<&'static Encoding> {
    const NAME: &[u8] = b"charset";
    let mut rest = text;
    loop {
        let at = rest.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))?;
        rest = &rest[at + NAME.len()..];
        if let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            let value = value.strip_prefix(b"\"").or(value.strip_prefix(b"'")).unwrap_or(value);
            let is_end = |byte: &u8| {
                byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b';' | b'/')
            };
            let end = value.iter().position(is_end).unwrap_or(value.len());
            return match &value[..end] {
                label if label.eq_ignore_ascii_case(b"x-user-defined") => Some(WINDOWS_1252),
                label => Encoding::for_label(label),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_turn() {
        let russian = encoding_rs::WINDOWS_1251.encode("Съешь ещё этих мягких французских булок").0;
        let table: [(Option<&str>, &[u8], &str); 11] = [
            (Some("text/html; charset=iso-8859-2"), b"\xef\xbb\xbfx", "UTF-8"),
            (None, b"\xff\xfex\0", "UTF-16LE"),
            (Some("text/html; charset=\"Shift_JIS\""), b"<meta charset=utf-8>", "Shift_JIS"),
            (Some("text/html;charset = koi8-r"), b"", "KOI8-R"),
            (Some("text/html; charset=nonsense"), b"<meta charset='euc-jp'/>", "EUC-JP"),
            (Some("text/html"), b"<META HTTP-EQUIV=x content='text/html; charset=gb2312'>", "GBK"),
            (None, b"<meta charset=utf-16>", "UTF-8"),
            (None, "plain \u{e4}\u{f6}\u{fc} text".as_bytes(), "UTF-8"),
            (None, &russian, "windows-1251"),
            (None, b"", "UTF-8"),
            (None, b"<meta charset", "UTF-8"),
        ];
        for (field, begin, expected) in table {
            let encoding = sniff(field, begin, None);
            assert_eq!(encoding.name(), expected, "{field:?} {}", begin.escape_ascii());
        }
    }
}
