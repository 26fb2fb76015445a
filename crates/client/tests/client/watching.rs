//! What is told of calls to whoever watches.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use ringdove_client::Client;
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::{PATIENCE, eventually};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

use crate::run;

/// Remembers the spans of calls: their fields, whose child they are, whether they have ended.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Span>>>);

#[derive(Default, Debug)]
struct Span {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
    is_closed: bool,
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "ringdove_client"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut spans = self.0.lock().unwrap();
        let mut span = Span { name: attributes.metadata().name(), ..Span::default() };
        attributes.record(&mut span);
        spans.push(span);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        values.record(&mut self.0.lock().unwrap()[id.into_u64() as usize - 1]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn try_close(&self, id: Id) -> bool {
        self.0.lock().unwrap()[id.into_u64() as usize - 1].is_closed = true;
        true
    }
}

#[test]
fn each_call_is_a_span() {
    let server = Plan::new()
        .path("/page", Script::new().ok("here"))
        .path("/never", Script::new().read_head().stall())
        .start();
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut";
    let broken = Plan::new().path("/", Script::new().send(cut).close()).start();
    let spans = Spans::default();
    tracing::subscriber::with_default(spans.clone(), || {
        let client = Client::new();
        let url = server.url("/page?secret").replace("http://", "http://me:secret@");
        let text = run(async { client.post(url).body("hello").send().await?.text().await });
        assert_eq!(text.unwrap(), "here");
        run(async { client.get(broken.url("/")).send().await?.text().await }).unwrap_err();
        let mut given_up = Box::pin(client.get(server.url("/never")).send());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(given_up.as_mut().poll(&mut cx).is_pending());
        drop(given_up);
        run(client.get("http://127.0.0.1/").header("a", "\n").send()).unwrap_err();
    });
    let all_closed = || spans.0.lock().unwrap().iter().all(|span| span.is_closed);
    assert!(eventually(PATIENCE, all_closed));
    let spans = spans.0.lock().unwrap();
    let [page, cut, given_up] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!(page.name, "call");
    let port = server.addr().port().to_string();
    for (name, value) in [
        ("http.request.method", "POST"),
        ("url.scheme", "http"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("url.path", "/page"),
        ("outcome", "2xx"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
        ("network.peer.address", &server.addr().to_string()),
        ("reused", "false"),
        ("requests", "1"),
        ("retried", "0"),
    ] {
        assert_eq!(page.fields.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!format!("{page:?}").contains("secret"), "{page:?}");
    let number = |name| page.fields[name].parse::<u64>().unwrap();
    assert!(number("sent") > 50 && number("received") > 20);
    assert!(number("total_us") >= number("first_byte_us"));
    assert_eq!(cut.fields["outcome"], "cut");
    assert_eq!(given_up.fields["outcome"], "cancelled");
}

/// Keeps numbers by name and labels.
#[derive(Default)]
struct Numbers(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Numbers {
    fn of(&self, key: &Key) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(",{}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn get(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map_or(0, |number| number.load(Ordering::Relaxed))
    }
}

/// How often something was recorded.
struct Times(Arc<AtomicU64>);

impl HistogramFn for Times {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl metrics::Recorder for &'static Numbers {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.of(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Times(self.of(key))))
    }
}

/// Other tests of this process are counted with it, but for a method that none of them has.
#[test]
fn calls_are_counted() {
    let numbers: &'static Numbers = Box::leak(Box::default());
    metrics::set_global_recorder(numbers).unwrap();
    let server = Plan::new()
        .path("/", Script::new().ok("here"))
        .path("/missing", Script::new().respond("404 Not Found", Framing::ContentLength, "none"))
        .start();
    let client = Client::new();
    let call = |path: &str| {
        let call = client.request(http::Method::OPTIONS, server.url(path));
        run(async { call.send().await?.text().await }).unwrap();
    };
    call("/");
    call("/missing");
    call("/");
    let calls = |outcome| {
        numbers.get(&format!("ringdove_client_calls_total,method=OPTIONS,outcome={outcome}"))
    };
    assert!(eventually(PATIENCE, || (calls("2xx"), calls("4xx")) == (2, 1)));
    for name in [
        "ringdove_client_call_seconds,outcome=4xx",
        "ringdove_client_phase_seconds,phase=first_byte",
        "ringdove_client_connections_used_total,reused=true",
        "ringdove_client_sent_bytes_total",
        "ringdove_client_received_bytes_total",
    ] {
        assert!(numbers.get(name) > 0, "{name}");
    }
}
