//! Ids and paths that want out of a project, on every route that takes one: nothing is read,
//! written or revealed outside of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::host::{Data, Server, files_of};

/// What is outside and must stay unseen.
const SECRET: &str = "nobody may read this";

/// Steps outwards, as they are and in every disguise.
fn ways_out() -> Vec<String> {
    let up = [
        "..",
        ".",
        "...",
        "....",
        ".. ",
        " ..",
        "..\t",
        "..;",
        "..\u{2024}",
        "\u{2025}",
        "\u{ff0e}\u{ff0e}",
        "\u{2024}\u{2024}",
        "%2e%2e",
        "%252e%252e",
        "%c0%ae%c0%ae",
        "%u002e%u002e",
        "..%00",
        "..\u{0}",
        "..\u{200b}",
        "..\u{fe0f}",
        "\u{202e}..",
    ];
    let slashes = [
        "/", "\\", "//", "/./", "%2f", "%5c", "%252f", "\u{2215}", "\u{2044}", "\u{ff0f}",
        "\u{ff3c}",
    ];
    let targets = ["secret.txt", "neighbour/secret.txt", "etc/passwd"];
    let mut ways = Vec::new();
    for up in up {
        for slash in slashes {
            for target in targets {
                ways.push(format!("{up}{slash}{target}"));
            }
        }
        ways.push(format!("a/{up}/{up}/secret.txt"));
        ways.push(format!("backend/{up}/{up}/secret.txt"));
        ways.push(up.to_owned());
    }
    ways
}

/// Paths and names that are no business of a project.
fn others() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "/",
        "//",
        "\\",
        "/etc/passwd",
        "//etc/passwd",
        "///etc/passwd",
        "\\etc\\passwd",
        "C:\\Windows\\win.ini",
        "C:/Windows/win.ini",
        "c:",
        "C:secret.txt",
        "\\\\server\\share\\x",
        "\\\\?\\C:\\x",
        "\\\\.\\COM1",
        "file:///etc/passwd",
        "http://evil.example/x",
        "~/x",
        "~root/x",
        "$HOME/x",
        "`id`",
        "$(id)",
        "; ls",
        "| ls",
        "a\0b",
        "\0",
        "a\nb",
        "a\rb",
        "a\tb",
        "\u{7f}",
        "a//b",
        "a/./b",
        "a/b/",
        "./a",
        "CON",
        "con",
        "PRN",
        "AUX",
        "NUL",
        "nul.txt",
        "COM1",
        "LPT1",
        "aux.h",
        "a.",
        "a ",
        " a",
        "a:b",
        "a::$DATA",
        "a*b",
        "a?b",
        "a<b",
        "a>b",
        "a|b",
        "a\"b",
        "-rf",
        "--help",
        "secret",
        "neighbour",
        "NEIGHBOUR",
        "neighbour/",
        "neighbour/secret.txt",
        ".git",
        ".git/config",
        ".GIT/config",
        ".Git/HEAD",
        "git~1/config",
        "GIT~1",
        ".g\u{200c}it/x",
        ".env",
        ".ssh/id_rsa",
        "link/secret.txt",
        "link",
        "hard.txt",
        "proc/self/environ",
        "/proc/self/environ",
        "/dev/stdin",
        "/dev/null",
        "\u{feff}a",
        "e\u{301}",
        "\u{e9}",
        "\u{1f600}",
        "\u{d7ff}",
        "\u{202e}txt.exe",
        "a\u{2028}b",
        "\u{130}",
        "\u{131}",
        "\u{fb01}le",
        "%",
        "%%",
        "%2",
        "%zz",
        "%00",
        "%0a",
        "%0d%0aset-cookie:x=y",
        "*",
        "?",
        "#",
        "&",
        "=",
        "+",
        "@",
        "'",
        "\"",
        "<script>alert(1)</script>",
        "' OR 1=1 --",
        "\"; DROP TABLE projects; --",
        "{{7*7}}",
        "${7*7}",
        "%s%s%n",
        "null",
        "undefined",
        "true",
        "0",
        "-1",
        "1e999",
        "[]",
        "{}",
    ]
    .map(str::to_owned)
    .into();
    all.push("a".repeat(101));
    all.push("a".repeat(300));
    all.push(format!("{}x", "a/".repeat(200)));
    all.push("é".repeat(200));
    all
}

