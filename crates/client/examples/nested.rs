//! Inside a loop that is there already, of mio: `nested URL`. Inside tokio's it is `spawn_local(turner.run_on_tokio())`.

use std::future::Future as _;
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use ringdove_client::LocalClient;

/// The body, by a loop that has other sockets to see to.
pub(crate) fn fetch(url: &str) -> Result<String, Box<dyn std::error::Error>> {
    let (client, mut turner) = LocalClient::new()?;
    let (mut poll, mut events) = (mio::Poll::new()?, Events::with_capacity(16));
    let descriptor = turner.descriptor()?;
    let raw = descriptor.as_raw_fd();
    poll.registry().register(&mut SourceFd(&raw), Token(0), Interest::READABLE)?;
    let mut call = pin!(async { client.get(url).send().await?.text().await });
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(text) = call.as_mut().poll(&mut cx) {
            return Ok(text?);
        }
        turner.turn(Some(Duration::ZERO))?;
        let timeout = turner.timeout();
        if timeout != Some(Duration::ZERO) {
            poll.poll(&mut events, timeout)?;
            // and here the other sockets
            turner.turn(Some(Duration::ZERO))?;
        }
    }
}

#[allow(dead_code, reason = "a test runs what this calls")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", fetch(&std::env::args().nth(1).ok_or("URL")?)?);
    Ok(())
}
