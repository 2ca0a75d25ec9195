//! The offline model.

pub mod model;
