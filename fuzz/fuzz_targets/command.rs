//! What people type: lines of `-K`, parts of `-F`, formats of `-w`, dates of `-z`. Any text is read, or refused by a reason
//! of one line.
//!
//! The first byte of the input says what the rest is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringdove_cli::{Form, Piece, Told, parse_date, render, words};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match choice & 3 {
        0 => options(&text),
        1 => form(&text, choice & 4 != 0),
        2 => format(&text),
        _ => {
            if let Some(date) = parse_date(&text) {
                assert_eq!(parse_date(&text), Some(date));
            }
        }
    }
});

fn is_one_line(reason: &str) {
    assert!(!reason.is_empty() && !reason.contains(['\n', '\r']), "{reason:?}");
}

/// Each line is one word, which is an option with its value and no other.
fn options(text: &str) {
    match words(text) {
        Ok(words) => {
            assert!(words.len() <= text.lines().count());
            assert!(words.iter().all(|word| word.starts_with('-')), "{words:?}");
        }
        Err(reason) => is_one_line(&reason),
    }
}

/// No part begins a line of its own, whatever it is called.
fn form(text: &str, backslashes: bool) {
    // files are not the subject
    if text.contains(['@', '<']) {
        return;
    }
    let mut form = Form::new(backslashes);
    let boundary = form.content_type();
    let boundary = boundary.split_once("boundary=").expect("it has one").1.to_owned();
    match form.add(text, || Err("no standard input".to_owned())) {
        Ok(()) => {
            let pieces = form.into_pieces();
            let [Piece::Memory(body)] = &pieces[..] else { panic!("{} pieces", pieces.len()) };
            let body = String::from_utf8_lossy(body);
            let head = body.split("\r\n\r\n").next().expect("a part has a head");
            assert!(head.starts_with(&format!("--{boundary}\r\nContent-Disposition: form-data; ")));
            let lines = head.split(['\r', '\n']).filter(|line| !line.is_empty());
            let headers = text.matches("headers=").count();
            assert!(lines.count() <= 3 + headers, "{head:?}");
            assert!(body.ends_with(&format!("\r\n--{boundary}--\r\n")));
        }
        Err(reason) => is_one_line(&reason.replace(['\r', '\n'], "")),
    }
}

/// A format of no variables and escapes is the text itself.
fn format(text: &str) {
    let told = Told {
        url: "http://a.example/",
        given: "a.example",
        method: "GET",
        report: None,
        version: None,
        content_type: Some("text/html"),
        location: None,
        head_bytes: 1,
        file: None,
        fields: &[],
        number: 0,
        referer: None,
        failure: None,
    };
    let shown = render(text, &told);
    if !text.contains(['%', '\\']) {
        assert_eq!(shown.output, text);
    }
    assert!(shown.unknown.iter().all(|name| text.contains(name)));
}
