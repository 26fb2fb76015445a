//! Content-Range, and what a response means to whoever has the beginning: bytes are only ever taken for the rest if they
//! begin where the others end.
//!
//! The first eight bytes of the input are what is there already, the ninth chooses the status, the rest is the field.

#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use ringdove::protocol::{ContentRange, Resumption};

use support::with_head;

fuzz_target!(|input: &[u8]| {
    let Some((have, rest)) = input.split_first_chunk::<8>() else { return };
    let Some((choice, value)) = rest.split_first() else { return };
    // small numbers are those that texts hit
    let have = u64::from_le_bytes(*have) >> (choice & 0x3f);
    let status = [200, 206, 416, 404][usize::from(choice >> 6)];
    let range = ContentRange::parse(value);
    match range {
        Some(ContentRange::Part { first, last, total }) => {
            assert!(first <= last && total.is_none_or(|total| last < total));
        }
        Some(ContentRange::Unsatisfied { .. }) | None => {}
    }
    if let Some(range) = range {
        assert_eq!(ContentRange::parse(range.to_string().as_bytes()), Some(range));
    }
    with_head(status, "Content-Range", value, |head| match Resumption::of(head, have, None) {
        Ok(Resumption::Append { length, missing }) => {
            // a 200 may be a part by another name
            assert!(matches!(status, 200 | 206) && have > 0 && length > 0);
            let field = head.field("content-range").expect("it says where it begins");
            match ContentRange::parse(&field) {
                Some(ContentRange::Part { first, last, total }) => {
                    assert_eq!((first, last), (have, have + length - 1));
                    assert_eq!(missing, total.map_or(0, |total| total - last - 1));
                }
                other => panic!("{other:?} is no part"),
            }
        }
        Ok(Resumption::Restart) => assert_eq!(status, 200),
        Ok(Resumption::Complete) => assert!(have > 0),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    });
});
