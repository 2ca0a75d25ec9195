//! Looking at an application: it starts, answers, shows its pages, and is gone afterwards.

use crate::common::{World, alive, world};
use gencode_sandbox::{
    AcceptanceReport, AcceptanceRequest, Backend, CheckResult, HttpCheck, Sandbox, SandboxError,
};

const SERVER: &str = include_str!("common/server.py");

fn request(mark: &str) -> AcceptanceRequest {
    AcceptanceRequest {
        argv: ["python3", mark, "{{socket}}"].map(str::to_owned).to_vec(),
        cwd: String::new(),
        env: Vec::new(),
        health_path: "/api/health".to_owned(),
        checks: Vec::new(),
        pages: Vec::new(),
    }
}

fn check(name: &str, method: &str, path: &str, body: &str, status: u16) -> HttpCheck {
    HttpCheck {
        name: name.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: body.to_owned(),
        expect_status: vec![status],
        expect_json: Vec::new(),
        capture: Vec::new(),
    }
}

fn found<'a>(checks: &'a [CheckResult], name: &str) -> &'a CheckResult {
    checks.iter().find(|check| check.name == name).unwrap()
}

async fn accept(world: &World, file: &str, request: AcceptanceRequest) -> AcceptanceReport {
    std::fs::write(world.tree.join(file), SERVER).unwrap();
    world.sandbox.accept(&world.tree, request).await.unwrap()
}

