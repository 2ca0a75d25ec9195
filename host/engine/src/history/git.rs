//! Git's object format: bytes to objects, states of files to trees. Knows no disk.

use std::{collections::BTreeMap, fmt};

use gencode_core::{path::WorkspacePath, time};
use gencode_store::{Checkpoint, CheckpointAuthor};
use sha1::{Digest as _, Sha1};

use super::title_of;

/// Name of an object: SHA-1 of its kind, length and content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Oid(pub(super) [u8; 20]);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }

    /// Number in a pack.
    const fn number(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
        }
    }
}

/// How hard zlib tries: its own default.
const LEVEL: u8 = 6;

fn header(kind: Kind, content: &[u8]) -> Vec<u8> {
    format!("{} {}\0", kind.word(), content.len()).into_bytes()
}

/// The name of an object.
pub(super) fn id_of(kind: Kind, content: &[u8]) -> Oid {
    let digest = Sha1::new().chain_update(header(kind, content)).chain_update(content).finalize();
    Oid(digest.into())
}

/// An object as a file of its own.
pub(super) fn loose(kind: Kind, content: &[u8]) -> Vec<u8> {
    let mut whole = header(kind, content);
    whole.extend_from_slice(content);
    miniz_oxide::deflate::compress_to_vec_zlib(&whole, LEVEL)
}

/// An object as an entry of a pack.
pub(super) fn packed(kind: Kind, content: &[u8]) -> Vec<u8> {
    let mut entry = Vec::new();
    let mut rest = content.len();
    let mut byte = (kind.number() << 4) | low(rest, 0x0f);
    rest >>= 4;
    while rest > 0 {
        entry.push(byte | 0x80);
        byte = low(rest, 0x7f);
        rest >>= 7;
    }
    entry.push(byte);
    entry.extend(miniz_oxide::deflate::compress_to_vec_zlib(content, LEVEL));
    entry
}

fn low(value: usize, mask: u8) -> u8 {
    u8::try_from(value & usize::from(mask)).unwrap_or(mask)
}

/// A file of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) id: Oid,
    pub(super) executable: bool,
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Default)]
struct Folder<'a> {
    files: BTreeMap<&'a str, Leaf>,
    folders: BTreeMap<&'a str, Folder<'a>>,
}

/// Makes the trees of a state. `keep` gets each; the name of the root comes back.
pub(super) fn tree<'a>(
    files: impl Iterator<Item = (&'a WorkspacePath, Leaf)>,
    keep: &mut impl FnMut(Oid, Vec<u8>),
) -> Oid {
    let mut root = Folder::default();
    for (path, leaf) in files {
        let mut folder = &mut root;
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                folder = folder.folders.entry(part).or_default();
            } else {
                folder.files.insert(part, leaf);
            }
        }
    }
    write_folder(&root, keep)
}

fn write_folder(folder: &Folder<'_>, keep: &mut impl FnMut(Oid, Vec<u8>)) -> Oid {
    // Git sorts the name of a folder as if it ended in a slash.
    let mut entries: BTreeMap<String, (&str, &str, Oid)> = BTreeMap::new();
    for (name, leaf) in &folder.files {
        let mode = if leaf.executable { "100755" } else { "100644" };
        entries.insert((*name).to_owned(), (mode, name, leaf.id));
    }
    for (name, inner) in &folder.folders {
        let id = write_folder(inner, keep);
        entries.insert(format!("{name}/"), ("40000", name, id));
    }
    let mut content = Vec::new();
    for (mode, name, id) in entries.into_values() {
        content.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        content.extend_from_slice(&id.0);
    }
    let id = id_of(Kind::Tree, &content);
    keep(id, content);
    id
}

/// The commit of a checkpoint. Everything in it is stored, so it is the same whenever it is made.
pub(super) fn commit(checkpoint: &Checkpoint, tree: Oid, parent: Option<Oid>) -> Vec<u8> {
    let parent = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let name = match (plain(&checkpoint.performer), checkpoint.author) {
        (name, _) if !name.is_empty() => name,
        (_, CheckpointAuthor::User) => "User".to_owned(),
        (_, CheckpointAuthor::Run | CheckpointAuthor::Seed) => "GenCode".to_owned(),
    };
    let mailbox: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let second = checkpoint.created_at.as_second();
    let body = body_of(&checkpoint.note);
    let mut message = plain(title_of(checkpoint));
    if !body.is_empty() {
        message.push_str(&format!("\n\n{body}"));
    }
    message.push_str(&format!("\n\nCheckpoint: {}\n", checkpoint.id));
    message.push_str(&format!("Checkpoint-Author: {}\n", checkpoint.author.as_str()));
    message.push_str(&format!("Checkpoint-Time: {}\n", time::iso(checkpoint.created_at)));
    if let Some(run) = checkpoint.run {
        message.push_str(&format!("Run: {run}\n"));
    }
    if !checkpoint.step.is_empty() {
        message.push_str(&format!("Step: {}\n", plain(&checkpoint.step)));
    }
    // `.invalid` never is anybody's address (RFC 2606).
    format!(
        "tree {tree}\n{parent}author {name} <{mailbox}@gencode.invalid> {second} +0000\n\
         committer GenCode Studio Host <host@gencode.invalid> {second} +0000\n\n{message}"
    )
    .into_bytes()
}

