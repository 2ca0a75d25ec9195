//! Putting a backup back: into an empty place, whole or not at all.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use gencode_store::{Incoming, Location, Part, Store, StoreError};
use gencode_workspace::{Manifest, ManifestDigest, RemoteConfig, Workspaces};
use tokio::sync::mpsc;

use super::{
    archive::{self, Contents, Entry, FORMAT, HEAD, Head, MANIFEST, QUEUE, Tally},
    backup::{BackupError, Partial, Progress, Tell},
};

/// Blobs stored together: many share one wait for the disk.
const BATCH_BYTES: usize = 8 << 20;
const BATCH: usize = 256;

/// Where a backup is put back.
#[derive(Debug, Clone)]
pub struct Target {
    /// The data folder. It must be empty or not there.
    pub data: PathBuf,
    /// Folder of the working copies. The same, where it is not below `data`.
    pub workspaces: PathBuf,
    /// An SQLite file that is not there yet, or an empty PostgreSQL database.
    pub database: Location,
    /// The blob store that hosts share, if there is one.
    pub blobs: Option<RemoteConfig>,
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub head: Head,
    pub contents: Contents,
    /// Projects whose working copies were made anew.
    pub copies: u64,
    /// Previews that were forgotten: their trees are not part of a backup. The next build or
    /// change of the project makes a new one.
    pub previews: u64,
}

/// Reads a backup, checks every entry, and puts it into the target. Nothing is there before all is.
pub async fn restore(
    file: &Path,
    target: &Target,
    tell: Tell<'_>,
) -> Result<Restored, BackupError> {
    for folder in [&target.data, &target.workspaces] {
        if !is_empty(folder).map_err(|error| BackupError::Io(folder.clone(), error))? {
            return Err(BackupError::NotEmpty(folder.clone()));
        }
    }
    let aside = Partial::beside(&target.data)?;
    std::fs::create_dir_all(&aside.0).map_err(|error| BackupError::Io(aside.0.clone(), error))?;
    // What belongs into the data folder is first made in the folder beside it.
    let staged = |path: &Path| match path.strip_prefix(&target.data) {
        Ok(below) => aside.0.join(below),
        Err(_) => path.to_owned(),
    };
    let database = match &target.database {
        Location::File(file) => {
            if file.try_exists().map_err(|error| BackupError::Io(file.clone(), error))? {
                return Err(BackupError::NotEmpty(file.clone()));
            }
            Location::File(staged(file))
        }
        server @ Location::Postgres(_) => server.clone(),
    };
    let store = Store::connect(&database).await?;
    let (copies, blobs) = (staged(&target.workspaces), staged(&target.data.join("blobs")));
    let workspaces = Workspaces::open_with(&copies, &blobs, target.blobs.as_ref()).await?;
    let restoring = Restoring { file, store, workspaces, components: aside.0.join("components") };
    let restored = Box::pin(restoring.run(tell)).await;
    // Before the file is moved, and before it is judged.
    restoring.store.close().await;
    let restored = restored?;
    drop(restoring);
    if target.data.try_exists().map_err(|error| BackupError::Io(target.data.clone(), error))? {
        std::fs::remove_dir(&target.data)
            .map_err(|error| BackupError::Io(target.data.clone(), error))?;
    }
    aside.becomes(&target.data)?;
    Ok(restored)
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

struct Restoring<'f> {
    file: &'f Path,
    store: Store,
    workspaces: Workspaces,
    components: PathBuf,
}

/// What is being read.
#[derive(Default)]
struct Reading {
    head: Option<Head>,
    /// What the file says must be in it.
    promised: Option<Contents>,
    tally: Tally,
    blobs: Vec<Vec<u8>>,
    blob_bytes: usize,
}

