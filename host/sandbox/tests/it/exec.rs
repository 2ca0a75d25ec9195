//! Running one program: what it gets, what it cannot reach, and that nothing is left of it.

use std::time::{Duration, Instant};

use crate::common::{alive, command, eventually, world, world_with};
use gencode_sandbox::{Backend, SandboxError, Tool};

const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn what_the_kernel_grants_is_what_is_reported() {
    let world = world().await;
    let said = world.sandbox.isolation();
    let script = "import os\n\
        print(*[os.readlink('/proc/self/ns/' + name) for name in ('user', 'pid', 'mnt', 'net')])\n\
        print([l for l in open('/proc/self/status') if l.startswith('CapEff')][0].split()[1].strip('0') == '')";
    let result = world.python(script).await;
    let (spaces, without_rights) = result.stdout.trim().split_once('\n').unwrap();
    let own = |name: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        !spaces.contains(&*link.to_string_lossy())
    };
    assert_eq!(
        [own("user"), own("pid"), own("mnt"), own("net")],
        [said.user_namespace, said.pid_namespace, said.private_root, said.network_namespace],
        "{result:?}"
    );
    // Somebody who is not root has no rights to lose.
    assert!(without_rights == "True" || !said.unprivileged, "{result:?}");
    assert!(said.private_root || said.landlock_files, "{said:?}");
    assert!(said.network_namespace || said.landlock_network, "{said:?}");
    assert!(said.resource_limits, "{said:?}");
}

#[tokio::test]
async fn output_and_exit_code_are_returned() {
    let world = world().await;
    let result =
        world.python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)").await;
    assert_eq!((result.exit_code, result.timed_out), (3, false));
    assert_eq!((result.stdout.as_str(), result.stderr.as_str()), ("out\n", "err\n"));

    let result = world.python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").await;
    assert_eq!(result.exit_code, 137);

    let result = world.python("print('x' * 1_000_000 + 'end')").await;
    assert_eq!(result.stdout.len(), 256 << 10);
    assert!(result.stdout.ends_with("xend\n"));
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let world = world().await;
    for (argv, cwd) in [(vec!["true"], ".."), (vec!["true"], "/"), (vec![], "")] {
        let mut command = command(&argv, LONG);
        command.cwd = cwd.to_owned();
        let refused = world.sandbox.exec(&world.tree, command).await.unwrap_err();
        assert!(matches!(refused, SandboxError::Invalid(_)), "{refused:?}");
    }
    let missing = world.sandbox.exec(&world.tree, command(&["no-such-tool"], LONG)).await;
    let missing = missing.unwrap_err();
    assert!(
        matches!(&missing, SandboxError::CannotStart { program, .. } if program == "no-such-tool"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn the_environment_is_clean() {
    let world = world().await;
    let mut request =
        command(&["python3", "-c", "import json, os; print(json.dumps(dict(os.environ)))"], LONG);
    request.env = vec![("MINE".into(), "1".into())];
    let result = world.sandbox.exec(&world.tree, request).await.unwrap();
    let env: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&result.stdout).unwrap();
    let names: Vec<&str> = env.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "CI",
            "HOME",
            "LANG",
            "LOGNAME",
            "MINE",
            "NO_COLOR",
            "PATH",
            "PYTHONNOUSERSITE",
            "PYTHONUNBUFFERED",
            "TERM",
            "TMPDIR",
            "USER"
        ]
    );
    let tree = world.tree.canonicalize().unwrap();
    assert!(
        env["PATH"].starts_with(&format!("{0}/.venv/bin:{0}/node_modules/.bin:", tree.display()))
    );
}