struct Place {
    data: Data,
    server: Server,
    id: String,
}

/// A project with files, a neighbour with a secret, links that lead out, and a secret above.
async fn place() -> Place {
    let (data, _gate) = crate::control::world().await;
    let server = data.serve().await;
    let id = server.start("a club with members, events and payments").await;
    server.wait_for(&id, "completed").await;
    let workspaces = data.path().join("workspaces");
    std::fs::write(data.path().join("secret.txt"), SECRET).unwrap();
    std::fs::write(workspaces.join("secret.txt"), SECRET).unwrap();
    std::fs::create_dir(workspaces.join("neighbour")).unwrap();
    std::fs::write(workspaces.join("neighbour/secret.txt"), SECRET).unwrap();
    let own = workspaces.join(&id);
    std::os::unix::fs::symlink(data.path(), own.join("link")).unwrap();
    std::os::unix::fs::symlink(data.path().join("secret.txt"), own.join("linked.txt")).unwrap();
    std::fs::hard_link(data.path().join("secret.txt"), own.join("hard.txt")).unwrap();
    Place { data, server, id }
}

fn encoded(text: &str) -> String {
    let mut all = String::new();
    for byte in text.bytes() {
        all.push_str(&format!("%{byte:02X}"));
    }
    all
}

impl Place {
    async fn ask(&self, method: &Method, path: &str, body: Option<&Value>) -> (u16, String) {
        let mut request =
            self.server.client.request(method.clone(), format!("{}{path}", self.server.url));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// What lies outside of the project, which nothing may change.
    fn outside(&self) -> Vec<(String, Vec<u8>)> {
        let workspaces = self.data.path().join("workspaces");
        let mut all = files_of(&workspaces.join("neighbour"));
        for file in [workspaces.join("secret.txt"), self.data.path().join("secret.txt")] {
            all.push((file.display().to_string(), std::fs::read(file).unwrap()));
        }
        let mut names: Vec<String> = std::fs::read_dir(&workspaces)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        all.push((names.join(","), Vec::new()));
        all
    }

    fn assert_quiet(&self, what: &str, status: u16, text: &str) {
        assert!(status < 500, "{what}: {status} {text}");
        assert!(!text.contains(SECRET) && !text.contains("root:x:"), "{what}: {text}");
        let own = self.data.path().display().to_string();
        assert!(!text.contains(&own), "{what} tells where the host keeps things: {text}");
    }
}

#[tokio::test]
async fn audit_path_traversal_no_path_leads_out_of_a_project() {
    let place = place().await;
    let id = &place.id;
    let (_, checkpoints) =
        place.server.get(&format!("/api/projects/{id}/checkpoints?limit=1")).await;
    let checkpoint = checkpoints["checkpoints"][0]["id"].as_str().unwrap().to_owned();
    let before = place.outside();
    let hostile: Vec<String> = ways_out().into_iter().chain(others()).collect();
    assert!(hostile.len() >= 300, "only {} paths", hostile.len());
    for path in &hostile {
        let escaped = encoded(path);
        let (status, text) = place
            .ask(&Method::GET, &format!("/api/workspace/{id}/file?path={escaped}"), None)
            .await;
        place.assert_quiet(&format!("reading {path:?}"), status, &text);
        assert_ne!(status, 200, "reading {path:?}: {text}");

        let history = format!("/api/projects/{id}/checkpoints/{checkpoint}/files/{escaped}");
        let (status, text) = place.ask(&Method::GET, &history, None).await;
        place.assert_quiet(&format!("reading {path:?} as it was"), status, &text);
        assert_ne!(status, 200, "reading {path:?} as it was: {text}");

        let body = json!({ "path": path, "content": "written" });
        let (status, text) =
            place.ask(&Method::PUT, &format!("/api/workspace/{id}/file"), Some(&body)).await;
        place.assert_quiet(&format!("writing {path:?}"), status, &text);
    }
    assert_eq!(place.outside(), before, "something outside was changed");
    // What may be written is a file of the project and of nothing else.
    let (_, files) = place.server.get(&format!("/api/workspace/{id}/files")).await;
    assert!(!files.to_string().contains(SECRET));
    let wellformed = json!({ "path": "notes/hello.txt", "content": "hello" });
    let (status, _) =
        place.ask(&Method::PUT, &format!("/api/workspace/{id}/file"), Some(&wellformed)).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn no_id_reaches_what_is_no_project_and_none_reveals_what_is_there() {
    let place = place().await;
    let before = place.outside();
    let projects = place.data.count("SELECT count(*) FROM projects").await;
    let text = json!({ "text": "x", "token": "x", "path": "a.txt", "content": "x", "prompt": "a shop",
        "description": "x", "user_message": "make it blue", "instruction": "make it blue", "step": "analysis",
        "projectId": "x", "projectName": "x", "environmentVars": {}, "customDomain": "", "service": "app",
        "command": "id", "name": "x", "role": "viewer", "provider": "offline", "model": "offline" });
    let description = place.server.get("/openapi.json").await.1;
    let mut routes: Vec<(Method, String)> = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let is_stream = path.ends_with("/stream");
            if path.contains("{id}") && !is_stream {
                routes.push((method.to_uppercase().parse().unwrap(), path.clone()));
            }
        }
    }
    assert!(routes.len() > 40, "{}", routes.len());
    let hostile: Vec<String> = ways_out().into_iter().chain(others()).collect();
    // Every id on the routes that read and change most; a part of them on all others.
    for (index, id) in hostile.iter().enumerate() {
        let escaped = encoded(id);
        for (method, route) in &routes {
            let matters =
                ["/api/projects/{id}", "/api/workspace/{id}/file", "/api/workspace/{id}/files"];
            if index % 16 != 0 && !matters.contains(&route.as_str()) {
                continue;
            }
            let path = route
                .replace("{id}", &escaped)
                .replace("{checkpoint}", "chk_01KB2Q4ZJ8Y3V5T7W9X1A2C3D4")
                .replace("{other}", &escaped)
                .replace("{path}", "a.txt");
            let body = (*method != Method::GET).then_some(&text);
            let path =
                if *method == Method::GET { format!("{path}?path=a.txt&step=a") } else { path };
            let (status, said) = place.ask(method, &path, body).await;
            let what = format!("{method} {route} with {id:?}");
            place.assert_quiet(&what, status, &said);
            assert!(status >= 400, "{what}: {status} {said}");
        }
        for route in ["/api/workspace/resume", "/api/sandbox/exec", "/api/deployment/initialize"] {
            let mut body = text.clone();
            body["project_id"] = json!(id);
            body["projectId"] = json!(id);
            let (status, said) = place.ask(&Method::POST, route, Some(&body)).await;
            place.assert_quiet(&format!("{route} with {id:?}"), status, &said);
            assert!(status >= 400, "{route} with {id:?}: {status} {said}");
        }
    }
    // A folder that is there and one that is not are the same to who asks.
    let of = |id: &'static str| {
        place.server.get(match id {
            "neighbour" => "/api/workspace/neighbour/files",
            _ => "/api/workspace/neighbours/files",
        })
    };
    let (there, not_there) = (of("neighbour").await, of("neighbours").await);
    assert_eq!(there.0, not_there.0);
    assert_eq!(place.outside(), before, "something outside was changed");
    assert_eq!(place.data.count("SELECT count(*) FROM projects").await, projects);
}
