//! How scripts are followed: steps become frames, within what the client allows.

use std::sync::Arc;

use super::plan::Order;
use super::raw::{self, flag, kind};
use super::script::{Last, Length, OwnFields, Script, Shape, Step};
use super::server::{End, OPENING, Server};
use super::stream::ClientHalf;
use super::{append_pattern, script};

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The step is done.
    Next,
    /// Something was done, and there is more of the step.
    Again,
    /// It waits.
    Blocked,
}

impl Server {
    /// One step, or one frame, of a script that can go on; false if there is none.
    pub(super) fn take_turn(&mut self) -> bool {
        let oldest = self.active.iter().copied();
        let order: Vec<u32> = match self.plan.order {
            Order::OldestFirst => oldest.collect(),
            Order::NewestFirst => oldest.rev().collect(),
            Order::Turns => {
                let after = self.active.range(self.turn + 1..);
                after.chain(self.active.range(..=self.turn)).copied().collect()
            }
        };
        for id in order {
            self.turn = id;
            if self.follow(id) {
                return true;
            }
        }
        false
    }

    /// Whether something was done for this stream.
    fn follow(&mut self, id: u32) -> bool {
        let stream = &self.streams[&id];
        let script = Arc::clone(&stream.script);
        let given_up = stream.client == ClientHalf::Reset;
        let Some(step) = script.steps.get(stream.at).filter(|_| !given_up) else {
            self.active.remove(&id);
            return true;
        };
        let turn = match step.is_of_message() && !self.says_message(id, step) {
            true => Turn::Next,
            false => self.take(id, &script, step),
        };
        if turn == Turn::Next {
            let stream = self.streams.get_mut(&id).expect("an active stream");
            (stream.at, stream.within) = (stream.at + 1, 0);
        }
        turn != Turn::Blocked
    }

    /// Whether a step of the message has a place: what answers HEAD has no body, and what has ended has nothing more, but raw
    /// bytes.
    fn says_message(&self, id: u32, step: &Step) -> bool {
        match step {
            Step::Raw(_) => true,
            Step::Pattern(_) | Step::Bytes(_) | Step::Echo | Step::Trailers(_) | Step::End => {
                self.streams[&id].can_send() && !self.answers_head(id)
            }
            _ => self.streams[&id].can_send(),
        }
    }

    fn answers_head(&self, id: u32) -> bool {
        let request = self.streams[&id].request;
        request.is_some_and(|request| self.seen.requests[request].method() == "HEAD")
    }

    /// END_STREAM if nothing of the message follows on this step.
    fn last_flag(&self, id: u32, script: &Script) -> u8 {
        let rest = &script.steps[self.streams[&id].at + 1..];
        let bodiless = self.answers_head(id);
        let more = rest.iter().any(|step| match step {
            Step::Pattern(_) | Step::Bytes(_) | Step::Echo | Step::Trailers(_) | Step::End => {
                !bodiless
            }
            step => step.is_of_message(),
        });
        if more { 0 } else { flag::END_STREAM }
    }

    fn take(&mut self, id: u32, script: &Script, step: &Step) -> Turn {
        match step {
            Step::Informational { status, fields } => {
                self.head(id, 0, *status, fields, None, script)
            }
            Step::Head { status, fields, length } => {
                let length = match length {
                    Length::True if matches!(status, 204 | 304) => None,
                    Length::True => script.body_bytes(),
                    Length::Says(bytes) => Some(*bytes),
                    Length::Absent => None,
                };
                let last = self.last_flag(id, script);
                self.head(id, last, *status, fields, length, script)
            }
            Step::Pattern(_) | Step::Bytes(_) | Step::Echo => self.body(id, script, step),
            Step::Trailers(fields) => {
                let last = self.last_flag(id, script);
                let fields: Vec<_> = fields.iter().map(|(n, v)| (&n[..], &v[..])).collect();
                self.block(id, last, &raw::block(&fields), script.shape)
            }
            Step::End => self.say(&raw::data(id, flag::END_STREAM, b"")),
            Step::Stall => Turn::Blocked,
            Step::Reset(code) => self.say(&raw::rst_stream(id, *code)),
            Step::GoAway { last, code } => {
                let last = self.last(id, *last);
                self.say(&raw::goaway(last, *code, b""))
            }
            Step::Settings(list) => self.say(&raw::settings(list)),
            Step::Ping => self.say(&raw::ping(self.said_bytes)),
            Step::Grant { stream, connection } => {
                self.grant(id, *stream, *connection);
                Turn::Next
            }
            Step::Raw(script::RawBytes(bytes)) => self.say(&bytes(id)),
            Step::AwaitBody => until(self.streams[&id].client == ClientHalf::Ended),
            Step::AwaitBytes(bytes) => until(self.came(id) >= *bytes),
            Step::AwaitRequests(requests) => until(self.seen.requests.len() >= *requests),
            Step::AwaitAcks => until(self.said.all_acknowledged() && self.pings.is_empty()),
            Step::AwaitPongs(pongs) => until(self.seen.pongs >= *pongs),
            Step::AwaitAlone => until(self.is_alone(id)),
            Step::AwaitRelease => until(self.released),
            Step::Close => self.ends(End::Close),
            Step::Abort => self.ends(End::Abort),
        }
    }