#[tokio::test]
async fn the_host_cannot_be_reached() {
    let world = world().await;
    let secret = world.base.path().join("secret");
    std::fs::write(&secret, "s").unwrap();
    std::fs::create_dir(world.base.path().join("other")).unwrap();
    let socket = world.base.path().join("daemon.sock");
    let daemon = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let script = format!(
        r"
import os, socket, sqlite3, tempfile, json  # the standard library can be read
def attempt(name, action):
    try:
        action()
        print(name, 'worked')
    except OSError as err:
        print(name, 'refused')
def dial(family, address):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(5); s.connect(address)
base = {base:?}
attempt('own file', lambda: open('file', 'w').write('x'))
attempt('temporary file', lambda: open(os.environ['TMPDIR'] + '/x', 'w').write('x'))
attempt('shared memory', lambda: open('/dev/shm/x', 'w').write('x'))
attempt('home', lambda: open(os.path.expanduser('~/x'), 'w').write('x'))
attempt('secret', lambda: open(base + '/secret').read())
attempt('other folder', lambda: open(base + '/other/x', 'w'))
try:
    open(base + '/beside', 'w')  # may work, in a temporary folder of its own that hides the real one
except OSError:
    pass
attempt('usr', lambda: open('/usr/x', 'w'))
attempt('root', lambda: open('/x', 'w'))
attempt('shadow', lambda: open('/etc/shadow').read())
attempt('ssh', lambda: os.listdir(os.path.join('/', 'root', '.ssh')))
attempt('daemon', lambda: dial(socket.AF_UNIX, base + '/daemon.sock'))
attempt('loopback of the host', lambda: dial(socket.AF_INET, ('127.0.0.1', {port})))
attempt('internet', lambda: dial(socket.AF_INET, ('1.1.1.1', 53)))
attempt('host process', lambda: os.kill({pid}, 0))
own = socket.socket(); own.bind(('127.0.0.1', 0)); own.listen()
attempt('own loopback', lambda: dial(socket.AF_INET, own.getsockname()))
",
        base = world.base.path().display().to_string(),
        port = listener.local_addr().unwrap().port(),
        pid = std::process::id(),
    );
    let result = world.python(&script).await;
    // What depends on the kernel: Landlock alone lets a program speak to the sockets of daemons,
    // and closes its own loopback along with the host's.
    let granted = world.sandbox.isolation();
    let shared_memory = if granted.private_root { "worked" } else { "refused" };
    let daemon_answers = if granted.private_root { "refused" } else { "worked" };
    let own_loopback = if granted.network_namespace { "own loopback worked\n" } else { "" };
    assert_eq!(
        result.stdout,
        format!(
            "own file worked\ntemporary file worked\nshared memory {shared_memory}\nhome worked\n\
             secret refused\nother folder refused\nusr refused\nroot refused\nshadow refused\n\
             ssh refused\ndaemon {daemon_answers}\nloopback of the host refused\n\
             internet refused\nhost process refused\n{own_loopback}"
        ),
        "{}",
        result.stderr
    );
    assert_eq!(std::fs::read_to_string(world.tree.join("file")).unwrap(), "x");
    assert!(!world.base.path().join("beside").exists());
    drop(daemon);
}

#[tokio::test]
async fn limits_hold() {
    let world = world().await;
    let script = r"
import os, resource
try:
    with open('big', 'wb') as f:
        os.posix_fallocate(f.fileno(), 0, 4 << 30)
    print('wrote')
except OSError as err:
    print('refused')
print(resource.getrlimit(resource.RLIMIT_CORE)[1], resource.getrlimit(resource.RLIMIT_NOFILE)[1])
";
    // Beyond its limit the kernel sends a signal that Python ignores.
    assert_eq!(world.python(script).await.stdout, "refused\n0 8192\n");
}

/// A program whose grandchild has left the process group and closed its streams.
fn stubborn(mark: &str) -> String {
    format!(
        "import subprocess, sys, time, signal\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         p = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)', '{mark}'],\n\
         start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n\
         open('started', 'w').close()\n\
         time.sleep(600)  # {mark}"
    )
}

#[tokio::test]
async fn a_timeout_kills_the_grandchildren_too() {
    for (backend, mark) in [(Backend::Process, "mark-timeout-p"), (Backend::None, "mark-timeout-n")]
    {
        let world = world_with(backend).await;
        let limit = Duration::from_secs(2);
        let started = Instant::now();
        let result = world.exec(&["python3", "-c", &stubborn(mark)], limit).await;
        assert!(result.timed_out && result.exit_code == 137, "{backend:?}: {result:?}");
        assert!(world.tree.join("started").exists(), "{backend:?}: {result:?}");
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(!alive(mark), "{backend:?}: a process was left");
    }
}

