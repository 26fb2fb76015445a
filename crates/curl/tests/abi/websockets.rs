//! A program that speaks frames, and a server of tungstenite's, which holds us to RFC 6455: masks, UTF-8, order.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use ringdove_test_support::certs::Authority;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Message, Result, WebSocket, accept};

use crate::programs::{build, passes, server};

/// Answers one websocket until it is closed, or has broken the protocol, which is said.
fn serve(stream: impl Read + Write) {
    let Ok(mut socket) = accept(stream) else { return };
    while let Ok(message) = socket.read() {
        if let Err(why) = answer(&mut socket, message) {
            eprintln!("the server: {why}");
            return;
        }
    }
}

/// Sends back what came, or does what it asks for.
fn answer(socket: &mut WebSocket<impl Read + Write>, message: Message) -> Result<()> {
    match message {
        Message::Text(text) if text == "ping" => socket.send(Message::Ping(b"there?"[..].into())),
        Message::Text(text) if text == "fragments" => {
            let data = |opcode, text: &str, is_last| {
                let text = text.as_bytes().to_vec();
                Message::Frame(Frame::message(text, OpCode::Data(opcode), is_last))
            };
            socket.send(data(Data::Text, "one ", false))?;
            socket.send(Message::Ping(b"between"[..].into()))?;
            socket.send(data(Data::Continue, "two ", false))?;
            socket.send(Message::Pong(b"unasked"[..].into()))?;
            socket.send(data(Data::Continue, "", true))
        }
        Message::Text(text) if text == "close" => {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
            socket.close(Some(frame))
        }
        Message::Pong(payload) => {
            let payload = String::from_utf8_lossy(&payload).into_owned();
            socket.send(Message::text(format!("pong of {payload}")))
        }
        Message::Text(_) | Message::Binary(_) => socket.send(message),
        _ => Ok(()),
    }
}

/// Serves websockets on a port of the loopback, over TLS if there is a configuration, as long as the process runs.
fn listen(tls: Option<Arc<ServerConfig>>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let addr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tls = tls.clone();
            thread::spawn(move || match tls {
                None => serve(stream),
                Some(config) => {
                    let connection = ServerConnection::new(config).expect("a configuration");
                    serve(StreamOwned::new(connection, stream));
                }
            });
        }
    });
    addr
}

/// Upgrades each connection, sends these bytes and closes it.
fn listen_and_say(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let addr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            read_head(&mut stream);
            let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
            let _ = stream.write_all(&[head, bytes].concat());
        }
    });
    addr
}

fn read_head(stream: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|bytes| bytes > 0) {
        head.push(byte[0]);
    }
}

#[test]
fn frames_go_both_ways() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("websocket", folder.path()) else { return };
    let authority = Authority::new();
    let plain = listen(None);
    let secured = listen(Some(authority.server().server_config()));
    // the server's TLS ends without a word, which matters where bytes are told and no frames
    let (plain, secured) =
        (format!("ws://{plain}/"), format!("wss://localhost:{}/", secured.port()));
    let (frames, all) = (["alone", "told", "upload"], ["alone", "told", "upload", "raw"]);
    for (url, modes) in [(plain, &all[..]), (secured, &frames)] {
        for mode in modes {
            passes(&program, &[mode, &url, authority.ca_file().to_str().expect("a path")]);
        }
    }
}

#[test]
fn what_is_no_websocket_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build("websocket", folder.path()) else { return };
    let nginx = server();
    let url = nginx.url("/big.bin").replace("http://", "ws://");
    passes(&program, &["refused", &url, ""]);
    // a masked frame, a message that goes on with none, and one that the connection ends in
    for bytes in [&b"\x81\x81abcde"[..], b"\x80\x01a", b"\x81\x05ab"] {
        let url = format!("ws://{}/", listen_and_say(bytes));
        passes(&program, &["broken", &url, ""]);
    }
}
