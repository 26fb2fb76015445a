//! Every coding whole, in pieces and in chains; what is spoilt, cut and too much.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

/// Text with enough in it to make blocks of every kind.
fn text() -> Vec<u8> {
    lines(4000)
}

fn lines(number: u32) -> Vec<u8> {
    let mut seed = 1_u32;
    let mut text = Vec::new();
    for line in 0..number {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{line} {} and so on\n", seed >> 8).as_bytes());
    }
    text
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn best(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn bare(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn br(data: &[u8]) -> Vec<u8> {
    let mut encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 4, 18);
    encoder.write_all(data).unwrap();
    encoder.into_inner()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    compress_to_vec(data, CompressionLevel::Fastest)
}

fn encode(codings: &[Coding], data: &[u8]) -> Vec<u8> {
    codings.iter().fold(data.to_vec(), |data, coding| match coding {
        Coding::Gzip => gzip(&data),
        Coding::Deflate => zlib(&data),
        Coding::Brotli => br(&data),
        Coding::Zstd => zstd(&data),
    })
}

/// All that comes of a body in pieces, and how it ends.
fn decode_pieces<'a>(
    codings: &[Coding],
    policy: DecodePolicy,
    pieces: impl Iterator<Item = &'a [u8]>,
    room: usize,
) -> (Vec<u8>, Result<(), CodingFault>) {
    let mut decoder = ContentDecoder::new(codings, policy);
    let mut out = vec![0; room];
    let mut body = Vec::new();
    let mut take = |decoder: &mut ContentDecoder, mut piece: &[u8]| loop {
        let Decoded { consumed, produced, more } = decoder.decode(piece, &mut out)?;
        body.extend_from_slice(&out[..produced]);
        piece = &piece[consumed..];
        if !more {
            assert!(piece.is_empty(), "all is taken");
            return Ok(());
        }
    };
    let run = || {
        for piece in pieces {
            take(&mut decoder, piece)?;
        }
        decoder.end();
        take(&mut decoder, &[])
    };
    let end = run();
    if let Err(fault) = &end {
        let again = decoder.decode(b"x", &mut [0; 16]);
        assert_eq!(again.as_ref(), Err(fault), "a fault stays");
    }
    (body, end)
}

fn decode(codings: &[Coding], coded: &[u8]) -> (Vec<u8>, Result<(), CodingFault>) {
    decode_pieces(codings, DecodePolicy::default(), [coded].into_iter(), 4096)
}

#[track_caller]
fn assert_decodes(codings: &[Coding], coded: &[u8], want: &[u8]) {
    let policy = DecodePolicy::default();
    for (piece, room) in [(usize::MAX, 1 << 20), (usize::MAX, 7), (1, 4096), (3, 1), (1000, 100)] {
        let pieces = coded.chunks(piece.min(coded.len().max(1)));
        let (body, end) = decode_pieces(codings, policy, pieces, room);
        assert_eq!(end, Ok(()), "{codings:?} in pieces of {piece}");
        assert!(body == want, "{codings:?} in pieces of {piece}: {} bytes", body.len());
    }
}

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

/// Each alone, each over each, and as many as may be.
fn chains() -> Vec<Vec<Coding>> {
    let mut chains: Vec<Vec<Coding>> = ALL.map(|coding| vec![coding]).into();
    for below in ALL {
        chains.extend(ALL.map(|over| vec![below, over]));
    }
    chains.push(vec![Coding::Gzip, Coding::Zstd, Coding::Brotli, Coding::Deflate, Coding::Gzip]);
    chains.push(Vec::new());
    chains
}

#[test]
fn every_coding_and_chain_however_it_is_cut() {
    for data in [&b""[..], b"x", &text()[..3000], &[0; 100_000]] {
        for codings in chains() {
            assert_decodes(&codings, &encode(&codings, data), data);
        }
    }
    let long = text();
    for coding in ALL {
        assert_decodes(&[coding], &encode(&[coding], &long), &long);
    }
}

#[test]
fn both_kinds_of_deflate() {
    for data in [&b""[..], b"x", &text()] {
        assert_decodes(&[Coding::Deflate], &zlib(data), data);
        assert_decodes(&[Coding::Deflate], &bare(data), data);
    }
}

/// A gzip member with every field that there is, and the check of its header.
fn gzip_with_all_fields(data: &[u8], spoil: bool) -> Vec<u8> {
    let mut header = vec![0x1f, 0x8b, 8, FLAGS, 1, 2, 3, 4, 0, 255];
    header.extend_from_slice(&[3, 0, b'a', 0, b'b']);
    header.extend_from_slice(b"name\0comment\0");
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    let check = (crc.sum() as u16) ^ u16::from(spoil);
    header.extend_from_slice(&check.to_le_bytes());
    header.extend_from_slice(&gzip(data)[10..]);
    header
}

/// FHCRC, FEXTRA, FNAME and FCOMMENT.
const FLAGS: u8 = 0b1_1110;

#[test]
fn gzip_members_and_their_headers() {
    let data = text();
    let (one, two) = data.split_at(1234);
    let empty = gzip(b"");
    let members = [gzip(one), empty.clone(), gzip_with_all_fields(two, false)].concat();
    assert_decodes(&[Coding::Gzip], &members, &data);
    // the longest extra field
    let extra =
        [&[0x1f, 0x8b, 8, 1 << 2, 0, 0, 0, 0, 0, 0, 0xff, 0xff][..], &[b'x'; 0xffff]].concat();
    let member = [&extra[..], &gzip(b"body")[10..]].concat();
    assert_eq!(decode(&[Coding::Gzip], &member), (b"body".to_vec(), Ok(())));
    let corrupt = |why| Err(CodingFault::Corrupt { coding: Coding::Gzip, why });
    let spoilt = gzip_with_all_fields(b"x", true);
    assert_eq!(decode(&[Coding::Gzip], &spoilt).1, corrupt("a wrong check of the header"));
    for (at, why) in [
        (0, "no gzip header"),
        (1, "no gzip header"),
        (2, "an unknown method of compression"),
        (3, "a reserved flag"),
    ] {
        let mut bad = empty.clone();
        bad[at] = 0xff;
        assert_eq!(decode(&[Coding::Gzip], &bad).1, corrupt(why));
    }
    let mut wrong = gzip(b"abc");
    *wrong.last_mut().unwrap() ^= 1;
    let (body, end) = decode(&[Coding::Gzip], &wrong);
    assert_eq!((&body[..], end), (&b"abc"[..], corrupt("a wrong check")), "delivered, then told");
    let mut endless = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0];
    endless.resize(2 * limits::GZIP_HEADER, b'n');
    assert_eq!(decode(&[Coding::Gzip], &endless).1, corrupt("a header beyond all measure"));
}

