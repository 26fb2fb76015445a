//! What a field's name and value may be (RFC 9110, 5).

use super::fault::RequestError;

pub(super) fn validate_name(name: &str) -> Result<(), RequestError> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(RequestError::BadFieldName(name.escape_debug().to_string().into()));
    }
    Ok(())
}

pub(super) fn validate_value(name: &str, value: &[u8]) -> Result<(), RequestError> {
    match value.iter().position(|&b| !is_value_byte(b)) {
        None => Ok(()),
        Some(at) => Err(RequestError::BadFieldValue { name: name.into(), byte: value[at], at }),
    }
}

/// `tchar` of RFC 9110, 5.6.2.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^'..=b'`' | b'|' | b'~')
}

/// `field-vchar`, SP and HTAB of RFC 9110, 5.5.
pub(super) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Without optional white space (RFC 9110, 5.6.3) at either end.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let Some(first) = value.iter().position(|b| !is_blank(b)) else { return &[] };
    let last = value.iter().rposition(|b| !is_blank(b)).unwrap_or(first);
    &value[first..=last]
}

/// Without white space at either end, folded lines' ends included.
pub(super) fn trim_folded(value: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let Some(first) = value.iter().position(|b| !is_blank(b)) else { return &[] };
    let last = value.iter().rposition(|b| !is_blank(b)).unwrap_or(first);
    &value[first..=last]
}
