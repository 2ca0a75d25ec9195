//! Making a backup while hosts go on working.
//!
//! First the database, all of it at one moment; then the files that its rows name. A blob is stored
//! before the row that names it, so all of them are there, and the hold keeps cleaning from taking
//! one away meanwhile.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use gencode_core::digest::Digest;
use gencode_store::{Gone, HoldKind, Part, StoreError};
use gencode_workspace::{ManifestDigest, WorkspaceError};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{
    CleanError, Cleaned, Keeper,
    archive::{self, Contents, Entry, FORMAT, HEAD, Head, MANIFEST, QUEUE, Tally},
    files,
};

/// How long the hold of a backup lives without renewal, and how often it is renewed.
const HOLD: Duration = Duration::from_mins(5);
const RENEW: Duration = Duration::from_mins(1);

/// Blobs between two words about how far it is.
const TELL_EVERY: u64 = 500;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("`{}` is there already; backups are never overwritten", .0.display())]
    Exists(PathBuf),
    #[error("`{}` holds something already; restore into a folder that is empty or not there", .0.display())]
    NotEmpty(PathBuf),
    #[error("the database {0} holds something already; restore into an empty one")]
    DatabaseNotEmpty(String),
    #[error("cannot read or write `{}`", .0.display())]
    Io(PathBuf, #[source] io::Error),
    #[error("`{}` is not a whole backup: {why}", .file.display())]
    Damaged { file: PathBuf, why: String },
    #[error("the backup has {what} {found}, this host knows up to {known}; use a newer host")]
    TooNew { what: &'static str, found: i64, known: i64 },
    #[error("{0}; try again when it is over")]
    Busy(String),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Files(#[from] WorkspaceError),
    #[error(transparent)]
    Clean(CleanError),
    #[error("a part of the work was cut off")]
    CutOff,
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(why) => Self::Busy(why),
            other => Self::Store(other),
        }
    }
}

impl From<CleanError> for BackupError {
    fn from(error: CleanError) -> Self {
        match error {
            CleanError::Busy(why) => Self::Busy(why),
            CleanError::Store(error) => Self::Store(error),
            other => Self::Clean(other),
        }
    }
}

/// How far a backup or a restoration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Table { name: String, rows: u64 },
    Blobs { done: u64, of: Option<u64> },
    Components { done: u64 },
    Copies { done: u64 },
}

/// Who is told how far it is.
pub type Tell<'t> = &'t (dyn Fn(Progress) + Send + Sync);

impl Keeper {
    /// Writes a backup of everything into a new file, which is there whole or not at all.
    pub async fn back_up(&self, out: &Path, tell: Tell<'_>) -> Result<Contents, BackupError> {
        if out.try_exists().map_err(|error| BackupError::Io(out.to_owned(), error))? {
            return Err(BackupError::Exists(out.to_owned()));
        }
        let present = self.present().await?;
        // A clean-up that was killed keeps nobody away.
        self.clean_locks(false, &mut Cleaned::default()).await?;
        self.store.hold_for(present.id, HoldKind::Backup, HOLD).await?;
        let renewing = async {
            loop {
                tokio::time::sleep(RENEW).await;
                if let Err(error) = self.store.hold_for(present.id, HoldKind::Backup, HOLD).await {
                    return BackupError::from(error);
                }
            }
        };
        let made = tokio::select! {
            made = Box::pin(self.write_backup(out, tell)) => made,
            lost = renewing => Err(lost),
        };
        if let Err(error) = self.store.let_go(present.id).await {
            tracing::debug!(%error, "the hold ends by itself");
        }
        made
    }

    async fn write_backup(&self, out: &Path, tell: Tell<'_>) -> Result<Contents, BackupError> {
        let partial = Partial::beside(out)?;
        let file = File::create_new(&partial.0)
            .map_err(|error| BackupError::Io(partial.0.clone(), error))?;
        let (entries, queue) = mpsc::channel(QUEUE);
        let packing = tokio::task::spawn_blocking(move || archive::pack(file, queue));
        let mut packer = Packer { entries, tally: Tally::default() };
        let filled = Box::pin(self.fill(&mut packer, tell)).await;
        let Packer { entries, .. } = packer;
        drop(entries);
        let packed = packing.await.map_err(|_| BackupError::CutOff)?;
        packed.map_err(|error| BackupError::Io(partial.0.clone(), error))?;
        let contents = filled?;
        partial.becomes(out)?;
        Ok(contents)
    }

