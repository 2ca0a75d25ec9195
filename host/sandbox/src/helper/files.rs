//! A root folder that holds nothing but what the program may use.
//!
//! Landlock checks files, not the sockets of daemons (`docker.sock`), and older kernels have none.
//! What is not in the tree of mounts cannot be reached at all.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::statvfs::{FsFlags, statvfs},
    unistd::{chdir, pivot_root},
};

use crate::protocol::Spec;

/// Where the new root is made. Every system has it; it is hidden from this process only.
const STAGE: &str = "/tmp";

/// Shared memory of one program.
const SHARED_MEMORY: &str = "size=256m,mode=1777";

const NONE: Option<&str> = None;

/// Moves this process into the new root.
pub(super) fn private_root(spec: &Spec) -> Result<(), String> {
    // Resolved while the old root is the root: a link inside it would lead into the new one later.
    let places = places(spec)?;
    let old = PathBuf::from("/old");
    let new = PathBuf::from("/new");
    let step = |what: &'static str| move |err: nix::Error| format!("private root, {what}: {err}");
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).map_err(step("detach"))?;
    mount_tmpfs(Path::new(STAGE), "size=1m,mode=755").map_err(step("stage"))?;
    for folder in ["old", "new"] {
        make_dir(&Path::new(STAGE).join(folder))?;
    }
    pivot_root(STAGE, &Path::new(STAGE).join("old")).map_err(step("enter the stage"))?;
    chdir("/").map_err(step("enter the stage"))?;
    mount_tmpfs(&new, "size=1m,mode=755").map_err(step("root"))?;
    for place in &places {
        place.bind(&old, &new)?;
    }
    devices(&new)?;
    processes(&old, &new)?;
    make_dir(&new.join("old"))?;
    // Nothing may be added to the folders between the mounts.
    remount_read_only(&new).map_err(step("seal"))?;
    pivot_root(&new, &new.join("old")).map_err(step("enter"))?;
    chdir("/").map_err(step("enter"))?;
    umount2("/old", MntFlags::MNT_DETACH).map_err(step("leave the old root"))
}

/// A file or folder of the old root that the new one has at the same path.
struct Place {
    path: PathBuf,
    source: PathBuf,
    writable: bool,
}

/// What to show, outer folders before inner ones. What does not exist is left out.
fn places(spec: &Spec) -> Result<Vec<Place>, String> {
    let mut places = Vec::new();
    for (paths, writable) in [(&spec.readable, false), (&spec.writable, true)] {
        for path in paths.iter().map(PathBuf::from) {
            // Made anew below.
            if path.starts_with("/proc") || path.starts_with("/dev/shm") {
                continue;
            }
            match path.canonicalize() {
                Ok(source) => places.push(Place { path, source, writable }),
                Err(err) if writable => {
                    return Err(format!("private root, `{}`: {err}", path.display()));
                }
                Err(_) => {}
            }
        }
    }
    let source = Path::new(&spec.temporary).canonicalize();
    let source = source.map_err(|err| format!("private root, temporary folder: {err}"))?;
    places.push(Place { path: PathBuf::from("/tmp"), source, writable: true });
    places.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(places)
}

impl Place {
    fn bind(&self, old: &Path, new: &Path) -> Result<(), String> {
        let source = below(old, &self.source);
        let target = below(new, &self.path);
        let done = |err: String| {
            if self.writable {
                Err(format!("private root, `{}`: {err}", self.path.display()))
            } else {
                Ok(())
            }
        };
        if let Err(err) = make_mount_point(&source, &target) {
            return done(err.to_string());
        }
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        if let Err(err) = mount(Some(&source), &target, NONE, flags, NONE) {
            return done(err.to_string());
        }
        if !self.writable {
            // Landlock says the same; on a kernel without it this is what holds.
            let _ = remount_read_only(&target);
        }
        Ok(())
    }
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn make_mount_point(source: &Path, target: &Path) -> io::Result<()> {
    if target.exists() {
        return Ok(());
    }
    if source.is_dir() {
        return fs::create_dir_all(target);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(target, "")
}

fn make_dir(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|err| format!("private root, `{}`: {err}", path.display()))
}

fn mount_tmpfs(path: &Path, options: &str) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(options))
}

/// A mount that came from outside keeps its flags: the kernel refuses to lift them.
fn remount_read_only(path: &Path) -> nix::Result<()> {
    let present = statvfs(path)?.flags();
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    for (has, keep) in [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if present.contains(has) {
            flags |= keep;
        }
    }
    mount(NONE, path, NONE, flags, NONE)
}

/// What programs expect in `/dev` beside the devices bound into it.
fn devices(new: &Path) -> Result<(), String> {
    let dev = new.join("dev");
    make_dir(&dev.join("shm"))?;
    let _ = mount_tmpfs(&dev.join("shm"), SHARED_MEMORY);
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        drop(symlink(target, dev.join(name)));
    }
    Ok(())
}

/// `/proc` with the program's own processes; the old one where the kernel refuses (a container
/// that hides parts of it), which Landlock keeps from telling much.
fn processes(old: &Path, new: &Path) -> Result<(), String> {
    let target = new.join("proc");
    make_dir(&target)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    if mount(Some("proc"), &target, Some("proc"), flags, NONE).is_ok() {
        return Ok(());
    }
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(&old.join("proc")), &target, NONE, bind, NONE)
        .map_err(|err| format!("private root, `/proc`: {err}"))
}