impl Restoring<'_> {
    async fn run(&self, tell: Tell<'_>) -> Result<Restored, BackupError> {
        if !self.store.is_empty().await? {
            return Err(BackupError::DatabaseNotEmpty(self.store.name().to_owned()));
        }
        std::fs::create_dir_all(&self.components)
            .map_err(|error| BackupError::Io(self.components.clone(), error))?;
        let (rows, incoming) = mpsc::channel(1);
        let (imported, read) = tokio::join!(self.store.import(incoming), self.read(rows, tell));
        // The reader says best what is wrong with the file, the database what is wrong with itself.
        let (head, contents) = match (&imported, read) {
            (Err(_), Err(BackupError::CutOff)) => return Err(self.refused(imported)),
            (_, read) => read?,
        };
        if imported.is_err() {
            return Err(self.refused(imported));
        }
        let copies = self.make_copies(tell).await?;
        let previews = self.store.forget_previews().await?;
        Ok(Restored { head, contents, copies, previews })
    }

    /// Reads the file to its end. The database is told only when everything is as promised.
    async fn read(
        &self,
        rows: mpsc::Sender<Incoming>,
        tell: Tell<'_>,
    ) -> Result<(Head, Contents), BackupError> {
        let (entries, mut coming) = mpsc::channel::<Entry>(QUEUE);
        let file = self.file.to_owned();
        let unpacking = tokio::task::spawn_blocking(move || archive::unpack(&file, &entries));
        let mut reading = Reading::default();
        while let Some((name, content)) = coming.recv().await {
            self.take(&mut reading, &name, content, &rows, tell).await?;
        }
        unpacking.await.map_err(|_| BackupError::CutOff)?.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
                BackupError::Io(self.file.to_owned(), error)
            }
            _ => self.damaged(error.to_string()),
        })?;
        self.store_blobs(&mut reading, tell).await?;
        let head = reading.head.ok_or_else(|| self.damaged("it does not begin as one"))?;
        let promised = reading.promised.ok_or_else(|| self.damaged("its end is missing"))?;
        let mut found = reading.tally.whole();
        found.tables.clone_from(&promised.tables);
        found.missing.clone_from(&promised.missing);
        if found != promised {
            return Err(self.damaged(differences(&found, &promised)));
        }
        rows.send(Incoming::Whole(promised.tables.clone()))
            .await
            .map_err(|_| BackupError::CutOff)?;
        Ok((head, promised))
    }

    async fn take(
        &self,
        reading: &mut Reading,
        name: &str,
        content: Vec<u8>,
        rows: &mpsc::Sender<Incoming>,
        tell: Tell<'_>,
    ) -> Result<(), BackupError> {
        if reading.promised.is_some() {
            return Err(self.damaged("something comes after its end"));
        }
        if name == MANIFEST {
            let promised = serde_json::from_slice(&content)
                .map_err(|error| self.damaged(format!("{MANIFEST}: {error}")))?;
            reading.promised = Some(promised);
            return Ok(());
        }
        if !reading.tally.add(name, &content) {
            return Err(self.damaged(format!("the content of {name} is not what its name says")));
        }
        if reading.head.is_none() {
            reading.head = Some(self.head(name, &content).await?);
            return Ok(());
        }
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["tables", table, _] => {
                let count = content.split(|byte| *byte == b'\n').skip(1).count() as u64;
                let part = Part { table: (*table).to_owned(), rows: count, lines: content };
                tell(Progress::Table { name: part.table.clone(), rows: count });
                rows.send(Incoming::Part(part)).await.map_err(|_| BackupError::CutOff)
            }
            ["blobs", _] => {
                reading.blob_bytes += content.len();
                reading.blobs.push(content);
                if reading.blobs.len() >= BATCH || reading.blob_bytes >= BATCH_BYTES {
                    self.store_blobs(reading, tell).await?;
                }
                Ok(())
            }
            ["components", file] => self.store_component(file, content).await,
            _ => Err(self.damaged(format!("`{name}` is no part of a backup"))),
        }
    }

    async fn head(&self, name: &str, content: &[u8]) -> Result<Head, BackupError> {
        if name != HEAD {
            return Err(self.damaged("it does not begin as one"));
        }
        // The version first: a newer form may have another head.
        let seen: serde_json::Value = serde_json::from_slice(content)
            .map_err(|error| self.damaged(format!("{HEAD}: {error}")))?;
        let format = seen.get("format").and_then(serde_json::Value::as_i64).unwrap_or(0);
        if format != i64::from(FORMAT) {
            let known = i64::from(FORMAT);
            return Err(BackupError::TooNew { what: "the format", found: format, known });
        }
        let head: Head = serde_json::from_value(seen)
            .map_err(|error| self.damaged(format!("{HEAD}: {error}")))?;
        let known = self.store.schema().await?;
        if head.schema > known {
            return Err(BackupError::TooNew { what: "the schema", found: head.schema, known });
        }
        Ok(head)
    }

    async fn store_blobs(&self, reading: &mut Reading, tell: Tell<'_>) -> Result<(), BackupError> {
        if reading.blobs.is_empty() {
            return Ok(());
        }
        reading.blob_bytes = 0;
        self.workspaces.put_blobs(std::mem::take(&mut reading.blobs)).await?;
        tell(Progress::Blobs { done: reading.tally.contents.blobs, of: None });
        Ok(())
    }

    async fn store_component(&self, file: &str, content: Vec<u8>) -> Result<(), BackupError> {
        let path = self.components.join(file);
        let place = path.clone();
        let written = tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            let mut file = std::fs::File::create_new(&place)?;
            file.write_all(&content)?;
            file.sync_all()
        });
        let written = written.await.map_err(|_| BackupError::CutOff)?;
        written.map_err(|error| BackupError::Io(path, error))
    }

    /// What the database says about what it was given.
    fn refused(&self, imported: Result<BTreeMap<String, u64>, StoreError>) -> BackupError {
        match imported {
            Err(StoreError::Conflict(why)) => self.damaged(why),
            Err(error) => error.into(),
            Ok(_) => BackupError::CutOff,
        }
    }

    /// Makes the working copies again from the newest checkpoints.
    async fn make_copies(&self, tell: Tell<'_>) -> Result<u64, BackupError> {
        let mut copies = 0;
        let mut after = None;
        loop {
            let page = self.store.kept_projects(after.as_ref()).await?;
            let Some(last) = page.last() else { return Ok(copies) };
            after = Some(last.project.clone());
            for kept in page {
                let Some(head) = self.store.latest_checkpoint(&kept.project).await? else {
                    continue;
                };
                let digest = ManifestDigest(head.manifest);
                let made = match self.workspaces.manifest(digest).await {
                    Ok(manifest) => {
                        let nothing = Manifest::default();
                        self.workspaces.apply(&kept.project, &nothing, &manifest).await
                    }
                    Err(error) => Err(error),
                };
                match made {
                    Ok(()) => copies += 1,
                    // It was damaged when the backup was made, which the backup says.
                    Err(error) => {
                        tracing::warn!(project = %kept.project, %error, "no working copy was made");
                    }
                }
            }
            tell(Progress::Copies { done: copies });
        }
    }

    fn damaged(&self, why: impl Into<String>) -> BackupError {
        BackupError::Damaged { file: self.file.to_owned(), why: why.into() }
    }
}

/// The first thing that is not as promised, in words.
fn differences(found: &Contents, promised: &Contents) -> String {
    for (name, entry) in &promised.entries {
        match found.entries.get(name) {
            None => return format!("{name} is missing"),
            Some(there) if there != entry => return format!("{name} was changed"),
            Some(_) => {}
        }
    }
    if let Some(name) = found.entries.keys().find(|name| !promised.entries.contains_key(*name)) {
        return format!("{name} was added");
    }
    format!(
        "it has {} blobs and {} components and should have {} and {}",
        found.blobs, found.components, promised.blobs, promised.components
    )
}
