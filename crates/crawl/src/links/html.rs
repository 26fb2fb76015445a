//! Links in HTML, found while it streams by.
//!
//! Knows elements and their attributes. Must not keep the document. Invariants: any bytes are HTML; what stands before a
//! `base` is resolved by the URL of the page, and what comes after it by that.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

use encoding_rs::{Decoder, Encoding};
use lol_html::html_content::{Element, TextChunk, TextType};
use lol_html::{
    AsciiCompatibleEncoding, DocumentContentHandlers, ElementContentHandlers, HtmlRewriter,
    MemorySettings, Selector, Settings,
};
use url::Url;

use super::directives::forbids_following;
use super::field::kind_of;
use super::{Kind, Link, Links};
use crate::limits;

/// What may have a link, or say something about links.
const ELEMENTS: &str = "a[href], area[href], base[href], link[href], meta[content], img, source, iframe[src], \
    frame[src], script[src], embed[src], audio[src], video, track[src], object[data], input[src]";

/// The same, read once.
static SELECTOR: LazyLock<Selector> =
    LazyLock::new(|| ELEMENTS.parse().expect("it is a list of selectors"));

type Rewriter = HtmlRewriter<'static, fn(&[u8])>;

/// Reads one page.
///
/// ```
/// use ringdove_crawl::links::HtmlLinks;
///
/// let base = "http://a.example/x/".parse()?;
/// let mut html = HtmlLinks::new(base, encoding_rs::UTF_8, "ourbot");
/// html.write(b"<a href='y?p=1&amp;q=2'>y</a> <a re");
/// html.write(b"l=nofollow href=z>z</a>");
/// let links = html.end();
/// assert_eq!(links.len(), 1);
/// assert_eq!(links[0].url.as_str(), "http://a.example/x/y?p=1&q=2");
/// # Ok::<(), url::ParseError>(())
/// ```
pub struct HtmlLinks {
    /// `None` where there was more than it may hold; the links before that count.
    rewriter: Option<Rewriter>,
    /// Of an encoding in which ASCII does not stand for itself.
    decoder: Option<Decoder>,
    state: Rc<RefCell<State>>,
}

struct State {
    base: Url,
    has_base: bool,
    agent: String,
    follows_none: bool,
    links: Links,
    /// Who reads its text, if anybody does.
    reader: Option<Reader>,
}

/// Reads text, in pieces.
type Reader = Box<dyn FnMut(&str)>;

impl HtmlLinks {
    /// Begins with a page of this URL, in this encoding ([`super::sniff`]), for the crawler with this product token.
    pub fn new(url: Url, encoding: &'static Encoding, agent: &str) -> HtmlLinks {
        HtmlLinks::begin(url, encoding, agent, None)
    }

    /// The same, and `reader` gets the text that is shown, in pieces, and a line end behind each text of an element. That costs about as much again as the links.
    pub fn with_text(
        url: Url,
        encoding: &'static Encoding,
        agent: &str,
        reader: Box<dyn FnMut(&str)>,
    ) -> HtmlLinks {
        HtmlLinks::begin(url, encoding, agent, Some(reader))
    }

