//! What HTTP and DNS cost per message, without any I/O: reading a response, decoding chunks, writing a
//! request's head; writing a query and reading its answer.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

use http::Method;
use ringdove::dns::{Kind, message};
use ringdove::limits::HttpLimits;
use ringdove::protocol::{BodyLength, Event, Exchange, Fill, RequestHead, SourceRead};
use url::Url;

criterion_group!(benches, responses, chunked_bodies, requests, names);
criterion_main!(benches);

/// As nginx answers for a small static file.
const NGINX: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.27.3\r\n\
    Date: Mon, 03 Mar 2025 10:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\
    Last-Modified: Mon, 03 Mar 2025 09:00:00 GMT\r\nConnection: keep-alive\r\n\
    ETag: \"67c5719f-c\"\r\nAccept-Ranges: bytes\r\n\r\nhello, world";

fn responses(c: &mut Criterion) {
    let mut group = c.benchmark_group("response");
    let request = get();
    group.throughput(Throughput::Bytes(NGINX.len() as u64));
    group.bench_function("nginx_whole", |b| b.iter(|| read(&request, [black_box(NGINX)])));
    let (first, second) = NGINX.split_at(150);
    group.bench_function("nginx_cut_in_the_head", |b| {
        b.iter(|| read(&request, [black_box(first), black_box(second)]))
    });
    group.bench_function("nginx_byte_by_byte", |b| {
        b.iter(|| read(&request, black_box(NGINX).chunks(1)))
    });
    group.bench_function("nginx_whole_and_its_fields", |b| b.iter(|| fields(&request, NGINX)));
    let large = large_head();
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("head_of_8_kib", |b| b.iter(|| read(&request, [black_box(&large[..])])));
    group.finish();
}

fn chunked_bodies(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunked");
    let request = get();
    for (name, size) in [("16_byte_chunks", 16), ("4_kib_chunks", 4096)] {
        let wire = chunked(size, 256 * 1024);
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |b| b.iter(|| read(&request, wire.chunks(16 * 1024))));
    }
    group.finish();
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    let mut head = get();
    head.field("User-Agent", "ringdove/0.1").expect("a good field");
    head.field("Accept", "*/*").expect("a good field");
    let mut out = [0; 1024];
    group.bench_function("encode", |b| {
        b.iter(|| black_box(&head).encode(BodyLength::None, &mut out))
    });
    let url = Url::parse("http://www.example.com/some/path?and=query").expect("a URL");
    group.bench_function("new", |b| b.iter(|| RequestHead::new(Method::GET, black_box(&url))));
    let limits = HttpLimits::DEFAULT;
    let mut out = vec![0; 16 * 1024];
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function("chunk_of_16_kib", |b| {
        b.iter_batched_ref(
            || Exchange::new(&head, BodyLength::Unknown, &limits),
            |exchange| {
                let filled = exchange.fill_body(&mut out, &mut |out| SourceRead::Data(out.len()));
                assert!(matches!(filled, Ok(Fill::Filled(_))));
            },
            BatchSize::SmallInput,
        )
    });
    group.finish();
}

fn names(c: &mut Criterion) {
    let mut group = c.benchmark_group("dns");
    let name = "www.example.com";
    let mut query = Vec::new();
    group.bench_function("encode", |b| {
        b.iter(|| message::encode(7, black_box(name), Kind::A, true, &mut query))
    });
    let address = [192, 0, 2, 1];
    let owned = |owner: &[u8], kind: u8, data: &[u8]| {
        [owner, &[0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8], data].concat()
    };
    let plain = answer(name, &[owned(&[0xc0, 12], 1, &address)]);
    group.bench_function("decode", |b| {
        b.iter(|| message::decode(black_box(&plain), 7, name, Kind::A).expect("a good answer"))
    });
    let alias = owned(&[0xc0, 12], 5, &[1, b'a', 0xc0, 16]);
    let aliased = answer(name, &[alias, owned(&[0xc0, 45], 1, &address)]);
    group.bench_function("decode_alias", |b| {
        b.iter(|| message::decode(black_box(&aliased), 7, name, Kind::A).expect("a good answer"))
    });
    group.finish();
}

/// The answer to a query for IPv4 addresses, with these records.
fn answer(name: &str, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = Vec::new();
    assert!(message::encode(7, name, Kind::A, false, &mut message));
    message[2] |= 0x80;
    message[7] = records.len() as u8;
    message.extend(records.concat());
    message
}

fn get() -> RequestHead {
    let url = Url::parse("http://www.example.com/some/path?and=query").expect("a URL");
    RequestHead::new(Method::GET, &url).expect("a good request")
}

/// Reads one response to its end; the bytes of its body.
fn read<'w>(request: &RequestHead, pieces: impl IntoIterator<Item = &'w [u8]>) -> u64 {
    let mut exchange = Exchange::new(request, BodyLength::None, &HttpLimits::DEFAULT);
    exchange.head_taken();
    for mut piece in pieces {
        while !piece.is_empty() {
            let read = exchange.read(piece).expect("a good response");
            piece = &piece[read.consumed..];
            if let Event::Body(body) = read.event {
                black_box(body);
            }
        }
    }
    assert!(exchange.response_complete());
    assert!(exchange.close_reasons().is_empty());
    exchange.body_received()
}

/// Reads one head, and looks at each of its fields.
fn fields(request: &RequestHead, wire: &[u8]) -> usize {
    let mut exchange = Exchange::new(request, BodyLength::None, &HttpLimits::DEFAULT);
    match exchange.read(black_box(wire)).expect("a good response").event {
        Event::Head(head) => head.fields().map(|(name, value)| name.len() + value.len()).sum(),
        other => panic!("{other:?} instead of a head"),
    }
}

fn large_head() -> Vec<u8> {
    let mut wire = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
    for n in 0..32 {
        wire.extend_from_slice(
            format!("Set-Cookie: c{n}={}; Path=/\r\n", "x".repeat(220)).as_bytes(),
        );
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

fn chunked(size: usize, total: usize) -> Vec<u8> {
    let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..total / size {
        wire.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        wire.resize(wire.len() + size, b'x');
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}