#[test]
fn zstd_frames_and_what_is_between_them() {
    let data = text();
    let (one, two) = data.split_at(50_000);
    let skipped = |length: u32| {
        let mut frame = 0x184d_2a53_u32.to_le_bytes().to_vec();
        frame.extend_from_slice(&length.to_le_bytes());
        frame.resize(8 + length as usize, b'#');
        frame
    };
    let frames = [skipped(0), zstd(one), skipped(1000), zstd(b""), zstd(two), skipped(0)].concat();
    assert_decodes(&[Coding::Zstd], &frames, &data);
}

/// A zstd frame of so many blocks of the same byte, in a window of `1 << log` bytes.
fn zstd_of_zeros(blocks: usize, log: u8, tail: &[u8]) -> Vec<u8> {
    let mut frame = zstd_header(log, false);
    for block in 0..blocks {
        let header = (128 * 1024) << 3 | 1 << 1 | u32::from(block + 1 == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame.extend_from_slice(tail);
    frame
}

#[test]
fn the_window_of_zstd_is_bound() {
    let (body, end) = decode(&[Coding::Zstd], &zstd_of_zeros(4, 23, b""));
    assert_eq!((body.len(), end), (512 * 1024, Ok(())));
    for log in [24, 27, 31, 41] {
        let (body, end) = decode(&[Coding::Zstd], &zstd_of_zeros(4, log, b""));
        let limit = limits::ZSTD_WINDOW;
        let want = CodingFault::WindowTooLarge { coding: Coding::Zstd, limit };
        assert_eq!((body.len(), end), (0, Err(want)));
    }
}

/// The beginning of a zstd frame with a window of `1 << log` bytes.
fn zstd_header(log: u8, checksum: bool) -> Vec<u8> {
    let magic = 0xfd2f_b528_u32.to_le_bytes();
    [&magic[..], &[u8::from(checksum) << 2, (log - 10) << 3]].concat()
}

/// A block of zstd: of kind 0, these bytes as they are; of kind 2, compressed.
fn zstd_block(kind: u32, content: &[u8], is_last: bool) -> Vec<u8> {
    let header = (content.len() as u32) << 3 | kind << 1 | u32::from(is_last);
    [&header.to_le_bytes()[..3], content].concat()
}

/// A compressed block that says "34 bytes of what was `offset` bytes ago" (RFC 8878, 3.1.1.3.2): no literals,
/// one sequence, each of its codes from a table of one.
fn zstd_match(offset: u32) -> Vec<u8> {
    let value = offset + 3;
    let bits = value.ilog2();
    // the leading one of the value is the mark that ends the bit stream
    let stream = &value.to_le_bytes()[..(bits as usize + 8) / 8];
    zstd_block(2, &[&[0, 1, 0x54, 0, bits as u8, 31], stream].concat(), false)
}

#[test]
fn blocks_of_zstd_refer_to_all_of_the_window() {
    let noise = lines(40_000);
    for log in [10_u8, 12, 17, 18] {
        let window = 1_usize << log;
        let (mut frame, mut want) = (zstd_header(log, true), Vec::new());
        // several times over what is kept at most, each block no larger than the window
        for (n, piece) in noise.chunks(window.min(5_000)).enumerate() {
            frame.extend(zstd_block(0, piece, false));
            want.extend_from_slice(piece);
            for offset in [window, window - n % 800, 40] {
                if offset <= want.len() {
                    frame.extend(zstd_match(offset as u32));
                    let at = want.len() - offset;
                    want.extend_from_within(at..at + 34);
                }
            }
        }
        assert!(want.len() > 3 * window);
        let mut checksum = twox_hash::XxHash64::with_seed(0);
        std::hash::Hasher::write(&mut checksum, &want);
        frame.extend(zstd_block(0, b"", true));
        frame.extend(&std::hash::Hasher::finish(&checksum).to_le_bytes()[..4]);
        assert_decodes(&[Coding::Zstd], &frame.repeat(2), &want.repeat(2));

        let last = frame.len() - 1;
        frame[last] ^= 1;
        let (body, end) = decode(&[Coding::Zstd], &frame);
        let why = "a wrong check";
        assert_eq!(end, Err(CodingFault::Corrupt { coding: Coding::Zstd, why }), "{log}");
        assert!(body == want, "delivered, then told");
        // what lies before the frame's first byte is nowhere
        let far = [zstd_header(log, false), zstd_block(0, b"abc", false), zstd_match(4)].concat();
        let (body, end) = decode(&[Coding::Zstd], &far);
        let why = "a bad block";
        assert_eq!(end, Err(CodingFault::Corrupt { coding: Coding::Zstd, why }), "{log}");
        assert_eq!(body, b"abc");
    }
}

/// The parts of a body that is flushed after each, which is not yet its end.
fn flushed(coding: Coding, parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    fn each<W: std::io::Write>(
        mut encoder: W,
        parts: &[Vec<u8>],
        so_far: impl Fn(&W) -> &Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let mut at = 0;
        let flush = |part: &Vec<u8>| {
            encoder.write_all(part).unwrap();
            encoder.flush().unwrap();
            let coded = so_far(&encoder)[at..].to_vec();
            at += coded.len();
            coded
        };
        parts.iter().map(flush).collect()
    }
    match coding {
        Coding::Gzip => {
            each(GzEncoder::new(Vec::new(), Compression::fast()), parts, GzEncoder::get_ref)
        }
        Coding::Deflate => {
            each(ZlibEncoder::new(Vec::new(), Compression::fast()), parts, ZlibEncoder::get_ref)
        }
        Coding::Brotli => {
            let encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 4, 18);
            each(encoder, parts, ::brotli::CompressorWriter::get_ref)
        }
        Coding::Zstd => {
            let mut coded: Vec<_> = parts.iter().map(|part| zstd_block(0, part, false)).collect();
            coded[0].splice(0..0, zstd_header(23, true));
            coded
        }
    }
}

#[test]
fn what_is_flushed_comes_out_at_once() {
    let parts: Vec<_> = [1, 10, 100_000, 1, 65_536, 120_000, 2]
        .map(|length| lines(10_000)[..length].to_vec())
        .into();
    for coding in ALL {
        let mut decoder = ContentDecoder::new(&[coding], DecodePolicy::default());
        for (part, coded) in parts.iter().zip(flushed(coding, &parts)) {
            let (mut rest, mut body, mut out) = (&coded[..], Vec::new(), vec![0; 1000]);
            loop {
                let Decoded { consumed, produced, more } = decoder.decode(rest, &mut out).unwrap();
                rest = &rest[consumed..];
                body.extend_from_slice(&out[..produced]);
                if !more {
                    break;
                }
            }
            assert!(body == *part, "{coding}: {} of {}", body.len(), part.len());
        }
    }
}

#[test]
fn what_was_decoded_comes_before_the_fault() {
    // some blocks of zstd, which come whole or not at all
    let data = lines(20_000);
    for coding in ALL {
        let coded = encode(&[coding], &data);
        // what the tables of a block need comes first, whatever it is for
        for cut in [coded.len() - 1, coded.len() * 9 / 10] {
            let (body, end) = decode(&[coding], &coded[..cut]);
            assert_eq!(end, Err(CodingFault::Truncated { coding }), "{coding} at {cut}");
            assert!(data.starts_with(&body), "{coding}");
            assert!(body.len() > data.len() / 4, "{coding}: {} bytes", body.len());
        }
        let mut spoilt = coded.clone();
        let at = coded.len() * 9 / 10;
        spoilt[at..].fill(0xff);
        let (body, end) = decode(&[coding], &spoilt);
        assert!(end.is_err(), "{coding}");
        let same = body.iter().zip(&data).take_while(|(a, b)| a == b).count();
        assert!(same > data.len() / 4, "{coding}: {same} bytes");
        // below another, which is fine
        let (body, end) = decode(&[coding, Coding::Gzip], &gzip(&coded[..coded.len() - 1]));
        assert_eq!(end, Err(CodingFault::Truncated { coding }));
        assert!(body.len() > data.len() / 4, "{coding} below gzip: {} bytes", body.len());
    }
}

#[test]
fn cut_anywhere_it_is_truncated() {
    let data = &text()[..600];
    for codings in chains().into_iter().filter(|codings| !codings.is_empty()) {
        let coded = encode(&codings, data);
        for cut in 1..coded.len() {
            let (body, end) = decode(&codings, &coded[..cut]);
            assert!(matches!(end, Err(CodingFault::Truncated { .. })), "{codings:?}: {end:?}");
            assert!(data.starts_with(&body));
        }
        assert_eq!(decode(&codings, b""), (Vec::new(), Ok(())), "nothing is nothing");
    }
}

#[test]
fn bytes_after_the_end_are_left_out_and_told() {
    for coding in ALL {
        for after in [&b"\r\nafter"[..], &[0; 5], &[0; 100_000], b"\n\n\n\n"] {
            let coded = [&encode(&[coding], b"body")[..], after].concat();
            assert_decodes(&[coding], &coded, b"body");
            let mut decoder = ContentDecoder::new(&[coding], DecodePolicy::default());
            let mut out = [0; 100];
            let mut rest = &coded[..];
            loop {
                let Decoded { consumed, produced, more } = decoder.decode(rest, &mut out).unwrap();
                rest = &rest[consumed..];
                if !more {
                    break;
                }
                assert!(produced == 0 || &out[..produced] == b"body");
            }
            assert_eq!(decoder.padded(), Some(coding));
            let policy = DecodePolicy { refuse_padding: true, ..DecodePolicy::default() };
            let (body, end) = decode_pieces(&[coding], policy, [&coded[..]].into_iter(), 4096);
            assert!(matches!(end, Err(CodingFault::Corrupt { .. })), "{coding:?}: {end:?}");
            assert_eq!(body, b"body");
        }
        let mut decoder = ContentDecoder::new(&[coding], DecodePolicy::default());
        decoder.decode(&encode(&[coding], b"body"), &mut [0; 100]).unwrap();
        assert_eq!(decoder.padded(), None);
    }
}

/// What begins as another member does, and is none, is no padding.
#[test]
fn a_spoilt_second_member_is_a_fault() {
    let coded = [&gzip(b"body")[..], &[0x1f, 0x8b, 9, 0, 0, 0, 0, 0, 0, 0]].concat();
    let (body, end) = decode(&[Coding::Gzip], &coded);
    assert_eq!(body, b"body");
    assert!(matches!(end, Err(CodingFault::Corrupt { .. })), "{end:?}");
}

const MIB: usize = 1024 * 1024;

/// 15 MiB of zeros in a few bytes: decoded in one piece, and not gone on with.
#[test]
fn a_few_bytes_hold_nothing_for_long() {
    let mut encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 9, 24);
    encoder.write_all(&vec![0; 15 * MIB]).unwrap();
    let coded = encoder.into_inner();
    assert!(coded.len() < 100, "{}", coded.len());
    let mut decoder = ContentDecoder::new(&[Coding::Brotli], DecodePolicy::default());
    let mut out = vec![0; limits::DECODE_BUFFER];
    let (mut rest, mut bytes) = (&coded[..], 0);
    let end = loop {
        match decoder.decode(rest, &mut out) {
            Ok(Decoded { consumed, produced, more }) => {
                rest = &rest[consumed..];
                bytes += produced;
                assert!(more, "gone on with to its end, {bytes} bytes");
            }
            Err(fault) => break fault,
        }
    };
    assert_eq!(end, CodingFault::RatioTooLarge { limit: limits::DECODED_RATIO });
    assert!(bytes as u64 <= limits::DECODED_FREELY);
}