/// What follows the title.
fn body_of(note: &str) -> String {
    let body = note.split_once('\n').map_or("", |(_, body)| body);
    body.lines().map(plain).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// One line without what an identity or a message may not hold.
fn plain(text: &str) -> String {
    let clean: String =
        text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect();
    clean.trim_matches(|c: char| c.is_whitespace() || ".,:;\"'\\".contains(c)).to_owned()
}

/// Whether git takes a path. It refuses its own folder's name in every spelling that some file
/// system takes for it (`fsck`: `hasDotgit`).
pub(super) fn may_hold(path: &WorkspacePath) -> bool {
    path.components().all(|name| {
        let seen: String = name.chars().filter(|c| !is_ignorable(*c)).collect();
        let seen = seen.to_ascii_lowercase();
        seen != ".git" && seen != "git~1"
    })
}

/// Characters that HFS+ ignores in names.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// One file of the index.
pub(super) struct IndexLine<'a> {
    pub(super) path: &'a WorkspacePath,
    pub(super) leaf: Leaf,
    pub(super) size: u64,
}

/// The index of a fresh working tree, in version 2. Times are unknown: git looks at the files.
pub(super) fn index<'a>(lines: impl ExactSizeIterator<Item = IndexLine<'a>>) -> Vec<u8> {
    let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
    let mut content = b"DIRC\0\0\0\x02".to_vec();
    content.extend(short(lines.len() as u64));
    for line in lines {
        let start = content.len();
        // Both times, device and inode.
        content.extend([0; 24]);
        let mode: u32 = if line.leaf.executable { 0o100_755 } else { 0o100_644 };
        content.extend(mode.to_be_bytes());
        // Owner and group.
        content.extend([0; 8]);
        content.extend(short(line.size));
        content.extend_from_slice(&line.leaf.id.0);
        let name = line.path.as_str().as_bytes();
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX).min(0x0fff);
        content.extend(length.to_be_bytes());
        content.extend_from_slice(name);
        // At least one zero, up to a multiple of eight.
        let filled = content.len() - start;
        content.resize(start + (filled / 8 + 1) * 8, 0);
    }
    let digest = Sha1::digest(&content);
    content.extend_from_slice(digest.as_slice());
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(kind: Kind, content: &[u8]) -> String {
        id_of(kind, content).to_string()
    }

    #[test]
    fn names_are_gits_own() {
        // As `git hash-object` says.
        assert_eq!(hex(Kind::Blob, b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(hex(Kind::Blob, b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(hex(Kind::Tree, b""), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }

    #[test]
    fn a_folder_sorts_as_if_its_name_ended_in_a_slash() {
        let paths: Vec<WorkspacePath> =
            ["a/x", "a.b", "a0", "a-"].iter().map(|path| path.parse().unwrap()).collect();
        let leaf = Leaf { id: id_of(Kind::Blob, b""), executable: false };
        let mut trees = Vec::new();
        tree(paths.iter().map(|path| (path, leaf)), &mut |_, content| trees.push(content));
        let root = trees.pop().unwrap();
        let text = String::from_utf8_lossy(&root).into_owned();
        let at = |name: &str| text.find(&format!(" {name}\0")).unwrap();
        assert!(at("a-") < at("a.b") && at("a.b") < at("a") && at("a") < at("a0"), "{text}");
        assert!(text.contains("40000 a\0"));
    }

    #[test]
    fn every_spelling_of_gits_own_folder_stays_out() {
        for path in [".git/config", "a/.GIT/x", "git~1/x", ".g\u{200c}it"] {
            assert!(!may_hold(&path.parse().unwrap()), "{path}");
        }
        for path in [".gitignore", "git/x", ".github/workflows/ci.yml"] {
            assert!(may_hold(&path.parse().unwrap()), "{path}");
        }
    }

    #[test]
    fn a_long_object_has_its_length_in_groups_of_seven_bits() {
        let entry = packed(Kind::Blob, &[0; 300]);
        // 300 = 0b10_0101100: the low four bits, then the rest.
        assert_eq!(entry[..2], [0x80 | (3 << 4) | 0x0c, 0x12]);
        assert_eq!(packed(Kind::Commit, b"x")[0], (1 << 4) | 1);
    }
}
