//! How much of everything.

/// Most one file may have, in bytes.
pub const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Most the staged files of one overlay may have together, in bytes.
pub const MAX_OVERLAY_BYTES: u64 = 64 * 1024 * 1024;

/// Most files a project may have.
pub const MAX_FILES: u64 = 5_000;

/// Most a manifest may have, in bytes: the most files with the longest paths, with some air.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 16 * 1024 * 1024;

/// Blocking jobs at once. More would only fight for the disk.
pub(crate) const BLOCKING_JOBS: usize = 8;

/// Most any blob may have, in bytes: components of plugins are the largest.
pub(crate) const MAX_BLOB_BYTES: u64 = 64 * 1024 * 1024;

/// Most blobs one page of the inventory has.
pub(crate) const INVENTORY_PAGE: usize = 1_000;
