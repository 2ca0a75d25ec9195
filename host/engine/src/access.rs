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

    /// Notes a change that nobody waits for any more; a host that closes does so first.
    pub fn note_later(&self, entry: AuditEntry) {
        let access = self.access();
        self.0.tasks.spawn(async move { access.note_or_say(&entry).await });
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

    /// The token with this digest, if it opens anything now.
    pub async fn bearer(&self, digest: Digest) -> Result<Option<Token>, EngineError> {
        let token = self.store.token(digest).await?;
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

    /// [`Access::note`]; where that fails the log of the host says what the audit log cannot: what is
    /// done is done.
    pub async fn note_or_say(&self, entry: &AuditEntry) {
        if let Err(error) = self.note(entry).await {
            tracing::error!(?entry, %error, "a change was not noted in the audit log");
        }
    }

    /// Changes before a position, newest first, of one target or of all.
    pub async fn audit(
        &self,
        target: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, EngineError> {
        Ok(self.store.audit(target, before, limit).await?)
    }
}