    async fn fill(&self, packer: &mut Packer, tell: Tell<'_>) -> Result<Contents, BackupError> {
        let head = Head {
            format: FORMAT,
            schema: self.store.schema().await?,
            created_at: Timestamp::now(),
            gencode: env!("CARGO_PKG_VERSION").to_owned(),
        };
        packer.send(HEAD, json(&head)?).await?;
        let (parts, mut coming) = mpsc::channel::<Part>(1);
        let taking = async {
            let mut number: u64 = 0;
            let mut rows = 0;
            let mut table = String::new();
            while let Some(part) = coming.recv().await {
                if part.table != table {
                    (number, rows) = (0, 0);
                    table.clone_from(&part.table);
                }
                number += 1;
                rows += part.rows;
                packer.send(&format!("tables/{table}/{number:06}.jsonl"), part.lines).await?;
                tell(Progress::Table { name: table.clone(), rows });
            }
            Ok::<_, BackupError>(())
        };
        let (exported, taken) = tokio::join!(self.store.export(parts), taking);
        taken?;
        let exported = exported?;
        packer.tally.contents.tables = exported.tables;
        self.pack_blobs(packer, &exported.manifests, tell).await?;
        self.pack_components(packer, tell).await?;
        let contents = std::mem::take(&mut packer.tally).whole();
        packer.send(MANIFEST, json(&contents)?).await?;
        Ok(contents)
    }

    async fn pack_blobs(
        &self,
        packer: &mut Packer,
        manifests: &BTreeSet<Digest>,
        tell: Tell<'_>,
    ) -> Result<(), BackupError> {
        let mut needed = BTreeSet::new();
        for manifest in manifests {
            match self.workspaces.referenced_by(ManifestDigest(*manifest)).await {
                Ok(blobs) => needed.extend(blobs),
                Err(error) => packer.lacks(format!("blob {manifest}"), error)?,
            }
        }
        let of = Some(needed.len() as u64);
        for (done, digest) in (1..).zip(needed) {
            match self.workspaces.blob(digest).await {
                Ok(content) => packer.send(&format!("blobs/{digest}"), content).await?,
                Err(error) => packer.lacks(format!("blob {digest}"), error)?,
            }
            if done % TELL_EVERY == 0 || Some(done) == of {
                tell(Progress::Blobs { done, of });
            }
        }
        Ok(())
    }

    async fn pack_components(
        &self,
        packer: &mut Packer,
        tell: Tell<'_>,
    ) -> Result<(), BackupError> {
        for digest in self.store.kept_components(&Gone::default()).await? {
            let name = format!("{digest}.wasm");
            let file = self.places.components.join(&name);
            match tokio::fs::read(&file).await {
                Ok(content) => packer.send(&format!("components/{name}"), content).await?,
                // Another host of the database has it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    packer.tally.contents.missing.push(format!("component {digest}"));
                }
                Err(error) => return Err(BackupError::Io(file, error)),
            }
        }
        tell(Progress::Components { done: packer.tally.contents.components });
        Ok(())
    }
}

/// Sends entries to the thread that writes them.
struct Packer {
    entries: mpsc::Sender<Entry>,
    tally: Tally,
}

impl Packer {
    async fn send(&mut self, name: &str, content: Vec<u8>) -> Result<(), BackupError> {
        if !self.tally.add(name, &content) {
            self.tally.contents.missing.push(format!("{name} is damaged"));
        }
        // The thread ends early only when it cannot write; it says why when it is asked.
        self.entries.send((name.to_owned(), content)).await.map_err(|_| BackupError::CutOff)
    }

    /// What is damaged is left out and named: the rest is worth having.
    fn lacks(&mut self, what: String, error: WorkspaceError) -> Result<(), BackupError> {
        match error {
            WorkspaceError::CorruptBlob { .. } | WorkspaceError::MissingBlob { .. } => {
                tracing::warn!(%error, "the backup is made without it");
                if !self.tally.contents.missing.contains(&what) {
                    self.tally.contents.missing.push(what);
                }
                Ok(())
            }
            other => Err(other.into()),
        }
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec(value).map_err(|error| BackupError::Store(StoreError::Unstorable(error)))
}

/// A file or folder that is made beside its place, and goes unless it gets there.
pub(super) struct Partial(pub(super) PathBuf);

impl Partial {
    pub(super) fn beside(out: &Path) -> Result<Self, BackupError> {
        let name = out.file_name().ok_or_else(|| {
            BackupError::Io(out.to_owned(), io::Error::other("it does not name a file"))
        })?;
        let prefix = format!(".{}.partial-", name.to_string_lossy());
        remove_of_the_dead(out, &prefix);
        Ok(Self(out.with_file_name(format!("{prefix}{}", std::process::id()))))
    }

    /// Puts it where it belongs, durably.
    pub(super) fn becomes(self, place: &Path) -> Result<(), BackupError> {
        let fail = |error| BackupError::Io(place.to_owned(), error);
        std::fs::rename(&self.0, place).map_err(fail)?;
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all()).map_err(fail)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Best effort: what stays is hidden and named so that one sees what it is.
        let _removed = files::remove(&self.0);
    }
}

/// Removes what earlier processes were making beside `out` when they were killed.
fn remove_of_the_dead(out: &Path, prefix: &str) {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = std::fs::read_dir(parent.unwrap_or(Path::new("."))).into_iter().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            // Best effort, as above.
            let _removed = files::remove(&entry.path());
        }
    }
}
