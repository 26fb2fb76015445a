//! The examples of RFC 7541, appendix C, the stories of many encoders, and what is none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, HpackFault> {
    decode_within(decoder, block, usize::MAX).map(|(fields, _)| fields)
}

/// The fields of a block, and how many were beyond the limit.
fn decode_within(
    decoder: &mut Decoder,
    mut block: &[u8],
    limit: usize,
) -> Result<(Fields, usize), HpackFault> {
    let (mut lines, mut fields, mut over) = (Lines::new(), Vec::new(), 0);
    lines.begin(limit);
    decoder.begin();
    loop {
        match decoder.next(&mut block, &mut lines)? {
            Field::Line(line) => {
                let (name, value) = (lines.name(&line), lines.value(&line));
                assert!(lines.bytes().ends_with(&[name, b": ", value, b"\r\n"].concat()));
                assert_eq!(line.kind, NameKind::of(name));
                assert_eq!(line.is_value, !value.iter().any(|byte| b"\0\r\n".contains(byte)));
                fields.push((name.to_vec(), value.to_vec()));
            }
            Field::Over => over += 1,
            Field::End => return Ok((fields, over)),
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn fields(list: &[(&str, &str)]) -> Fields {
    list.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// RFC 7541, C.2: each by itself.
#[test]
fn single_fields_of_the_rfc() {
    let table = [
        (
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            ("custom-key", "custom-header"),
        ),
        ("040c 2f73 616d 706c 652f 7061 7468", (":path", "/sample/path")),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", ("password", "secret")),
        ("82", (":method", "GET")),
    ];
    for (block, field) in table {
        assert_eq!(decode(&mut Decoder::new(4096), &hex(block)), Ok(fields(&[field])));
    }
}

/// RFC 7541, C.3 and C.4: three requests, as they are and coded.
#[test]
fn requests_of_the_rfc() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let lists = [
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
        ][..],
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
            ("cache-control", "no-cache"),
        ],
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ],
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(4096);
        for (block, list) in blocks.into_iter().zip(lists) {
            assert_eq!(decode(&mut decoder, &hex(block)), Ok(fields(list)));
        }
    }
}

