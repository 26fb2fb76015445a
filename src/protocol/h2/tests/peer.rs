//! The connection and the server that tests share, without anything between them: what the one says of the other.

use ringdove_test_support::h2::raw::setting;
use ringdove_test_support::h2::{Credit, Last, Plan, Script, Server, cases, pattern};

use super::*;

/// Both sides of a connection.
struct Pair {
    link: Link,
    server: Server,
    /// How it ended, if it did.
    end: Result<(), LinkFault>,
}

impl Pair {
    fn new(plan: Plan) -> Pair {
        Pair { link: Link::new(), server: Server::new(plan), end: Ok(()) }
    }

    fn ask(&mut self, key: u64, path: &str, body: Option<&[u8]>) {
        let url = Url::parse("https://example.com").unwrap().join(path).unwrap();
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let head = RequestHead::new(method, &url).unwrap();
        let length = body.map_or(BodyLength::None, |body| BodyLength::Known(body.len() as u64));
        let source = body.map_or(Vec::new(), |_| vec![SourceRead::End]);
        self.link.begin(key, head, length, source, body.unwrap_or_default());
    }

    /// Hands on what each side says, in pieces of this size, until neither says anything.
    fn run(&mut self, piece: usize) {
        loop {
            let said = self.link.sent_bytes(piece);
            said.chunks(piece).for_each(|piece| self.server.receive(piece));
            let answered = self.server.transmit();
            if self.end.is_ok() {
                self.end = answered.chunks(piece).try_for_each(|piece| self.link.receive(piece));
            }
            if said.is_empty() && answered.is_empty() {
                break;
            }
        }
        if self.end.is_err() {
            self.server.receive_end();
        }
    }

    /// The body of a response that is complete.
    fn body(&self, key: u64) -> Option<Vec<u8>> {
        let told = &self.link.told;
        told.contains(&format!("{key} complete")).then(|| {
            let begin = format!("{key} body ");
            let bodies = told.iter().filter_map(|told| told.strip_prefix(&begin));
            bodies.collect::<String>().into_bytes()
        })
    }
}

#[track_caller]
fn tried(case: &cases::Case) {
    for piece in [1 << 20, 1000] {
        let mut pair = Pair::new(case.plan());
        // what stands in its first bytes may already be wrong
        let first = pair.server.transmit();
        for (key, path) in (1..).zip(cases::PATHS) {
            pair.ask(key, path, None);
        }
        pair.end = pair.link.receive(&first);
        pair.run(piece);
        let bodies = [1, 2].map(|key| pair.body(key));
        let verdict = case.verdict(pair.server.seen(), &bodies);
        assert_eq!(verdict, Ok(()), "\n{:#?}", pair.link.told);
    }
}

#[test]
fn each_case_of_the_rfc() {
    cases::all().for_each(tried);
}

#[test]
fn floods() {
    cases::floods().for_each(tried);
}

/// Requests with bodies that come back, one after the other, under rules that are narrow and change.
#[test]
fn whatever_the_server_allows_is_kept_to() {
    let shrunk = Script::new()
        .await_bytes(100)
        .settings(&[(setting::INITIAL_WINDOW_SIZE, 10), (setting::HEADER_TABLE_SIZE, 50)])
        .head(200, &[])
        .echo();
    let echo = || Script::echoing().cut_data(999).pad_data(20);
    let plans = [
        Plan::new().settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]).credit(Credit::WhenEmpty(7)),
        Plan::new().settings(&[(setting::HEADER_TABLE_SIZE, 0)]).credit(Credit::WhenEmpty(9_999)),
        Plan::new()
            .settings(&[(setting::HEADER_TABLE_SIZE, 100), (setting::MAX_FRAME_SIZE, 99_999)]),
        Plan::new().settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]).path("/2", shrunk),
        Plan::new()
            .opening(Script::new().await_requests(3).settings(&[(1, 30)]).settings(&[(1, 99)])),
    ];
    for plan in plans {
        let mut pair = Pair::new(plan.each(move |_| echo()));
        let body = pattern("body", 70_000);
        pair.link.consumes = true;
        let mut bodies = Vec::new();
        for key in 1..=6 {
            pair.ask(key, &format!("/{key}"), Some(&body));
            pair.run(10_000);
            bodies.push(pair.link.told.contains(&format!("{key} complete")));
        }
        let seen = pair.server.seen();
        assert_eq!((&seen.violations[..], &pair.end), (&[][..], &Ok(())), "{}", seen.dump());
        assert_eq!(bodies, [true; 6], "{:?}", pair.link.told);
        assert!(seen.requests.iter().all(|request| request.complete && request.body == body));
    }
}

#[test]
fn who_goes_away_is_asked_for_nothing_more() {
    let script = Script::new().go_away(Last::This, 0).ping().head(200, &[]).pattern(3);
    let mut pair = Pair::new(Plan::new().path("/1", script).path("/2", Script::ok(1)));
    pair.ask(1, "/1", None);
    pair.ask(2, "/2", None);
    pair.run(1000);
    assert_eq!(pair.link.connection.capacity(), 0);
    assert_eq!(pair.server.seen().violations, [""; 0]);
    let processed: Vec<_> = pair.server.seen().requests.iter().map(|r| r.processed).collect();
    assert_eq!(processed, [true, false]);
    assert!(pair.link.told.contains(&"1 complete".to_owned()));
    assert!(pair.link.told.contains(&"2 refused".to_owned()), "{:?}", pair.link.told);
}
