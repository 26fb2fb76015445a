//! The server held to its word, by a client that is played frame by frame.

use super::raw::{Fields, Frame, PREFACE, block, code, flag, kind, setting};
use super::*;

/// A client that has begun the connection.
struct Client(Server);

const GET: Fields<'_> =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
const POST: Fields<'_> =
    &[(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

impl Client {
    /// One whose settings are acknowledged, and who has acknowledged the server's.
    fn new(plan: Plan) -> Client {
        Client::with(plan, &[])
    }

    fn with(plan: Plan, settings: &[(u16, u32)]) -> Client {
        let mut client = Client(Server::new(plan));
        client.say(&[PREFACE, &raw::settings(settings), &raw::settings_ack()].concat());
        client
    }

    /// Says this, and returns what is answered.
    fn say(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.0.receive(bytes);
        self.hear()
    }

    fn hear(&mut self) -> Vec<Frame> {
        let mut bytes = Vec::new();
        loop {
            let piece = self.0.transmit();
            if piece.is_empty() {
                return Frame::all(&bytes);
            }
            bytes.extend(piece);
        }
    }

    /// The same in words.
    fn told(&mut self, bytes: &[u8]) -> Vec<String> {
        self.say(bytes).iter().map(words).collect()
    }

    fn get(&mut self, stream: u32, path: &str) -> Vec<String> {
        self.told(&get(stream, path))
    }

    fn violations(&self) -> &[String] {
        &self.0.seen().violations
    }
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    let mut fields = GET.to_vec();
    fields[2].1 = path;
    raw::headers(stream, flag::END_STREAM, &fields)
}

fn post(stream: u32) -> Vec<u8> {
    raw::headers(stream, 0, POST)
}

fn words(frame: &Frame) -> String {
    let Frame { kind, flags, stream, payload } = frame;
    let end = if *kind < 2 && frame.has(flag::END_STREAM) { " end" } else { "" };
    match *kind {
        kind::DATA => format!("{stream} data {}{end}", payload.len()),
        kind::HEADERS if frame.has(flag::END_HEADERS) => {
            format!("{stream} headers {}{end}", payload.len())
        }
        kind::RST_STREAM => format!("{stream} rst {}", frame.number_at(0)),
        kind::SETTINGS if frame.has(flag::ACK) => "ack".to_owned(),
        kind::SETTINGS => "settings".to_owned(),
        kind::PING => format!("ping {flags}"),
        kind::GOAWAY => format!("goaway {} {}", frame.number_at(0), frame.number_at(4)),
        kind::WINDOW_UPDATE => format!("{stream} window {}", frame.number_at(0)),
        _ => format!("{stream} {kind}/{flags} {}{end}", payload.len()),
    }
}

/// What the head of a response says, without what it is encoded by.
fn text(frame: &Frame) -> String {
    String::from_utf8_lossy(&frame.payload).replace(|c: char| !c.is_ascii_graphic(), " ")
}

#[test]
fn a_path_is_answered_with_its_pattern() {
    let mut client = Client::new(Plan::new().path("/x", Script::ok(20_000)));
    let frames = client.say(&get(1, "/x?q"));
    assert!(text(&frames[0]).contains("content-length 20000"), "{}", text(&frames[0]));
    let body: Vec<u8> = frames[1..].iter().flat_map(|frame| frame.payload.clone()).collect();
    assert_eq!(body, pattern("/x?q", 20_000));
    assert_ne!(body, pattern("/y", 20_000));
    assert_eq!(
        frames[1..].iter().map(words).collect::<Vec<_>>(),
        ["1 data 16384", "1 data 3616 end"]
    );
    let mut head = GET.to_vec();
    (head[0].1, head[2].1) = ("HEAD", "/x");
    let frames = client.say(&raw::headers(3, flag::END_STREAM, &head));
    assert!(text(&frames[0]).contains("content-length 20000") && frames.len() == 1);
    assert!(frames[0].has(flag::END_STREAM));
    assert_eq!(client.violations(), [""; 0]);
}

#[test]
fn bodies_keep_to_the_clients_windows() {
    let plan = || Plan::new().path("/", Script::ok(100_000).cut_data(60_000));
    let settings = [(setting::INITIAL_WINDOW_SIZE, 10), (setting::MAX_FRAME_SIZE, 100_000)];
    let mut client = Client::with(plan(), &settings);
    assert_eq!(client.get(1, "/")[1..], ["1 data 10"]);
    assert_eq!(client.told(&raw::window_update(1, 5)), ["1 data 5"]);
    // 15 fewer
    assert_eq!(client.told(&raw::settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])), ["ack"]);
    assert_eq!(client.told(&raw::window_update(1, 10)), [""; 0]);
    assert_eq!(client.told(&raw::window_update(1, 10)), ["1 data 10"]);
    // the connection's
    assert_eq!(client.told(&raw::window_update(1, 90_000)), ["1 data 60000", "1 data 5510"]);
    assert_eq!(client.told(&raw::window_update(0, 90_000)), ["1 data 24490"]);
    assert_eq!(client.told(&raw::window_update(1, 90_000)), ["1 data 9975 end"]);
    let padded = Plan::new().path("/", Script::ok(8).pad_data(3).pad_heads(2));
    let mut client = Client::with(padded, &[(setting::INITIAL_WINDOW_SIZE, 10)]);
    assert_eq!(client.get(1, "/")[1..], ["1 data 10"]);
    assert_eq!(client.told(&raw::window_update(1, 4)), [""; 0]);
    assert_eq!(client.told(&raw::window_update(1, 2)), ["1 data 6 end"]);
}

