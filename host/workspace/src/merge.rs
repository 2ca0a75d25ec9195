//! Two changed states of one base become one.

use std::collections::BTreeSet;

use gencode_core::{digest::Digest, path::WorkspacePath};
use similar::TextMerge;

use crate::{
    Author, Entry, Manifest, Result, Workspaces, limits::MAX_FILE_BYTES, workspaces::Inner,
};

/// Result of a three-way merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Both sides' changes; the blobs are stored. Files in conflict are as `theirs` has them.
    pub manifest: Manifest,
    /// Files both sides changed in the same place, sorted. Someone has to decide.
    pub conflicts: Vec<WorkspacePath>,
}

impl Merged {
    /// Decides every conflict for the run: these files become as `ours` has them.
    pub fn take_ours(&mut self, ours: &Manifest) {
        for path in std::mem::take(&mut self.conflicts) {
            match ours.get(&path) {
                Some(entry) => self.manifest.insert(path, *entry),
                None => self.manifest.remove(&path),
            }
        }
    }
}

impl Workspaces {
    /// Merges what a run did (`ours`) with what the user did (`theirs`), both starting from `base`.
    /// Files changed on one side only are taken, files changed on both are merged line by line;
    /// where that fails the user's file stays and is named in [`Merged::conflicts`].
    pub async fn merge3(
        &self,
        base: &Manifest,
        ours: &Manifest,
        theirs: &Manifest,
    ) -> Result<Merged> {
        let (base, ours, theirs) = (base.clone(), ours.clone(), theirs.clone());
        self.run(move |inner| {
            let mut merged = Merged::default();
            let paths: BTreeSet<&WorkspacePath> =
                base.paths().chain(ours.paths()).chain(theirs.paths()).collect();
            for path in paths {
                let kept = match pick(base.get(path), ours.get(path), theirs.get(path)) {
                    Pick::Take(entry) => entry,
                    Pick::Both { base, ours, theirs } => {
                        let entry = merge_file(inner, base, ours, theirs)?;
                        if entry.is_none() {
                            merged.conflicts.push(path.clone());
                        }
                        Some(entry.unwrap_or(theirs))
                    }
                    Pick::Conflict(theirs) => {
                        merged.conflicts.push(path.clone());
                        theirs
                    }
                };
                if let Some(entry) = kept {
                    merged.manifest.insert(path.clone(), entry);
                }
            }
            Ok(merged)
        })
        .await
    }
}

enum Pick {
    Take(Option<Entry>),
    /// Both changed it: look inside.
    Both {
        base: Option<Entry>,
        ours: Entry,
        theirs: Entry,
    },
    /// One deleted what the other changed.
    Conflict(Option<Entry>),
}

fn pick(base: Option<&Entry>, ours: Option<&Entry>, theirs: Option<&Entry>) -> Pick {
    let same = |a: Option<&Entry>, b: Option<&Entry>| match (a, b) {
        (Some(a), Some(b)) => a.same_file(b),
        (None, None) => true,
        _ => false,
    };
    if same(ours, theirs) || same(base, ours) {
        return Pick::Take(theirs.copied());
    }
    if same(base, theirs) {
        return Pick::Take(ours.copied());
    }
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            Pick::Both { base: base.copied(), ours: *ours, theirs: *theirs }
        }
        _ => Pick::Conflict(theirs.copied()),
    }
}

fn merge_file(
    inner: &Inner,
    base: Option<Entry>,
    ours: Entry,
    theirs: Entry,
) -> Result<Option<Entry>> {
    let text = |entry: Entry| {
        inner.blobs.get(entry.digest, MAX_FILE_BYTES).map(|bytes| String::from_utf8(bytes).ok())
    };
    let base_text = match base {
        Some(entry) => text(entry)?,
        None => Some(String::new()),
    };
    let (Some(base_text), Some(ours_text), Some(theirs_text)) =
        (base_text, text(ours)?, text(theirs)?)
    else {
        return Ok(None);
    };
    let merge = TextMerge::from_lines(&base_text, &ours_text, &theirs_text);
    if merge.is_conflicted() {
        return Ok(None);
    }
    let merged = merge.to_string();
    if merged.len() as u64 > MAX_FILE_BYTES {
        return Ok(None);
    }
    inner.blobs.put_all(&[merged.as_bytes()])?;
    let digest = Digest::of(merged.as_bytes());
    let mode_before = base.is_some_and(|entry| entry.executable);
    let executable =
        if ours.executable == mode_before { theirs.executable } else { ours.executable };
    Ok(Some(Entry { digest, size: merged.len() as u64, executable, author: Author::User }))
}