    fn begin(
        url: Url,
        encoding: &'static Encoding,
        agent: &str,
        reader: Option<Reader>,
    ) -> HtmlLinks {
        let reads_text = reader.is_some();
        let state = State {
            base: url,
            has_base: false,
            agent: agent.to_owned(),
            follows_none: false,
            links: Links::default(),
            reader,
        };
        let state = Rc::new(RefCell::new(state));
        let seen = Rc::clone(&state);
        let ascii = AsciiCompatibleEncoding::new(encoding);
        let mut settings = Settings::new()
            .with_strict(false)
            .with_encoding(ascii.unwrap_or_else(AsciiCompatibleEncoding::utf_8))
            .with_memory_settings(
                MemorySettings::new().with_max_allowed_memory_usage(limits::HTML_MEMORY),
            )
            .append_element_content_handler((
                Cow::Borrowed(&*SELECTOR),
                ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
                    seen.borrow_mut().take(element);
                    Ok(())
                }),
            ));
        if reads_text {
            let seen = Rc::clone(&state);
            settings = settings.append_document_content_handler(
                DocumentContentHandlers::default().text(move |text: &mut TextChunk<'_>| {
                    seen.borrow_mut().read(text);
                    Ok(())
                }),
            );
        }
        let decoder = ascii.is_none().then(|| encoding.new_decoder());
        HtmlLinks { rewriter: Some(HtmlRewriter::new(settings, |_: &[u8]| {})), decoder, state }
    }

    /// More of it.
    pub fn write(&mut self, bytes: &[u8]) {
        let Some(rewriter) = &mut self.rewriter else { return };
        let is_written = match &mut self.decoder {
            None => rewriter.write(bytes).is_ok(),
            Some(decoder) => {
                let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0);
                let mut text = String::with_capacity(room);
                let _ = decoder.decode_to_string(bytes, &mut text, false);
                rewriter.write(text.as_bytes()).is_ok()
            }
        };
        if !is_written {
            self.rewriter = None;
        }
    }

    /// The end of it: its links, each once, without those that it forbids to follow.
    pub fn end(self) -> Vec<Link> {
        if let Some(rewriter) = self.rewriter {
            // what is wrong with the end of a page says nothing of what came before
            let _ = rewriter.end();
        }
        let mut state = self.state.borrow_mut();
        let mut links = std::mem::take(&mut state.links.found);
        if state.follows_none {
            links.retain(|link| link.kind == Kind::Canonical || link.kind == Kind::Redirect);
        }
        links
    }
}

impl State {
    /// Text that is shown; scripts and styles are none.
    fn read(&mut self, text: &TextChunk<'_>) {
        if let Some(read) = &mut self.reader
            && matches!(text.text_type(), TextType::Data | TextType::RCData)
        {
            read(text.as_str());
            if text.last_in_text_node() {
                read("\n");
            }
        }
    }

    fn take(&mut self, element: &Element<'_, '_>) {
        let attribute = |name: &str| element.get_attribute(name).map(|value| unescaped(&value));
        match element.tag_name().as_str() {
            "base" if !self.has_base => {
                self.has_base = true;
                let base = attribute("href").and_then(|href| self.base.join(href.trim()).ok());
                self.base = base.unwrap_or_else(|| self.base.clone());
            }
            "a" | "area" if !forbids(attribute("rel")) => self.add(attribute("href"), Kind::Page),
            "link" => {
                let relations = attribute("rel").unwrap_or_default().to_ascii_lowercase();
                if let Some(kind) = kind_of(&relations) {
                    self.add(attribute("href"), kind);
                }
            }
            "meta" => {
                self.take_meta(attribute("name"), attribute("http-equiv"), attribute("content"))
            }
            "iframe" | "frame" => self.add(attribute("src"), Kind::Frame),
            "img" | "source" => {
                self.add(attribute("src"), Kind::Part);
                for candidate in candidates(&attribute("srcset").unwrap_or_default()) {
                    self.add(Some(candidate.to_owned()), Kind::Part);
                }
            }
            "video" => {
                self.add(attribute("src"), Kind::Part);
                self.add(attribute("poster"), Kind::Part);
            }
            "object" => self.add(attribute("data"), Kind::Part),
            "script" | "embed" | "audio" | "track" | "input" => {
                self.add(attribute("src"), Kind::Part)
            }
            // an `a` that forbids it, a second base
            _ => {}
        }
    }

    fn take_meta(&mut self, name: Option<String>, does: Option<String>, content: Option<String>) {
        let content = content.unwrap_or_default();
        let is = |given: &Option<String>, name: &str| {
            given.as_ref().is_some_and(|given| given.trim().eq_ignore_ascii_case(name))
        };
        if is(&does, "refresh") {
            self.add(refresh(&content).map(str::to_owned), Kind::Redirect);
        } else if is(&name, "robots") || is(&name, &self.agent) {
            self.follows_none |= forbids_following(&content, &self.agent);
        }
    }

    fn add(&mut self, value: Option<String>, kind: Kind) {
        if let Some(value) = value {
            self.links.add(&self.base, &value, kind);
        }
    }
}

fn forbids(relations: Option<String>) -> bool {
    let relations = relations.unwrap_or_default();
    relations.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("nofollow"))
}