#[tokio::test]
async fn checks_run_in_order_and_remember() {
    let world = world().await;
    let mut request = request("server-a.py");
    let mut create =
        check("create", "POST", "/api/notes", r#"{"text":"a \"b\"","done":false}"#, 201);
    create.expect_json =
        vec![("/text".into(), r#""a \"b\"""#.into()), ("/id".into(), "1.0".into())];
    create.capture = vec![("id".into(), "/id".into()), ("text".into(), "/text".into())];
    let mut change = check("change", "PUT", "/api/notes/{{id}}", r#"{"text":"{{text}}!"}"#, 200);
    change.expect_json =
        vec![("/text".into(), r#""a \"b\"!""#.into()), ("/id".into(), "{{id}}".into())];
    let mut header = check("header", "POST", "/api/echo", "a={{text}}", 200);
    header.headers = vec![
        ("X-Id".into(), "n-{{id}}".into()),
        ("Content-Type".into(), "application/x-www-form-urlencoded".into()),
    ];
    header.expect_json = vec![
        ("/headers/x-id".into(), r#""n-1""#.into()),
        ("/body".into(), r#""a=a%20%22b%22""#.into()),
    ];
    let mut wrong_value = check("wrong value", "GET", "/api/notes/{{id}}", "", 200);
    wrong_value.expect_json = vec![("/text".into(), r#""other""#.into())];
    request.checks = vec![
        create,
        change,
        header,
        wrong_value,
        check("wrong status", "GET", "/api/none", "", 200),
        check("breaks", "GET", "/api/break", "", 200),
        check("unknown name", "GET", "/api/notes/{{nobody}}", "", 200),
        check("delete", "DELETE", "/api/notes/{{id}}", "", 204),
        check("gone", "GET", "/api/notes/{{id}}", "", 404),
    ];
    let report = accept(&world, "server-a.py", request).await;
    let passed: Vec<(&str, bool)> =
        report.checks.iter().map(|check| (check.name.as_str(), check.passed)).collect();
    assert_eq!(
        passed,
        [
            ("start", true),
            ("create", true),
            ("change", true),
            ("header", true),
            ("wrong value", false),
            ("wrong status", false),
            ("breaks", false),
            ("unknown name", false),
            ("delete", true),
            ("gone", true),
        ],
        "{:#?}",
        report.checks
    );
    assert!(!report.passed);
    let detail = |name: &str| found(&report.checks, name).detail.as_str();
    assert_eq!(detail("wrong value"), r#"expected `/text` to be "other", found "a \"b\"!""#);
    assert_eq!(
        detail("wrong status"),
        r#"expected status 200, found 404: {"detail": "not found"}"#
    );
    assert!(detail("breaks").contains("Traceback: it broke"), "{}", detail("breaks"));
    assert!(detail("unknown name").contains("`nobody`"));
    // It was asked to end, and nothing of it is left.
    assert!(world.tree.join("stopped-politely").exists());
    assert!(!alive("server-a.py"));
}

#[tokio::test]
async fn a_server_that_dies_at_start_is_reported_at_once() {
    let world = world().await;
    let mut request = request("server-b.py");
    request.argv.push("no database".to_owned());
    request.checks = vec![check("never", "GET", "/", "", 200)];
    let started = std::time::Instant::now();
    let report = accept(&world, "server-b.py", request).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    assert!(!report.passed && report.checks.len() == 1, "{report:?}");
    let detail = &report.checks[0].detail;
    assert!(
        detail.contains("exit code 1") && detail.contains("cannot start: no database"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_server_that_dies_later_fails_the_checks_after_it() {
    let world = world().await;
    let mut request = request("server-c.py");
    request.checks =
        vec![check("die", "GET", "/api/die", "", 200), check("after", "GET", "/", "", 200)];
    let report = accept(&world, "server-c.py", request).await;
    let passed: Vec<bool> = report.checks.iter().map(|check| check.passed).collect();
    assert_eq!(passed, [true, false, false], "{report:?}");
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "says why it looked at nothing")]
async fn pages_are_opened_in_a_browser() {
    let world = world().await;
    if let Err(missing) = world.sandbox.available(gencode_sandbox::Tool::Browser).await {
        eprintln!("skipped: {missing}");
        return;
    }
    let outside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    outside.set_nonblocking(true).unwrap();
    let port = outside.local_addr().unwrap().port().to_string();
    let mut request = request("server-d.py");
    request.pages = ["/", "/error", "/throw", "/late", "/empty", "/missing", "/outside"]
        .map(str::to_owned)
        .to_vec();
    std::fs::write(world.tree.join("server-d.py"), SERVER.replace("PORT", &port)).unwrap();
    let report = world.sandbox.accept(&world.tree, request).await.unwrap();
    let page = |name: &str| found(&report.checks, &format!("page {name}"));
    for good in ["/", "/late"] {
        assert!(page(good).passed && !page(good).skipped(), "{:?}", page(good));
    }
    for (bad, says) in [
        ("/error", "console.error: bad Error: deep"),
        ("/throw", "uncaught: Error: boom"),
        ("/empty", "the page is empty"),
        ("/missing", "404"),
    ] {
        assert!(!page(bad).passed && page(bad).detail.contains(says), "{:?}", page(bad));
    }
    // The browser reaches the application and nothing else of the host.
    assert!(!page("/outside").passed, "{:?}", page("/outside"));
    assert_eq!(outside.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert!(!alive(&world.base.path().join("run/.browser").display().to_string()));
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "says why it looked at nothing")]
async fn a_built_front_end_is_opened_in_a_browser() {
    let world = world().await;
    let dist = world.tree.join("frontend/dist/assets");
    std::fs::create_dir_all(&dist).unwrap();
    let index =
        "<!doctype html><div id=root></div><script type=module src=/assets/app.js></script>";
    std::fs::write(world.tree.join("frontend/dist/index.html"), index).unwrap();
    let script = "document.getElementById('root').innerHTML = `<p>${location.pathname}</p>`;\
        if (location.pathname === '/bad') console.error('it is bad');";
    std::fs::write(dist.join("app.js"), script).unwrap();
    let pages = ["/", "/orders/1", "/bad"].map(str::to_owned);
    match world.sandbox.browse(&world.tree, "frontend/dist", &pages).await {
        Ok(checks) => {
            let passed: Vec<bool> = checks.iter().map(|check| check.passed).collect();
            assert_eq!(passed, [true, true, false], "{checks:?}");
            assert!(checks[2].detail.contains("it is bad"), "{checks:?}");
        }
        Err(SandboxError::Unavailable(missing)) => eprintln!("skipped: {missing}"),
        Err(err) => panic!("{err:?}"),
    }
}

#[tokio::test]
async fn without_a_browser_pages_are_skipped_by_name() {
    let world = world().await;
    let mut config = crate::common::config(world.base.path(), Backend::Process);
    config.browser = Some("/nowhere/chromium".into());
    let blind = Sandbox::open(config).await.unwrap();
    std::fs::write(world.tree.join("server-e.py"), SERVER).unwrap();
    let mut request = request("server-e.py");
    request.pages = vec!["/".to_owned()];
    let report = blind.accept(&world.tree, request).await.unwrap();
    assert!(report.passed && found(&report.checks, "page /").skipped(), "{report:?}");
    let refused = blind.browse(&world.tree, "", &["/".to_owned()]).await.unwrap_err();
    assert!(matches!(refused, SandboxError::Unavailable(_)));
}
