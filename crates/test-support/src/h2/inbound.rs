//! What a client says: read, judged and remembered.
//!
//! Each breach of RFC 9113 becomes a line of [`Seen::violations`](super::Seen); where it is possible the server goes on all the
//! same. Late frames are none: what the client has not read for certain, it may not know of.

use std::mem;

use super::fields::{faults_of_head, faults_of_trailers};
use super::limits::list_of;
use super::plan::Credit;
use super::raw::{self, Frame, HEADER, PREFACE, flag, kind, setting};
use super::record::SeenRequest;
use super::server::{Block, OPENING, Server, Stage};
use super::stream::{ClientHalf, OwnHalf, Stream};

impl Server {
    /// Takes what is whole from the input.
    pub(super) fn read(&mut self) {
        if self.stage == Stage::Preface {
            let length = self.input.len().min(PREFACE.len());
            if self.input[..length] != PREFACE[..length] {
                return self.noise("it does not begin with the preface");
            }
            if length < PREFACE.len() {
                return;
            }
            self.input.drain(..PREFACE.len());
            self.stage = Stage::FirstSettings;
        }
        let input = mem::take(&mut self.input);
        let mut rest = &input[..];
        while self.stage != Stage::Noise {
            if let [_, a, b, ..] = rest[..]
                && rest.len() >= HEADER
            {
                let length = u32::from_be_bytes([0, rest[0], a, b]);
                if length > self.said.most(|limits| limits.frame) {
                    return self.noise(&format!("a frame of {length} bytes"));
                }
            }
            let Some((frame, length)) = Frame::first(rest) else { break };
            rest = &rest[length..];
            self.frame(frame);
        }
        self.input = rest.to_vec();
    }

    fn frame(&mut self, frame: Frame) {
        if mem::replace(&mut self.stage, Stage::Frames) == Stage::FirstSettings
            && (frame.kind != kind::SETTINGS || frame.has(flag::ACK))
        {
            self.violation("the first frame is not SETTINGS");
        }
        if let Some(block) = &self.block
            && (frame.kind != kind::CONTINUATION || frame.stream != block.stream)
        {
            return self.noise("a header block is interrupted");
        }
        match frame.kind {
            kind::DATA => self.data(&frame),
            kind::HEADERS => self.headers(&frame),
            kind::CONTINUATION => self.continuation(&frame),
            kind::PRIORITY => self.priority(&frame),
            kind::RST_STREAM => self.rst_stream(&frame),
            kind::SETTINGS => self.settings(&frame),
            kind::PUSH_PROMISE => self.violation("PUSH_PROMISE"),
            kind::PING => self.ping(&frame),
            kind::GOAWAY => self.goaway(&frame),
            kind::WINDOW_UPDATE => self.window_update(&frame),
            _ => {}
        }
    }

    fn data(&mut self, frame: &Frame) {
        let id = frame.stream;
        self.receive_window -= frame.payload.len() as i64;
        if self.receive_window < 0 {
            self.violation(&format!(
                "DATA beyond the connection's window: {}",
                self.receive_window
            ));
        }
        if self.is_idle(id) {
            return self.violation(&format!("DATA on stream {id}, which is idle"));
        }
        self.judge_stream(id, "DATA");
        let Some(bytes) = self.without_padding(frame) else { return };
        let slack = self.window_slack();
        let stream = self.streams.get_mut(&id).expect("it is not idle");
        stream.receive_window -= frame.payload.len() as i64;
        let window = stream.receive_window;
        stream.echo.extend(&bytes);
        let request = &mut self.seen.requests[stream.request.expect("it has a head")];
        request.push_body(&bytes);
        if window + slack < 0 {
            self.violation(&format!("DATA beyond the window of stream {id}: {window}"));
        }
        if frame.has(flag::END_STREAM) {
            self.request_ends(id);
        }
        self.give_credit(id, frame.payload.len() as u32);
    }

