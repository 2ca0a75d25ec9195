//! How deep brackets are nested. Parsers recurse, and the stack of a component is small: what no
//! person would write must become a finding before it becomes a trap.

/// Brackets within brackets that no person writes.
pub const DEEPEST: usize = 128;

/// Byte offset of the first bracket that is nested deeper than [`DEEPEST`], whatever its kind.
///
/// Brackets in texts and comments count as well; there they come in pairs often enough.
pub fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Some(offset);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nested_counts() {
        assert_eq!(too_deep(&"([{}])".repeat(10_000)), None);
        assert_eq!(too_deep(&"(".repeat(DEEPEST)), None);
        assert_eq!(too_deep(&"[".repeat(DEEPEST + 1)), Some(DEEPEST));
        assert_eq!(too_deep(&(")".repeat(9) + &"{".repeat(500))), Some(9 + DEEPEST));
    }
}