/// What is counted is what is held: no less than the windows that were filled, no claim of a header, and no more for being
/// used longer.
#[test]
fn what_a_decoder_holds_is_counted() {
    let held_after = |coding: Coding, coded: &[u8]| {
        let policy = DecodePolicy { max_ratio: None, ..DecodePolicy::default() };
        let mut decoder = ContentDecoder::new(&[coding], policy);
        assert!(decoder.held() == 0 && decoder.may_grow(), "nothing is held of nothing");
        let mut out = vec![0; limits::DECODE_BUFFER];
        let mut rest = coded;
        loop {
            let Decoded { consumed, more, .. } = decoder.decode(rest, &mut out).unwrap();
            rest = &rest[consumed..];
            if !more {
                return (decoder.held(), decoder.may_grow());
            }
        }
    };
    for coding in [Coding::Gzip, Coding::Deflate] {
        let (held, may_grow) = held_after(coding, &encode(&[coding], &text()));
        assert!((32 * 1024..100 * 1024).contains(&held) && !may_grow, "{held}");
    }
    // a window of 8 MiB
    let few = zstd_of_zeros(4, 23, b"");
    let (held, _) = held_after(Coding::Zstd, &few);
    assert!(held < MIB, "{held}");
    let (held, may_grow) = held_after(Coding::Zstd, &zstd_of_zeros(200, 23, b""));
    assert!((8 * MIB..16 * MIB).contains(&held) && !may_grow, "{held}");
    // a window of 16 MiB
    let large = |bytes: usize| {
        let mut encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 9, 24);
        encoder.write_all(&vec![b'x'; bytes]).unwrap();
        encoder.flush().unwrap();
        encoder.into_inner()
    };
    let (held, _) = held_after(Coding::Brotli, &large(10_000));
    assert!(held < MIB, "{held}");
    let (held, may_grow) = held_after(Coding::Brotli, &large(17 * MIB));
    assert!(held > 16 * MIB && !may_grow, "{held} {may_grow}");
}

