use std::sync::Arc;
use ringdove::{Driver, Config, Options, TlsPolicy, Request, Discard, driver};
fn main() {
    let mut args = std::env::args().skip(1);
    let kind = match args.next().unwrap().as_str() { "poll" => driver::Kind::Poll, _ => driver::Kind::Epoll };
    let url = args.next().unwrap();
    let c: usize = args.next().unwrap().parse().unwrap();
    let n: usize = args.next().unwrap().parse().unwrap();
    let mut d = Driver::new(kind, Config { max_connections: c, max_per_origin: c, ..Default::default() }).unwrap();
    let opts = Arc::new(Options { tls: Some(TlsPolicy::builder().insecure().build().unwrap()), ..Default::default() });
    let url = url::Url::parse(&url).unwrap();
    let mut added = 0; let mut ok = 0; let mut bad = 0;
    let add = |d: &mut Driver| { d.add(Request::for_url(http_method(), &url).unwrap().options(opts.clone()), Box::new(Discard)).unwrap(); };
    while added < c.min(n) { add(&mut d); added += 1; }
    while d.turn(None).unwrap() > 0 || d.stats().running > 0 {
        while let Some(m) = d.next_message() {
            match m.outcome.result { Ok(r) if r.status == 200 => ok += 1, other => { bad += 1; if bad < 4 { eprintln!("{other:?} {:?}", m.outcome.report) } } }
            if added < n { add(&mut d); added += 1; }
        }
    }
    println!("ok {ok} bad {bad} {:?}", d.stats());
    for (c, n) in ringdove::sys::count::snapshot().iter() { if n > 0 { print!("{} {n}  ", c.name()); } }
    println!();
}
fn http_method() -> http::Method { http::Method::GET }