/// The URL of a `refresh`: `5; url='/x'`.
fn refresh(content: &str) -> Option<&str> {
    let (_, target) = content.split_once([';', ','])?;
    let target = target.trim_start();
    let target = match target.get(..3) {
        Some(name) if name.eq_ignore_ascii_case("url") => {
            target[3..].trim_start().strip_prefix('=').unwrap_or(target)
        }
        _ => target,
    };
    let target = target.trim();
    match target.chars().next() {
        Some(quote @ ('"' | '\'')) => target[1..].split(quote).next(),
        Some(_) => Some(target),
        None => None,
    }
}

/// The URLs of a `srcset`: each up to a blank, its descriptors up to a comma.
fn candidates(srcset: &str) -> impl Iterator<Item = &str> {
    let mut rest = srcset;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|char: char| char.is_ascii_whitespace() || char == ',');
        let end = rest.find(|char: char| char.is_ascii_whitespace()).unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        let bare = url.trim_end_matches(',');
        rest = if bare.len() == url.len() {
            after.split_once(',').map_or("", |(_, rest)| rest)
        } else {
            after
        };
        (!bare.is_empty()).then_some(bare)
    })
}

/// With its character references resolved (HTML, 13.2.5.72), of which those without a semicolon are four.
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        rest = match reference(after) {
            Some((text, rest)) => {
                out.push_str(&text);
                rest
            }
            None => {
                out.push('&');
                after
            }
        };
    }
    out + rest
}

