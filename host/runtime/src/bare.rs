//! Wasmtime as this crate configures it, without this crate. For the benchmark that compares them.

use wasmtime::Engine;

use crate::{
    Allocation, BoxError, Lane,
    engine::{config, tick},
};

/// An engine with the settings of [`crate::Runtime`], its ticker included.
pub fn engine(allocation: Allocation) -> Result<Engine, BoxError> {
    let engine = Engine::new(&config(Lane::Production, allocation))?;
    tick(engine.weak())?;
    Ok(engine)
}