#[test]
fn spoilt_bytes_never_panic_and_never_hang() {
    let data = text();
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    for coding in ALL {
        let coded = encode(&[coding], &data[..20_000]);
        for _ in 0..400 {
            let mut spoilt = coded.clone();
            for _ in 0..=random(4) {
                let at = random(spoilt.len());
                spoilt[at] = random(256) as u8;
            }
            let (body, _) = decode(&[coding], &spoilt);
            assert!(body.len() < 100_000_000);
        }
        for _ in 0..400 {
            let mut noise: Vec<u8> = (0..200).map(|_| random(256) as u8).collect();
            let begin = random(12).min(coded.len());
            noise[..begin].copy_from_slice(&coded[..begin]);
            let (body, _) = decode(&[coding], &noise);
            assert!(body.len() < 100_000_000);
        }
    }
}

/// Coded bytes, some 10 kB, of 10 GB; by two codings if one cannot.
fn bombs() -> Vec<(Vec<Coding>, Vec<u8>)> {
    const MEGA: usize = 1 << 20;
    let zeros = vec![0; 10 * MEGA];
    // each member is 1 MB of zeros; 10,000 of them are 10 GB, and alike
    let members = best(&vec![0; MEGA]).repeat(10_000);
    // a stream of brotli, whose middle part repeats
    let mut encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 9, 24);
    let mut cuts = Vec::new();
    for _ in 0..3 {
        encoder.write_all(&zeros).unwrap();
        encoder.flush().unwrap();
        cuts.push(encoder.get_ref().len());
    }
    let stream = encoder.into_inner();
    let middle = stream[cuts[1]..cuts[2]].repeat(1000);
    let brotli = [&stream[..cuts[2]], &middle, &stream[cuts[2]..]].concat();
    vec![
        (vec![Coding::Gzip, Coding::Gzip], best(&members)),
        (vec![Coding::Zstd, Coding::Gzip], best(&zstd_of_zeros(80_000, 20, b""))),
        (vec![Coding::Zstd, Coding::Deflate], zlib(&zstd_of_zeros(80_000, 20, b""))),
        (vec![Coding::Zstd, Coding::Zstd], zstd(&zstd_of_zeros(80_000, 20, b""))),
        (vec![Coding::Brotli], brotli),
    ]
}

