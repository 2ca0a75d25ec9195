//! What a user may ask for, before anything is done with it.

/// Fewest characters that can describe anything (http-ws-contract §1.3).
const MIN_CHARS: usize = 3;

/// Most bytes a request may have: generous for prose, small for a prompt.
const MAX_BYTES: usize = 16 * 1024;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error(
        "the request is empty: describe the application in a sentence, for example \"a task manager with projects and tags\""
    )]
    Empty,
    #[error(
        "the request is too short to mean anything: describe the application in a sentence, for example \"a task manager with projects and tags\""
    )]
    TooShort,
    #[error(
        "the request has {0} bytes, the limit is 16384: describe the application in a few sentences and refine it afterwards"
    )]
    TooLong(usize),
    #[error("the request is not text: it holds control characters or is not UTF-8")]
    NotText,
}

/// Checks a request and returns it trimmed.
pub fn check(request: &str) -> Result<&str, RequestError> {
    if request.len() > MAX_BYTES {
        return Err(RequestError::TooLong(request.len()));
    }
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if request.chars().any(|c| control(c) || c == char::REPLACEMENT_CHARACTER) {
        return Err(RequestError::NotText);
    }
    let trimmed = request.trim();
    if trimmed.is_empty() {
        return Err(RequestError::Empty);
    }
    // Two ideographs can be a whole sentence; three Latin letters hardly are, but the client
    // accepts them.
    let wide = trimmed.chars().any(|c| c >= '\u{2E80}');
    let letters = trimmed.chars().filter(|c| c.is_alphanumeric()).count();
    if letters < if wide { 1 } else { MIN_CHARS } {
        return Err(RequestError::TooShort);
    }
    Ok(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_bad_request_is_refused_with_its_own_reason() {
        for (request, error) in [
            ("", RequestError::Empty),
            (" \t\n ", RequestError::Empty),
            ("x", RequestError::TooShort),
            ("?!…", RequestError::TooShort),
            ("a\0b\u{1}cdef", RequestError::NotText),
            ("not \u{FFFD} utf-8", RequestError::NotText),
        ] {
            assert_eq!(check(request), Err(error), "{request:?}");
        }
        assert_eq!(check(&"a ".repeat(50_000)), Err(RequestError::TooLong(100_000)));
    }

    #[test]
    fn ordinary_requests_pass_trimmed() {
        for request in ["todo", "CRM", "任务", "Una tienda de libros\ncon clientes", "  a shop  "]
        {
            assert_eq!(check(request), Ok(request.trim()));
        }
    }
}
