//! Where a response points to: a Location leads to one request and no more, without the credentials of
//! another origin; a name that a response proposes stays in its directory.
//!
//! The first byte of the input chooses the status, the rest is the values of the field, one a line.

#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use ringdove::RedirectPolicy;
use ringdove::protocol::{BodyLength, proposed_file_name};

use support::{request, with_head};

fuzz_target!(|input: &[u8]| {
    let Some((choice, said)) = input.split_first() else { return };
    let status = [301, 302, 303, 307, 308][usize::from(*choice) % 5];
    with_head(status, "Location", said, |head| {
        let mut asked = request("http://user.example:81/a/b?c#d");
        asked.field("Authorization", "Basic secret").expect("a field");
        let Ok(Some(next)) = RedirectPolicy::default().follow(&asked, head) else { return };
        let mut bytes = vec![0; next.head.encoded_len(BodyLength::None)];
        assert_eq!(next.head.encode(BodyLength::None, &mut bytes), Some(bytes.len()));
        let ends = bytes.windows(4).filter(|four| four == b"\r\n\r\n").count();
        assert_eq!(ends, 1, "{}", bytes.escape_ascii());
        let lines = bytes.split(|&byte| byte == b'\n').count();
        let kept = bytes.windows(6).any(|six| six == b"secret");
        assert_eq!(kept, next.head.origin() == asked.origin());
        assert_eq!(lines, if kept { 5 } else { 4 });
        let url = next.head.url();
        assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty());
    });
    if let Some(name) = proposed_file_name(said) {
        assert!((1..=255).contains(&name.len()) && !name.starts_with('.'));
        assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control));
        assert!(std::path::Path::new(&name).components().count() == 1);
    }
});