/// RFC 7541, C.5 and C.6: three responses in a table of 256 bytes, so that fields are evicted.
#[test]
fn responses_of_the_rfc() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
         3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
         7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
         6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
         1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
         e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let lists = [
        &[
            (":status", "302"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ][..],
        &[
            (":status", "307"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ],
        &[
            (":status", "200"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
            ("location", "https://www.example.com"),
            ("content-encoding", "gzip"),
            ("set-cookie", cookie),
        ],
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(256);
        for (block, list) in blocks.into_iter().zip(lists) {
            assert_eq!(decode(&mut decoder, &hex(block)), Ok(fields(list)));
        }
    }
}

#[test]
fn blocks_that_are_none() {
    let table = [
        ("80", HpackFault::BadIndex(0)),
        ("be", HpackFault::BadIndex(62)),
        ("ffff 7f", HpackFault::BadIndex(127 + 0x3fff)),
        ("7e01 61", HpackFault::BadIndex(62)),
        ("ff", HpackFault::Truncated),
        ("ff80 8080 8000", HpackFault::IntegerTooLarge),
        ("00", HpackFault::Truncated),
        ("0001", HpackFault::Truncated),
        ("0001 61", HpackFault::Truncated),
        ("0001 6102 62", HpackFault::Truncated),
        ("0001 61ff ffff ff7f 62", HpackFault::Truncated),
        ("3fe2 1f", HpackFault::TableTooLarge(4097)),
        ("8220", HpackFault::LateTableSize),
        // RFC 7541, 5.2: padding of eight bits, of zeros, and the code that is for padding alone
        ("0081 1fff", HpackFault::Truncated),
        ("0082 1fff 00", HpackFault::BadHuffman),
        ("0081 1800", HpackFault::BadHuffman),
        ("0084 ffff ffff 00", HpackFault::BadHuffman),
        ("0081 ff00", HpackFault::BadHuffman),
        ("0085 ffff fffc 0700", HpackFault::BadHuffman),
    ];
    for (block, fault) in table {
        assert_eq!(decode(&mut Decoder::new(4096), &hex(block)), Err(fault), "{block}");
        assert!(!fault.to_string().is_empty());
    }
    assert_eq!(
        decode(&mut Decoder::new(4096), &hex("3fe1 1f20 82")),
        Ok(fields(&[(":method", "GET")]))
    );
}

/// A list counts 32 bytes for each field beyond its own (RFC 9113, 6.5.2), and what is over the limit goes into the table all
/// the same.
#[test]
fn a_list_over_its_limit_is_decoded_and_not_kept() {
    let mut decoder = Decoder::new(4096);
    let block = hex("4001 6101 31 4001 6201 32 be be be be");
    assert_eq!(decode_within(&mut decoder, &block, 68), Ok((fields(&[("a", "1"), ("b", "2")]), 4)));
    assert_eq!(decode_within(&mut decoder, &block, 67), Ok((fields(&[("a", "1")]), 5)));
    assert_eq!(decode(&mut decoder, &hex("be c0")), Ok(fields(&[("b", "2"), ("b", "2")])));
}

/// A block of indexes to one large entry decodes to much: as far as the limit, and no further.
#[test]
fn a_bomb_takes_no_more_than_its_limit() {
    let mut decoder = Decoder::new(4096);
    let mut block = vec![0x40, 1, b'a'];
    integer::encode(4000, 7, 0, &mut block);
    block.resize(block.len() + 4000, b'x');
    block.resize(block.len() + 100_000, 0xbe);
    let (mut lines, mut rest, mut over) = (Lines::new(), &block[..], 0);
    lines.begin(64 * 1024);
    loop {
        match decoder.next(&mut rest, &mut lines).unwrap() {
            Field::Line(_) => {}
            Field::Over => over += 1,
            Field::End => break,
        }
    }
    assert_eq!(over, 100_001 - 64 * 1024 / 4033);
    assert!(lines.room(0).len() + lines.bytes().len() <= 128 * 1024);
}

#[test]
fn every_string_is_coded_and_decoded() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..4000 {
        let len = (random() % 40) as usize;
        let common = b"aeiost 012nrdlmcuphg-/.:,";
        let text: Vec<u8> = (0..len)
            .map(|_| match random() % 8 {
                0 if round % 2 == 0 => random() as u8,
                1 => (random() % 95) as u8 + 32,
                _ => common[(random() % common.len() as u64) as usize],
            })
            .collect();
        let mut coded = Vec::new();
        huffman::encode(&text, &mut coded);
        assert_eq!(coded.len(), huffman::coded_len(&text));
        let mut out = vec![0; huffman::room(coded.len())];
        let decoded = huffman::decode(&coded, &mut out).unwrap();
        assert_eq!(out[..decoded.len], text);
        assert_eq!(decoded.is_value, !text.iter().any(|byte| b"\0\r\n".contains(byte)));
        let mut judged = Vec::new();
        httlib_huffman_judges(&coded, &mut judged);
        assert_eq!(judged, text);
        // a whole byte of padding
        coded.push(0xff);
        let mut out = vec![0; huffman::room(coded.len())];
        assert_eq!(huffman::decode(&coded, &mut out), Err(HpackFault::BadHuffman));
    }
}

/// Decodes a string by another's decoder, through a block of one field.
fn httlib_huffman_judges(coded: &[u8], out: &mut Vec<u8>) {
    let mut block = vec![0x04];
    integer::encode(coded.len(), 7, 0x80, &mut block);
    block.extend_from_slice(coded);
    let mut list = Vec::new();
    httlib_hpack::Decoder::default().decode(&mut block, &mut list).unwrap();
    out.extend_from_slice(&list[0].1);
}

#[test]
fn what_is_encoded_is_decoded_by_us_and_by_another() {
    let lists = [
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/"),
            (":authority", "example.com"),
            ("accept", "*/*"),
        ][..],
        &[
            (":method", "POST"),
            (":scheme", "https"),
            (":path", "/a/b?c"),
            (":authority", "example.com"),
            ("x-y", "z"),
        ],
        &[
            (":method", "PUT"),
            ("authorization", "Basic dTpw"),
            ("cookie", "a=b"),
            ("accept", "*/*"),
            ("accept", ""),
        ],
        &[
            ("user-agent", "ringdove"),
            ("accept-encoding", "gzip, deflate"),
            ("x-y", ""),
            ("te", "trailers"),
        ],
    ];
    let indexing = |name: &str| match name {
        "authorization" | "cookie" => Indexing::Never,
        ":authority" | "accept" | "user-agent" | "accept-encoding" => Indexing::Insert,
        _ => Indexing::Without,
    };
    let mut encoder = Encoder::new(4096);
    let (mut ours, mut other) = (Decoder::new(4096), httlib_hpack::Decoder::default());
    let mut lens = Vec::new();
    for (round, list) in lists.iter().chain(&lists).enumerate() {
        if let Some(size) = [4096, 50, 4096, 0, 100, 9000].get(round) {
            encoder.set_peer_max(*size);
        }
        let mut block = Vec::new();
        encoder.begin(&mut block);
        for (name, value) in *list {
            encoder.field(name.as_bytes(), value.as_bytes(), indexing(name), &mut block);
        }
        lens.push(block.len());
        assert_eq!(decode(&mut ours, &block), Ok(fields(list)));
        let mut judged = Vec::new();
        other.decode(&mut block, &mut judged).unwrap();
        let judged: Fields = judged.into_iter().map(|(name, value, _)| (name, value)).collect();
        assert_eq!(judged, fields(list));
    }
    assert_eq!(lens, [29, 38, 27, 28, 31, 30, 24, 26]);
}

