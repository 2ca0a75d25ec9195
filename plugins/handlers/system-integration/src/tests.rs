//! The step itself; the wiring has its own tests beside it.

use gencode_plugin_sdk::supervise::fake::{Fake, step};

use super::*;

#[test]
fn the_mounted_routers_are_told() {
    let host = Fake::default().with_file("backend/app/routers/tags.py", "router = APIRouter()\n");
    let Outcome::Completed(report) = run(&host, &step("system_integration")).unwrap() else {
        panic!("skipped")
    };
    assert_eq!(report.summary, "1 routers are mounted: tags.");
    assert!(host.file(wiring::REGISTRY).is_some());
    let empty = Fake::default();
    assert_eq!(run(&empty, &step("system_integration")).unwrap_err().code, "no-routers");
}
