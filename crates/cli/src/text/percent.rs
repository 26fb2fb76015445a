//! Percent-encoding (RFC 3986, 2.1) of what becomes a part of a URL or of a form.

/// All but the unreserved characters of RFC 3986, 2.3.
pub(crate) fn percent_encoded(bytes: &[u8]) -> String {
    encoded(bytes, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// As [`percent_encoded`], with + for a space.
pub(crate) fn form_encoded(bytes: &[u8]) -> String {
    percent_encoded(bytes).replace("%20", "+")
}

/// What is given as a query: as it is, but for what could not stand in one.
pub(crate) fn as_query(bytes: &[u8]) -> String {
    encoded(bytes, |byte| byte.is_ascii_graphic() && byte != b'#')
}

/// Percent-encodes what is not kept.
pub(crate) fn encoded(bytes: &[u8], keep: impl Fn(u8) -> bool) -> String {
    let encode = |&byte: &u8| match keep(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_and_what_is_not() {
        let bytes = "aZ09-._~ +&=%#/é\r\n\0".as_bytes();
        assert_eq!(percent_encoded(bytes), "aZ09-._~%20%2B%26%3D%25%23%2F%C3%A9%0D%0A%00");
        assert_eq!(form_encoded(bytes), "aZ09-._~+%2B%26%3D%25%23%2F%C3%A9%0D%0A%00");
        assert_eq!(as_query(bytes), "aZ09-._~%20+&=%%23/%C3%A9%0D%0A%00");
    }
}
