//! A folder of files as a web site.

use std::path::{Component, Path, PathBuf};

use hyper::{Method, Request, Response, StatusCode, body::Incoming};

use crate::local::{Body, answer};

/// No file of a front end is larger.
const MAX_FILE: u64 = 64 << 20;

/// A built front end. A path that names no file gives `index.html`: its own router knows it.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Without links.
    root: PathBuf,
}

impl Folder {
    /// The root must be without links.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "read only");
        }
        let path = request.uri().path();
        let mut file = self.find(path).await;
        let last = path.rsplit('/').next().unwrap_or_default();
        if file.is_none() && !last.contains('.') && !path.starts_with("/api/") {
            file = self.find("/index.html").await;
        }
        let Some(file) = file else {
            return answer(StatusCode::NOT_FOUND, "text/plain", "not found");
        };
        match tokio::fs::read(&file).await {
            Ok(content) => answer(StatusCode::OK, media_type(&file), content),
            Err(_) => answer(StatusCode::NOT_FOUND, "text/plain", "not found"),
        }
    }

    /// The file of a path, if there is one and no link leads it out of the folder.
    async fn find(&self, path: &str) -> Option<PathBuf> {
        let path = percent_decode(path)?;
        let relative = Path::new(path.trim_start_matches('/'));
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let file = tokio::fs::canonicalize(self.root.join(relative)).await.ok()?;
        let about = tokio::fs::metadata(&file).await.ok()?;
        (file.starts_with(&self.root) && about.is_file() && about.len() <= MAX_FILE).then_some(file)
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_outside_the_folder_is_found() {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().canonicalize().unwrap().join("site");
        std::fs::create_dir_all(root.join("assets")).unwrap();
        std::fs::write(root.join("assets/a b.js"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("leak.txt")).unwrap();
        let folder = Folder::new(root.clone());
        assert_eq!(folder.find("/assets/a%20b.js").await, Some(root.join("assets/a b.js")));
        for path in ["/../secret", "/%2e%2e/secret", "/leak.txt", "/assets", "/%zz", "/a%00b"] {
            assert_eq!(folder.find(path).await, None, "{path}");
        }
    }
}