#[test]
fn heads_are_cut_and_padded() {
    let plan = Plan::new()
        .path("/cut", Script::new().head(200, &[("a", "b")]).cut_heads(10))
        .path("/padded", Script::new().head(200, &[]).pad_heads(9));
    let mut client = Client::new(plan);
    assert_eq!(client.get(1, "/cut"), ["1 1/1 10 end", "1 9/0 10", "1 9/0 10", "1 9/4 6"]);
    let whole = block(&[(":status", "200"), ("content-length", "0")]).len();
    assert_eq!(client.get(3, "/padded"), [format!("3 headers {} end", whole + 10)]);
}

#[test]
fn messages_have_all_their_parts() {
    let script = Script::new()
        .informational(103, &[("link", "</a>")])
        .head_that_says(200, &[("server", "x")], Length::Says(7))
        .bytes("abc")
        .trailers(&[("digest", "y")]);
    let mut client =
        Client::new(Plan::new().path("/", script.clone()).path("/end", Script::ok(1).end()));
    let frames = client.say(&get(1, "/"));
    let texts: Vec<_> = frames.iter().map(text).collect();
    assert!(texts[0].contains("103") && texts[0].contains("</a>"), "{texts:?}");
    assert!(texts[1].contains("content-length 7") && texts[2] == "abc", "{texts:?}");
    assert!(texts[3].contains("digest") && frames[3].has(flag::END_STREAM));
    assert!(!frames[..3].iter().any(|frame| frame.has(flag::END_STREAM)));
    assert_eq!(client.get(3, "/end")[1..], ["3 data 1", "3 data 0 end"]);
    assert_eq!(client.get(5, "/other").last().unwrap(), "5 data 13 end");
}

#[test]
fn streams_end_in_other_ways() {
    let plan = Plan::new()
        .path("/reset", Script::new().head(200, &[]).pattern(5).reset(code::CANCEL))
        .path("/refused", Script::refused())
        .path("/stall", Script::ok(5).stall())
        .path("/raw", Script::new().raw(|id| raw::rst_stream(id, 99)))
        .path("/close", Script::ok(1).close().ping());
    let mut client = Client::new(plan);
    assert_eq!(client.get(1, "/reset")[1..], ["1 data 5", "1 rst 8"]);
    assert_eq!(client.get(3, "/refused"), ["3 rst 7"]);
    assert_eq!(client.get(5, "/stall")[1..], ["5 data 5"]);
    assert_eq!(client.get(7, "/raw"), ["7 rst 99"]);
    assert_eq!(client.0.end(), None);
    assert_eq!(client.get(9, "/close")[1..], ["9 data 1 end"]);
    assert_eq!(client.0.end(), Some(End::Close));
    let processed: Vec<_> = client.0.seen().requests.iter().map(|r| r.processed).collect();
    assert_eq!(processed, [true, false, true, true, true]);
    assert_eq!(client.violations(), [""; 0]);
}

