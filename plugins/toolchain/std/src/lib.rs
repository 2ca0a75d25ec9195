//! Empty on purpose: `setup.sh` wants only the standard library that is built along with this crate.
