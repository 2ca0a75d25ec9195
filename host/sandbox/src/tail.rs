//! The end of a stream.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much of a stream is kept.
const LIMIT: usize = 256 << 10;

/// The last 256 KiB that a program wrote. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// Reads to the end of the stream, so that the writer never waits.
    pub(crate) async fn drain(self, mut stream: impl AsyncRead + Unpin) {
        let mut bytes = vec![0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            self.push(bytes.get(..count).unwrap_or_default());
        }
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(LIMIT);
        kept.drain(..excess);
    }

    /// What is kept, as text. What is not UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        let kept: Vec<u8> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        // The cut may have split a character.
        let cut = if kept.len() < LIMIT {
            0
        } else {
            kept.iter().take_while(|byte| **byte & 0xC0 == 0x80).count().min(3)
        };
        String::from_utf8_lossy(kept.get(cut..).unwrap_or_default()).into_owned()
    }
}

/// The last lines of a text, for a message.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_starts_with_a_whole_character() {
        let tail = Tail::default();
        for _ in 0..LIMIT {
            tail.push("ü".as_bytes());
        }
        tail.push(b"x");
        let text = tail.text();
        assert_eq!(text.len(), LIMIT - 1);
        assert!(text.starts_with('ü') && text.ends_with("üx"));
    }

    #[test]
    fn last_lines_leave_out_blank_ones() {
        assert_eq!(last_lines("a\nb\n\nc\n", 2), "b\nc");
        assert_eq!(last_lines("", 2), "");
    }
}
