//! A canned request and what its response must look like, for the floors: they compare a prefix
//! and a length where a client would parse.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use crate::{Failure, Meter, Plan};

/// How each good response begins.
pub const GOOD: &[u8] = b"HTTP/1.1 200 ";

/// A request, ready to be sent, and the length of a good response, head included.
#[derive(Debug)]
pub struct Exchange {
    /// Where to connect.
    pub address: SocketAddrV4,
    /// The bytes of the request.
    pub request: Vec<u8>,
    /// Bytes of the response.
    pub response_bytes: usize,
}

/// The exchange for each target of the plan, after one trial of each URL.
pub fn exchanges(plan: &Plan, meter: &Meter) -> Result<Vec<Exchange>, Failure> {
    plan.plaintext_only()?;
    let mut known_bytes: Vec<Option<usize>> = vec![None; plan.targets.len()];
    let mut exchanges = Vec::with_capacity(plan.targets.len());
    for target in &plan.targets {
        let SocketAddr::V4(address) = target.address else {
            return Err(Failure::Unsupported("IPv6".into()));
        };
        let request = request(&target.url, plan.keepalive);
        let response_bytes = match known_bytes[target.url_index] {
            Some(known) => known,
            None => {
                let (head, body) = try_out(address, &request)?;
                meter.expect_body(target.url_index, body as u64);
                *known_bytes[target.url_index].insert(head + body)
            }
        };
        exchanges.push(Exchange { address, request, response_bytes });
    }
    Ok(exchanges)
}

fn request(url: &url::Url, keepalive: bool) -> Vec<u8> {
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let connection = if keepalive { "" } else { "Connection: close\r\n" };
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{connection}\r\n").into_bytes()
}

/// Lengths of the head and the body. They must not change from one response to the next, which
/// holds for a Content-Length and for heads of the same fields.
fn try_out(address: SocketAddrV4, request: &[u8]) -> Result<(usize, usize), Failure> {
    let mut stream = TcpStream::connect_timeout(&address.into(), Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut received = Vec::new();
    let head = loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer)? {
            0 => return Err(format!("{address}: closed within the head").into()),
            n => received.extend_from_slice(&buffer[..n]),
        }
        if received.len() > 1 << 16 {
            return Err(format!("{address}: no end of the head").into());
        }
    };
    if !received.starts_with(GOOD) {
        return Err(format!("{address}: not a {}", String::from_utf8_lossy(GOOD)).into());
    }
    let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let body = length.and_then(|length| length.trim().parse().ok());
    body.map(|body| (head, body))
        .ok_or_else(|| Failure::Unsupported("a response without Content-Length".into()))
}
