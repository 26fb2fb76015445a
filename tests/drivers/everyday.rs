//! What is used every day and has no page of its own: a proxy in the way that nobody asked for, transfers
//! that are too slow, hosts that want TLS, trailers.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::engine::BodySource;
use ringdove::error::{Cause, Deadline};
use ringdove::protocol::{Hsts, SourceRead, Trailers};
use ringdove::{Body, LowSpeed, Options, Request, TlsPolicy};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig};

on_every_driver! {
    nginx_in_the_way,
    who_is_too_slow_is_given_up,
    who_wants_tls_gets_it,
    who_was_not_verified_is_not_believed,
    trailers_arrive_after_their_body,
}

fn nginx_in_the_way(kind: Kind) {
    let large: Vec<u8> = (0..1_500_000_u32).map(|n| (n % 251) as u8).collect();
    let origin = Plan::new()
        .path("/large", Script::new().ok(&large))
        .path("/chunked", Script::new().respond("200 OK", Framing::Chunked(777), &large))
        .path("/until-close", Script::new().respond("200 OK", Framing::UntilClose, &large).close())
        .path("/cut", Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut").close())
        .path("/up", Script::new().read_body().ok("taken"))
        .path("/busy", Script::new().respond("503 Busy", Framing::ContentLength, "busy"))
        .start();
    let directives = format!("location / {{ proxy_pass http://{}; }}", origin.addr());
    let nginx =
        Nginx::start(NginxConfig { server_directives: directives, ..NginxConfig::default() });
    let mut run = Run::new(kind);
    for path in ["/large", "/chunked", "/until-close", "/large"] {
        let transfer = run.get(&nginx.url(path));
        run.finish();
        transfer.assert_response(200, &large);
    }
    let transfer = run.get(&nginx.url("/busy"));
    run.finish();
    transfer.assert_response(503, b"busy");
    let post = |body: Body| {
        Request::new(http::Method::POST, &nginx.url("/up")).expect("a good URL").body(body)
    };
    let known = run.add(post(Body::Memory(large.clone().into())));
    let unknown =
        run.add(post(Body::Stream { length: None, source: Box::new(Pieces(large.clone())) }));
    run.finish();
    known.assert_response(200, b"taken");
    unknown.assert_response(200, b"taken");
    let posts = origin.requests().into_iter().filter(|request| request.target() == "/up");
    let bodies: Vec<_> = posts.map(|request| request.body).collect();
    assert!(bodies.len() == 2 && bodies.iter().all(|body| *body == large));
    let transfer = run.get(&nginx.url("/cut"));
    run.finish();
    assert!(matches!(transfer.error().cause, Cause::Http(_)), "{:?}", transfer.error());
}

/// Gives its bytes by and by.
struct Pieces(Vec<u8>);

impl BodySource for Pieces {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let length = self.0.len().min(out.len()).min(5_000);
        if length == 0 {
            return SourceRead::End;
        }
        out[..length].copy_from_slice(&self.0[..length]);
        self.0.drain(..length);
        SourceRead::Data(length)
    }
}

fn who_is_too_slow_is_given_up(kind: Kind) {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let trickle = Script::new().read_head().trickle(
        [head.as_bytes(), &[b'x'; 1000]].concat(),
        1,
        Duration::from_millis(10),
    );
    let server = Plan::new().connection(trickle).start();
    let over = Duration::from_millis(300);
    let low_speed = Some(LowSpeed { bytes_per_second: 10_000, over });
    let mut run = Run::new(kind);
    let transfer = run.get_with(&server.url("/"), Options { low_speed, ..Options::default() });
    run.finish();
    let cause = transfer.error().cause;
    assert!(matches!(cause, Cause::Timeout { deadline: Deadline::LowSpeed, .. }), "{cause:?}");
    assert!(transfer.took() >= over, "{:?}", transfer.took());
}

/// A server with TLS that says so, and the URLs by which it is asked.
fn strict(authority: &Authority) -> (ringdove_test_support::hostile::Hostile, String, String) {
    let said = "200 OK\r\nStrict-Transport-Security: max-age=1000";
    let server = Plan::new()
        .tls(authority.server().server_config())
        .path("/", Script::new().respond(said, Framing::ContentLength, "strict"))
        .start();
    let port = server.addr().port();
    (server, format!("https://localhost:{port}/"), format!("http://localhost:{port}/"))
}

fn who_wants_tls_gets_it(kind: Kind) {
    let authority = Authority::new();
    let (_server, secure, plain) = strict(&authority);
    let hsts = Hsts::new();
    let options = || Options { hsts: Some(hsts.clone()), ..Options::default() };
    let mut run = Run::trusting(kind, &authority);
    for url in [&secure, &plain] {
        let transfer = run.get_with(url, options());
        run.finish();
        transfer.assert_response(200, b"strict");
        assert!(transfer.outcome().report.tls.is_some(), "{url}");
    }
}

fn who_was_not_verified_is_not_believed(kind: Kind) {
    let authority = Authority::new();
    let (_server, secure, plain) = strict(&authority);
    let hsts = Hsts::new();
    let tls = Some(TlsPolicy::builder().insecure().build().expect("a policy"));
    let options = Options { hsts: Some(hsts), tls, ..Options::default() };
    let mut run = Run::trusting(kind, &authority);
    let transfer = run.get_with(&secure, options.clone());
    run.finish();
    transfer.assert_response(200, b"strict");
    let transfer = run.get_with(&plain, options);
    run.finish();
    assert!(transfer.outcome().report.tls.is_none());
}

/// A body, and then its trailers.
struct WithTrailers(Pieces);

impl BodySource for WithTrailers {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        match self.0.read(out) {
            SourceRead::End => {
                SourceRead::EndWith(Trailers::new().field("X-Sum", "5").expect("a good field"))
            }
            more => more,
        }
    }
}

fn trailers_arrive_after_their_body(kind: Kind) {
    let authority = Authority::new();
    let body = vec![b'x'; 20_000];
    let script = |first: Script| first.read_head().read_body().ok("taken");
    let plain = Plan::new().connection(script(Script::new())).start();
    let tls = Plan::new()
        .tls(authority.server().server_config())
        .connection(script(Script::new().handshake()))
        .start();
    let mut run = Run::trusting(kind, &authority);
    for server in [&plain, &tls] {
        let request = Request::new(http::Method::POST, &server.url("/")).expect("a good URL");
        let request = request.announce_trailers(&["X-Sum"]).expect("a good name");
        let source = Box::new(WithTrailers(Pieces(body.clone())));
        let transfer = run.add(request.body(Body::Stream { length: None, source }));
        run.finish();
        transfer.assert_response(200, b"taken");
        let received = server.seen()[0].received.clone();
        assert!(received.ends_with(b"\r\n0\r\nX-Sum: 5\r\n\r\n"), "{}", received.escape_ascii());
    }
}