    fn head(
        &mut self,
        id: u32,
        last: u8,
        status: u16,
        own: &OwnFields,
        length: Option<u64>,
        script: &Script,
    ) -> Turn {
        let (status, length) = (status.to_string(), length.map(|length| length.to_string()));
        let mut fields = vec![(":status", &status[..])];
        fields.extend(own.iter().map(|(name, value)| (&name[..], &value[..])));
        fields.extend(length.as_ref().map(|length| ("content-length", &length[..])));
        self.block(id, last, &raw::block(&fields), script.shape)
    }

    /// A header block in as many frames as the shape says, and as the client's largest frame makes necessary.
    fn block(&mut self, id: u32, last: u8, block: &[u8], shape: Shape) -> Turn {
        let most = self.client.frame as usize - overhead(shape.head_padding);
        let mut pieces = block.chunks(shape.block_piece.min(most));
        let (first, rest) = (pieces.next().unwrap_or_default(), pieces.len());
        let end = |left: usize| if left == 0 { flag::END_HEADERS } else { 0 };
        let flags = last | end(rest);
        let mut bytes = match shape.head_padding {
            None => raw::frame(kind::HEADERS, flags, id, first),
            Some(padding) => {
                raw::frame(kind::HEADERS, flags | flag::PADDED, id, &raw::padded(first, padding))
            }
        };
        for (at, piece) in pieces.enumerate() {
            bytes.extend(raw::continuation(id, end(rest - at - 1), piece));
        }
        self.say(&bytes)
    }

    /// One DATA frame, of as much as there is and as may be sent.
    fn body(&mut self, id: u32, script: &Script, step: &Step) -> Turn {
        let stream = &self.streams[&id];
        let (left, more_may_come) = match step {
            Step::Pattern(bytes) => (*bytes - stream.within, false),
            Step::Bytes(bytes) => (bytes.len() as u64 - stream.within, false),
            _ => (stream.echo.len() as u64, stream.client == ClientHalf::Open),
        };
        let last = self.last_flag(id, script);
        if left == 0 {
            return match (more_may_come, last) {
                (true, _) => Turn::Blocked,
                (false, 0) => Turn::Next,
                (false, last) => self.say(&raw::data(id, last, b"")),
            };
        }
        let padding = script.shape.data_padding;
        let window = stream.send_window.min(self.send_window).min(i64::from(self.client.frame));
        let room = usize::try_from(window).unwrap_or(0).saturating_sub(overhead(padding));
        let length = room.min(script.shape.data_piece).min(usize::try_from(left).unwrap_or(room));
        if length == 0 {
            return Turn::Blocked;
        }
        let bytes = self.body_bytes(id, step, length);
        let done = length as u64 == left && !more_may_come;
        let flags = if done { last } else { 0 };
        match padding {
            None => self.send(&raw::data(id, flags, &bytes)),
            Some(padding) => self.send(&raw::padded_data(id, flags, &bytes, padding)),
        }
        if done { Turn::Next } else { Turn::Again }
    }

    fn body_bytes(&mut self, id: u32, step: &Step, length: usize) -> Vec<u8> {
        let stream = self.streams.get_mut(&id).expect("an active stream");
        let within = stream.within;
        stream.within += length as u64;
        let mut bytes = Vec::new();
        match step {
            Step::Pattern(_) => {
                let path = stream.request.map_or("", |request| self.seen.requests[request].path());
                append_pattern(path, stream.pattern, length, &mut bytes);
                stream.pattern += length as u64;
            }
            Step::Bytes(all) => bytes.extend_from_slice(&all[within as usize..][..length]),
            _ => bytes.extend(stream.echo.drain(..length)),
        }
        bytes
    }

    fn last(&self, id: u32, last: Last) -> u32 {
        match last {
            Last::Any => raw::MOST,
            Last::Highest => self.goaway.map_or(self.highest, |(last, _)| last.min(self.highest)),
            Last::This => id,
            Last::BeforeThis => id.saturating_sub(2),
            Last::Number(number) => number,
        }
    }

    fn came(&self, id: u32) -> u64 {
        let request = self.streams[&id].request;
        request.map_or(0, |request| self.seen.requests[request].body_bytes)
    }

    fn is_alone(&self, id: u32) -> bool {
        let others = self.streams.iter().filter(|&(&other, _)| other != id && other != OPENING);
        others.into_iter().all(|(_, stream)| !stream.is_open())
    }

    fn say(&mut self, bytes: &[u8]) -> Turn {
        self.send(bytes);
        Turn::Next
    }

    fn ends(&mut self, end: End) -> Turn {
        self.end = Some(end);
        Turn::Next
    }
}

/// Bytes of a frame that padding takes.
fn overhead(padding: Option<u8>) -> usize {
    padding.map_or(0, |padding| 1 + usize::from(padding))
}

fn until(met: bool) -> Turn {
    if met { Turn::Next } else { Turn::Blocked }
}
