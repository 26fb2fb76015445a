//! Paths: segments of dots, and references that are relative (RFC 3986, 5.2).

/// The path without its segments `.` and `..`, be their dots percent-encoded.
pub(super) fn remove_dots(path: &[u8]) -> Vec<u8> {
    if !path.starts_with(b"/") {
        return path.to_vec();
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match dots(segment) {
            0 => kept.push(segment),
            count => {
                if count == 2 {
                    kept.pop();
                }
                // what a last one stands for is a folder
                if is_last {
                    kept.push(b"");
                }
            }
        }
    }
    let mut clean = Vec::with_capacity(path.len());
    for segment in kept {
        clean.push(b'/');
        clean.extend(segment);
    }
    clean
}

/// 1 for `.`, 2 for `..`, 0 for anything else.
fn dots(segment: &[u8]) -> usize {
    let mut rest = segment;
    let mut count = 0;
    while !rest.is_empty() {
        let one = rest.strip_prefix(b".");
        let Some(after) =
            one.or_else(|| rest.strip_prefix(b"%2e")).or_else(|| rest.strip_prefix(b"%2E"))
        else {
            return 0;
        };
        rest = after;
        count += 1;
    }
    if count > 2 { 0 } else { count }
}

/// The absolute URL that `reference` means beside `base`, which is one.
pub(super) fn resolve(base: &[u8], reference: &[u8]) -> Vec<u8> {
    let scheme_end = find(base, b"://").map_or(0, |at| at + 3);
    let is_end = |byte: &u8| b"/?#".contains(byte);
    let authority_end =
        base[scheme_end..].iter().position(is_end).map_or(base.len(), |at| scheme_end + at);
    let cut_at = |marks: &[u8]| {
        let rest = &base[authority_end..];
        authority_end + rest.iter().position(|byte| marks.contains(byte)).unwrap_or(rest.len())
    };
    match reference {
        [b'/', b'/', ..] => [&base[..scheme_end.saturating_sub(2)], reference].concat(),
        [b'/', ..] => [&base[..authority_end], reference].concat(),
        [b'?', ..] => [&base[..cut_at(b"?#")], reference].concat(),
        [b'#', ..] | [] => [&base[..cut_at(b"#")], reference].concat(),
        _ => {
            let path = &base[authority_end..cut_at(b"?#")];
            let folder = path.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
            let slash: &[u8] = if folder == 0 { b"/" } else { b"" };
            [&base[..authority_end + folder], slash, reference].concat()
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_removed() {
        let table = [
            ("/a/b/c/./../../g", "/a/g"),
            ("/a/..", "/"),
            ("/..", "/"),
            ("/a/.", "/a/"),
            ("/%2e%2E/x/...", "/x/..."),
            ("//a//..", "//a/"),
            ("/", "/"),
        ];
        for (path, want) in table {
            let got = remove_dots(path.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), want, "{path}");
        }
    }
}
