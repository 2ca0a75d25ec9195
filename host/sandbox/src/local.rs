//! A web server of the host on a loopback port: in front of an application's Unix socket, or of a
//! folder of files.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1 as client,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::folder::Folder;

/// An answer's content, from wherever it comes.
pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// More wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 256;

const CONNECT: Duration = Duration::from_secs(5);

/// Headers that are about one connection.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// Where answers come from.
#[derive(Debug)]
pub(crate) enum Origin {
    Socket(Upstream),
    Folder(Folder),
}

/// An application's Unix socket.
#[derive(Debug)]
pub(crate) struct Upstream {
    socket: PathBuf,
    /// Requests that are being answered now.
    busy: Arc<AtomicUsize>,
    last: Mutex<Instant>,
    /// Ends the connections to the application with the server.
    stop: CancellationToken,
    connections: TaskTracker,
}

/// The server. Dropping it ends everything.
#[derive(Debug)]
pub(crate) struct LocalServer {
    pub(crate) address: SocketAddr,
    origin: Arc<Origin>,
    _accepting: JoinSet<()>,
}

impl LocalServer {
    /// Listens on a loopback port, any free one for 0.
    pub(crate) async fn start(port: u16, origin: Origin) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let origin = Arc::new(origin);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&origin)));
        Ok(Self { address, origin, _accepting: accepting })
    }

    /// How long nobody has asked for anything.
    pub(crate) fn idle(&self) -> Duration {
        match &*self.origin {
            Origin::Socket(upstream) => upstream.idle(),
            Origin::Folder(_) => Duration::ZERO,
        }
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        if let Origin::Socket(upstream) = &*self.origin {
            upstream.stop.cancel();
        }
    }
}

async fn accept(listener: TcpListener, origin: Arc<Origin>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let origin = Arc::clone(&origin);
                connections.spawn(async move {
                    serve(stream, origin).await;
                    drop(slot);
                });
            }
            // Out of descriptors, most likely: others may be closed by then.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, origin: Arc<Origin>) {
    let service = service_fn(move |request| {
        let origin = Arc::clone(&origin);
        async move {
            Ok::<_, std::convert::Infallible>(match &*origin {
                Origin::Socket(upstream) => upstream.answer(request).await,
                Origin::Folder(folder) => folder.answer(&request).await,
            })
        }
    });
    let mut builder = server::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_mins(1));
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(err) = connection.await {
        tracing::debug!(error = %err, "a connection to a preview broke");
    }
}

impl Upstream {
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_path_buf(),
            busy: Arc::default(),
            last: Mutex::new(Instant::now()),
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
        }
    }

    fn idle(&self) -> Duration {
        if self.busy.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        match self.forward(request).await {
            Ok(answer) => answer,
            Err(reason) => down(&reason),
        }
    }

    async fn forward(&self, mut request: Request<Incoming>) -> Result<Response<Body>, String> {
        let connected = timeout(CONNECT, UnixStream::connect(&self.socket)).await;
        let stream = connected
            .map_err(|_| "it does not take connections".to_owned())?
            .map_err(|err| err.to_string())?;
        let (mut sender, connection) =
            client::handshake(TokioIo::new(stream)).await.map_err(|err| err.to_string())?;
        let busy = Busy::new(&self.busy);
        let stop = self.stop.clone();
        self.connections.spawn(async move {
            // Also lives as long as the answer is read.
            let _busy = busy;
            stop.run_until_cancelled(connection.with_upgrades()).await
        });
        let upgrade = request.headers().get(header::UPGRADE).cloned();
        let ours = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        strip(request.headers_mut());
        if let Some(protocol) = upgrade {
            keep_upgrade(request.headers_mut(), protocol);
        }
        if let Some(host) = request.headers().get(header::HOST).cloned() {
            request.headers_mut().insert(HeaderName::from_static("x-forwarded-host"), host);
        }
        let proto = HeaderValue::from_static("http");
        request.headers_mut().insert(HeaderName::from_static("x-forwarded-proto"), proto);
        let mut answer = sender.send_request(request).await.map_err(|err| err.to_string())?;
        let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = answer.headers().get(header::UPGRADE).cloned();
        let theirs = switched.then(|| hyper::upgrade::on(&mut answer));
        strip(answer.headers_mut());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            if let Some(protocol) = protocol {
                keep_upgrade(answer.headers_mut(), protocol);
            }
            let (stop, busy) = (self.stop.clone(), Busy::new(&self.busy));
            self.connections.spawn(async move {
                let _busy = busy;
                stop.run_until_cancelled(join(ours, theirs)).await
            });
        }
        Ok(answer.map(BodyExt::boxed))
    }
}

/// Counts a request while it lives.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Passes on what either side of a WebSocket says.
async fn join(ours: hyper::upgrade::OnUpgrade, theirs: hyper::upgrade::OnUpgrade) {
    if let (Ok(ours), Ok(theirs)) = (ours.await, theirs.await) {
        let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
        // Either side may leave at any time.
        drop(tokio::io::copy_bidirectional(&mut ours, &mut theirs).await);
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn keep_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::UPGRADE, protocol);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
}

/// An answer of the host itself.
pub(crate) fn answer(
    status: StatusCode,
    kind: &'static str,
    content: impl Into<Bytes>,
) -> Response<Body> {
    let body = Full::new(content.into()).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn down(reason: &str) -> Response<Body> {
    tracing::debug!(reason, "a preview does not answer");
    answer(
        StatusCode::BAD_GATEWAY,
        "text/html; charset=utf-8",
        "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"3\">\
         <title>The application is not running</title>\
         <h1>The application is not running</h1>\
         <p>It is being started, or it stopped and could not be started again. This page tries again every three seconds.</p>",
    )
}
