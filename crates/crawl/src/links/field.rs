//! Links in a Link field (RFC 8288).
//!
//! Knows its grammar, and what is wrong with it: that is passed over.

use url::Url;

use super::{Kind, Link, Links};

/// Where the value of a Link field leads from `base`. What its `anchor` says, a link of another resource, is none of this one's.
pub fn links_of_field(base: &Url, value: &str) -> Vec<Link> {
    let mut links = Links::default();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((target, after)) = after.split_once('>') else { break };
        let end = end_of_parameters(after);
        let parameters = &after[..end];
        rest = &after[end..];
        if parameter(parameters, "anchor").is_some() {
            continue;
        }
        let relations = parameter(parameters, "rel").unwrap_or_default().to_ascii_lowercase();
        if let Some(kind) = kind_of(&relations) {
            links.add(base, target, kind);
        }
    }
    links.found
}

/// What a link of these relations is; `None` if it is nothing to be fetched.
pub(super) fn kind_of(relations: &str) -> Option<Kind> {
    const NOTHING: [&str; 4] = ["preconnect", "dns-prefetch", "nofollow", "pingback"];
    const PARTS: [&str; 9] = [
        "stylesheet",
        "icon",
        "preload",
        "modulepreload",
        "prefetch",
        "apple-touch-icon",
        "manifest",
        "mask-icon",
        "shortcut",
    ];
    let has = |names: &[&str]| {
        relations.split_ascii_whitespace().any(|relation| names.contains(&relation))
    };
    if has(&NOTHING) {
        None
    } else if has(&["canonical"]) {
        Some(Kind::Canonical)
    } else if has(&PARTS) {
        Some(Kind::Part)
    } else {
        Some(Kind::Page)
    }
}

/// Where the parameters of a link end: at the next comma that is in no quoted string.
fn end_of_parameters(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let base: Url = "http://a/x/y".parse().unwrap();
        let table: [(&str, &[(&str, Kind)]); 8] = [
            ("<z>; rel=next", &[("http://a/x/z", Kind::Page)]),
            (
                "<z>; rel=\"prev\", </c>;rel=\"canonical\"",
                &[("http://a/x/z", Kind::Page), ("http://a/c", Kind::Canonical)],
            ),
            (
                "<s.css>; rel=preload; as=style; title=\"a, <b>\", <t>",
                &[("http://a/x/s.css", Kind::Part), ("http://a/x/t", Kind::Page)],
            ),
            ("<http://b/>; rel=preconnect", &[]),
            ("<z>; rel=next; anchor=\"#p\"", &[]),
            ("<z", &[]),
            ("<mailto:a@b>, <javascript:x>", &[]),
            (" , ,<q>", &[("http://a/x/q", Kind::Page)]),
        ];
        for (value, expected) in table {
            let links = links_of_field(&base, value);
            let links: Vec<_> = links.iter().map(|link| (link.url.as_str(), link.kind)).collect();
            assert_eq!(links, expected, "{value}");
        }
    }
}