#[tokio::test]
async fn a_dropped_call_kills_the_program() {
    for (backend, mark) in [(Backend::Process, "mark-drop-p"), (Backend::None, "mark-drop-n")] {
        let world = world_with(backend).await;
        let script = stubborn(mark);
        {
            let argv = ["python3", "-c", script.as_str()];
            let mut call = std::pin::pin!(world.exec(&argv, LONG));
            let started = eventually("the program starts", || world.tree.join("started").exists());
            tokio::select! {
                result = &mut call => panic!("it ended: {result:?}"),
                () = started => assert!(alive(mark)),
            }
        }
        eventually("the program ends", || !alive(mark)).await;
    }
}

/// Names the folder of the host that is killed below.
const VICTIM: &str = "GENCODE_SANDBOX_VICTIM";

/// The host of the test below, when it starts this very test in a process of its own.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how one test program speaks to another")]
async fn a_host_to_be_killed() {
    let Ok(base) = std::env::var(VICTIM) else { return };
    let base = std::path::PathBuf::from(base);
    for backend in [Backend::Process, Backend::None] {
        let sandbox =
            gencode_sandbox::Sandbox::open(crate::common::config(&base, backend)).await.unwrap();
        let tree = base.join(format!("{backend:?}"));
        std::fs::create_dir(&tree).unwrap();
        let script = stubborn("mark-victim");
        let mut call = Box::pin(async move {
            sandbox.exec(&tree, command(&["python3", "-c", &script], LONG)).await
        });
        let tree = base.join(format!("{backend:?}"));
        tokio::select! {
            result = &mut call => panic!("it ended: {result:?}"),
            () = eventually("it starts", || tree.join("started").exists()) => {}
        }
        std::mem::forget(call);
    }
    std::fs::write(base.join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_programs_of_a_killed_host_end() {
    let base = tempfile::tempdir().unwrap();
    let mut host = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "exec::a_host_to_be_killed"])
        .env(VICTIM, base.path())
        .spawn()
        .unwrap();
    eventually("both programs run", || base.path().join("ready").exists()).await;
    assert!(alive("mark-victim"));
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("both programs end", || !alive("mark-victim")).await;
}

#[tokio::test]
async fn background_processes_end_with_the_program() {
    let world = world().await;
    let script = stubborn("mark-stray").replace("time.sleep(600)  #", "#");
    let result = world.exec(&["python3", "-c", &script], LONG).await;
    assert_eq!(result.exit_code, 0, "{result:?}");
    assert!(!alive("mark-stray"));
}

#[tokio::test]
async fn no_more_programs_run_at_once_than_allowed() {
    let world = world().await;
    let script = "import time; print(time.monotonic()); time.sleep(0.5); print(time.monotonic())";
    let runs = tokio::join!(
        world.python(script),
        world.python(script),
        world.python(script),
        world.python(script)
    );
    let mut edges: Vec<(f64, i32)> = [runs.0, runs.1, runs.2, runs.3]
        .iter()
        .flat_map(|run| {
            let mut times = run.stdout.lines().map(|line| line.parse::<f64>().unwrap());
            [(times.next().unwrap(), 1), (times.next().unwrap(), -1)]
        })
        .collect();
    edges.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut running = 0;
    for (_, change) in edges {
        running += change;
        assert!(running <= 2);
    }
}

#[tokio::test]
async fn tools_are_found_with_their_version() {
    let world = world().await;
    let version = world.sandbox.available(Tool::Python).await.unwrap();
    let result = world.python("import platform; print(platform.python_version())").await;
    assert_eq!(result.stdout.trim(), version);
    // Nothing on `PATH`: a sentence that says what to install.
    let mut config = crate::common::config(world.base.path(), Backend::Process);
    config.pass_env = vec![("PATH".into(), "/nowhere".into())];
    let bare = gencode_sandbox::Sandbox::open(config).await.unwrap();
    for tool in [Tool::Python, Tool::Node, Tool::Browser] {
        let missing = bare.available(tool).await.unwrap_err();
        assert!(matches!(&missing, SandboxError::Unavailable(text) if text.contains("install")));
    }
}
