//! A PostgreSQL server of the tests' own: made with `initdb` in a temporary folder, stopped and
//! removed when the test process ends, however it ends.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Keeps the server: does what standard input says, and when that closes because the tests have
/// ended or were killed, stops the server and removes its folder.
const KEEPER: &str = r#"
set -u
ctl() { $AS "$BIN/pg_ctl" -D "$HOME_DIR/data" -w -s -l "$HOME_DIR/log" "$@" >&2 </dev/null; }
while read -r word; do
    case $word in
        init) $AS "$BIN/initdb" -D "$HOME_DIR/data" -U gencode -A trust -E UTF8 --locale=C --no-sync \
                  >"$HOME_DIR/initdb" 2>&1 </dev/null ;;
        start) ctl -o "$OPTIONS" start ;;
        stop) ctl -m immediate stop ;;
    esac
    echo "$word $?"
done
ctl -m immediate stop 2>/dev/null
rm -rf "$HOME_DIR"
"#;

/// A server.
pub(crate) struct Postgres {
    port: u16,
    home: PathBuf,
    keeper: Mutex<Keeper>,
    databases: AtomicU32,
}

struct Keeper {
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
    _child: Child,
}

impl Postgres {
    /// The server that the tests of this process share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server that a test may stop. No write waits for the disk: tests end processes, not the
    /// machine.
    pub(crate) fn start() -> Self {
        Self::with("-c fsync=off -c full_page_writes=off")
    }

    /// A server that keeps its word, for measuring.
    pub(crate) fn durable() -> Self {
        Self::with("-c fsync=on")
    }

    fn with(settings: &str) -> Self {
        let bin = binaries();
        // Short: the path of a socket has at most 107 bytes.
        let home = tempfile::Builder::new().prefix("pg-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let is_root = nix::unistd::geteuid().is_root();
        if is_root {
            // PostgreSQL refuses to run as root.
            let user = nix::unistd::User::from_name("postgres").unwrap();
            let user = user.expect("the user `postgres` is missing: run `make setup`");
            std::os::unix::fs::chown(&home, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                .unwrap();
        }
        let options = format!(
            "-p {port} -k {home} -c listen_addresses=127.0.0.1 -c max_connections=300 \
             {settings} -c shared_buffers=64MB",
            home = home.display()
        );
        let become_user = "setpriv --reuid postgres --regid postgres --clear-groups";
        let mut child = Command::new("sh")
            .args(["-c", KEEPER])
            .env("AS", if is_root { become_user } else { "" })
            .env("BIN", bin)
            .env("HOME_DIR", &home)
            .env("OPTIONS", options)
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C is for the tests; their end is what ends the server.
            .process_group(0)
            .spawn()
            .unwrap();
        let words = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let keeper = Mutex::new(Keeper { words, answers, _child: child });
        let server = Self { port, home, keeper, databases: AtomicU32::new(0) };
        server.tell("init");
        server.tell("start");
        server
    }

    /// Makes an empty database and returns its address.
    pub(crate) fn database(&self) -> String {
        let name = format!("gencode{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(binaries().join("createdb"))
            .args(["-h", "127.0.0.1", "-U", "gencode", "-p", &self.port.to_string(), &name])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("postgres://gencode@127.0.0.1:{}/{name}", self.port)
    }

    /// Ends the server at once, as a crash does (`pg_ctl stop -m immediate`).
    pub(crate) fn stop(&self) {
        self.tell("stop");
    }

    /// Starts it again after [`Self::stop`]; returns when it takes connections.
    pub(crate) fn start_again(&self) {
        self.tell("start");
    }

    fn tell(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.words, "{word}").unwrap();
        let mut answer = String::new();
        keeper.answers.read_line(&mut answer).unwrap();
        let log = || {
            let read = |name| std::fs::read_to_string(self.home.join(name)).unwrap_or_default();
            format!("{}{}", read("initdb"), read("log"))
        };
        assert_eq!(answer.trim_end(), format!("{word} 0"), "{}", log());
    }
}

/// Folder of the newest PostgreSQL of this machine.
fn binaries() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let mut found: Vec<(u32, PathBuf)> = versions
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let version = path.file_name()?.to_str()?.parse().ok()?;
                path.join("bin/postgres").is_file().then(|| (version, path.join("bin")))
            })
            .collect();
        found.sort();
        if let Some((_, newest)) = found.pop() {
            return newest;
        }
        // Elsewhere than on Debian the programs are where the others are.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(&path);
        folders
            .find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
            .expect("no PostgreSQL server is installed: run `make setup`")
    })
}
