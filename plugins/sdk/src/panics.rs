//! A panic ends the call as a trap; its message would be lost with it.

/// Sends the message of a panic to the log before the component traps. Called by the `export_…!`
/// macros at the start of every call; does nothing outside WebAssembly.
pub fn report() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|info| crate::log::error(&info.to_string())));
}
