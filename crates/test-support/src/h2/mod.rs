//! An HTTP/2 server for tests: it follows scripts, and holds the client to RFC 9113.
//!
//! [`Server`] is one connection as bytes in and bytes out, without sockets, time or randomness. It shares no code with any
//! client: its frames are its own, and header blocks are decoded by another crate.
//!
//! | file | what |
//! | --- | --- |
//! | `plan`, `script` | what is done on a connection, and about a request |
//! | `server` | the connection |
//! | `inbound`, `fields`, `limits` | what the client says, and what is wrong with it |
//! | `outbound`, `stream` | how scripts are followed |
//! | `record` | what was seen |
//! | `peer`, `wire` | connections on loopback, plain and by TLS |
//! | `cases/` | what clients have to do about servers that try them |
//! | `one` | the same answers by HTTP/1.1 |
//! | `raw` | frames and blocks, right or wrong |

pub mod cases;
mod fields;
mod inbound;
mod limits;
mod one;
mod outbound;
mod peer;
mod plan;
pub mod raw;
mod record;
mod script;
mod server;
mod stream;
mod translated;
mod wire;

pub use peer::{Peer, Setup};
pub use plan::{Credit, Order, Plan};
pub use record::{Seen, SeenRequest, processed};
pub use script::{Last, Length, Script};
pub use server::{End, Server};

/// The first bytes of the body that a script's pattern gives to this path: none is like that of another path, or of another
/// place in it.
pub fn pattern(path: &str, bytes: usize) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(bytes);
    append_pattern(path, 0, bytes, &mut pattern);
    pattern
}

fn append_pattern(path: &str, from: u64, bytes: usize, out: &mut Vec<u8>) {
    // FNV-1a, and a multiplication that mixes
    let seed = path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let byte = |at: u64| (seed.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    out.extend((from..from + bytes as u64).map(byte));
}

#[cfg(test)]
mod tests;