#[test]
fn secrets_are_never_indexed() {
    let mut encoder = Encoder::new(4096);
    for (name, first) in [("authorization", 0x1f), ("cookie", 0x1f), ("x-secret", 0x10)] {
        for _ in 0..2 {
            let mut block = Vec::new();
            encoder.begin(&mut block);
            encoder.field(name.as_bytes(), b"s", Indexing::Never, &mut block);
            assert_eq!(block[0], first, "{name}");
        }
    }
}

/// RFC 7541, 4.2: of several changes between two blocks the least is told, and the last.
#[test]
fn changes_of_the_peers_table_are_told_at_the_next_block() {
    let begun = |encoder: &mut Encoder| {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        block
    };
    let mut encoder = Encoder::new(4096);
    assert_eq!(begun(&mut encoder), b"");
    encoder.set_peer_max(65536);
    assert_eq!(begun(&mut encoder), b"");
    encoder.set_peer_max(0);
    assert_eq!(begun(&mut encoder), [0x20]);
    encoder.set_peer_max(10);
    encoder.set_peer_max(5);
    encoder.set_peer_max(20);
    assert_eq!(begun(&mut encoder), [0x25, 0x34]);
    assert_eq!(begun(&mut encoder), b"");
    assert_eq!(begun(&mut Encoder::new(100)), [0x3f, 69]);
}

#[test]
fn a_full_table_is_left_as_it_is() {
    let mut encoder = Encoder::new(100);
    let mut block = Vec::new();
    encoder.begin(&mut block);
    let mut encode = |value: &str| {
        let mut block = Vec::new();
        encoder.field(b"accept", value.as_bytes(), Indexing::Insert, &mut block);
        (block[0], encoder.changes())
    };
    assert_eq!(encode("one"), (0x53, 1));
    assert_eq!(encode("two"), (0x53, 2));
    assert_eq!(encode("three"), (0x0f, 2));
    assert_eq!(encode("one"), (0xbf, 2));
}

/// The stories of github.com/http2jp/hpack-test-case, by many encoders, which the crate `httlib-hpack` ships.
#[test]
fn stories() {
    let mut paths = Vec::new();
    for folder in std::fs::read_dir(fixtures()).unwrap() {
        let folder = folder.unwrap().path();
        if folder.is_dir() {
            paths.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert_eq!(paths.len(), 446, "all of them");
    for path in paths {
        tell(&path);
    }
}

#[derive(serde::Deserialize)]
struct Story {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    wire: String,
    headers: Vec<BTreeMap<String, String>>,
    header_table_size: Option<usize>,
}

/// Decodes a story; encodes its fields, and decodes these.
fn tell(path: &Path) {
    let story: Story = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // each begins with the table of which nothing was said
    let sizes = story.cases.iter().filter_map(|case| case.header_table_size);
    let mut decoder = Decoder::new(sizes.fold(INITIAL_TABLE, usize::max));
    let (mut encoder, mut back) = (Encoder::new(4096), Decoder::new(4096));
    for (nth, case) in story.cases.iter().enumerate() {
        let list: Vec<_> = case.headers.iter().flatten().map(|(n, v)| (&**n, &**v)).collect();
        let decoded = decode(&mut decoder, &hex(&case.wire));
        assert_eq!(decoded, Ok(fields(&list)), "{} {nth}", path.display());
        let mut block = Vec::new();
        encoder.set_peer_max(case.header_table_size.unwrap_or(4096));
        encoder.begin(&mut block);
        for (name, value) in &list {
            let indexing = match name.len() % 3 {
                0 => Indexing::Without,
                1 => Indexing::Insert,
                _ => Indexing::Never,
            };
            encoder.field(name.as_bytes(), value.as_bytes(), indexing, &mut block);
        }
        assert_eq!(decode(&mut back, &block), Ok(fields(&list)), "{} {nth}", path.display());
    }
}

/// Where cargo has put the sources of the dev-dependency.
fn fixtures() -> PathBuf {
    #[derive(serde::Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
        manifest_path: PathBuf,
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--offline", "--locked"]);
    // what other platforms need was never downloaded
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo.args(["--filter-platform", &target]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
    let package =
        metadata.packages.into_iter().find(|package| package.name == "httlib-hpack").unwrap();
    package.manifest_path.parent().unwrap().join("fixtures")
}
