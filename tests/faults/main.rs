//! What faults leave behind: hosts that are killed, stopped, starved of disk and database, raced
//! by each other and given damaged files, with a provider that counts what is paid.
//!
//! Each module is one program of the fault plan; `oracle.rs` holds what must be true after all of
//! them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::panic,
    reason = "tests fail loudly and see the environment they are given"
)]

#[path = "../guests/guests.rs"]
#[expect(dead_code, reason = "shared with the tests of the runtime")]
mod guests;
#[path = "../it/host.rs"]
#[expect(dead_code, reason = "shared with the other tests of the binary")]
mod host;
#[path = "../it/postgres.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod postgres;

mod books;
mod client;
mod corruption;
mod crash_everywhere;
mod database_down;
mod duplicates;
mod full_disk;
mod oracle;
mod orphans;
mod plays;
mod points;
mod process;
mod provider;
mod random_kills;
mod two_hosts;
mod world;