#[test]
fn bombs_meet_the_ratio() {
    for (codings, bomb) in bombs() {
        assert!(bomb.len() < 60_000, "{codings:?}: {}", bomb.len());
        let (bytes, end) = stage_bytes(&codings, &bomb, DecodePolicy::default());
        let faults = [
            CodingFault::RatioTooLarge { limit: 1000 },
            CodingFault::CodedTooLarge { limit: limits::CODED_RATIO },
        ];
        assert!(end.as_ref().is_err_and(|end| faults.contains(end)), "{codings:?}: {end:?}");
        assert!(bytes < 2 * limits::DECODED_FREELY + 1000 * bomb.len() as u64, "{bytes}");
    }
}

#[test]
fn bombs_meet_the_cap() {
    for (codings, bomb) in bombs() {
        let limit = 20_000_000;
        let policy =
            DecodePolicy { max_decoded: Some(limit), max_ratio: None, ..DecodePolicy::default() };
        let (bytes, end) = stage_bytes(&codings, &bomb, policy);
        assert_eq!(end, Err(CodingFault::TooLarge { limit }), "{codings:?}");
        assert!(bytes <= limit, "{bytes}");
    }
}

/// How many bytes come of a body, and its end.
fn stage_bytes(
    codings: &[Coding],
    coded: &[u8],
    policy: DecodePolicy,
) -> (u64, Result<(), CodingFault>) {
    let mut decoder = ContentDecoder::new(codings, policy);
    let mut out = vec![0; limits::DECODE_BUFFER];
    let (mut rest, mut bytes) = (coded, 0);
    loop {
        match decoder.decode(rest, &mut out) {
            Ok(Decoded { more: false, .. }) => return (bytes, Ok(())),
            Ok(Decoded { consumed, produced, .. }) => {
                rest = &rest[consumed..];
                bytes += produced as u64;
            }
            Err(fault) => return (bytes, Err(fault)),
        }
    }
}

