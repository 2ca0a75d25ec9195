//! Calling a server that listens on a Unix socket.

use std::{path::Path, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, task::JoinSet, time::timeout};

/// An answer is not read further: no check looks at more.
const MAX_BODY: usize = 4 << 20;

/// A request that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(15);

/// What to ask.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Call {
    /// A plain GET.
    pub(crate) fn get(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Asks, on a connection of its own. The error is a sentence.
    pub(crate) async fn send(self, socket: &Path) -> Result<Answer, String> {
        let request = self.request()?;
        let answer = timeout(LIMIT, exchange(socket, request)).await;
        answer.map_err(|_| format!("no answer within {} seconds", LIMIT.as_secs()))?
    }

    fn request(self) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::new(Bytes::from(self.body)));
        *request.method_mut() = self.method;
        *request.uri_mut() =
            self.path.parse().map_err(|err| format!("`{}` is not a path: {err}", self.path))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        for (name, value) in &self.headers {
            let name: HeaderName =
                name.parse().map_err(|err| format!("`{name}` is not a header's name: {err}"))?;
            let value =
                value.parse().map_err(|err| format!("the header `{name}` is not valid: {err}"))?;
            headers.insert(name, value);
        }
        Ok(request)
    }
}

async fn exchange(socket: &Path, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let stream =
        UnixStream::connect(socket).await.map_err(|err| format!("cannot connect: {err}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|err| format!("cannot connect: {err}"))?;
    let mut driver = JoinSet::new(); // ends with this call
    driver.spawn(connection);
    let answer = sender.send_request(request).await.map_err(|err| format!("no answer: {err}"))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|err| format!("the answer broke off: {err}"))?.to_bytes();
    Ok(Answer { status, body })
}
