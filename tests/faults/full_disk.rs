//! T4: the disk fills up at various moments. Runs wait, the API says 507, what is there can be
//! read, and everything goes on by itself once there is space.

use std::{path::PathBuf, time::Duration};

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::{process::Command, time::Instant};

use crate::{
    host::{Backend, Data, GENCODE, RUN, plugins, shared_cache},
    process::Host,
    world::{self, REQUEST, Tools, World},
};

/// Room for the components, the database and one project.
const SIZE: &str = "48m";

/// Where the disk is full when the host goes on.
const MOMENTS: [&str; 6] = [
    "store.run.claim.before",
    "store.journal.append.before",
    "blob.put.before",
    "store.step.commit.inside",
    "copy.apply.before",
    "store.run.finish.before",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_wait_while_the_disk_is_full_and_go_on_without_a_restart() {
    let _turn = world::turn().await;
    let undisturbed = {
        let disk = Disk::new().await;
        let host = Host::boot_by(disk.command("").await).await.up();
        let id = world::start(&host, REQUEST).await;
        world::completed(&host, &id).await;
        let files = disk.files(&host, &id);
        host.end().await;
        files
    };
    for point in MOMENTS {
        let disk = Disk::new().await;
        let mut host = Host::boot_by(disk.command(point).await).await.up();
        let body = json!({ "prompt": REQUEST });
        let (_, project) = host.post("/api/projects", &body).await.expect("the host lives");
        let id = project["id"].as_str().unwrap().to_owned();
        let started = world::build(&host, &id);
        tokio::time::timeout(Duration::from_millis(500), started).await.ok();
        assert!(host.says(&format!("gencode stops at {point}")).await, "{}", host.log());
        let ballast = disk.fill(&host);
        host.signal(Signal::SIGCONT);
        // Nothing that needs space is done; all that needs none is.
        refused(&host).await;
        let (status, listed) = host.get("/api/projects").await.expect("the host lives");
        assert_eq!((status, listed[0]["id"].as_str()), (200, Some(id.as_str())), "{listed}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let status = world::status(&host, &id).await.unwrap();
        assert_ne!(status, "failed", "{point}: {}", host.log());
        std::fs::remove_file(ballast).unwrap();
        world::completed(&host, &id).await;
        assert!(disk.files(&host, &id) == undisturbed, "{point}: other files");
        host.end().await;
        for (key, sale) in disk.world.provider.sales() {
            assert_eq!(sale.charged, 1, "{point}: {key}");
        }
    }
}

/// A new project finds no room, and is told so.
async fn refused(host: &Host) {
    let deadline = Instant::now() + RUN;
    loop {
        // Long, so that it cannot go where a little is left.
        let request = format!("a shop for {}", "very ".repeat(3000));
        let answer = host.post("/api/projects", &json!({ "prompt": request })).await;
        let (status, answer) = answer.expect("the host lives");
        if status == 507 {
            assert_eq!(answer["code"], "storage_full", "{answer}");
            return;
        }
        assert_eq!(status, 200, "{answer}");
        assert!(Instant::now() < deadline, "the disk is never full");
    }
}

/// A data folder on a disk of its own, in a mount namespace that ends with its host.
struct Disk {
    world: World,
}

impl Disk {
    async fn new() -> Self {
        let world = World::in_data(Data::on(Backend::Sqlite), Tools::Hidden).await;
        std::fs::create_dir(world.data.path().join("disk")).unwrap();
        Self { world }
    }

    /// Serves from the disk; stands still at a point, if one is named.
    async fn command(&self, point: &str) -> Command {
        let disk = self.world.data.path().join("disk");
        let script = format!(
            "PATH=/usr/bin:/bin:/usr/sbin:/sbin; mount -t tmpfs -o size={SIZE} tmpfs \"$1\" && \
             ln -s \"$2\" \"$1/cache\" && PATH=/nonexistent && shift 2 && exec \"$@\""
        );
        // As root no other user is needed; as anyone else the namespace brings its own root.
        let map = if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" };
        let mut command = Command::new("/usr/bin/unshare");
        command
            .args([map, "/bin/sh", "-c", &script, "sh"])
            .arg(&disk)
            .arg(shared_cache())
            .arg(GENCODE)
            .arg("--data-dir")
            .arg(&disk)
            .arg("--plugins")
            .arg(plugins().await)
            .args(["serve", "--port", "0"])
            .envs(self.world.data.env.iter().map(|(name, value)| (name, value)))
            .env_remove("DATABASE_URL")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        if !point.is_empty() {
            command.env("GENCODE_STOP_AT", point);
        }
        command
    }

    /// The disk as its host sees it.
    fn seen_by(&self, host: &Host) -> PathBuf {
        let disk = self.world.data.path().join("disk");
        PathBuf::from(format!("/proc/{}/root{}", host.pid, disk.display()))
    }

    fn files(&self, host: &Host, id: &str) -> Vec<(String, Vec<u8>)> {
        crate::host::files_of(&self.seen_by(host).join("workspaces").join(id))
    }

    /// Takes all the space there is.
    fn fill(&self, host: &Host) -> PathBuf {
        use std::io::Write as _;
        let ballast = self.seen_by(host).join("ballast");
        let mut file = std::fs::File::create(&ballast).unwrap();
        let block = vec![0x5a; 4096];
        while file.write_all(&block).is_ok() {}
        ballast
    }
}
