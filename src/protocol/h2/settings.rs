//! SETTINGS (RFC 9113, 6.5): what each side tells the other about itself.
//!
//! Knows identifiers, values and what values there may be. Must not know when they apply. Invariant: what is in force was
//! allowed; a setting that is not known changes nothing.

use super::fault::LinkFault;
use super::frame::{FRAME_SIZE, MOST_STREAM};
use crate::limits::{H2Limits, HttpLimits};

/// What the peer has said of itself, or what holds until it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerSettings {
    /// Of the table that our encoder fills.
    pub(super) header_table: u32,
    /// Streams of ours at a time.
    pub(super) streams: u32,
    /// The window that a stream begins with.
    pub(super) initial_window: u32,
    /// Bytes of a payload at most.
    pub(super) frame_size: usize,
    /// What a request's head may come to (6.5.2); no bound by default.
    pub(super) header_list: u32,
}

impl PeerSettings {
    /// Before any have come: those of the RFC, and as many streams as nearly every server allows (RFC 9113, 6.5.2 has servers
    /// allow no fewer than these).
    pub(super) const INITIAL: PeerSettings = PeerSettings {
        header_table: 4096,
        streams: 100,
        initial_window: INITIAL_WINDOW,
        frame_size: FRAME_SIZE,
        header_list: u32::MAX,
    };

    /// Those in force after a frame of these.
    pub(super) fn after(mut self, payload: &[u8]) -> Result<PeerSettings, LinkFault> {
        let (settings, []) = payload.as_chunks() else {
            return Err(LinkFault::FrameSize("SETTINGS"));
        };
        for [i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            match u16::from_be_bytes([*i0, *i1]) {
                id::HEADER_TABLE_SIZE => self.header_table = value,
                id::ENABLE_PUSH if value != 0 => {
                    return Err(LinkFault::Protocol("a server that asks for pushes"));
                }
                id::MAX_CONCURRENT_STREAMS => self.streams = value,
                id::INITIAL_WINDOW_SIZE if value > MOST_STREAM => {
                    return Err(LinkFault::FlowControl("an initial window beyond 2^31-1"));
                }
                id::INITIAL_WINDOW_SIZE => self.initial_window = value,
                id::MAX_FRAME_SIZE => {
                    if !(FRAME_SIZE..1 << 24).contains(&(value as usize)) {
                        return Err(LinkFault::Protocol("a frame size that cannot be"));
                    }
                    self.frame_size = value as usize;
                }
                id::MAX_HEADER_LIST_SIZE => self.header_list = value,
                _ => {}
            }
        }
        Ok(self)
    }
}

/// The payload of our own.
///
/// The size of the header table is said though it is the one that holds without: nginx then inserts nothing into it, of which
/// it would refer to nothing.
pub(super) fn ours(http: &HttpLimits, h2: &H2Limits) -> [u8; 24] {
    let list = u32::try_from(http.head_bytes).unwrap_or(u32::MAX);
    let settings = [
        (id::HEADER_TABLE_SIZE, HEADER_TABLE),
        (id::ENABLE_PUSH, 0),
        (id::INITIAL_WINDOW_SIZE, initial_window(h2)),
        (id::MAX_HEADER_LIST_SIZE, list),
    ];
    let mut payload = [0; 24];
    for (bytes, (id, value)) in payload.as_chunks_mut::<6>().0.iter_mut().zip(settings) {
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        bytes[2..].copy_from_slice(&value.to_be_bytes());
    }
    payload
}

/// The window that streams begin with: no less than before our settings have come to the peer.
pub(super) fn initial_window(limits: &H2Limits) -> u32 {
    limits.initial_window.clamp(INITIAL_WINDOW, MOST_STREAM)
}

/// Of streams and of connections (RFC 9113, 6.9.2).
pub(super) const INITIAL_WINDOW: u32 = 65_535;

/// Bytes of the table that our decoder keeps.
pub(super) const HEADER_TABLE: u32 = crate::limits::H2_HEADER_TABLE as u32;

mod id {
    pub(super) const HEADER_TABLE_SIZE: u16 = 1;
    pub(super) const ENABLE_PUSH: u16 = 2;
    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(super) const MAX_FRAME_SIZE: u16 = 5;
    pub(super) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(settings: &[(u16, u32)]) -> Result<PeerSettings, LinkFault> {
        let bytes =
            |&(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let payload: Vec<u8> = settings.iter().flat_map(bytes).collect();
        PeerSettings::INITIAL.after(&payload)
    }

    #[test]
    fn values_that_may_be() {
        assert_eq!(after(&[]), Ok(PeerSettings::INITIAL));
        assert_eq!(after(&[(2, 0), (8, 1), (9, 1), (0xabab, 7)]), Ok(PeerSettings::INITIAL));
        let list = PeerSettings { header_list: 1, ..PeerSettings::INITIAL };
        assert_eq!(after(&[(6, 1)]), Ok(list));
        let settings =
            after(&[(1, 0), (3, 1), (3, 0), (4, MOST_STREAM), (5, (1 << 24) - 1)]).unwrap();
        let most = PeerSettings {
            header_table: 0,
            streams: 0,
            initial_window: MOST_STREAM,
            frame_size: (1 << 24) - 1,
            ..PeerSettings::INITIAL
        };
        assert_eq!(settings, most);
    }

    #[test]
    fn values_that_may_not() {
        let code = |setting| after(&[setting]).unwrap_err().code().to_string();
        assert_eq!(code((2, 1)), "PROTOCOL_ERROR");
        assert_eq!(code((4, 1 << 31)), "FLOW_CONTROL_ERROR");
        assert_eq!(code((5, 16_383)), "PROTOCOL_ERROR");
        assert_eq!(code((5, 1 << 24)), "PROTOCOL_ERROR");
        assert_eq!(PeerSettings::INITIAL.after(&[0; 5]), Err(LinkFault::FrameSize("SETTINGS")));
    }

    #[test]
    fn ours_are_allowed() {
        let limits = H2Limits { initial_window: 1, ..H2Limits::DEFAULT };
        let settings = PeerSettings::INITIAL.after(&ours(&HttpLimits::DEFAULT, &limits)).unwrap();
        let list = HttpLimits::DEFAULT.head_bytes as u32;
        assert_eq!(settings, PeerSettings { header_list: list, ..PeerSettings::INITIAL });
    }
}
