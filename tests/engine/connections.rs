//! Connections that carry no request, requests that a handler sees off, and heads that a caller writes.

use std::sync::Arc;

use ringdove::engine::{Body, Flow, Options};
use ringdove::error::Cause;
use ringdove::limits::HttpLimits;
use ringdove::protocol::{BodyLength, HeadToWrite, Host, Origin, RequestHead, Scheme, WriteHead};
use ringdove::{BodySource, Handler, Proxies, Proxy, RedirectPolicy, ResponseHead, SourceRead};

use crate::harness::{Harness, Log, OK, get, get_url};

/// Says this, and then waits.
struct Says(&'static [u8]);

impl BodySource for Says {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let said = std::mem::take(&mut self.0);
        out[..said.len()].copy_from_slice(said);
        if said.is_empty() { SourceRead::Pending } else { SourceRead::Data(said.len()) }
    }
}

#[test]
fn a_connection_carries_bytes_without_a_request() {
    let mut h = Harness::new(1);
    let log = Log::default();
    h.add_with(get("/").body(Body::Connection(Box::new(Says(b"hello")))), log.clone());
    let connection = h.connect();
    assert_eq!(h.sent(connection), b"hello");
    h.received(connection, b"HTTP/1.1 200 OK\r\n\r\nwelcome");
    assert_eq!(log.body(), b"HTTP/1.1 200 OK\r\n\r\nwelcome");
    h.engine.handle_end(connection);
    assert_eq!(h.fails().cause, Cause::Closed);
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn a_handler_may_stop_a_request_before_it_goes_out() {
    struct Stops;

    impl Handler for Stops {
        fn starting(&mut self) -> Flow {
            Flow::Abort("not there".into())
        }

        fn body(&mut self, _: &[u8]) -> Flow {
            Flow::Continue
        }
    }

    let mut h = Harness::new(1);
    h.add_with(get("/"), Stops);
    let connection = h.connect();
    assert_eq!(h.sent(connection), b"");
    assert_eq!(h.fails().cause, Cause::Aborted("not there".into()));
    h.wants_close(connection);
    h.ends_empty();
}

/// Heads of two lines.
#[derive(Debug)]
struct Short;

impl WriteHead for Short {
    fn write(&self, asked: &HeadToWrite<'_>) -> Vec<u8> {
        assert_eq!(asked.body, BodyLength::None);
        let proxy = asked.proxy_authorization.as_deref().unwrap_or(b"-");
        let method = asked.head.method();
        format!("{method} {} {}\r\n\r\n", asked.target(), proxy.escape_ascii()).into_bytes()
    }
}

#[test]
fn heads_go_out_as_they_are_written() {
    let writer: Option<Arc<dyn WriteHead>> = Some(Arc::new(Short));
    let mut h = Harness::new(2);
    let options = Options { head_writer: writer.clone(), ..Options::default() };
    h.add(get("/a").options(Arc::new(options)));
    let connection = h.connect();
    assert_eq!(h.sent(connection), b"GET /a -\r\n\r\n");
    h.received(connection, OK);
    h.succeeds();
    // as a proxy is to forward it
    let proxies = Proxies::all(Proxy::parse("http://u:p@10.0.0.9:80").unwrap());
    let proxies = Some(Arc::new(proxies));
    let options = Options { head_writer: writer, proxies, ..Options::default() };
    h.add(get_url("http://b.test/c").options(Arc::new(options)));
    let connection = h.connect();
    let sent = h.sent(connection);
    assert_eq!(sent.escape_ascii().to_string(), r"GET http://b.test/c Basic dTpw\r\n\r\n");
}

/// A handler that notes what it is told beside the response.
#[derive(Clone, Default)]
struct Notes(std::rc::Rc<std::cell::RefCell<Vec<String>>>);

impl Notes {
    fn take(&self) -> Vec<String> {
        self.0.take()
    }

    fn note(&self, what: &str, bytes: &[u8]) {
        self.0.borrow_mut().push(format!("{what} {}", bytes.escape_ascii()));
    }
}

impl Handler for Notes {
    fn proxy_answered(&mut self, head: &ResponseHead<'_>) {
        self.note("proxy", head.raw());
    }

    fn refused(&mut self, bytes: &[u8]) {
        self.note("refused", bytes);
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        self.note("body", chunk);
        Flow::Continue
    }
}

#[test]
fn a_proxys_answers_are_told() {
    let proxies = Proxies::all(Proxy::parse("http://10.0.0.9:80").unwrap()).tunnel(true);
    let options = Arc::new(Options { proxies: Some(Arc::new(proxies)), ..Options::default() });
    for (answer, told) in [
        (&b"HTTP/1.1 200 Fine\r\n\r\n"[..], "proxy HTTP/1.1 200 Fine\\r\\n\\r\\n"),
        (b"HTTP/1.1 405 No\r\nA: b\r\n\r\n", "proxy HTTP/1.1 405 No\\r\\nA: b\\r\\n\\r\\n"),
    ] {
        let mut h = Harness::new(1);
        let notes = Notes::default();
        h.add_with(get_url("http://b.test/").options(options.clone()), notes.clone());
        let connection = h.connect();
        h.sent(connection);
        h.received(connection, answer);
        assert_eq!(notes.take(), [told]);
    }
}

#[test]
fn what_a_transfer_fails_for_is_told_as_it_came() {
    let mut h = Harness::new(1);
    let notes = Notes::default();
    h.add_with(get("/"), notes.clone());
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: -6\r\n\r\n");
    let told = r"refused HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: -6\r\n\r\n";
    assert_eq!(notes.take(), [told]);
    assert!(matches!(h.fails().cause, Cause::Http(_)));
    // a redirect too many
    let redirects = Some(RedirectPolicy { max: 0, ..RedirectPolicy::default() });
    let mut h = Harness::new(1);
    let options = Options { redirects, ..Options::default() };
    h.add_with(get("/").options(Arc::new(options)), notes.clone());
    let connection = h.ask();
    let head = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    h.received(connection, head.as_bytes());
    assert_eq!(notes.take(), [format!("refused {}", head.escape_default())]);
    assert!(matches!(h.fails().cause, Cause::Redirect(_)));
}

#[test]
fn a_response_may_be_a_body_alone_where_that_is_said() {
    for headless in [false, true] {
        let http = HttpLimits { headless, ..HttpLimits::default() };
        let mut h = Harness::new(1);
        let notes = Notes::default();
        h.add_with(
            get("/").options(Arc::new(Options { http, ..Options::default() })),
            notes.clone(),
        );
        let connection = h.ask();
        h.received(connection, b"no head at all");
        match headless {
            false => assert!(matches!(h.fails().cause, Cause::Http(_))),
            true => {
                assert_eq!(notes.take(), ["body no head at all"]);
                h.engine.handle_end(connection);
                assert_eq!(h.fails().cause, Cause::Closed);
            }
        }
    }
}

/// Bytes by themselves, and then no more.
struct Pieces(Vec<&'static [u8]>);

impl BodySource for Pieces {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let Some(piece) = self.0.pop() else { return SourceRead::End };
        out[..piece.len()].copy_from_slice(piece);
        SourceRead::Piece(piece.len())
    }
}

#[test]
fn pieces_are_chunks_of_their_own() {
    let mut h = Harness::new(1);
    let source = Box::new(Pieces(vec![b"hundreds", b"a"]));
    let body = Body::Stream { length: None, source };
    h.add(ringdove::Request::new(http::Method::POST, "http://10.0.0.1/").unwrap().body(body));
    let connection = h.connect();
    let sent = String::from_utf8(h.sent(connection)).unwrap();
    assert!(sent.ends_with("\r\n\r\n1\r\na\r\n8\r\nhundreds\r\n0\r\n\r\n"), "{sent}");
}

/// Also hosts that URLs have no place for, through a proxy's tunnel and redirected from.
#[test]
fn hosts_are_named_as_they_are() {
    let host = Host::named("Test.80").unwrap();
    assert!(Host::named("a b").is_err() && Host::named("").is_err());
    let origin = Origin::new(host, 80, Scheme::Http);
    let head = RequestHead::to(http::Method::GET, origin, "/x".into()).unwrap();
    let proxies = Proxies::all(Proxy::parse("http://10.0.0.9:80").unwrap()).tunnel(true);
    let redirects = Some(RedirectPolicy::default());
    let options = Options { proxies: Some(Arc::new(proxies)), redirects, ..Options::default() };
    let mut h = Harness::new(1);
    h.add(ringdove::Request::with_head(head).options(Arc::new(options)));
    let connection = h.connect();
    assert!(h.sent(connection).starts_with(b"CONNECT test.80:80 HTTP/1.1\r\nHost: test.80:80\r\n"));
    h.received(connection, b"HTTP/1.1 200 Fine\r\n\r\n");
    assert!(h.sent(connection).starts_with(b"GET /x HTTP/1.1\r\nHost: test.80\r\n"));
    h.received(
        connection,
        b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn an_old_proxy_is_asked_by_http10() {
    let proxy = Proxy::parse("http://10.0.0.9:80").unwrap().by_http10();
    let options =
        Options { proxies: Some(Arc::new(Proxies::all(proxy).tunnel(true))), ..Options::default() };
    let mut h = Harness::new(1);
    h.add(get_url("http://b.test/").options(Arc::new(options)));
    let connection = h.connect();
    assert!(h.sent(connection).starts_with(b"CONNECT b.test:80 HTTP/1.0\r\n"));
    h.received(connection, b"HTTP/1.0 200 Fine\r\n\r\n");
    assert!(h.sent(connection).starts_with(b"GET / HTTP/1.1\r\n"));
}
