//! Whether there is room, asked before work is taken up: a run that waits loses nothing, a disk that
//! is full in the middle of one does.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::statvfs::statvfs;
use tokio::sync::Mutex;

use super::size_of;
use crate::EngineError;

/// Kept free where nothing else is said, on a disk that is large enough: half a gibibyte.
const MIN_FREE_BYTES: u64 = 512 << 20;

/// Kept free where nothing else is said, on a small disk: this part of it.
const MIN_FREE_PERCENT: u8 = 2;

/// How long a measurement of the data folder counts, and how many times what it took, whichever is
/// longer: measuring must not become the work.
const MEASURED_FOR: Duration = Duration::from_secs(10);
const MEASURED_FOR_TIMES: u32 = 20;

/// What must stay free: the smaller of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinFree {
    pub bytes: u64,
    /// Of the whole disk.
    pub percent: u8,
}

impl Default for MinFree {
    fn default() -> Self {
        Self { bytes: MIN_FREE_BYTES, percent: MIN_FREE_PERCENT }
    }
}

impl MinFree {
    /// Bytes to keep free on a disk of `total` bytes.
    fn of(self, total: u64) -> u64 {
        let part = u128::from(total) * u128::from(self.percent) / 100;
        self.bytes.min(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

impl std::str::FromStr for MinFree {
    type Err = ParseSizeError;

    /// Reads `5%`, or a size as [`parse_size`] does.
    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let wrong = || ParseSizeError(text.to_owned());
        match text.trim().strip_suffix('%') {
            Some(percent) => {
                let percent: u8 = percent.trim().parse().map_err(|_| wrong())?;
                if percent > 100 { Err(wrong()) } else { Ok(Self { bytes: u64::MAX, percent }) }
            }
            None => Ok(Self { bytes: parse_size(text)?, percent: 100 }),
        }
    }
}

/// The text is not an amount of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size such as 512MiB, 20GB or 1048576")]
pub struct ParseSizeError(String);

/// Reads an amount of bytes: `1048576`, `512MiB`, `20 GB`, `1k`.
pub fn parse_size(text: &str) -> Result<u64, ParseSizeError> {
    let wrong = || ParseSizeError(text.to_owned());
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// How much room the host wants.
#[derive(Debug, Clone)]
pub struct SpaceConfig {
    /// Folders on whose disks there must be room.
    pub folders: Vec<PathBuf>,
    pub min_free: MinFree,
    /// The folder that may grow to `max_data`.
    pub data: PathBuf,
    /// Most bytes the data folder may take; none for any.
    pub max_data: Option<u64>,
}

/// Why nothing new is begun. It passes by itself when there is room again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    #[error(
        "only {free} bytes are free on the disk of `{}`, and {wanted} are to stay free (GENCODE_MIN_FREE)",
        .folder.display()
    )]
    Disk { folder: PathBuf, free: u64, wanted: u64 },
    #[error("the data folder takes {used} of the {allowed} bytes it may take (GENCODE_MAX_DATA)")]
    Quota { used: u64, allowed: u64 },
}

/// Free and whole bytes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    pub free: u64,
    pub total: u64,
    /// What must stay free.
    pub wanted: u64,
}

/// Watches the room. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Space(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SpaceConfig,
    measured: Mutex<Option<Measured>>,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    bytes: u64,
    until: Instant,
}

impl Space {
    pub fn new(config: SpaceConfig) -> Self {
        Self(Arc::new(Inner { config, measured: Mutex::default() }))
    }

