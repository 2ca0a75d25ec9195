//! A host as a process: booted on a data folder, armed with a fault, watched until it dies.

use std::{
    os::unix::process::ExitStatusExt as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use crate::{
    host::{Data, SOON},
    orphans,
};

/// How long the last words of a host that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a booted host turned out to be.
#[expect(clippy::large_enum_variant, reason = "a handful of them in a test")]
pub(crate) enum Boot {
    Up(Host),
    /// It was killed before it served, as it was armed to.
    Killed(String),
}

impl Boot {
    pub(crate) fn up(self) -> Host {
        match self {
            Self::Up(host) => host,
            Self::Killed(log) => panic!("the host was killed while it started: {log}"),
        }
    }
}

/// What a host says when it serves, before its address.
const SERVES: &str = "gencode serves ";

/// A `gencode serve`.
pub(crate) struct Host {
    child: Child,
    pub(crate) pid: Pid,
    pub(crate) url: String,
    client: reqwest::Client,
    log: Arc<Mutex<String>>,
    /// How many lines it has written.
    lines: watch::Receiver<usize>,
    _reader: JoinSet<()>,
}

impl Host {
    /// Boots a host; `env` arms it.
    pub(crate) async fn boot(data: &Data, env: &[(&str, &str)]) -> Boot {
        let mut command = data.command(&["serve", "--port", "0"]).await;
        command.envs(env.iter().copied());
        Self::boot_by(command).await
    }

    /// Boots whatever serves.
    pub(crate) async fn boot_by(mut command: Command) -> Boot {
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let pid = child.id().unwrap();
        orphans::adopt(pid);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let (said, heard) = watch::channel(0);
        let reader = JoinSet::from_iter([{
            let log = Arc::clone(&log);
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().unwrap().push_str(&format!("{line}\n"));
                    said.send_modify(|count| *count += 1);
                }
            }
        }]);
        let mut host = Self {
            child,
            pid: Pid::from_raw(i32::try_from(pid).unwrap()),
            url: String::new(),
            client: client(),
            log,
            lines: heard,
            _reader: reader,
        };
        // It takes up runs beside its start, and may stop itself at a point of that before it serves.
        if !host.says_one(&[SERVES, "gencode stops at "]).await {
            host.died().await;
            return Boot::Killed(host.log());
        }
        host.note_address();
        Boot::Up(host)
    }

    /// Waits until it serves: after [`Host::boot`] it may have stopped itself before that.
    pub(crate) async fn serves(&mut self) {
        assert!(self.says(SERVES).await, "{}", self.log());
        self.note_address();
    }

    fn note_address(&mut self) {
        if let Some((_, rest)) = self.log().split_once(SERVES) {
            rest.split(' ').next().unwrap().clone_into(&mut self.url);
        }
    }

    /// Everything it wrote so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has written this; `false` if it ended instead.
    pub(crate) async fn says(&mut self, what: &str) -> bool {
        self.says_one(&[what]).await
    }

    /// Waits until it has written one of these; `false` if it ended instead.
    async fn says_one(&mut self, what: &[&str]) -> bool {
        let said = |log: &Mutex<String>| {
            let log = log.lock().unwrap();
            what.iter().any(|what| log.contains(what))
        };
        let wait = async {
            loop {
                if said(&self.log) {
                    return true;
                }
                if self.lines.changed().await.is_err() {
                    return said(&self.log);
                }
            }
        };
        let said = timeout(SOON, wait).await;
        said.unwrap_or_else(|_| panic!("the host never said one of {what:?}: {}", self.log()))
    }

    /// Waits for its death, which must be by `SIGKILL`.
    pub(crate) async fn died(&mut self) {
        let ended = self.ended().await;
        assert_eq!(ended.signal(), Some(9), "{ended}: {}", self.log());
    }

    /// Waits until it has ended, in whatever way.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        let ended = timeout(SOON, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("the host does not end: {}", self.log()));
        // All it said is heard. What it left behind may hold the pipe open for a while.
        let heard = async { while self.lines.changed().await.is_ok() {} };
        let _heard = timeout(LAST_WORDS, heard).await;
        ended.unwrap()
    }

    /// Ends it the way a power cut does.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.died().await;
    }

    /// Ends it in an orderly way.
    pub(crate) async fn end(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let ended = self.ended().await;
        assert!(ended.success(), "{ended:?}: {}", self.log());
        self.log()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    /// `None` when the host does not answer, because it is dead or just dying.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, Value)> {
        answer(self.client.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        answer(with_json(self.client.post(format!("{}{path}", self.url)), body)).await
    }

    /// A post that may be repeated: it is done once for its key.
    pub(crate) async fn post_once(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let request = self.client.post(format!("{}{path}", self.url));
        answer(with_json(request.header("idempotency-key", key), body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        answer(with_json(self.client.put(format!("{}{path}", self.url)), body)).await
    }

    /// A socket on a project's events; `after` is the number of the last one seen.
    pub(crate) async fn socket(&self, id: &str, after: Option<u64>) -> Socket {
        let after = after.map(|seq| format!("?after={seq}")).unwrap_or_default();
        let address = format!("{}/ws/{id}{after}", self.url.replace("http://", "ws://"));
        Socket(tokio_tungstenite::connect_async(address).await.unwrap().0)
    }

    pub(crate) async fn delete(&self, path: &str) -> Option<(u16, Value)> {
        answer(self.client.delete(format!("{}{path}", self.url))).await
    }
}

/// A client's socket.
pub(crate) struct Socket(
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
);

impl Socket {
    /// The next message; none when the host is gone.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        use futures_util::StreamExt as _;
        use tokio_tungstenite::tungstenite::Message;
        loop {
            match timeout(SOON, self.0.next()).await.expect("a message in time")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

fn with_json(request: reqwest::RequestBuilder, body: &Value) -> reqwest::RequestBuilder {
    request.header("content-type", "application/json").body(body.to_string())
}

async fn answer(request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.ok()?;
    Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn client() -> reqwest::Client {
    // Fails from the second time on, when it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    client.build().unwrap()
}
