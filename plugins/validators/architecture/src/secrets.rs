//! What must never stand in code.

use gencode_plugin_sdk::types::{File, Finding};

use crate::at;

/// Ends of names whose value is a secret. In lower case.
const NAMES: [&str; 12] = [
    "secret_key",
    "secretkey",
    "jwt_secret",
    "client_secret",
    "app_secret",
    "token_secret",
    "private_key",
    "api_key",
    "apikey",
    "password",
    "passwd",
    "auth_token",
];

/// Shorter texts are no secrets, but words.
const SHORTEST: usize = 4;

/// Beginnings of keys that are handed out by well-known services, and the least length of the rest.
const KEYS: [(&str, usize); 6] =
    [("sk-", 32), ("sk_live_", 16), ("AKIA", 16), ("ghp_", 36), ("xoxb-", 20), ("AIza", 35)];

/// Whether a name is that of a secret.
pub(crate) fn is_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "secret" || NAMES.iter().any(|end| name.ends_with(end))
}

/// Whether a text given to such a name would be the secret itself.
pub(crate) fn is_value(name: &str, value: &str) -> bool {
    // `PASSWORD = "password"` names a field.
    value.len() >= SHORTEST
        && !value.eq_ignore_ascii_case(name)
        && !value.contains(char::is_whitespace)
}

/// Whether a URL carries a password: `postgresql://user:password@host`.
pub(crate) fn has_password(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let known = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
        scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && known.is_some_and(|(user, password)| {
                !user.is_empty() && !password.is_empty() && !password.contains(['{', '$', '<'])
            })
    })
}

/// Keys of well-known services and private keys, anywhere in the file.
pub(crate) fn known_keys(file: &File) -> Vec<Finding> {
    let text = &file.content;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let keys = KEYS.iter().flat_map(|(start, least)| {
        text.match_indices(start).filter_map(move |(offset, found)| {
            let before = text.get(..offset)?.chars().next_back();
            let rest = text.get(offset + found.len()..)?;
            let length = rest.chars().take_while(|&c| is_part(c)).count();
            (length >= *least && !before.is_some_and(is_part)).then_some(offset)
        })
    });
    let blocks = text
        .match_indices("-----BEGIN ")
        .filter(|(offset, _)| {
            text.get(*offset..)
                .and_then(|rest| rest.lines().next())
                .is_some_and(|l| l.contains("PRIVATE KEY"))
        })
        .map(|(offset, _)| offset);
    keys.chain(blocks)
        .map(|offset| {
            at(file, offset, "architecture.secret", "this is a real key").with_hint(
                "Remove it, replace it where it was issued, and read it from the environment.",
            )
        })
        .collect()
}
