//! hyper's `client::conn::http2`: connections without a pool, a task for each request in flight, on one thread of tokio.
//!
//! Prior knowledge without TLS. Windows are as hyper has them.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ringdove_peers::{Failure, Meter, Plan, Target, tls};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

type AnyError = Box<dyn Error + Send + Sync>;
type Sender = SendRequest<Empty<Bytes>>;

fn main() -> ExitCode {
    ringdove_peers::run("hyper_http2", env!("PEER_HYPER_VERSION"), |plan, meter| {
        if !plan.keepalive {
            return Err(Failure::Unsupported("a connection for each request".into()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let limit = plan.time_limit;
        runtime.block_on(async {
            let senders = connect_all(&plan).await?;
            let mut tasks = JoinSet::new();
            for number in 0..plan.connections {
                let sender = senders[number / plan.streams].clone();
                let request = request(&plan.targets[0])?;
                tasks.spawn(make_requests(plan.clone(), meter.clone(), sender, request));
            }
            // When the time is up, the record says so.
            let _ = tokio::time::timeout(limit, tasks.join_all()).await;
            Ok(())
        })
    })
}

/// As many as all that are in flight need, all to the first target.
async fn connect_all(plan: &Plan) -> Result<Vec<Sender>, Failure> {
    let config = plan.trust.as_ref().map(|trust| tls::client_config(trust, tls::HTTP2));
    let connector = config.transpose()?.map(|config| TlsConnector::from(Arc::new(config)));
    let mut senders = Vec::new();
    for _ in 0..plan.connections.div_ceil(plan.streams) {
        senders.push(connect(&plan.targets[0], connector.as_ref()).await?);
    }
    Ok(senders)
}

async fn connect(target: &Target, connector: Option<&TlsConnector>) -> Result<Sender, AnyError> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    match connector {
        Some(connector) => {
            let host = target.url.host_str().ok_or("no host")?;
            let name = ServerName::try_from(host.to_owned())?;
            handshake(TokioIo::new(connector.connect(name, stream).await?)).await
        }
        None => handshake(TokioIo::new(stream)).await,
    }
}

async fn handshake<T>(io: T) -> Result<Sender, AnyError>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    // An error of the connection is an error of the requests on it, and counted there.
    tokio::spawn(connection);
    Ok(sender)
}

async fn make_requests(
    plan: Arc<Plan>,
    meter: Arc<Meter>,
    mut sender: Sender,
    request: Request<Empty<Bytes>>,
) {
    while meter.claim().is_some() {
        if let Err(error) = fetch(&plan, &meter, &mut sender, request.clone()).await {
            meter.failure(error);
        }
    }
}

async fn fetch(
    plan: &Plan,
    meter: &Meter,
    sender: &mut Sender,
    request: Request<Empty<Bytes>>,
) -> Result<(), AnyError> {
    let started = Instant::now();
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len) as u64;
    }
    meter.response(plan.targets[0].url_index, status, length, started);
    Ok(())
}

fn request(target: &Target) -> Result<Request<Empty<Bytes>>, AnyError> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target.url.as_str().parse::<Uri>()?;
    *request.version_mut() = http::Version::HTTP_2;
    Ok(request)
}
