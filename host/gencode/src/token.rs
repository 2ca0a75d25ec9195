//! `gencode token`: making, listing and revoking the tokens of the API, beside a running host, which
//! hears of it within two seconds, and without one.

use std::{io::Write as _, process::ExitCode};

use gencode_core::access::{AuditEntry, Role};
use gencode_engine::access::{Access, TokenView};
use jiff::SignedDuration;

use crate::{
    cli::{Global, Token},
    compose,
    config::Folders,
};

pub(crate) async fn run(global: &Global, command: Token) -> anyhow::Result<ExitCode> {
    let folders = Folders::of(global)?;
    let access = Access::of(compose::open_store(&folders).await?);
    let mut out = std::io::stdout();
    match command {
        Token::Create { name, role, days, json } => {
            let lifetime = days.map(|days| SignedDuration::from_hours(i64::from(days) * 24));
            let made = access.create(&name, role, lifetime).await?;
            note(&access, "token create", made.token.id.to_string()).await?;
            if json {
                writeln!(out, "{}", serde_json::to_string(&made)?)?;
            } else {
                // Alone on standard output, so that it can be put into a variable.
                writeln!(out, "{}", made.secret)?;
                writeln!(
                    std::io::stderr(),
                    "This is {} `{}` ({}). It is shown this once: keep it now.",
                    made.token.id,
                    made.token.name,
                    role.as_str()
                )?;
            }
        }
        Token::List { json } => {
            let tokens = access.tokens().await?;
            if json {
                writeln!(out, "{}", serde_json::to_string(&tokens)?)?;
            }
            for token in tokens.iter().filter(|_| !json) {
                let (state, role) = (state(token), token.role.as_str());
                writeln!(out, "{}  {role:<9} {:<24} {state}", token.id, token.name)?;
            }
        }
        Token::Revoke { id } => {
            access.revoke(id).await?;
            note(&access, "token revoke", id.to_string()).await?;
            writeln!(out, "{id} opens nothing any more")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn state(token: &TokenView) -> String {
    match (&token.revoked_at, &token.expires_at) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(at)) if token.good => format!("good until {at}"),
        (None, Some(at)) => format!("ended {at}"),
        (None, None) => "good".to_owned(),
    }
}

async fn note(access: &Access, action: &str, target: String) -> anyhow::Result<()> {
    let entry = AuditEntry {
        who: "command line".to_owned(),
        role: Role::Operator,
        action: action.to_owned(),
        target,
        status: 0,
        request: String::new(),
    };
    Ok(access.note(&entry).await?)
}

/// Whether somebody made a token that is not revoked.
pub(crate) async fn are_there(folders: &Folders) -> anyhow::Result<bool> {
    let store = compose::open_store(folders).await?;
    let wanted = Access::of(store.clone()).wants_tokens().await?;
    store.close().await;
    Ok(wanted)
}
