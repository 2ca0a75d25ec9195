//! Instants as the host stores and shows them.

use jiff::Timestamp;

/// Text form of an instant: UTC, microseconds, offset `+00:00` (http-ws-contract §1.4).
///
/// The form sorts like time and is what the database stores.
pub fn iso(at: Timestamp) -> String {
    jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%S%.6f+00:00", at).unwrap_or_else(|_| at.to_string())
}

/// Reads what [`iso`] wrote (and any other RFC 3339 instant).
pub fn parse_iso(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_its_text_form() {
        let at: Timestamp = "2025-12-11T09:30:12.345678Z".parse().unwrap();
        assert_eq!(iso(at), "2025-12-11T09:30:12.345678+00:00");
        assert_eq!(parse_iso(&iso(at)), Some(at));
        assert_eq!(iso(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000+00:00");
    }
}
