//! What differs between two states of a project, file by file and line by line.

use std::time::Duration;

use gencode_core::path::WorkspacePath;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use crate::{Entry, Manifest, Result, Workspaces, limits::MAX_FILE_BYTES, workspaces::Inner};

/// Largest file whose lines are compared, in bytes.
const MAX_COMPARED: u64 = 512 * 1024;

/// Most bytes of unified diff in one answer; later files are named without their lines.
const MAX_TEXT: usize = 2 * 1024 * 1024;

/// After this, lines of a file are compared less thoroughly: the diff is right but may be longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Removed,
    /// Its content or whether it is executable.
    Changed,
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    pub path: WorkspacePath,
    pub change: ChangeKind,
}

/// Why the lines of a file are not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unshown {
    /// It is not text.
    Binary,
    /// It is too large to be compared.
    TooLarge,
    /// The diff has its full size with the files before this one.
    NoRoom,
}

/// One file that differs, with its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDiff {
    #[serde(flatten)]
    pub file: FileChange,
    /// Bytes before and after; none where there is no file.
    pub size_before: Option<u64>,
    pub size_after: Option<u64>,
    /// Whether it is executable, where that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable: Option<bool>,
    /// Whether either side is not text.
    pub binary: bool,
    pub lines_added: u64,
    pub lines_removed: u64,
    /// In the unified format, with its two header lines; none when `unshown` says why.
    pub diff: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unshown: Option<Unshown>,
}

impl Manifest {
    /// Files that differ from `self` to `other`, sorted by path.
    pub fn changes_to(&self, other: &Self) -> Vec<FileChange> {
        let kind = |path: &WorkspacePath| match (self.get(path), other.get(path)) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        };
        let change = |path| FileChange { change: kind(&path), path };
        self.changed_paths(other).into_iter().map(change).collect()
    }
}

impl Workspaces {
    /// Compares two states. The answer is bounded: at most as many files as a project may have,
    /// at most two MiB of lines.
    pub async fn diff(&self, from: &Manifest, to: &Manifest) -> Result<Vec<FileDiff>> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |inner| {
            let mut room = MAX_TEXT;
            let changes = from.changes_to(&to);
            let sides = changes.iter().flat_map(|file| [from.get(&file.path), to.get(&file.path)]);
            let compared = sides.flatten().filter(|entry| entry.size <= MAX_COMPARED);
            inner.blobs.fetch(compared.map(|entry| entry.digest), MAX_FILE_BYTES)?;
            changes
                .into_iter()
                .map(|file| {
                    let (before, after) = (from.get(&file.path), to.get(&file.path));
                    let diff = compare(inner, file, before, after, room)?;
                    room = room.saturating_sub(diff.diff.as_ref().map_or(0, String::len));
                    Ok(diff)
                })
                .collect()
        })
        .await
    }
}

fn compare(
    inner: &Inner,
    file: FileChange,
    before: Option<&Entry>,
    after: Option<&Entry>,
    room: usize,
) -> Result<FileDiff> {
    let size = |entry: Option<&Entry>| entry.map(|entry| entry.size);
    let executable = match (before, after) {
        (Some(before), Some(after)) if before.executable != after.executable => {
            Some(after.executable)
        }
        _ => None,
    };
    let mut diff = FileDiff {
        size_before: size(before),
        size_after: size(after),
        executable,
        binary: false,
        lines_added: 0,
        lines_removed: 0,
        diff: None,
        unshown: None,
        file,
    };
    if size(before).max(size(after)) > Some(MAX_COMPARED) {
        diff.unshown = Some(Unshown::TooLarge);
        return Ok(diff);
    }
    let (Some(old), Some(new)) = (text(inner, before)?, text(inner, after)?) else {
        diff.binary = true;
        diff.unshown = Some(Unshown::Binary);
        return Ok(diff);
    };
    let lines = TextDiff::configure().timeout(PATIENCE).diff_lines(&old, &new);
    for change in lines.iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => diff.lines_added += 1,
            ChangeTag::Delete => diff.lines_removed += 1,
            ChangeTag::Equal => {}
        }
    }
    let name = |side: &str, there: bool| {
        if there { format!("{side}/{}", diff.file.path) } else { "/dev/null".to_owned() }
    };
    let shown = lines
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&name("a", before.is_some()), &name("b", after.is_some()))
        .to_string();
    if shown.len() <= room {
        diff.diff = Some(shown);
    } else {
        diff.unshown = Some(Unshown::NoRoom);
    }
    Ok(diff)
}

/// The text of a file, empty where there is none; none when it is not text.
fn text(inner: &Inner, entry: Option<&Entry>) -> Result<Option<String>> {
    let Some(entry) = entry else { return Ok(Some(String::new())) };
    let bytes = inner.blobs.get(entry.digest, MAX_FILE_BYTES)?;
    Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
}
