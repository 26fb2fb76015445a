//! Links in sitemaps (sitemaps.org) and feeds (RSS, Atom).
//!
//! Knows which of their elements have URLs. Invariants: any text is read as far as it is XML; entities beyond XML's own are
//! none; what nests deeper than a feed does ends it.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use url::Url;

use super::{Kind, Link, Links};

/// How deep an element of use can be.
const DEPTH: usize = 64;

/// Where a sitemap, an index of sitemaps or a feed leads; nothing, if it is none of these. What a sitemap has counts as
/// [`Kind::Sitemap`], entries of a feed as [`Kind::Page`].
pub fn links_of_xml(url: &Url, text: &[u8]) -> Vec<Link> {
    let text = super::sniff(None, &text[..text.len().min(64)], None).decode(text).0;
    let mut reader = Reader::from_str(text.trim_start());
    reader.config_mut().check_end_names = false;
    let mut links = Links::default();
    let mut open: Vec<String> = Vec::new();
    let mut said = String::new();
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(element) => {
                said.clear();
                take_attributes(url, &open, &element, &mut links);
                open.push(element.name().as_ref().to_owned());
                if open.len() > DEPTH {
                    break;
                }
            }
            Event::Empty(element) => take_attributes(url, &open, &element, &mut links),
            Event::Text(text) => said.push_str(&text),
            Event::CData(text) => said.push_str(text.as_ref()),
            Event::GeneralRef(name) => push_reference(&mut said, &name),
            Event::End(_) => {
                if let Some(kind) = kind_of(&open) {
                    links.add(url, &said, kind);
                }
                open.pop();
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    links.found
}

/// What the text of the innermost open element leads to.
fn kind_of(open: &[String]) -> Option<Kind> {
    let names: Vec<_> = open.iter().map(String::as_str).collect();
    match names[..] {
        ["urlset", "url", "loc"] | ["sitemapindex", "sitemap", "loc"] => Some(Kind::Sitemap),
        ["rss", "channel", "item", "link"] | ["rdf:RDF", "item", "link"] => Some(Kind::Page),
        _ => None,
    }
}

/// `<link href=…>` of an entry of Atom.
fn take_attributes(url: &Url, open: &[String], element: &BytesStart<'_>, links: &mut Links) {
    if !(element.name().as_ref() == "link" && matches!(open, [.., last] if last == "entry")) {
        return;
    }
    let value = |name: &str| {
        let attribute = element.try_get_attribute(name).ok().flatten()?;
        Some(attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
    };
    if value("rel").is_none_or(|relation| relation == "alternate") {
        links.add(url, &value("href").unwrap_or_default(), Kind::Page);
    }
}

fn push_reference(said: &mut String, name: &quick_xml::events::BytesRef<'_>) {
    match name.resolve_char_ref() {
        Ok(Some(char)) => said.push(char),
        _ => said.push_str(quick_xml::escape::resolve_xml_entity(name).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sitemaps_and_feeds() {
        use Kind::{Page, Sitemap};
        let table: [(&str, &[(&str, Kind)]); 9] = [
            (
                "<?xml version='1.0'?>\n<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' xmlns:image='i'><url><loc> http://a/1?x=1&amp;y=2 </loc>\
                 <lastmod>2020</lastmod><image:image><image:loc>http://a/i.png</image:loc></image:image></url><url><loc><![CDATA[http://a/2]]></loc></url></urlset>",
                &[("http://a/1?x=1&y=2", Sitemap), ("http://a/2", Sitemap)],
            ),
            (
                "<sitemapindex><sitemap><loc>http://a/s&#49;.xml</loc></sitemap></sitemapindex>",
                &[("http://a/s1.xml", Sitemap)],
            ),
            (
                "<rss><channel><link>http://a/</link><item><link>/n</link></item></channel></rss>",
                &[("http://a/n", Page)],
            ),
            (
                "<feed><link href='http://a/self'/><entry><link href='/e'/><link rel='edit' href='/no'></link><link rel='alternate' href='/f'></link></entry></feed>",
                &[("http://a/e", Page), ("http://a/f", Page)],
            ),
            (
                "<urlset><url><loc>http://a/1</loc></url><url><loc>http://a/2",
                &[("http://a/1", Sitemap)],
            ),
            ("<html><body><a href='/x'>x</a></body></html>", &[]),
            ("not XML at all", &[]),
            (
                "<!DOCTYPE x [<!ENTITY a 'b'>]><urlset><url><loc>http://a/&a;&a;</loc></url></urlset>",
                &[("http://a/", Sitemap)],
            ),
            (
                "\u{feff}<urlset><url><loc>http://a/\u{e9}</loc></url></urlset>",
                &[("http://a/%C3%A9", Sitemap)],
            ),
        ];
        let base: Url = "http://a/sitemap.xml".parse().unwrap();
        for (text, expected) in table {
            let links = links_of_xml(&base, text.as_bytes());
            let links: Vec<_> = links.iter().map(|link| (link.url.as_str(), link.kind)).collect();
            assert_eq!(links, expected, "{text}");
        }
        let deep = "<x>".repeat(100_000);
        assert!(links_of_xml(&base, deep.as_bytes()).is_empty());
    }
}
