//! Who may use the host, and what everyone changed.
//!
//! A token is 32 random bytes, shown once; the database has its digest. The handle needs a store
//! and no more: the command line uses it beside a running host, and without one.

use gencode_core::{
    access::{AuditEntry, AuditRow, Role, Token},
    digest::Digest,
    id::TokenId,
    time::iso,
};
use gencode_store::Store;
use jiff::SignedDuration;
use serde::Serialize;
use ulid::Ulid;
use utoipa::ToSchema;

use crate::{Engine, EngineError};

/// What every token begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "gct_";

/// Random bytes of a token.
const SECRET: usize = 32;

/// Longest name of a token, in characters.
const MAX_NAME: usize = 100;

/// A token as it is shown: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenView {
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    pub role: Role,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub revoked_at: Option<String>,
    /// Whether it opens anything now.
    pub good: bool,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            good: token.is_good(crate::now()),
            id: token.id,
            name: token.name,
            role: token.role,
            created_at: iso(token.created_at),
            expires_at: token.expires_at.map(iso),
            revoked_at: token.revoked_at.map(iso),
        }
    }
}

/// A token that was just made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewToken {
    #[serde(flatten)]
    pub token: TokenView,
    /// The token itself. It is shown this once.
    pub secret: String,
}

/// One change, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditView {
    /// Its position in the log.
    pub n: u64,
    pub at: String,
    /// The token, `local` for a caller on this machine without one, or `command line`.
    pub who: String,
    pub role: Role,
    /// What was asked, for example `DELETE /api/projects/{id}`.
    pub action: String,
    /// What it was about, for example a project.
    pub target: String,
    /// The answer's HTTP status; 0 on the command line.
    pub status: u16,
    /// Id of the request.
    pub request: String,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        let AuditEntry { who, role, action, target, status, request } = row.entry;
        Self { n: row.n, at: iso(row.at), who, role, action, target, status, request }
    }
}

/// Tokens and the audit log.
#[derive(Debug, Clone)]
pub struct Access {
    store: Store,
}

impl Engine {
    /// Tokens and the audit log.
    pub fn access(&self) -> Access {
        Access::of(self.0.store.clone())
    }
}

impl Access {
    /// For a process that works on no runs.
    pub const fn of(store: Store) -> Self {
        Self { store }
    }

    /// Makes a token that is good for so long, or until it is revoked.
    pub async fn create(
        &self,
        name: &str,
        role: Role,
        lifetime: Option<SignedDuration>,
    ) -> Result<NewToken, EngineError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control)
        {
            return Err(EngineError::Token(format!(
                "a token's name says what it is for, in 1 to {MAX_NAME} characters"
            )));
        }
        let mut bytes = [0; SECRET];
        getrandom::fill(&mut bytes)
            .map_err(|error| EngineError::internal("there are no random numbers", error))?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = format!("{PREFIX}{hex}");
        let now = crate::now();
        let expires_at = match lifetime {
            Some(lifetime) if lifetime.is_positive() => {
                Some(now.checked_add(lifetime).map_err(|_| {
                    EngineError::Token("a token cannot be good for so long".to_owned())
                })?)
            }
            Some(_) => {
                return Err(EngineError::Token("a token is good for some time".to_owned()));
            }
            None => None,
        };
        let token = Token {
            id: TokenId::from_ulid(Ulid::new()),
            name: name.to_owned(),
            role,
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        self.store.add_token(&token, Digest::of(secret.as_bytes())).await?;
        Ok(NewToken { token: token.into(), secret })
    }

    /// All tokens, newest first, also those that are good no more.
    pub async fn tokens(&self) -> Result<Vec<TokenView>, EngineError> {
        Ok(self.store.tokens().await?.into_iter().map(TokenView::from).collect())
    }

    /// Makes a token good for nothing, for ever.
    pub async fn revoke(&self, id: TokenId) -> Result<(), EngineError> {
        Ok(self.store.revoke_token(id).await?)
    }

    /// Whose secret this is, if it opens anything now.
    pub async fn bearer(&self, secret: &str) -> Result<Option<Token>, EngineError> {
        if !secret.starts_with(PREFIX) {
            return Ok(None);
        }
        let token = self.store.token(Digest::of(secret.as_bytes())).await?;
        Ok(token.filter(|token| token.is_good(crate::now())))
    }

    /// Whether nobody comes in without a token.
    pub async fn wants_tokens(&self) -> Result<bool, EngineError> {
        Ok(self.store.wants_tokens().await?)
    }

    /// Notes a change.
    pub async fn note(&self, entry: &AuditEntry) -> Result<(), EngineError> {
        Ok(self.store.add_audit(entry).await?)
    }

    /// Changes before a position, newest first, of one target or of all.
    pub async fn audit(
        &self,
        target: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditView>, EngineError> {
        let rows = self.store.audit(target, before, limit).await?;
        Ok(rows.into_iter().map(AuditView::from).collect())
    }
}