#[test]
fn echoes_go_back_as_they_come() {
    let mut client = Client::new(Plan::new().path("/", Script::echoing()));
    let answers = client.told(&[post(1), raw::data(1, 0, b"abc")].concat());
    assert_eq!(answers[..2], ["1 window 3", "0 window 3"]);
    assert_eq!(answers[3..], ["1 data 3"]);
    let frames = client.say(&raw::padded_data(1, flag::END_STREAM, b"de", 7));
    assert_eq!(frames.iter().map(words).collect::<Vec<_>>(), ["0 window 10", "1 data 2 end"]);
    let request = &client.0.seen().requests[0];
    assert_eq!((&request.body[..], request.complete), (&b"abcde"[..], true));
    assert_eq!(client.violations(), [""; 0]);
}

#[test]
fn credit_is_given_as_the_plan_says() {
    let answers = |credit, window| {
        let plan = Plan::new().credit(credit).settings(&[(setting::INITIAL_WINDOW_SIZE, window)]);
        let mut client = Client::new(plan.path("/", Script::ok(0)));
        let mut answers = client.told(&post(1));
        answers.extend(client.told(&raw::data(1, 0, b"a")));
        (answers, client.violations().len())
    };
    assert_eq!(answers(Credit::AtOnce, 1).0, ["1 window 1", "0 window 1"]);
    assert_eq!(answers(Credit::WhenEmpty(1), 0).0, ["1 window 1", "1 window 1"]);
    assert_eq!(answers(Credit::WhenEmpty(9), 2).0, [""; 0]);
    assert_eq!(answers(Credit::Never, 1), (vec![], 0));
    assert_eq!(answers(Credit::Never, 0).1, 1);
    let script = Script::new().await_bytes(1).grant(5, 6).await_body().head(200, &[]);
    let plan = Plan::new().credit(Credit::Never).path("/", script);
    let mut client = Client::new(plan);
    assert_eq!(client.told(&post(1)), [""; 0]);
    assert_eq!(client.told(&raw::data(1, 0, b"a")), ["1 window 5", "0 window 6"]);
}

#[test]
fn answers_come_in_the_order_of_the_plan() {
    let answers = |order| {
        let script = Script::ok(2).cut_data(1).await_requests(2);
        let steps = Script { steps: [&script.steps[3..], &script.steps[..3]].concat(), ..script };
        let plan = Plan::new().order(order).path("/", steps);
        let mut client = Client::new(plan);
        assert_eq!(client.get(1, "/"), [""; 0]);
        let answers = client.get(3, "/");
        answers.iter().map(|words| words[..1].parse().unwrap()).collect::<Vec<u32>>()
    };
    assert_eq!(answers(Order::OldestFirst), [1, 1, 1, 3, 3, 3]);
    assert_eq!(answers(Order::NewestFirst), [3, 3, 3, 1, 1, 1]);
    let turns = answers(Order::Turns);
    assert!(turns[0] != turns[1] && turns[4] != turns[5], "{turns:?}");
}

#[test]
fn a_goaway_leaves_later_streams_unprocessed() {
    let graceful = Script::new()
        .go_away(Last::Any, code::NO_ERROR)
        .ping()
        .await_acks()
        .go_away(Last::Highest, code::NO_ERROR)
        .head(200, &[])
        .await_alone()
        .close();
    let plan = Plan::new().path("/graceful", graceful).path("/slow", Script::ok(1));
    let mut client = Client::new(plan);
    client.told(&post(1));
    let answers = client.say(&get(3, "/graceful"));
    assert_eq!(words(&answers[0]), format!("goaway {} 0", raw::MOST));
    let pong = raw::frame(kind::PING, flag::ACK, 0, &answers[1].payload);
    let late = [get(5, "/slow"), pong].concat();
    let answers = client.told(&late);
    assert!(answers.contains(&"goaway 5 0".to_owned()), "{answers:?}");
    assert!(answers.contains(&"5 data 1 end".to_owned()), "{answers:?}");
    assert_eq!(client.get(7, "/slow"), [""; 0]);
    assert_eq!(client.0.end(), None);
    assert!(client.told(&raw::data(1, flag::END_STREAM, b"")).len() > 1);
    assert_eq!(client.0.end(), Some(End::Close));
    let processed: Vec<_> = client.0.seen().requests.iter().map(|r| r.processed).collect();
    assert_eq!(processed, [true, true, true, false]);
    assert_eq!(client.violations(), [""; 0]);

    let plan = Plan::new().path("/", Script::new().go_away(Last::BeforeThis, 1).close());
    let mut client = Client::new(plan);
    assert_eq!(client.get(1, "/"), ["goaway 0 1"]);
    assert!(!client.0.seen().requests[0].processed && client.0.end().is_some());
}

