//! hyper's `client::conn::http1`: connections without a pool, a task each, on one thread of tokio.

use std::collections::VecDeque;
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use ringdove_peers::{Failure, Meter, Plan, Target, tls};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

type AnyError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    ringdove_peers::run("hyper_bare", env!("PEER_HYPER_VERSION"), |plan, meter| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let limit = plan.time_limit;
        let client = Arc::new(Client::new(plan, meter)?);
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..client.plan.connections {
                tasks.spawn(client.clone().make_requests());
            }
            // When the time is up, the record says so.
            let _ = tokio::time::timeout(limit, tasks.join_all()).await;
        });
        Ok(())
    })
}

struct Client {
    plan: Arc<Plan>,
    meter: Arc<Meter>,
    connector: Option<TlsConnector>,
    /// Ready by target.
    requests: Vec<Request<Empty<Bytes>>>,
    /// The next to be used is in front.
    idle: Mutex<VecDeque<Connection>>,
}

struct Connection {
    target: usize,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

impl Client {
    fn new(plan: Arc<Plan>, meter: Arc<Meter>) -> Result<Self, Failure> {
        let config =
            plan.trust.as_ref().map(|trust| tls::client_config(trust, tls::HTTP1)).transpose()?;
        let requests = plan.targets.iter().map(|target| request(target, plan.keepalive));
        let slots = 0..plan.open_connections();
        let idle = slots
            .map(|slot| Connection { target: slot % plan.targets.len(), sender: None })
            .collect();
        Ok(Self {
            connector: config.map(|config| TlsConnector::from(Arc::new(config))),
            requests: requests.collect::<Result<_, _>>()?,
            idle: Mutex::new(idle),
            plan,
            meter,
        })
    }

    async fn make_requests(self: Arc<Self>) {
        while self.meter.claim().is_some() {
            let mut connection = self
                .idle
                .lock()
                .expect("no panic under it")
                .pop_front()
                .expect("as many connections as requests in flight");
            if let Err(error) = self.fetch(&mut connection).await {
                self.meter.failure(error);
                connection.sender = None;
            }
            self.idle.lock().expect("no panic under it").push_back(connection);
        }
    }

    async fn fetch(&self, connection: &mut Connection) -> Result<(), AnyError> {
        let started = Instant::now();
        let target = &self.plan.targets[connection.target];
        let sender = match &mut connection.sender {
            Some(sender) => sender,
            none => none.insert(self.connect(target).await?),
        };
        sender.ready().await?;
        let response = sender.send_request(self.requests[connection.target].clone()).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len) as u64;
        }
        if !self.plan.keepalive {
            connection.sender = None;
        }
        self.meter.response(target.url_index, status, length, started);
        Ok(())
    }

    async fn connect(&self, target: &Target) -> Result<SendRequest<Empty<Bytes>>, AnyError> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let secure = target.url.scheme() == "https";
        match &self.connector {
            Some(connector) if secure => {
                let host = target.url.host_str().ok_or("no host")?;
                let name = ServerName::try_from(host.to_owned())?;
                handshake(TokioIo::new(connector.connect(name, stream).await?)).await
            }
            _ => handshake(TokioIo::new(stream)).await,
        }
    }
}

async fn handshake<T>(io: T) -> Result<SendRequest<Empty<Bytes>>, AnyError>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await?;
    // An error of the connection is an error of the request on it, and counted there.
    tokio::spawn(connection);
    Ok(sender)
}

fn request(target: &Target, keepalive: bool) -> Result<Request<Empty<Bytes>>, AnyError> {
    let path = &target.url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &target.url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse::<Uri>()?;
    request.headers_mut().insert(HOST, host.parse()?);
    if !keepalive {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(request)
}
