//! JSON, YAML and TOML files that can be read.
