//! The file tree as the client shows it (http-ws-contract §2.3).

use std::collections::BTreeMap;

use serde::Serialize;

/// A file or folder of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Node {
    pub name: String,
    /// Relative to the project, with `/`.
    pub path: String,
    /// `file` or `folder`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Of a folder; absent on files.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub children: Option<Vec<Node>>,
}

#[derive(Default)]
struct Folder {
    folders: BTreeMap<String, Folder>,
    files: Vec<String>,
}

/// Builds the tree from sorted paths. Hidden names and `node_modules` are left out at every level.
pub(crate) fn tree<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<Node> {
    let mut root = Folder::default();
    for path in paths {
        if path.split('/').any(|part| part.starts_with('.') || part == "node_modules") {
            continue;
        }
        let mut folder = &mut root;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                folder = folder.folders.entry(part.to_owned()).or_default();
            } else {
                folder.files.push(part.to_owned());
            }
        }
    }
    nodes(root, "")
}

fn nodes(folder: Folder, parent: &str) -> Vec<Node> {
    let join =
        |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
    let mut all: Vec<Node> = folder
        .files
        .into_iter()
        .map(|name| Node { path: join(&name), name, kind: "file", children: None })
        .collect();
    for (name, inner) in folder.folders {
        let path = join(&name);
        let children = nodes(inner, &path);
        all.push(Node { name, path, kind: "folder", children: Some(children) });
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_hides_what_the_contract_hides_and_sorts_by_path() {
        let paths = [
            "docker-compose.yml",
            "backend/main.py",
            ".env",
            "backend/.x/y",
            "frontend/node_modules/a.js",
        ];
        let tree = serde_json::to_value(tree(paths.into_iter())).unwrap();
        assert_eq!(
            tree,
            serde_json::json!([
                {"name":"backend","path":"backend","type":"folder","children":[
                    {"name":"main.py","path":"backend/main.py","type":"file"}]},
                {"name":"docker-compose.yml","path":"docker-compose.yml","type":"file"}
            ])
        );
    }
}
