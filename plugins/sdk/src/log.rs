//! Lines for the operator. At most 1,000 lines of 4 KiB per call; the host drops the rest.
//!
//! Outside WebAssembly (in an author's own tests) there is no host and lines go nowhere.

/// Something went wrong.
pub fn error(message: &str) {
    write("error", message);
}

/// Something is odd but the work goes on.
pub fn warn(message: &str) {
    write("warn", message);
}

/// What an operator may want to know.
pub fn info(message: &str) {
    write("info", message);
}

/// What only an author wants to know.
pub fn debug(message: &str) {
    write("debug", message);
}

#[cfg(target_family = "wasm")]
fn write(level: &str, message: &str) {
    crate::bindings::gencode::plugin::log::write(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn write(_level: &str, _message: &str) {}