/// As logs are put together, line by line, and what is written in blocks.
#[test]
fn members_are_read_however_many_and_small_they_are() {
    for length in [0, 1, 40, 64] {
        let data = &text()[..length];
        for (coding, member) in [(Coding::Gzip, gzip(data)), (Coding::Zstd, zstd(data))] {
            let (body, end) = decode(&[coding], &member.repeat(2000));
            assert_eq!((body, end), (data.repeat(2000), Ok(())), "{coding}, {length} bytes each");
        }
    }
    // one over the other, as long as they are no bomb
    let lines = (0..2000).map(|line| format!("{} GET /{}\n", line * 7919, line * line % 9973));
    let members: Vec<u8> = lines.clone().flat_map(|line| gzip(line.as_bytes())).collect();
    let (body, end) = decode(&[Coding::Gzip, Coding::Gzip], &gzip(&members));
    assert_eq!((body, end), (lines.collect::<String>().into_bytes(), Ok(())));
}

/// Where a coding makes many members of few bytes.
#[test]
fn members_of_nothing_are_bound_by_what_was_received() {
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    let table = [
        (Coding::Gzip, gzip(b"")),
        (Coding::Gzip, gzip(b"x")),
        (Coding::Zstd, zstd(b"")),
        (Coding::Zstd, zstd(b"x")),
        (Coding::Zstd, skipped.to_vec()),
    ];
    for (coding, member) in table {
        let coded = best(&member.repeat(2000));
        assert!(coded.len() < 600, "{}", coded.len());
        let end = decode(&[coding, Coding::Gzip], &coded).1;
        assert_eq!(end, Err(CodingFault::TooManyMembers { coding }), "{member:?}");
    }
}

