//! The plots of the matrix can be read: what is named stands beside the lines, nothing is cut off, and ours can be told.

#[path = "../benches/matrix/plot.rs"]
mod plot;

use plot::{Kind, LEGEND, Line, SIZE, styles, svg};

const CLIENTS: [&str; 12] = [
    "ringdove ring",
    "ringdove poll",
    "ringdove epoll",
    "floor_epoll",
    "floor_ring",
    "hyper_bare",
    "hyper_http2",
    "libcurl_multi",
    "reqwest_client",
    "ringline_http",
    "wrk",
    "h2load",
];

fn lines() -> Vec<Line> {
    let line = |(at, client): (usize, &&str)| {
        let points = [64.0, 1000.0, 4000.0, 8000.0].map(|x| (x, 5.0 + at as f64 + x / 500.0));
        Line { client: (*client).to_owned(), points: points.into() }
    };
    CLIENTS.iter().enumerate().map(line).collect()
}

/// The text of each element of this name, with its attributes before it.
fn elements<'a>(svg: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let begin = format!("<{name} ");
    let begins: Vec<_> = svg.split(begin.as_str()).skip(1).collect();
    begins
        .into_iter()
        .filter_map(|rest| rest.split_once('>'))
        .map(|(attributes, text)| (attributes, text.split('<').next().unwrap_or_default().trim()))
        .collect()
}

fn number(attributes: &str, name: &str) -> f64 {
    let (_, value) = attributes.split_once(&format!("{name}=\"")).expect(name);
    value.split('"').next().and_then(|value| value.parse().ok()).expect(name)
}

#[test]
fn no_text_is_cut_off() {
    for least in [0.0004, 0.03, 1.0, 40.0] {
        let mut lines = lines();
        lines[0].points[0].1 = least;
        let svg = svg("CPU, µs per request: keep-alive, 12 bytes, nginx on the other CPU", &lines)
            .unwrap();
        for (attributes, text) in elements(&svg, "text") {
            // a letter of a sans-serif font is narrower than that
            let width = 0.62 * number(attributes, "font-size") * text.chars().count() as f64;
            let x = number(attributes, "x");
            let (left, right) = match attributes {
                at if at.contains("\"middle\"") => (x - width / 2.0, x + width / 2.0),
                at if at.contains("\"end\"") => (x - width, x),
                _ => (x, x + width),
            };
            assert!(left >= 0.0 && right <= f64::from(SIZE.0), "{text}: {left} to {right}");
        }
    }
}

#[test]
fn the_legend_stands_beside_the_lines() {
    let svg = svg("title", &lines()).unwrap();
    let points = elements(&svg, "circle");
    assert_eq!(points.len(), 4 * CLIENTS.len());
    for (attributes, _) in points {
        assert!(number(attributes, "cx") + number(attributes, "r") < f64::from(LEGEND));
    }
    let texts = elements(&svg, "text");
    let mut last = 0.0;
    for client in CLIENTS {
        let (attributes, _) = texts.iter().find(|(_, text)| *text == client).expect(client);
        assert!(number(attributes, "x") >= f64::from(LEGEND), "{client}");
        let (y, size) = (number(attributes, "y"), number(attributes, "font-size"));
        assert!(y >= last + size && y + size < f64::from(SIZE.1), "{client}");
        last = y;
    }
}

#[test]
fn ours_bare_loops_and_tools_are_told_apart() {
    let styles = styles(&lines());
    for (at, style) in styles.iter().enumerate() {
        assert!(!styles[..at].contains(style), "two lines look alike: {}", CLIENTS[at]);
    }
    let kinds: Vec<Kind> = styles.iter().map(|style| style.0).collect();
    assert_eq!(kinds[..3], [Kind::Ours; 3]);
    assert_eq!(kinds[3..5], [Kind::Floor; 2]);
    assert_eq!(kinds[5..10], [Kind::Peer; 5]);
    assert_eq!(kinds[10..], [Kind::Tool; 2]);
    let svg = svg("title", &lines()).unwrap();
    let thick = elements(&svg, "polyline")
        .iter()
        .filter(|(of, _)| of.contains("stroke-width=\"3\""))
        .count();
    assert_eq!(thick, 2 * 3, "ours, and their samples");
}
