//! Rebuilds the binary when a file of the embedded application template changes.

fn main() {
    println!("cargo::rerun-if-changed=../../templates/apps");
}
