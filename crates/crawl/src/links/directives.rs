//! What a page says to robots of its links: `<meta name=robots>` and X-Robots-Tag.
//!
//! Knows their words. Must not know where they stand.

/// Whether this value, of an X-Robots-Tag or of a `meta`, forbids the crawler with this product token to follow the page's links: `nofollow`, or
/// `none`. In the field, what stands behind another's name and a colon is said to that one alone.
pub fn forbids_following(value: &str, agent: &str) -> bool {
    let mut is_ours = true;
    value.split(',').any(|directive| {
        let directive = directive.trim();
        let (name, said) = match directive.split_once(':') {
            // not a name, but a directive with a value
            Some((name, _)) if is_valued(name.trim()) => (None, directive),
            Some((name, said)) => (Some(name.trim()), said.trim()),
            None => (None, directive),
        };
        if let Some(name) = name {
            is_ours = name == "*"
                || name.eq_ignore_ascii_case("robots")
                || name.eq_ignore_ascii_case(agent);
        }
        is_ours && (said.eq_ignore_ascii_case("nofollow") || said.eq_ignore_ascii_case("none"))
    })
}

fn is_valued(name: &str) -> bool {
    const VALUED: [&str; 4] =
        ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];
    VALUED.iter().any(|valued| valued.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let table = [
            ("nofollow", true),
            ("noindex, NoFollow", true),
            ("none", true),
            ("noindex", false),
            ("all", false),
            ("", false),
            ("otherbot: nofollow", false),
            ("OurBot: nofollow", true),
            ("otherbot: noindex, nofollow", false),
            ("otherbot: noindex, ourbot: nofollow", true),
            ("unavailable_after: 25 Jun 2010 15:00:00 PST, nofollow", true),
            ("max-snippet: 5, nofollow", true),
        ];
        for (value, expected) in table {
            assert_eq!(forbids_following(value, "ourbot"), expected, "{value}");
        }
    }
}
