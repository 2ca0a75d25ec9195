//! Files that a change takes away.
//!
//! An answer holds whole files and cannot delete one, so it names them in a document. They go
//! before the validators look: what is left of a removed entity would be judged, mounted and
//! tested with the rest, and its imports would find nothing.

use std::cell::RefCell;

use gencode_plugin_sdk::{
    document::find,
    glob,
    supervise::{
        FORBIDDEN, Host, overlay,
        project::fixed,
        wiring::{REGISTRY, ROUTERS, registry},
    },
    types::{Document, Fault, File, Finding},
};

/// The document: a JSON list of paths.
const REMOVED: &str = "removed";

/// What the tries of one change took away so far.
pub(crate) struct Removal<'a, H> {
    host: &'a H,
    writes: &'a [&'a str],
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// As they were, to put them back when a later try keeps them.
    gone: Vec<File>,
    /// Why the last try could not take a file away.
    fault: Option<Fault>,
}

impl<'a, H: Host> Removal<'a, H> {
    pub(crate) fn new(host: &'a H, writes: &'a [&'a str]) -> Self {
        Self { host, writes, state: RefCell::default() }
    }

    /// Brings the project to what this try wants gone; for the check of a try, before the
    /// validators. Answers what is wrong with the list.
    pub(crate) fn settle(&self, written: &[File], documents: &[Document]) -> Vec<Finding> {
        self.state.borrow_mut().fault = None;
        let Some(document) = find(documents, REMOVED) else { return Vec::new() };
        let wanted = match document.read::<Vec<String>>() {
            Ok(paths) => paths,
            Err(fault) => {
                return vec![
                    Finding::error("answer.unreadable-document", "", 0, 0, fault.message)
                        .with_hint(format!("`{REMOVED}` is a JSON list of paths")),
                ];
            }
        };
        // What is written anew is not gone.
        let wanted: Vec<File> = wanted
            .into_iter()
            .filter(|path| written.iter().all(|file| file.path != *path))
            .map(|path| File::new(path, ""))
            .collect();
        let findings = self.refused(&wanted);
        if findings.is_empty()
            && let Err(fault) = self.apply(&wanted, written)
        {
            let finding = Finding::error("change.removal", "", 0, 0, fault.message.clone());
            self.state.borrow_mut().fault = Some(fault);
            return vec![finding];
        }
        findings
    }

    /// What was taken away, or why that was impossible. A try that failed for this has no better
    /// reason.
    pub(crate) fn finish<T>(self, outcome: Result<T, Fault>) -> Result<(T, Vec<String>), Fault> {
        let State { gone, fault } = self.state.into_inner();
        let done = outcome.map_err(|refused| fault.unwrap_or(refused))?;
        Ok((done, gone.into_iter().map(|file| file.path).collect()))
    }

    /// Paths that a change may not take away.
    fn refused(&self, wanted: &[File]) -> Vec<Finding> {
        let outside =
            wanted.iter().filter(|file| !glob::matches_any(self.writes, &file.path)).map(|file| {
                let message = "this step may not remove the file";
                Finding::error(FORBIDDEN, &file.path, 0, 0, message)
            });
        let mut findings: Vec<Finding> = fixed(wanted).into_iter().chain(outside).collect();
        for finding in &mut findings {
            finding.hint = format!("send `{REMOVED}` without it");
        }
        findings
    }

    fn apply(&self, wanted: &[File], written: &[File]) -> Result<(), Fault> {
        let is_wanted = |path: &str| wanted.iter().any(|file| file.path == path);
        let mut state = self.state.borrow_mut();
        let (gone, kept): (Vec<File>, Vec<File>) =
            std::mem::take(&mut state.gone).into_iter().partition(|file| is_wanted(&file.path));
        state.gone = gone;
        if !kept.is_empty() {
            self.host.stage(&kept)?;
        }
        let mut touched = !kept.is_empty();
        // Paths of an answer are no globs, so they are looked up among what may be written.
        let there = if wanted.is_empty() { Vec::new() } else { self.host.read_all(self.writes)? };
        for file in there.into_iter().filter(|file| is_wanted(&file.path)) {
            match self.host.remove(&file.path) {
                Ok(()) => {}
                Err(error) if error.code == "conflict" => {
                    return Err(Fault::permanent(
                        "users-file",
                        format!(
                            "the change takes `{}` away, but you wrote or edited this file, so it stays and nothing is \
                             changed; undo your edit or ask for a change that keeps it",
                            file.path
                        ),
                    ));
                }
                Err(error) => return Err(error.into()),
            }
            state.gone.push(file);
            touched = true;
        }
        if touched { self.wire(written) } else { Ok(()) }
    }

    /// The registry that the validators see: without the routers that are gone, with those to come.
    fn wire(&self, written: &[File]) -> Result<(), Fault> {
        let present = self.host.read_all(&[ROUTERS])?;
        let (text, _) = registry(&overlay(&present, written));
        if !present.iter().any(|file| file.path == REGISTRY && file.content == text) {
            self.host.stage(&[File::new(REGISTRY, text)])?;
        }
        Ok(())
    }
}
