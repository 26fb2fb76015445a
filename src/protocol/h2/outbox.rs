//! Frames that are ready to leave, before anything else does.
//!
//! Knows their bytes. Must not know why they are sent. Invariants: they leave in the order in which they were put in, and a
//! header block with nothing between its frames; how many of them answer frames of the peer is bounded, so that a peer which
//! does not read cannot make it long.

use super::fault::{ErrorCode, LinkFault};
use super::frame::{ACK, END_HEADERS, END_STREAM, FrameHeader, PREFACE, kind};

#[derive(Debug)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    taken: usize,
    /// Answers among them.
    answers: u32,
    most_answers: u32,
    /// Updates of windows among them, by stream, and where the increment of each stands.
    updates: Vec<(u32, usize)>,
}

impl Outbox {
    /// With what a connection begins with: the preface and SETTINGS.
    pub(super) fn new(settings: &[u8], most_answers: u32) -> Outbox {
        let mut outbox = Outbox {
            bytes: PREFACE.to_vec(),
            taken: 0,
            answers: 0,
            most_answers,
            updates: Vec::new(),
        };
        outbox.frame(kind::SETTINGS, 0, 0, settings);
        outbox
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Moves as many bytes as there is room for to the beginning of `out`.
    pub(super) fn drain(&mut self, out: &mut [u8]) -> usize {
        let rest = &self.bytes[self.taken..];
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.taken += len;
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.updates.clear();
            (self.taken, self.answers) = (0, 0);
        }
        len
    }

    pub(super) fn acknowledge_settings(&mut self) -> Result<(), LinkFault> {
        self.count_answer()?;
        self.frame(kind::SETTINGS, ACK, 0, &[]);
        Ok(())
    }

    pub(super) fn pong(&mut self, payload: &[u8]) -> Result<(), LinkFault> {
        self.count_answer()?;
        self.frame(kind::PING, ACK, 0, payload);
        Ok(())
    }

    pub(super) fn ping(&mut self, payload: [u8; 8]) {
        self.frame(kind::PING, 0, 0, &payload);
    }

    pub(super) fn reset(&mut self, stream: u32, code: ErrorCode) {
        self.frame(kind::RST_STREAM, 0, stream, &code.0.to_be_bytes());
    }

    /// Grants a window more; what the same stream is granted before this leaves is one frame with it.
    pub(super) fn update(&mut self, stream: u32, increment: u32) {
        let known = self.updates.iter().find(|(other, at)| *other == stream && *at >= self.taken);
        if let Some(&(_, at)) = known
            && let Some(bytes) = self.bytes[at..].first_chunk_mut()
        {
            *bytes = (u32::from_be_bytes(*bytes) + increment).to_be_bytes();
            return;
        }
        self.updates.push((stream, self.bytes.len() + FrameHeader::LEN));
        self.frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
    }

    /// The priority of a stream, as a structured field (RFC 9218, 7.1).
    pub(super) fn prioritize(&mut self, stream: u32, value: &[u8]) {
        let payload = [&stream.to_be_bytes(), value].concat();
        self.frame(kind::PRIORITY_UPDATE, 0, 0, &payload);
    }

    /// No stream of the peer's was processed, since there is none.
    pub(super) fn goaway(&mut self, code: ErrorCode) {
        let payload = [[0; 4], code.0.to_be_bytes()];
        self.frame(kind::GOAWAY, 0, 0, payload.as_flattened());
    }

    /// A header block, in as many frames as it takes.
    pub(super) fn block(&mut self, stream: u32, block: &[u8], ends_stream: bool, most: usize) {
        let mut flags = if ends_stream { END_STREAM } else { 0 };
        let mut kind = kind::HEADERS;
        let mut rest = block;
        loop {
            let (fragment, after) = rest.split_at(rest.len().min(most));
            if after.is_empty() {
                return self.frame(kind, flags | END_HEADERS, stream, fragment);
            }
            self.frame(kind, flags, stream, fragment);
            (flags, kind, rest) = (0, kind::CONTINUATION, after);
        }
    }

    /// Gives back memory, if nothing is ready.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() {
            (self.bytes, self.updates) = (Vec::new(), Vec::new());
        }
    }

    fn count_answer(&mut self) -> Result<(), LinkFault> {
        if self.answers == self.most_answers {
            return Err(LinkFault::TooManyAcks { limit: self.most_answers });
        }
        self.answers += 1;
        Ok(())
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let header = FrameHeader { length: payload.len(), kind, flags, stream };
        self.bytes.extend_from_slice(&header.bytes());
        self.bytes.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(outbox: &mut Outbox) -> Vec<u8> {
        let mut out = vec![0; 100_000];
        let len = outbox.drain(&mut out);
        out.truncate(len);
        out
    }

    #[test]
    fn bytes_leave_in_outputs_of_every_size() {
        let filled = || {
            let mut outbox = Outbox::new(&[], 1);
            outbox.block(1, &[7; 100], true, 40);
            outbox.reset(3, ErrorCode::CANCEL);
            outbox
        };
        let whole = all(&mut filled());
        for size in 1..whole.len() {
            let (mut outbox, mut pieces) = (filled(), Vec::new());
            let mut out = vec![0; size];
            while !outbox.is_empty() {
                let len = outbox.drain(&mut out);
                pieces.extend_from_slice(&out[..len]);
            }
            assert_eq!(pieces, whole);
        }
    }

    #[test]
    fn updates_of_one_window_are_one_frame_until_it_leaves() {
        let mut outbox = Outbox::new(&[], 1);
        all(&mut outbox);
        outbox.update(0, 5);
        outbox.update(1, 1);
        outbox.update(1, 2);
        assert_eq!(
            all(&mut outbox),
            [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 3]
        );
        outbox.update(1, 1);
        // half of the increment has left
        assert_eq!(outbox.drain(&mut [0; 11]), 11);
        outbox.update(1, 2);
        assert_eq!(all(&mut outbox), [0, 1, 0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    }

    #[test]
    fn answers_are_bounded_until_they_leave() {
        let mut outbox = Outbox::new(&[], 2);
        outbox.acknowledge_settings().unwrap();
        outbox.pong(&[0; 8]).unwrap();
        assert_eq!(outbox.pong(&[0; 8]), Err(LinkFault::TooManyAcks { limit: 2 }));
        all(&mut outbox);
        assert_eq!(outbox.pong(&[0; 8]), Ok(()));
    }
}