    /// Asks whether something new may be begun. Reading and deleting need not ask.
    ///
    /// A disk that cannot be asked is no shortage: the write will say what is wrong.
    pub async fn check(&self) -> Result<(), Shortage> {
        for folder in &self.0.config.folders {
            match self.disk(folder).await {
                Ok(Disk { free, wanted, .. }) if free < wanted => {
                    return Err(Shortage::Disk { folder: folder.clone(), free, wanted });
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "free space is not known");
                }
            }
        }
        let Some(allowed) = self.0.config.max_data else { return Ok(()) };
        let used = self.used().await;
        if used >= allowed { Err(Shortage::Quota { used, allowed }) } else { Ok(()) }
    }

    /// Most bytes the data folder may take, if that is limited.
    pub fn max_data(&self) -> Option<u64> {
        self.0.config.max_data
    }

    /// The disk of a folder.
    pub async fn disk(&self, folder: &Path) -> std::io::Result<Disk> {
        let (folder, min_free) = (folder.to_path_buf(), self.0.config.min_free);
        let asked = tokio::task::spawn_blocking(move || {
            let disk = statvfs(&folder).map_err(std::io::Error::from)?;
            let unit = disk.fragment_size();
            let free = disk.blocks_available().saturating_mul(unit);
            let total = disk.blocks().saturating_mul(unit);
            Ok(Disk { free, total, wanted: min_free.of(total) })
        });
        asked.await.map_err(std::io::Error::other)?
    }

    /// Bytes the data folder takes, measured a moment ago at most.
    pub async fn used(&self) -> u64 {
        // Held while it is measured: who comes meanwhile gets this measurement.
        let mut measured = self.0.measured.lock().await;
        let now = Instant::now();
        if let Some(last) = *measured
            && now < last.until
        {
            return last.bytes;
        }
        let data = self.0.config.data.clone();
        let bytes = match tokio::task::spawn_blocking(move || size_of(&data)).await {
            Ok(bytes) => bytes,
            Err(panicked) => {
                tracing::error!(%panicked, "measuring the data folder panicked");
                0
            }
        };
        let lasting = now.elapsed().saturating_mul(MEASURED_FOR_TIMES).max(MEASURED_FOR);
        *measured = Some(Measured { bytes, until: Instant::now() + lasting });
        bytes
    }

    /// Measures anew the next time, because something was taken away.
    pub async fn forget(&self) {
        *self.0.measured.lock().await = None;
    }
}

impl From<Shortage> for EngineError {
    fn from(shortage: Shortage) -> Self {
        tracing::warn!(%shortage, "nothing new is begun for want of space");
        Self::StorageFull
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("0", 0), ("512MiB", 512 << 20), ("2 GB", 2_000_000_000), ("1k", 1024), (" 7b ", 7)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5G", "12 parsecs", "99999999999TiB", "5%"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_smaller_of_bytes_and_percent_stays_free() {
        let usual = MinFree::default();
        assert_eq!(usual.of(1 << 40), 512 << 20);
        assert_eq!(usual.of(100 << 20), 2 << 20);
        assert_eq!("10%".parse::<MinFree>().unwrap().of(1 << 40), (1u64 << 40) / 10);
        assert_eq!("1GiB".parse::<MinFree>().unwrap().of(1 << 40), 1 << 30);
        assert!("101%".parse::<MinFree>().is_err());
    }

    fn space(folder: &Path, min_free: u64, max_data: Option<u64>) -> Space {
        Space::new(SpaceConfig {
            folders: vec![folder.to_path_buf()],
            min_free: MinFree { bytes: min_free, percent: 100 },
            data: folder.to_path_buf(),
            max_data,
        })
    }

    #[tokio::test]
    async fn a_full_disk_and_a_full_folder_are_told_apart_and_pass_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        space(folder.path(), 0, None).check().await.unwrap();
        let short = space(folder.path(), u64::MAX, None).check().await.unwrap_err();
        assert!(matches!(short, Shortage::Disk { .. }), "{short}");

        let quota = space(folder.path(), 0, Some(256 << 10));
        quota.check().await.unwrap();
        std::fs::write(folder.path().join("large"), vec![7; 300 << 10]).unwrap();
        quota.forget().await;
        let short = quota.check().await.unwrap_err();
        assert!(matches!(short, Shortage::Quota { used, .. } if used >= 300 << 10), "{short}");
        std::fs::remove_file(folder.path().join("large")).unwrap();
        quota.forget().await;
        quota.check().await.unwrap();
    }
}
