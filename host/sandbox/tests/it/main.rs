//! The sandbox on the real kernel, in one program.

#[cfg(test)]
mod accept;
#[cfg(test)]
mod common;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod install;
#[cfg(test)]
mod preview;
