//! What a doctor looks at, and takes away nothing.

use std::collections::HashSet;

use gencode_core::{digest::Digest, id::ProjectId};
use gencode_store::{Gone, StoreError};
use gencode_workspace::{ManifestDigest, WorkspaceError};

use super::{
    clean::{CleanError, Cleaned, How, Keeper},
    files::entries,
};

/// The state of the blob store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobReport {
    /// States of files that are needed.
    pub manifests: u64,
    /// Blobs they need.
    pub needed: u64,
    /// Needed blobs that are missing or damaged, in words.
    pub problems: Vec<String>,
    /// Blobs that nothing names, and their bytes. Cleaning takes those that are old enough.
    pub orphans: u64,
    pub orphan_bytes: u64,
}

/// A process of the sandbox whose host is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanProcess {
    pub pid: u32,
    pub command: String,
}

impl Keeper {
    /// Reads every blob that is needed and compares it with its name.
    pub async fn check_blobs(
        &self,
        tell: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<BlobReport, CleanError> {
        let mut report = BlobReport::default();
        let manifests = self.store.kept_manifests(&Gone::default()).await?;
        let mut needed: HashSet<Digest> = HashSet::new();
        for manifest in &manifests {
            match self.workspaces.referenced_by(ManifestDigest(*manifest)).await {
                Ok(blobs) => needed.extend(blobs),
                Err(error) => report.problems.push(error.to_string()),
            }
        }
        report.manifests = manifests.len() as u64;
        report.needed = needed.len() as u64;
        for (done, digest) in (1..).zip(&needed) {
            match self.workspaces.verify_blob(*digest).await {
                Ok(_) => {}
                Err(
                    error @ (WorkspaceError::CorruptBlob { .. }
                    | WorkspaceError::MissingBlob { .. }),
                ) => report.problems.push(error.to_string()),
                Err(error) => return Err(CleanError::Unknown(error.to_string())),
            }
            tell(done, report.needed);
        }
        report.problems.sort();
        report.problems.dedup();
        let mut after = None;
        loop {
            let page = self.workspaces.blob_inventory(after).await;
            let page = page.map_err(|error| CleanError::Unknown(error.to_string()))?;
            let Some(last) = page.last() else { return Ok(report) };
            after = Some(last.digest);
            for blob in page.iter().filter(|blob| !needed.contains(&blob.digest)) {
                report.orphans += 1;
                report.orphan_bytes += blob.stored_bytes;
            }
        }
    }

    /// Takes away (or, in a dry run, counts) what crashes left and nobody can miss: trees of ended
    /// runs, previews of deleted projects, locks of dead hosts.
    pub async fn tidy(&self, how: How) -> Result<Cleaned, CleanError> {
        self.clean_leftovers(how).await
    }

    /// Working copies of projects that are not in the database. They may hold a user's work and are
    /// never taken away.
    pub async fn stray_copies(&self) -> Result<Vec<String>, CleanError> {
        let folder = self.places.workspaces.clone();
        let listed = entries(&folder).map_err(|error| CleanError::Folder(folder, error))?;
        let mut stray = Vec::new();
        for (name, _) in listed {
            let Ok(project) = name.parse::<ProjectId>() else { continue };
            match self.store.project(&project).await {
                Ok(_) => {}
                Err(StoreError::NotFound { .. }) => stray.push(name),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(stray)
    }
}

/// Processes of sandboxes that outlived their host, as far as this system tells (Linux).
pub fn orphan_processes() -> Vec<OrphanProcess> {
    let mut orphans = Vec::new();
    // In a container a host may itself be the process to which orphans are given.
    let first = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    if first.trim() == "gencode" {
        return orphans;
    }
    for (name, path) in entries("/proc".as_ref()).unwrap_or_default() {
        let Ok(pid) = name.parse() else { continue };
        let Ok(command) = std::fs::read(path.join("cmdline")) else { continue };
        let parts: Vec<String> = command
            .split(|byte| *byte == 0)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        if parts.get(1).is_none_or(|argument| argument != "__sandbox") {
            continue;
        }
        let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if parent.is_some_and(|parent| parent.trim() == "1") {
            orphans.push(OrphanProcess { pid, command: parts.join(" ") });
        }
    }
    orphans
}
