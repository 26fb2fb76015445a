//! How the content of a part is encoded, and the words around it.

/// A Content-Transfer-Encoding (RFC 2045, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoder {
    Binary,
    EightBit,
    SevenBit,
    Base64,
    QuotedPrintable,
}

/// The longest line of an encoded content.
const LINE: usize = 76;

impl Encoder {
    const ALL: [Encoder; 5] = [
        Encoder::Binary,
        Encoder::EightBit,
        Encoder::SevenBit,
        Encoder::Base64,
        Encoder::QuotedPrintable,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Encoder::Binary => "binary",
            Encoder::EightBit => "8bit",
            Encoder::SevenBit => "7bit",
            Encoder::Base64 => "base64",
            Encoder::QuotedPrintable => "quoted-printable",
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Encoder> {
        Encoder::ALL.into_iter().find(|it| name.eq_ignore_ascii_case(it.name().as_bytes()))
    }

    /// Whether content is sent as it is.
    pub(super) fn is_plain(self) -> bool {
        matches!(self, Encoder::Binary | Encoder::EightBit | Encoder::SevenBit)
    }

    /// The content as it is sent; `None` if it cannot be.
    pub(super) fn encode(self, content: &[u8]) -> Option<Vec<u8>> {
        match self {
            Encoder::Binary | Encoder::EightBit => Some(content.to_vec()),
            Encoder::SevenBit => content.is_ascii().then(|| content.to_vec()),
            Encoder::Base64 => Some(base64(content)),
            Encoder::QuotedPrintable => Some(quoted_printable(content)),
        }
    }
}

fn base64(content: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = Vec::with_capacity(content.len().div_ceil(3) * 4);
    let mut column = 0;
    for group in content.chunks(3) {
        if column == LINE {
            encoded.extend(b"\r\n");
            column = 0;
        }
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            encoded.push(if at > group.len() { b'=' } else { digit });
        }
        column += 4;
    }
    encoded
}

fn quoted_printable(content: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(content.len());
    let mut column = 0;
    let mut at = 0;
    while at < content.len() {
        let byte = content[at];
        if content[at..].starts_with(b"\r\n") {
            encoded.extend(b"\r\n");
            (column, at) = (0, at + 2);
            continue;
        }
        let ends_line = at + 1 == content.len() || content[at + 1..].starts_with(b"\r\n");
        let plain = match byte {
            b' ' | b'\t' => !ends_line,
            b'=' => false,
            byte => byte.is_ascii_graphic(),
        };
        let word = if plain { vec![byte] } else { format!("={byte:02X}").into_bytes() };
        // a line that goes on needs room for its mark
        if column + word.len() > LINE - usize::from(!ends_line) {
            encoded.extend(b"=\r\n");
            column = 0;
        }
        column += word.len();
        encoded.extend(word);
        at += 1;
    }
    encoded
}

/// A name as it stands between quotes.
pub(super) fn quoted(name: &[u8], by_backslash: bool) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(name.len());
    for &byte in name {
        match (byte, by_backslash) {
            (b'"' | b'\\', true) => quoted.extend([b'\\', byte]),
            (b'"', false) => quoted.extend(b"%22"),
            (b'\r', false) => quoted.extend(b"%0D"),
            (b'\n', false) => quoted.extend(b"%0A"),
            (byte, _) => quoted.push(byte),
        }
    }
    quoted
}

/// The type of a file, by its name.
pub(super) fn type_of(file_name: &[u8]) -> Option<&'static str> {
    const TYPES: [(&str, &str); 10] = [
        (".gif", "image/gif"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".png", "image/png"),
        (".svg", "image/svg+xml"),
        (".txt", "text/plain"),
        (".htm", "text/html"),
        (".html", "text/html"),
        (".pdf", "application/pdf"),
        (".xml", "application/xml"),
    ];
    let lower = file_name.to_ascii_lowercase();
    TYPES.iter().find(|(end, _)| lower.ends_with(end.as_bytes())).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_rfc_2045() {
        type Row = (Encoder, &'static [u8], Option<&'static [u8]>);
        let table: [Row; 8] = [
            (Encoder::Base64, b"a", Some(b"YQ==")),
            (Encoder::Base64, b"ab", Some(b"YWI=")),
            (Encoder::Base64, b"abc", Some(b"YWJj")),
            (Encoder::SevenBit, b"\xe4", None),
            (Encoder::SevenBit, b"a", Some(b"a")),
            (Encoder::QuotedPrintable, b"a=\xe4 b", Some(b"a=3D=E4 b")),
            (Encoder::QuotedPrintable, b"a \r\nb\t", Some(b"a=20\r\nb=09")),
            (Encoder::Binary, b"\0\xff", Some(b"\0\xff")),
        ];
        for (encoder, content, want) in table {
            assert_eq!(encoder.encode(content).as_deref(), want, "{encoder:?}");
        }
    }

    #[test]
    fn lines_are_no_longer_than_76() {
        for encoder in [Encoder::Base64, Encoder::QuotedPrintable] {
            let encoded = encoder.encode(&[b'='; 200]).expect("it can be");
            let longest =
                encoded.split(|&byte| byte == b'\n').map(|line| line.trim_ascii_end().len());
            assert_eq!(longest.max(), Some(LINE));
        }
    }
}