    fn headers(&mut self, frame: &Frame) {
        if frame.stream == 0 {
            return self.noise("HEADERS on stream 0");
        }
        let Some(mut bytes) = self.without_padding(frame) else {
            return self.noise("HEADERS with too much padding");
        };
        if frame.has(flag::PRIORITY) {
            if bytes.len() < 5 {
                return self.noise("HEADERS without the priority that they announce");
            }
            bytes.drain(..5);
        }
        self.block =
            Some(Block { stream: frame.stream, ends_stream: frame.has(flag::END_STREAM), bytes });
        self.block_may_end(frame);
    }

    fn continuation(&mut self, frame: &Frame) {
        match &mut self.block {
            Some(block) => block.bytes.extend_from_slice(&frame.payload),
            None => return self.noise("CONTINUATION of nothing"),
        }
        self.block_may_end(frame);
    }

    fn block_may_end(&mut self, frame: &Frame) {
        if !frame.has(flag::END_HEADERS) {
            return;
        }
        let Some(Block { stream: id, ends_stream, bytes }) = self.block.take() else { return };
        let mut wrong = Vec::new();
        let fields = self.decoder.decode(&bytes, &self.said, &mut wrong);
        wrong.iter().for_each(|wrong| self.violation(wrong));
        let fields = match fields {
            Ok(fields) => fields,
            Err(why) => return self.noise(&why),
        };
        if self.streams.contains_key(&id) {
            self.trailers(id, fields, ends_stream);
        } else {
            self.request(id, fields, ends_stream);
        }
    }

    fn trailers(&mut self, id: u32, fields: Vec<(String, String)>, ends_stream: bool) {
        self.judge_stream(id, "HEADERS");
        let mut faults = faults_of_trailers(&fields);
        if !ends_stream {
            faults.push("trailers do not end the stream".to_owned());
        }
        faults.iter().for_each(|fault| self.violation(&format!("stream {id}: {fault}")));
        if let Some(request) = self.streams[&id].request {
            self.seen.requests[request].trailers = Some(fields);
        }
        self.request_ends(id);
    }

    fn request(&mut self, id: u32, fields: Vec<(String, String)>, ends_stream: bool) {
        for fault in faults_of_head(&fields) {
            self.violation(&format!("stream {id}: {fault}"));
        }
        if id.is_multiple_of(2) || id <= self.highest {
            return self.noise(&format!("stream {id} after stream {}", self.highest));
        }
        self.highest = id;
        let open =
            self.streams.values().filter(|stream| stream.request.is_some() && stream.is_open());
        let open = open.count() as u64;
        if open >= u64::from(self.said.most(|limits| limits.streams)) {
            self.violation(&format!("stream {id} while {open} are open"));
        }
        let mut request = SeenRequest {
            index: self.seen.requests.len(),
            stream: id,
            fields,
            processed: true,
            ..SeenRequest::default()
        };
        let mut stream = Stream::new(self.plan.script(&request));
        stream.request = Some(request.index);
        stream.send_window = i64::from(self.client.window);
        stream.receive_window = i64::from(self.said.in_force().window);
        if let Some((last, at)) = self.goaway.filter(|&(last, _)| id > last) {
            (stream.own, request.processed) = (OwnHalf::Refused, false);
            if self.proven >= at {
                self.violation(&format!("stream {id} after a GOAWAY that ended with {last}"));
            }
        }
        self.seen.requests.push(request);
        let refused = stream.own == OwnHalf::Refused;
        self.streams.insert(id, stream);
        if open >= u64::from(self.said.last().streams) {
            self.send(&raw::rst_stream(id, raw::code::REFUSED_STREAM));
        } else if !refused {
            self.active.insert(id);
        }
        if ends_stream {
            self.request_ends(id);
        }
        self.give_credit(id, 0);
    }

    fn request_ends(&mut self, id: u32) {
        let stream = self.streams.get_mut(&id).expect("a stream that is not idle");
        stream.client = ClientHalf::Ended;
        let request = &mut self.seen.requests[stream.request.expect("it has a head")];
        request.complete = true;
        let length = request.field("content-length").map(str::parse::<u64>);
        let came = request.body_bytes;
        if length.is_some_and(|length| length != Ok(came)) {
            self.violation(&format!("stream {id}: {came} bytes are not as many as announced"));
        }
    }

