//! What the core components are made of.

use crate::host::{Data, plugins};

#[tokio::test]
async fn every_core_component_imports_nothing_but_the_contract() {
    let data = Data::new();
    let mut count = 0;
    for entry in std::fs::read_dir(plugins().await).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let output = data.run(&["plugin", "inspect", path.to_str().unwrap()]).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let (_, imports) = text.split_once("\nimports ").unwrap();
        let (imports, _) = imports.split_once("\nsize").unwrap();
        for import in imports.split_whitespace() {
            assert!(import.starts_with("gencode:plugin/"), "{}: {import}", path.display());
        }
        count += 1;
    }
    assert!(count >= 20, "{count} components");
}