#[test]
fn requests_are_counted_by_what_a_field_says() {
    let with = |stream, path, id| {
        let fields = [&GET[..2], &[(":path", path), ("id", id)]].concat();
        raw::headers(stream, flag::END_STREAM, &fields)
    };
    let mut client = Client::new(Plan::new().path("/refused", Script::refused()));
    client.say(
        &[with(1, "/", "a"), with(3, "/", "b"), with(5, "/", "b"), with(7, "/refused", "c")]
            .concat(),
    );
    let counted = processed(&client.0.seen().requests, "id");
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    let plan = || {
        let plan = Plan::new().settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
        plan.path("/", Script::new().await_release().head(200, &[]))
    };
    let mut client = Client::new(plan());
    assert_eq!(client.get(1, "/"), [""; 0]);
    assert_eq!(client.get(3, "/"), ["3 rst 7"]);
    assert_eq!(client.violations(), ["stream 3 while 1 are open"]);
    client.0.release();
    assert_eq!(client.hear().len(), 1);
    assert_eq!(client.get(5, "/").len(), 1);
    assert_eq!(client.violations().len(), 1);
    // who has not read the settings may not know
    let mut client = Client(Server::new(plan()));
    client.say(&[PREFACE, &raw::settings(&[]), &get(1, "/"), &get(3, "/")].concat());
    assert_eq!(client.violations(), [""; 0]);
}

#[test]
fn settings_are_in_force_once_they_are_acknowledged() {
    let shrink = [(setting::INITIAL_WINDOW_SIZE, 1), (setting::MAX_FRAME_SIZE, 16_384)];
    let script = Script::new().await_bytes(2).settings(&shrink).await_body().head(200, &[]);
    let plan = Plan::new().credit(Credit::Never).path("/", script);
    let begun = || {
        let mut client = Client::new(plan.clone());
        assert_eq!(client.told(&[post(1), raw::data(1, 0, b"ab")].concat()), ["settings"]);
        client
    };
    // what left before the settings were read
    let mut client = begun();
    client.say(&[raw::data(1, 0, b"c"), raw::settings_ack()].concat());
    assert_eq!(client.violations(), [""; 0]);
    client.say(&raw::data(1, 0, b"d"));
    assert_eq!(client.violations(), ["DATA beyond the window of stream 1: -3"]);
}

#[test]
fn a_smaller_table_is_told() {
    let begun = |size: u32| {
        let plan = Plan::new().settings(&[(setting::HEADER_TABLE_SIZE, size)]);
        let mut client = Client::new(plan);
        client.say(&get(1, "/"));
        client.violations().to_vec()
    };
    assert_eq!(begun(8192), [""; 0]);
    assert_eq!(begun(100), ["a table of 4096 bytes was not made smaller than 100"]);
    let plan = || Plan::new().settings(&[(setting::HEADER_TABLE_SIZE, 100)]);
    let with_size = |size: usize| {
        let mut bytes = Vec::new();
        raw::integer(0x20, 5, size, &mut bytes);
        let fields = block(GET);
        raw::frame(
            kind::HEADERS,
            flag::END_STREAM | flag::END_HEADERS,
            1,
            &[bytes, fields].concat(),
        )
    };
    let mut client = Client::new(plan());
    client.say(&with_size(100));
    assert_eq!(client.violations(), [""; 0]);
    let mut client = Client::new(plan());
    client.say(&with_size(101));
    assert_eq!(client.violations(), ["a table of 101 bytes, of at most 100"]);
}

/// The books follow bytes that no step made.
#[test]
fn raw_bytes_are_noted() {
    let script = Script::new().raw(|id| {
        [
            raw::ping(7),
            raw::settings(&[]),
            raw::headers(id, 0, &[(":status", "200")]),
            raw::data(id, 1, b"x"),
        ]
        .concat()
    });
    let plan = Plan::new().settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]).path("/", script);
    let mut client = Client::new(plan);
    assert_eq!(client.get(1, "/").len(), 4);
    client.say(&[raw::pong(7), raw::settings_ack(), get(3, "/")].concat());
    assert_eq!(client.violations(), [""; 0]);
}