    fn priority(&mut self, frame: &Frame) {
        if frame.stream == 0 || frame.payload.len() != 5 {
            self.violation(&format!("PRIORITY on {}: {:?}", frame.stream, frame.payload));
        }
    }

    fn rst_stream(&mut self, frame: &Frame) {
        let (id, code) = (frame.stream, frame.number_at(0));
        if frame.payload.len() != 4 {
            self.violation(&format!("RST_STREAM of {} bytes", frame.payload.len()));
        }
        if self.is_idle(id) {
            return self.violation(&format!("RST_STREAM on stream {id}, which is idle"));
        }
        self.seen.resets.push((id, code));
        let stream = self.streams.get_mut(&id).expect("it is not idle");
        stream.client = ClientHalf::Reset;
        self.seen.requests[stream.request.expect("it has a head")].reset = Some(code);
    }

    fn settings(&mut self, frame: &Frame) {
        let length = frame.payload.len();
        if frame.stream != 0 || !length.is_multiple_of(6) || (frame.has(flag::ACK) && length > 0) {
            self.violation(&format!("SETTINGS of {length} bytes on stream {}", frame.stream));
        }
        if frame.has(flag::ACK) {
            return self.settings_acknowledged();
        }
        let list = list_of(&frame.payload);
        for &(id, value) in &list {
            match id {
                setting::ENABLE_PUSH if value > 1 => self.violation("ENABLE_PUSH beyond 1"),
                setting::INITIAL_WINDOW_SIZE if value > raw::MOST => {
                    self.violation("INITIAL_WINDOW_SIZE beyond 2^31-1");
                }
                setting::INITIAL_WINDOW_SIZE => {
                    let change = i64::from(value) - i64::from(self.client.window);
                    self.client.window = value;
                    self.streams.values_mut().for_each(|stream| stream.send_window += change);
                }
                setting::MAX_FRAME_SIZE if !(16_384..1 << 24).contains(&value) => {
                    self.violation(&format!("MAX_FRAME_SIZE of {value}"));
                }
                setting::MAX_FRAME_SIZE => self.client.frame = value,
                _ => {}
            }
        }
        self.seen.settings.extend(list);
        if self.plan.acknowledges {
            self.send(&raw::settings_ack());
        }
    }

    fn settings_acknowledged(&mut self) {
        self.seen.settings_acks += 1;
        let before = self.said.in_force();
        let Some(at) = self.said.acknowledged() else {
            return self.violation("SETTINGS are acknowledged that were not sent");
        };
        self.proven = self.proven.max(at);
        let now = self.said.in_force();
        self.decoder.acknowledged(now.table);
        let change = i64::from(now.window) - i64::from(before.window);
        self.streams.values_mut().for_each(|stream| stream.receive_window += change);
        for id in self.streams.range(OPENING + 1..).map(|(&id, _)| id).collect::<Vec<_>>() {
            self.give_credit(id, 0);
        }
    }

    fn ping(&mut self, frame: &Frame) {
        if frame.stream != 0 || frame.payload.len() != 8 {
            self.violation(&format!("PING on {}: {:?}", frame.stream, frame.payload));
        }
        if !frame.has(flag::ACK) {
            self.seen.pings += 1;
            if self.plan.answers_pings {
                self.send(&raw::frame(kind::PING, flag::ACK, 0, &frame.payload));
            }
            return;
        }
        self.seen.pongs += 1;
        let asked = self.pings.iter().position(|(_, payload)| *payload == frame.payload);
        match asked.and_then(|at| self.pings.remove(at)) {
            Some((at, _)) => self.proven = self.proven.max(at),
            None => self.violation("a PING is answered that was not sent"),
        }
    }

    fn goaway(&mut self, frame: &Frame) {
        if frame.stream != 0 || frame.payload.len() < 8 {
            self.violation(&format!("GOAWAY on {}: {:?}", frame.stream, frame.payload));
        }
        self.seen.goaways.push((frame.number_at(0) & raw::MOST, frame.number_at(4)));
    }