/// What a reference stands for, and what follows it.
fn reference(text: &str) -> Option<(String, &str)> {
    /// The longest name that there is has 31 characters.
    const LONGEST: usize = 32;
    const BARE: [(&str, &str); 4] = [("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\"")];
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';');
    if let Some(end) = end {
        let (name, rest) = (&text[..end], &text[end + 1..]);
        let known = match name.strip_prefix('#') {
            Some(number) => numbered(number).map(String::from),
            None => quick_xml::escape::resolve_html5_entity(name).map(str::to_owned),
        };
        if let Some(known) = known {
            return Some((known, rest));
        }
    }
    let (name, stands_for) = BARE.into_iter().find(|(name, _)| text.starts_with(name))?;
    let rest = &text[name.len()..];
    // the beginning of another word, or of a parameter
    let goes_on = rest.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '=');
    (!goes_on).then(|| (stands_for.to_owned(), rest))
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links_in(html: &[u8], encoding: &'static Encoding, piece: usize) -> Vec<(String, Kind)> {
        let mut links = HtmlLinks::new("http://a/x/y".parse().unwrap(), encoding, "ourbot");
        html.chunks(piece).for_each(|piece| links.write(piece));
        links.end().into_iter().map(|link| (link.url.into(), link.kind)).collect()
    }

    #[test]
    fn each_element_has_its_links() {
        use Kind::{Canonical, Frame, Page, Part, Redirect};
        let table: [(&str, &[(&str, Kind)]); 22] = [
            ("<a href=z>", &[("http://a/x/z", Page)]),
            ("<A HREF=' /z\n'>", &[("http://a/z", Page)]),
            ("<a href=z rel='me nofollow'><a rel=NoFollow href=q>", &[]),
            (
                "<area href='?p&amp;q=&lt;&#x41;&#66;&eacute;'>",
                &[("http://a/x/y?p&q=%3CAB%C3%A9", Page)],
            ),
            ("<a href='?a=1&copy=2&amp=3&lt'>", &[("http://a/x/y?a=1&copy=2&amp=3%3C", Page)]),
            ("<base href=/b/><base href=/c/><a href=z>", &[("http://a/b/z", Page)]),
            (
                "<a href=1><base href='http://b'><a href=2>",
                &[("http://a/x/1", Page), ("http://b/2", Page)],
            ),
            (
                "<link rel=stylesheet href=s.css><link rel='next' href=2>",
                &[("http://a/x/s.css", Part), ("http://a/x/2", Page)],
            ),
            (
                "<link rel=canonical href=/c><link rel=preconnect href=//b>",
                &[("http://a/c", Canonical)],
            ),
            (
                "<img src=1.png srcset='2.png 2x, 3.png,4.png 100w ,5.png'>",
                &[
                    ("http://a/x/1.png", Part),
                    ("http://a/x/2.png", Part),
                    ("http://a/x/3.png,4.png", Part),
                    ("http://a/x/5.png", Part),
                ],
            ),
            (
                "<iframe src=/f></iframe><frame src=/g>",
                &[("http://a/f", Frame), ("http://a/g", Frame)],
            ),
            ("<meta http-equiv=Refresh content='5; URL=\"/r\"'>", &[("http://a/r", Redirect)]),
            ("<meta http-equiv=refresh content='0;/r'>", &[("http://a/r", Redirect)]),
            ("<meta http-equiv=refresh content=5>", &[]),
            ("<a href=z><meta name=robots content='noindex, nofollow'><a href=q>", &[]),
            (
                "<meta name=OurBot content=none><a href=z><link rel=canonical href=c>",
                &[("http://a/x/c", Canonical)],
            ),
            ("<meta name=otherbot content=nofollow><a href=z>", &[("http://a/x/z", Page)]),
            (
                "<script src=s.js></script><script>'<a href=no>'</script><!-- <a href=no> -->",
                &[("http://a/x/s.js", Part)],
            ),
            (
                "<a href=mailto:a@b><a href=javascript:x><a href=data:,x><a href=ftp://a/><a href=><a href='http://'>",
                &[],
            ),
            (
                "<a href=z><a href=z#1><a href=z>",
                &[("http://a/x/z", Page), ("http://a/x/z#1", Page)],
            ),
            (
                "<video src=v poster=p><object data=o>",
                &[("http://a/x/v", Part), ("http://a/x/p", Part), ("http://a/x/o", Part)],
            ),
            (
                "<a href=z><table><select><a href=q><noscript><a href=r",
                &[("http://a/x/z", Page), ("http://a/x/q", Page)],
            ),
        ];
        for (html, expected) in table {
            let expected: Vec<_> =
                expected.iter().map(|(url, kind)| ((*url).to_owned(), *kind)).collect();
            for piece in [html.len(), 1, 7] {
                assert_eq!(
                    links_in(html.as_bytes(), encoding_rs::UTF_8, piece),
                    expected,
                    "{html}"
                );
            }
        }
    }

    #[test]
    fn the_text_of_a_page_is_what_is_shown() {
        let html = "<title>t</title><style>p {}</style><a href=/ title=x><b>one two</b> three</a><!-- x --><script>let x;</script>\u{e9}nd";
        for piece in [1, 2, 7, 4_096] {
            let text = Rc::new(RefCell::new(String::new()));
            let seen = Rc::clone(&text);
            let reader = Box::new(move |piece: &str| seen.borrow_mut().push_str(piece));
            let base = "http://a/".parse().unwrap();
            let mut links = HtmlLinks::with_text(base, encoding_rs::UTF_8, "ourbot", reader);
            html.as_bytes().chunks(piece).for_each(|piece| links.write(piece));
            assert_eq!(links.end().len(), 1);
            assert_eq!(*text.borrow(), "t\none two\n three\n\u{e9}nd\n", "{piece}");
        }
    }

    #[test]
    fn paths_are_read_in_the_pages_encoding() {
        let html = "<a href='/\u{e9}'>";
        for encoding in [encoding_rs::WINDOWS_1252, encoding_rs::UTF_8, encoding_rs::UTF_16LE] {
            let bytes: Vec<u8> = match encoding.name() {
                "UTF-16LE" => html.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                _ => encoding.encode(html).0.into_owned(),
            };
            for piece in [bytes.len(), 1] {
                let links = links_in(&bytes, encoding, piece);
                assert_eq!(
                    links,
                    [("http://a/%C3%A9".to_owned(), Kind::Page)],
                    "{}",
                    encoding.name()
                );
            }
        }
    }

    #[test]
    fn no_page_has_more_links_than_the_limit() {
        let html: String = (0..limits::LINKS + 10).map(|at| format!("<a href={at}></a>")).collect();
        assert_eq!(links_in(html.as_bytes(), encoding_rs::UTF_8, 4096).len(), limits::LINKS);
        let long =
            format!("<a href=/1><a href=\"{}\"><a href=/2>", "x".repeat(limits::HTML_MEMORY * 2));
        assert_eq!(
            links_in(long.as_bytes(), encoding_rs::UTF_8, 4096),
            [("http://a/1".to_owned(), Kind::Page)]
        );
    }
}