#[test]
fn an_opening_and_silence() {
    let opening = Script::new().await_requests(1).settings(&[]).ping();
    let plan = Plan::new().without_settings().opening(opening).never_acknowledge().never_pong();
    let mut server = Server::new(plan);
    assert_eq!(server.transmit(), b"");
    server.receive(&[PREFACE, &raw::settings(&[]), &raw::ping(1)].concat());
    assert_eq!(server.transmit(), b"");
    server.receive(&post(1));
    assert_eq!(
        Frame::all(&server.transmit()).iter().map(words).collect::<Vec<_>>(),
        ["settings", "ping 0"]
    );
}

#[test]
fn frames_that_break_the_rules_are_seen() {
    judged(&[
        (raw::data(0, 0, b""), "DATA on stream 0"),
        (raw::data(1, 0, b""), "DATA on stream 1, which is idle"),
        ([get(1, "/"), raw::data(1, 0, b"")].concat(), "which it had ended"),
        ([post(1), raw::rst_stream(1, 8), raw::data(1, 0, b"")].concat(), "which it had reset"),
        ([post(1), raw::data(1, 0, &[0; 16_385])].concat(), "a frame of 16385 bytes"),
        ([post(1), raw::data(1, 0, &[0; 16_384]).repeat(4)].concat(), "beyond"),
        ([post(1), raw::frame(kind::DATA, flag::PADDED, 1, &[1])].concat(), "padding"),
        ([post(1), raw::frame(kind::DATA, flag::PADDED, 1, &[])].concat(), "padding"),
        ([post(1), raw::headers(1, 0, &[("a", "b")])].concat(), "trailers do not end"),
        ([post(1), raw::headers(1, 1, GET)].concat(), ":method stands in trailers"),
        ([get(3, "/"), get(1, "/")].concat(), "stream 1 after stream 3"),
        (get(2, "/"), "stream 2 after"),
        (raw::headers(0, 0, GET), "HEADERS on stream 0"),
        (raw::frame(kind::HEADERS, 0, 1, &block(GET)), ""),
        ([raw::frame(kind::HEADERS, 0, 1, b""), raw::ping(1)].concat(), "interrupted"),
        (raw::continuation(1, 0, b""), "CONTINUATION of nothing"),
        (raw::frame(kind::HEADERS, flag::END_HEADERS, 1, &[0x80]), "cannot be decoded"),
        (raw::frame(kind::HEADERS, flag::END_HEADERS, 1, &[0x82, 0x20]), "amid a block"),
        (raw::frame(kind::HEADERS, flag::END_HEADERS, 1, &[0x40, 1]), "breaks off"),
        (raw::frame(kind::HEADERS, flag::END_HEADERS, 1, &[0xff]), "breaks off"),
        (raw::priority(0, 1, 1), "PRIORITY on 0"),
        (raw::priority(1, 3, 1), ""),
        (raw::rst_stream(1, 1), "RST_STREAM on stream 1, which is idle"),
        (raw::frame(kind::SETTINGS, 0, 0, &[0; 5]), "SETTINGS of 5 bytes"),
        (raw::frame(kind::SETTINGS, 0, 1, b""), "SETTINGS of 0 bytes on stream 1"),
        (raw::settings_ack(), "SETTINGS are acknowledged that were not sent"),
        (raw::settings(&[(setting::ENABLE_PUSH, 2)]), "ENABLE_PUSH"),
        (raw::settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)]), "INITIAL_WINDOW_SIZE"),
        (raw::settings(&[(setting::MAX_FRAME_SIZE, 16_383)]), "MAX_FRAME_SIZE of 16383"),
        (raw::settings(&[(99, 99)]), ""),
        (raw::push_promise(1, 2, GET), "PUSH_PROMISE"),
        (raw::frame(kind::PING, 0, 0, &[0; 7]), "PING"),
        (raw::frame(kind::PING, 0, 1, &[0; 8]), "PING"),
        (raw::pong(1), "a PING is answered that was not sent"),
        (raw::frame(kind::GOAWAY, 0, 0, &[0; 7]), "GOAWAY"),
        (raw::window_update(1, 1), "WINDOW_UPDATE on stream 1, which is idle"),
        (raw::window_update(0, 0), "WINDOW_UPDATE on 0"),
        (raw::window_update(0, raw::MOST), "the window of 0 is beyond 2^31-1"),
        (raw::frame(0xbe, 0xff, 7, b"x"), ""),
    ]);
}