    fn window_update(&mut self, frame: &Frame) {
        let (id, increment) = (frame.stream, frame.number_at(0) & raw::MOST);
        if frame.payload.len() != 4 || increment == 0 {
            self.violation(&format!("WINDOW_UPDATE on {id}: {:?}", frame.payload));
        }
        if id != 0 && self.is_idle(id) {
            return self.violation(&format!("WINDOW_UPDATE on stream {id}, which is idle"));
        }
        self.seen.window_updates.push((id, increment));
        let stream = self.streams.get_mut(&id).filter(|_| id != 0);
        let window = stream.map_or(&mut self.send_window, |stream| &mut stream.send_window);
        *window += i64::from(increment);
        if *window > i64::from(raw::MOST) {
            self.violation(&format!("the window of {id} is beyond 2^31-1"));
        }
    }

    /// What is in a frame beside padding; nothing if there is more padding than frame.
    fn without_padding(&mut self, frame: &Frame) -> Option<Vec<u8>> {
        if !frame.has(flag::PADDED) {
            return Some(frame.payload.clone());
        }
        let stripped = frame.payload.split_first().and_then(|(&padding, rest)| {
            rest.len().checked_sub(usize::from(padding)).map(|length| rest[..length].to_vec())
        });
        if stripped.is_none() {
            self.violation("more padding than frame");
        }
        stripped
    }

    /// Whether the client may still say something of the message on a stream that is not idle.
    fn judge_stream(&mut self, id: u32, what: &str) {
        let stream = &self.streams[&id];
        match stream.client {
            ClientHalf::Open => {}
            ClientHalf::Ended => {
                self.violation(&format!("{what} on stream {id}, which it had ended"))
            }
            ClientHalf::Reset => {
                self.violation(&format!("{what} on stream {id}, which it had reset"))
            }
        }
        if let OwnHalf::Reset(at) = self.streams[&id].own
            && self.proven >= at
        {
            self.violation(&format!("{what} on stream {id}, which was reset"));
        }
    }

    fn is_idle(&self, id: u32) -> bool {
        id == 0 || !self.streams.contains_key(&id)
    }

    /// How much larger a stream's window may be in the eyes of a client that has not said which settings it goes by.
    fn window_slack(&self) -> i64 {
        let most = self.said.most(|limits| limits.window);
        i64::from(most) - i64::from(self.said.in_force().window)
    }

    /// What the plan says about credit, after so many bytes on a stream.
    fn give_credit(&mut self, id: u32, came: u32) {
        let under_way = |id| {
            let credit = self.credit.iter().filter(|&&(to, _)| to == id);
            credit.map(|&(_, increment)| i64::from(increment)).sum::<i64>()
        };
        let more = |window: i64| match self.plan.credit {
            Credit::AtOnce => came,
            Credit::WhenEmpty(bytes) if window <= 0 => (i64::from(bytes) - window) as u32,
            Credit::WhenEmpty(_) | Credit::Never => 0,
        };
        let slack = self.window_slack();
        let stream = self.streams.get(&id).filter(|stream| stream.client == ClientHalf::Open);
        let of_stream = stream
            .filter(|stream| stream.can_send())
            .map_or(0, |stream| more(stream.receive_window + slack + under_way(id)));
        let of_connection = more(self.receive_window + under_way(0));
        self.grant(id, of_stream, of_connection);
    }

    pub(super) fn grant(&mut self, id: u32, of_stream: u32, of_connection: u32) {
        for (id, increment) in [(id, of_stream), (0, of_connection)] {
            if increment > 0 {
                self.send(&raw::window_update(id, increment));
            }
        }
    }

    pub(super) fn violation(&mut self, what: &str) {
        self.seen.violations.push(what.to_owned());
    }

    /// A violation after which nothing can be understood.
    fn noise(&mut self, what: &str) {
        self.violation(what);
        self.stage = Stage::Noise;
        self.input.clear();
    }
}
