//! What was fetched, and where it leads.
//!
//! Knows responses as they are taken down. Must not know what becomes of links.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::SystemTime;

use http::HeaderMap;
use ringdove::Url;

use crate::frontier::Entry;
use crate::links::{
    HtmlLinks, Kind, Link, forbids_following, links_of_css, links_of_field, links_of_xml, sniff,
};
use crate::simhash::Simhash;
use crate::warc::Truncated;

/// A response, as it was taken down.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page<'a> {
    /// What was asked for.
    pub url: &'a Url,
    /// As it was queued; `None` of a robots.txt.
    pub entry: Option<&'a Entry>,
    /// When the request went out.
    pub date: SystemTime,
    /// Who answered.
    pub address: Option<IpAddr>,
    /// The head of the request, as it was sent.
    pub request: &'a [u8],
    /// The head of the response, as it came.
    pub head: &'a [u8],
    /// The status.
    pub status: u16,
    /// The fields of the response.
    pub fields: &'a HeaderMap,
    /// The body, without transfer coding.
    pub body: &'a [u8],
    /// The body without content coding, too, as far as that can be undone.
    pub decoded: &'a [u8],
    /// Why the body is not whole, if it is not.
    pub truncated: Option<Truncated>,
    /// The name by which pages may speak of the crawler.
    pub token: &'a str,
    /// Where the same payload was kept before: the URL and the date of that record.
    pub original: Option<(String, String)>,
    /// The answer was that it is as it was there (304): the digest of that payload.
    pub unmodified: Option<String>,
    /// The [`simhash`](crate::simhash) of its text, where near duplicates are looked for.
    pub simhash: Option<u64>,
    /// A page that was kept before and is nearly the same, and in how many bits of the simhash it differs.
    pub similar: Option<(String, u32)>,
}

/// Says where pages lead.
pub trait Extract {
    /// The links of a page, resolved.
    fn extract(&mut self, page: &Page<'_>) -> Vec<Link>;

    /// The same, and the [`simhash`](crate::simhash) of its text, if that has one.
    fn extract_with_text(&mut self, page: &Page<'_>) -> (Vec<Link>, Option<u64>) {
        (self.extract(page), None)
    }
}

/// Redirects; Link fields; HTML, style sheets, sitemaps and feeds, by what Content-Type says or, if it says nothing, the body looks like. What a page, or its
/// X-Robots-Tag, forbids to follow is not followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct StandardExtract;

impl Extract for StandardExtract {
    fn extract(&mut self, page: &Page<'_>) -> Vec<Link> {
        extract(page, Reads::Links).0
    }

    fn extract_with_text(&mut self, page: &Page<'_>) -> (Vec<Link>, Option<u64>) {
        extract(page, Reads::Text)
    }
}

/// What of a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Links,
    /// Its text, too.
    Text,
}

fn extract(page: &Page<'_>, reads: Reads) -> (Vec<Link>, Option<u64>) {
    let field = |name: &str| page.fields.get(name).and_then(|value| value.to_str().ok());
    if (300..400).contains(&page.status)
        && let Some(url) = field("location").and_then(|location| page.url.join(location).ok())
    {
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let links = is_web.then_some(Link { url, kind: Kind::Redirect });
        return (links.into_iter().collect(), None);
    }
    let tags = page.fields.get_all("x-robots-tag").iter();
    let mut tags = tags.filter_map(|value| value.to_str().ok());
    let follows_none = tags.any(|value| forbids_following(value, page.token));
    if follows_none && reads == Reads::Links {
        return (Vec::new(), None);
    }
    let values = page.fields.get_all("link").iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut links: Vec<_> = values.flat_map(|value| links_of_field(page.url, value)).collect();
    let (of_body, simhash) = links_of_body(page, field("content-type"), reads);
    links.extend(of_body);
    if follows_none {
        links.clear();
    }
    (links, simhash)
}

fn links_of_body(
    page: &Page<'_>,
    content_type: Option<&str>,
    reads: Reads,
) -> (Vec<Link>, Option<u64>) {
    let media = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    let media = media.unwrap_or_default().to_ascii_lowercase();
    let begin = page.decoded.trim_ascii_start();
    let links = match media.as_str() {
        "text/html" | "application/xhtml+xml" => return links_of_html(page, content_type, reads),
        "text/css" => links_of_css(page.url, &String::from_utf8_lossy(page.decoded)),
        "" if begin.starts_with(b"<?xml") => links_of_xml(page.url, page.decoded),
        "" if begin.starts_with(b"<") => return links_of_html(page, content_type, reads),
        media if media.ends_with("/xml") || media.ends_with("+xml") => {
            links_of_xml(page.url, page.decoded)
        }
        _ => Vec::new(),
    };
    (links, None)
}

fn links_of_html(
    page: &Page<'_>,
    content_type: Option<&str>,
    reads: Reads,
) -> (Vec<Link>, Option<u64>) {
    /// As much as tells one charset from another.
    const BEGIN: usize = 16 * 1024;
    let begin = &page.decoded[..page.decoded.len().min(BEGIN)];
    let domain = page.url.domain().and_then(|name| name.rsplit('.').next());
    let encoding = sniff(content_type, begin, domain);
    if reads == Reads::Links {
        let mut html = HtmlLinks::new(page.url.clone(), encoding, page.token);
        html.write(page.decoded);
        return (html.end(), None);
    }
    let simhash = Rc::new(RefCell::new(Simhash::default()));
    let seen = Rc::clone(&simhash);
    let reader = Box::new(move |text: &str| seen.borrow_mut().write(text));
    let mut html = HtmlLinks::with_text(page.url.clone(), encoding, page.token, reader);
    html.write(page.decoded);
    (html.end(), simhash.take().end())
}
