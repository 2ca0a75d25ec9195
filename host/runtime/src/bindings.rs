//! Rust types and linker glue generated from `wit/`.
//!
//! The handler's world has every interface, so it is generated whole; the other two worlds borrow
//! its types. One record of the contract is therefore one Rust type, whoever speaks it.

/// World `handler`, and with it every interface and type of the contract.
pub(crate) mod handler {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "gencode:plugin/handler",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    });
}
