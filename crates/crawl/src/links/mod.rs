//! Where a response leads: the links of pages, of fields, of sitemaps and feeds, and who may follow them.
//!
//! Knows HTML, XML, style sheets, fields and charsets. Must not know what is fetched, when, or whether it may be. Invariants: a body is
//! read in pieces and kept in none; a response has no more links than [`limits::LINKS`], of [`limits::LINKS_BYTES`] together.

mod charset;
mod css;
mod directives;
mod field;
mod html;
mod xml;

use std::collections::HashSet;

use url::Url;

use crate::limits;

pub use charset::sniff;
pub use css::links_of_css;
pub use directives::forbids_following;
pub use field::links_of_field;
pub use html::HtmlLinks;
pub use xml::links_of_xml;

/// What a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Something to go on to: `a`, `area`, `link rel=next` and its like, a Link field, an entry of a feed.
    Page,
    /// What a page is shown with: images, style sheets, scripts, media.
    Part,
    /// A page within this one: `iframe`, `frame`.
    Frame,
    /// Where a page sends on to: `meta http-equiv=refresh`, or a redirect.
    Redirect,
    /// How the page says it is called: `link rel=canonical`.
    Canonical,
    /// An entry of a sitemap, or another sitemap.
    Sitemap,
}

impl Kind {
    /// One word, for people and logs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Page => "page",
            Kind::Part => "part",
            Kind::Frame => "frame",
            Kind::Redirect => "redirect",
            Kind::Canonical => "canonical",
            Kind::Sitemap => "sitemap",
        }
    }
}

/// A link, resolved: its scheme is `http` or `https`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    /// Where it leads.
    pub url: Url,
    /// What it is.
    pub kind: Kind,
}

/// Links as they are found: each once.
#[derive(Debug, Default)]
struct Links {
    found: Vec<Link>,
    seen: HashSet<Link>,
    bytes: usize,
}

impl Links {
    /// Adds where `text` leads from `base`, if that is somewhere to be fetched from.
    fn add(&mut self, base: &Url, text: &str, kind: Kind) {
        let text = text.trim_matches(|char: char| char.is_ascii_whitespace());
        if self.found.len() >= limits::LINKS || text.is_empty() || text.len() > limits::LINK_BYTES {
            return;
        }
        let Ok(url) = base.join(text) else { return };
        if matches!(url.scheme(), "http" | "https") && url.has_host() {
            let (length, link) = (url.as_str().len(), Link { url, kind });
            if self.bytes + length <= limits::LINKS_BYTES && self.seen.insert(link.clone()) {
                self.bytes += length;
                self.found.push(link);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_bounded_together() {
        let mut links = Links::default();
        let long = "x".repeat(limits::LINK_BYTES - 10);
        for number in 0..2_100 {
            links.add(&"http://a/".parse().unwrap(), &format!("{number}{long}"), Kind::Page);
        }
        let bytes: usize = links.found.iter().map(|link| link.url.as_str().len()).sum();
        assert!((limits::LINKS_BYTES - limits::LINK_BYTES..=limits::LINKS_BYTES).contains(&bytes));
    }
}