/// Blocks of deflate that have nothing in them, of 10 bits each.
fn blocks_of_nothing() -> Vec<u8> {
    let bits = [0u8, 1, 0, 0, 0, 0, 0, 0, 0, 0].repeat(4);
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

#[test]
fn what_is_coded_again_shrinks_little() {
    let coded = zlib(&blocks_of_nothing().repeat(100_000));
    assert!(coded.len() < 3000, "{}", coded.len());
    let fault = Err(CodingFault::CodedTooLarge { limit: limits::CODED_RATIO });
    assert_eq!(decode(&[Coding::Deflate, Coding::Deflate], &coded).1, fault);
    // what comes to a page or two may shrink as it likes
    let page = zlib(&vec![b'x'; 3_000_000]);
    assert!(
        (10_000..16_384).contains(&page.len()) && gzip(&page).len() < page.len() / 20,
        "{} {}",
        page.len(),
        gzip(&page).len()
    );
    let policy = DecodePolicy { max_ratio: Some(u32::MAX), ..DecodePolicy::default() };
    let (bytes, end) = stage_bytes(&[Coding::Deflate, Coding::Gzip], &gzip(&page), policy);
    assert_eq!((bytes, end), (3_000_000, Ok(())));
}

/// Nobody goes through much of which nothing comes without looking around.
#[test]
fn what_brings_nothing_is_work_as_well() {
    let padding = [gzip(b""), vec![0; 2 * MIB]].concat();
    let table = [
        (vec![Coding::Gzip], gzip(b"").repeat(1000)),
        (vec![Coding::Zstd], zstd(b"").repeat(1000)),
        (vec![Coding::Gzip, Coding::Gzip], best(&padding)),
    ];
    for (codings, coded) in table {
        let policy = DecodePolicy { max_ratio: None, ..DecodePolicy::default() };
        let mut decoder = ContentDecoder::new(&codings, policy);
        let (mut rest, mut calls) = (&coded[..], 0);
        let step = (limits::CODED_BYTE + 1) * limits::CODING_BUFFER as u64;
        let most = limits::DECODE_BUFFER as u64 + step + limits::CODING_MEMBER;
        loop {
            let before = decoder.work();
            let decoded = decoder.decode(rest, &mut [0; 100]);
            assert!(decoder.work() - before <= most, "{}", decoder.work() - before);
            calls += 1;
            let Ok(Decoded { consumed, more: true, .. }) = decoded else { break };
            rest = &rest[consumed..];
        }
        assert!(calls > 10, "{codings:?}: {calls}");
    }
}

#[test]
fn names_of_codings() {
    use Coding::{Brotli, Deflate, Gzip, Zstd};
    let ok: [(&[&str], &[Coding]); 9] = [
        (&[], &[]),
        (&["none"], &[]),
        (&["identity"], &[]),
        (&["gzip"], &[Gzip]),
        (&["X-GZip"], &[Gzip]),
        (&["gzip, br"], &[Gzip, Brotli]),
        (&["gzip", "br ,\tzstd"], &[Gzip, Brotli, Zstd]),
        (&[" , deflate,,identity, "], &[Deflate]),
        (&["gzip,gzip,gzip", "gzip", "gzip", "identity"], &[Gzip; 5]),
    ];
    let names = |lines: &[&str]| parse(lines.iter().map(|line| line.as_bytes().into()));
    for (lines, want) in ok {
        assert_eq!(names(lines).as_deref(), Ok(want), "{lines:?}");
    }
    for unknown in ["compress", "gzip;q=1", "x-gzip2", "\"gzip\"", "gzip br", "gzi\u{fffd}"] {
        assert!(matches!(names(&[unknown]), Err(CodingFault::Unknown { .. })), "{unknown}");
    }
    let many = ["br, br, br", "br, br, br"];
    assert_eq!(names(&many), Err(CodingFault::TooMany { limit: 5 }));
}
