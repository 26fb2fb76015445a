//! A WebSocket on a connection that was upgraded: `websocket http://HOST/PATH TEXT…`.

use std::error::Error;

use futures_util::{SinkExt as _, StreamExt as _};
use ringdove_client::{Client, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

/// Opens one (RFC 6455, 4.1).
pub(crate) async fn open(
    client: &Client,
    url: &str,
) -> Result<WebSocketStream<Upgraded>, Box<dyn Error>> {
    let key = generate_key();
    let request = client.get(url).upgrade("websocket").header("sec-websocket-version", "13");
    let response = request.header("sec-websocket-key", &*key).send().await?;
    let accepted = response.headers().get("sec-websocket-accept").cloned();
    let connection = response.upgrade()?;
    if accepted.is_none_or(|accepted| accepted != derive_accept_key(key.as_bytes())) {
        return Err("it is no WebSocket that answers".into());
    }
    Ok(WebSocketStream::from_raw_socket(connection, Role::Client, None).await)
}

/// Says each text, and gives what is said to that.
pub(crate) async fn talk(url: &str, texts: Vec<String>) -> Result<Vec<String>, Box<dyn Error>> {
    let mut socket = open(&Client::new(), url).await?;
    let mut answers = Vec::new();
    for text in texts {
        socket.send(Message::text(text)).await?;
        let answer = socket.next().await.ok_or("it is closed")??;
        answers.push(answer.into_text()?.to_string());
    }
    socket.close(None).await?;
    Ok(answers)
}

#[allow(dead_code, reason = "a test runs what this calls")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("URL TEXT…")?;
    for answer in futures_executor::block_on(talk(&url, args.collect()))? {
        println!("{answer}");
    }
    Ok(())
}
