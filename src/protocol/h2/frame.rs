//! Frames (RFC 9113, 4 and 6): the nine bytes before each, types, flags.
//!
//! Knows layouts. Must not know streams or what a frame leads to. Invariant: reserved bits are ignored on the way in, and zero
//! on the way out.

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of the payload.
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHeader {
    /// Bytes of it.
    pub(super) const LEN: usize = 9;

    pub(super) fn read(bytes: &[u8; Self::LEN]) -> FrameHeader {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        FrameHeader {
            length: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & MOST_STREAM,
        }
    }

    pub(super) fn bytes(self) -> [u8; Self::LEN] {
        let [_, l0, l1, l2] = (self.length as u32).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Types of frames (RFC 9113, 6; RFC 9218, 7.1).
pub(super) mod kind {
    pub(in crate::protocol::h2) const DATA: u8 = 0;
    pub(in crate::protocol::h2) const HEADERS: u8 = 1;
    pub(in crate::protocol::h2) const PRIORITY: u8 = 2;
    pub(in crate::protocol::h2) const RST_STREAM: u8 = 3;
    pub(in crate::protocol::h2) const SETTINGS: u8 = 4;
    pub(in crate::protocol::h2) const PUSH_PROMISE: u8 = 5;
    pub(in crate::protocol::h2) const PING: u8 = 6;
    pub(in crate::protocol::h2) const GOAWAY: u8 = 7;
    pub(in crate::protocol::h2) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::protocol::h2) const CONTINUATION: u8 = 9;
    pub(in crate::protocol::h2) const PRIORITY_UPDATE: u8 = 16;
}

/// Of DATA and HEADERS: the last of its side of the stream.
pub(super) const END_STREAM: u8 = 1;
/// Of SETTINGS and PING: an answer.
pub(super) const ACK: u8 = 1;
/// Of HEADERS and CONTINUATION: the block ends.
pub(super) const END_HEADERS: u8 = 4;
/// Of DATA and HEADERS: there is padding.
pub(super) const PADDED: u8 = 8;
/// Of HEADERS: five bytes about priority come first.
pub(super) const PRIORITIZED: u8 = 0x20;

/// The largest stream identifier, window, and increment of one.
pub(super) const MOST_STREAM: u32 = (1 << 31) - 1;

/// Bytes of a payload that anybody takes, and that we take (SETTINGS_MAX_FRAME_SIZE).
pub(super) const FRAME_SIZE: usize = 16 * 1024;

/// What a client's side of a connection begins with (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first four bytes of a payload.
pub(super) fn first_word(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The fragment of a block in a HEADERS frame, without what stands around it; none if there is no room for that (RFC 9113, 6.2).
pub(super) fn fragment<'a>(header: &FrameHeader, payload: &'a [u8]) -> Option<&'a [u8]> {
    let (padding, rest) = match header.has(PADDED) {
        true => payload.split_first().map(|(&padding, rest)| (usize::from(padding), rest))?,
        false => (0, payload),
    };
    let priority = if header.has(PRIORITIZED) { 5 } else { 0 };
    rest.get(priority..rest.len().checked_sub(padding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_frames_are_read_as_written() {
        let header = FrameHeader { length: 0x01_0203, kind: 4, flags: 5, stream: MOST_STREAM };
        assert_eq!(FrameHeader::read(&header.bytes()), header);
        let reserved = [0, 0, 0, 0, 0, 0x80, 0, 0, 1];
        assert_eq!(FrameHeader::read(&reserved).stream, 1);
    }

    #[test]
    fn fragments_stand_between_priority_and_padding() {
        let of = |flags: u8, payload: &'static [u8]| {
            let header =
                FrameHeader { length: payload.len(), kind: kind::HEADERS, flags, stream: 1 };
            fragment(&header, payload)
        };
        assert_eq!(of(0, b"abc"), Some(&b"abc"[..]));
        assert_eq!(of(PADDED, b"\x02abc__"), Some(&b"abc"[..]));
        assert_eq!(of(PADDED | PRIORITIZED, b"\x0112345abc_"), Some(&b"abc"[..]));
        assert_eq!(of(PADDED, b"\x03abc"), Some(&b""[..]));
        assert_eq!(of(PADDED, b"\x04abc"), None);
        assert_eq!(of(PADDED, b""), None);
        assert_eq!(of(PRIORITIZED, b"1234"), None);
        assert_eq!(of(PADDED | PRIORITIZED, b"\x0112345"), None);
    }
}
