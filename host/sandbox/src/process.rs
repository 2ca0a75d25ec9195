//! The host's end of a confined program.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::Child,
    task::JoinSet,
    time::timeout,
};

use crate::{
    Isolation, SandboxError, blocking,
    error::Doing as _,
    protocol::{Message, Spec, TERMINATE},
    tail::Tail,
};

/// A helper that says nothing for so long is broken. Starting takes milliseconds; a busy machine
/// may need seconds.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long a helper may take to bury what it started.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// A program that runs. Dropping it kills the program and everything that it started: the helper
/// sees the stream close.
pub(crate) struct Running {
    child: Child,
    commands: Option<OwnedWriteHalf>,
    messages: OwnedReadHalf,
    received: Vec<u8>,
    stdout: Tail,
    stderr: Tail,
    drains: JoinSet<()>,
    isolation: Isolation,
    code: Option<i32>,
    /// Its home folder; removed with it.
    home: Option<TempDir>,
}

impl Running {
    /// Starts a program and waits until it runs.
    pub(crate) async fn start(
        helper: &[std::ffi::OsString],
        spec: &Spec,
        home: Option<TempDir>,
    ) -> Result<Self, SandboxError> {
        let (program, arguments) = helper
            .split_first()
            .ok_or_else(|| SandboxError::Helper("no helper is set".to_owned()))?;
        let (ours, theirs) = StdStream::pair().doing(|| "make a socket pair".to_owned())?;
        ours.set_nonblocking(true).doing(|| "make a socket pair".to_owned())?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).arg("outer").env_clear().current_dir("/");
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .doing(|| format!("start the sandbox helper `{}`", program.to_string_lossy()))?;
        drop(command); // holds the helper's end
        let stream = UnixStream::from_std(ours).doing(|| "make a socket pair".to_owned())?;
        let (messages, commands) = stream.into_split();
        let (stdout, stderr) = (Tail::default(), Tail::default());
        let mut drains = JoinSet::new();
        if let Some(stream) = child.stdout.take() {
            drains.spawn(stdout.clone().drain(stream));
        }
        if let Some(stream) = child.stderr.take() {
            drains.spawn(stderr.clone().drain(stream));
        }
        let mut running = Self {
            child,
            commands: Some(commands),
            messages,
            received: Vec::new(),
            stdout,
            stderr,
            drains,
            isolation: Isolation::default(),
            code: None,
            home,
        };
        match timeout(START_DEADLINE, running.hand_over(spec)).await {
            Ok(done) => done?,
            Err(_) => return Err(SandboxError::Helper("it did not start in time".to_owned())),
        }
        Ok(running)
    }

    async fn hand_over(&mut self, spec: &Spec) -> Result<(), SandboxError> {
        let mut line = serde_json::to_vec(spec)
            .map_err(|err| SandboxError::Helper(format!("specification: {err}")))?;
        line.push(b'\n');
        if let Some(commands) = &mut self.commands {
            let sent = commands.write_all(&line).await;
            sent.doing(|| "speak to the sandbox helper".to_owned())?;
        }
        match self.message().await? {
            Some(Message::Started { isolation }) => {
                self.isolation = isolation;
                Ok(())
            }
            Some(Message::CannotStart { reason }) => {
                let program = spec.argv.first().cloned().unwrap_or_default();
                Err(SandboxError::CannotStart { program, reason })
            }
            Some(Message::Broken { reason }) => Err(SandboxError::Helper(reason)),
            Some(Message::Exited { .. }) | None => {
                Err(SandboxError::Helper(format!("it ended early: {}", self.stderr.text())))
            }
        }
    }

    /// What separates this program from the host.
    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The end of what it wrote so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// The end of what it wrote so far to its standard error.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until nothing of the program is left and all it wrote is read. Its exit code, or
    /// 128 + signal. May be dropped and called again.
    pub(crate) async fn wait(&mut self) -> Result<i32, SandboxError> {
        while self.code.is_none() {
            match self.message().await? {
                Some(Message::Exited { code }) => self.code = Some(code),
                Some(Message::Broken { reason }) => return Err(SandboxError::Helper(reason)),
                Some(_) => {}
                None => break,
            }
        }
        let status = self.child.wait().await.doing(|| "wait for the sandbox helper".to_owned())?;
        while self.drains.join_next().await.is_some() {}
        if let Some(home) = self.home.take() {
            // What cannot be removed lies beside a tree that is itself removed later.
            drop(blocking::run(move || Ok(home.close())).await);
        }
        // Without a message something killed the helper, and the program with it.
        Ok(self.code.or_else(|| status.code()).unwrap_or(128 + 9))
    }

    /// Asks the program to end, and kills it after `grace`.
    pub(crate) async fn stop(&mut self, grace: Duration) -> Result<i32, SandboxError> {
        if let Some(commands) = &mut self.commands {
            // If the helper is gone, the wait below ends at once.
            drop(commands.write_all(&[TERMINATE]).await);
        }
        match timeout(grace, self.wait()).await {
            Ok(ended) => ended,
            Err(_) => self.kill().await,
        }
    }

    /// Kills the program and everything that it started, and waits until nothing is left.
    pub(crate) async fn kill(&mut self) -> Result<i32, SandboxError> {
        self.commands = None;
        if let Ok(ended) = timeout(END_DEADLINE, self.wait()).await {
            return ended;
        }
        // The kernel kills the inner helper with the outer one.
        drop(self.child.start_kill());
        match timeout(END_DEADLINE, self.wait()).await {
            Ok(ended) => ended,
            Err(_) => Err(SandboxError::Helper("it cannot be killed".to_owned())),
        }
    }

    /// The next thing the helper says; `None` when it is gone. Nothing is lost when dropped.
    async fn message(&mut self) -> Result<Option<Message>, SandboxError> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let message = serde_json::from_slice(&line)
                    .map_err(|err| SandboxError::Helper(format!("unreadable message: {err}")))?;
                return Ok(Some(message));
            }
            // A helper that was killed may leave its end unread, which resets the stream.
            if let Ok(0) | Err(_) = self.messages.read_buf(&mut self.received).await {
                return Ok(None);
            }
        }
    }
}

/// A path as text for the helper.
pub(crate) fn text_of(path: &std::path::Path) -> Result<String, SandboxError> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        SandboxError::Invalid(format!("the path `{}` is not UTF-8", PathBuf::from(path).display()))
    })
}