#[test]
fn fields_that_break_the_rules_are_seen() {
    let with = |more: Fields<'_>| raw::headers(1, flag::END_STREAM, &[GET, more].concat());
    let only = |fields: Fields<'_>| raw::headers(1, flag::END_STREAM, fields);
    judged(&[
        (only(&GET[1..]), ":method is not there"),
        (only(&GET[..3]), "the authority is None"),
        (with(&[(":path", "/")]), ":path is there twice"),
        (with(&[("a", "b"), (":x", "/")]), ":x stands after other fields"),
        (with(&[(":x", "/")]), ":x is no pseudo-header field"),
        (with(&[("A", "b")]), "a field is called \"A\""),
        (with(&[("", "b")]), "a field is called \"\""),
        (with(&[("a", "b\n")]), "the value of a"),
        (with(&[("a", " b")]), "the value of a"),
        (with(&[("connection", "close")]), "connection: close"),
        (with(&[("te", "gzip")]), "te: gzip"),
        (with(&[("te", "trailers")]), ""),
        (with(&[("content-length", "1")]), "0 bytes are not as many as announced"),
        (with(&[("host", "b")]), "host is \"b\""),
        (get(1, ""), ":path is empty"),
        (get(1, "*"), ":path is \"*\""),
        (get(1, "x"), ":path is \"x\""),
    ]);
}

/// Whatever breaks the RFC is seen, and what does not is not.
fn judged(table: &[(Vec<u8>, &str)]) {
    for (bytes, expected) in table {
        let mut client = Client::new(Plan::new());
        client.say(bytes);
        let found = client.violations();
        let words = Frame::all(bytes).iter().map(words).collect::<Vec<_>>();
        match *expected {
            "" => assert_eq!(found, [""; 0], "{words:?}"),
            expected => {
                assert!(found[..].iter().any(|f| f.contains(expected)), "{words:?}: {found:?}")
            }
        }
        // the same, cut into bytes
        let mut again = Client::new(Plan::new());
        bytes.iter().for_each(|byte| again.0.receive(std::slice::from_ref(byte)));
        assert_eq!(again.violations(), found);
    }
}

#[test]
fn violations_of_the_beginning_are_seen() {
    let begun = |bytes: &[u8]| {
        let mut server = Server::new(Plan::new());
        server.receive(bytes);
        server.seen().violations.clone()
    };
    assert_eq!(begun(&PREFACE[..10]), [""; 0]);
    assert_eq!(begun(b"GET / HTTP/1.1\r\n"), ["it does not begin with the preface"]);
    assert_eq!(begun(&[PREFACE, &raw::ping(1)].concat()), ["the first frame is not SETTINGS"]);
}

/// What a client cannot know yet, it may do; what it has read, it knows.
#[test]
fn what_was_read_is_obeyed() {
    let plan = Plan::new()
        .path("/reset", Script::new().await_requests(2).reset(0).ping())
        .path("/away", Script::new().go_away(Last::This, 0).ping());
    let begun = || {
        let mut client = Client::new(plan.clone());
        let mut fields = POST.to_vec();
        fields[2].1 = "/reset";
        client.say(&raw::headers(1, 0, &fields));
        let answers = client.say(&get(3, "/away"));
        let pongs = answers.iter().filter(|frame| frame.kind == kind::PING);
        (
            client,
            pongs.flat_map(|ping| raw::frame(kind::PING, 1, 0, &ping.payload)).collect::<Vec<_>>(),
        )
    };
    let later = [raw::data(1, 0, b"x"), get(5, "/")].concat();
    let (mut client, pongs) = begun();
    client.say(&[&later[..], &pongs].concat());
    assert_eq!(client.violations(), [""; 0]);
    let (mut client, pongs) = begun();
    client.say(&[&pongs[..], &later].concat());
    let expected =
        ["DATA on stream 1, which was reset", "stream 5 after a GOAWAY that ended with 3"];
    assert_eq!(client.violations(), expected);
}
