//! Writes an application from an intent: pure and deterministic, the same request gives the same bytes.

mod answer;
mod backend;
mod change;
mod contract;
mod documents;
mod frontend;
mod judge;
mod names;
mod normal;
mod pages;
mod papers;
mod parts;
mod plan;
mod planner;
mod render;
mod repair;
mod sample;
mod schemas;
mod tasks;
mod text;
mod theme;

pub use self::{documents::Documents, tasks::answer};

#[cfg(test)]
mod tests;
