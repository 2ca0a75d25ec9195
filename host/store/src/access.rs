//! Tokens, and what everyone changed.

use gencode_core::{
    access::{AuditEntry, AuditRow, Role, Token},
    crash_around,
    digest::Digest,
    id::TokenId,
    time,
};

use crate::{
    Result, Store, StoreError,
    row::{Row, to_integer},
    sql::sql,
};

const MAX_PAGE: u32 = 1000;

fn token_of(row: &Row) -> Result<Token> {
    Ok(Token {
        id: row.parsed("id")?,
        name: row.text("name")?,
        role: row.word("role", Role::parse)?,
        created_at: row.instant("created_at")?,
        expires_at: row.optional_instant("expires_at")?,
        revoked_at: row.optional_instant("revoked_at")?,
    })
}

fn audit_of(row: &Row) -> Result<AuditRow> {
    let entry = AuditEntry {
        who: row.text("who")?,
        role: row.word("role", Role::parse)?,
        action: row.text("action")?,
        target: row.text("target")?,
        status: u16::try_from(row.small("status")?).unwrap_or(u16::MAX),
        request: row.text("request")?,
    };
    Ok(AuditRow { n: row.natural("n")?, at: row.instant("at")?, entry })
}

impl Store {
    /// Adds a token, known by the digest of its secret.
    pub async fn add_token(&self, token: &Token, digest: Digest) -> Result<()> {
        let mut write = self.write(crash_around!("store.setting.put")).await?;
        let query = sql("INSERT INTO tokens (id, name, role, digest, created_at, expires_at) \
                         VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(token.id.to_string())
        .bind(token.name.clone())
        .bind(token.role.as_str())
        .bind(digest.to_string())
        .bind(time::iso(token.created_at))
        .bind(token.expires_at.map(time::iso));
        write.execute(query).await?;
        write.commit().await
    }

    /// Makes a token good for nothing, for ever. [`StoreError::NotFound`] when there is none; one
    /// that is revoked already stays so.
    pub async fn revoke_token(&self, id: TokenId) -> Result<()> {
        let mut write = self.write(crash_around!("store.setting.put")).await?;
        let now = write.now_text();
        let query = sql("UPDATE tokens SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1");
        if write.execute(query.bind(id.to_string()).bind(now)).await? == 0 {
            return Err(StoreError::NotFound { what: "token", id: id.to_string() });
        }
        write.commit().await
    }

    /// The tokens, newest first, also those that are good no more; at most 1,000.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let query = sql("SELECT * FROM tokens ORDER BY created_at DESC, id DESC LIMIT $1");
        self.all(query.bind(i64::from(MAX_PAGE))).await?.iter().map(token_of).collect()
    }

    /// The token with this digest, good or not.
    pub async fn token(&self, digest: Digest) -> Result<Option<Token>> {
        let query = sql("SELECT * FROM tokens WHERE digest = $1").bind(digest.to_string());
        self.optional(query).await?.as_ref().map(token_of).transpose()
    }

    /// Whether any token was ever made and not revoked: then nobody comes in without one.
    pub async fn wants_tokens(&self) -> Result<bool> {
        let query = sql("SELECT id FROM tokens WHERE revoked_at IS NULL LIMIT 1");
        Ok(self.optional(query).await?.is_some())
    }

    /// Notes a change.
    pub async fn add_audit(&self, entry: &AuditEntry) -> Result<()> {
        let mut write = self.write(crash_around!("store.audit.add")).await?;
        let now = write.now_text();
        write.later(
            sql("INSERT INTO audit (at, who, role, action, target, status, request) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(now)
            .bind(entry.who.clone())
            .bind(entry.role.as_str())
            .bind(entry.action.clone())
            .bind(entry.target.clone())
            .bind(i64::from(entry.status))
            .bind(entry.request.clone()),
        );
        write.commit().await
    }

    /// Changes before position `before`, newest first, of one target or of all; at most `limit`
    /// (and at most 1,000).
    pub async fn audit(
        &self,
        target: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>> {
        let query = match target {
            Some(target) => sql("SELECT * FROM audit WHERE n < $1 AND target = $3 \
                                 ORDER BY n DESC LIMIT $2")
            .bind(to_integer(before.unwrap_or(u64::MAX)))
            .bind(i64::from(limit.min(MAX_PAGE)))
            .bind(target.to_owned()),
            None => sql("SELECT * FROM audit WHERE n < $1 ORDER BY n DESC LIMIT $2")
                .bind(to_integer(before.unwrap_or(u64::MAX)))
                .bind(i64::from(limit.min(MAX_PAGE))),
        };
        self.all(query).await?.iter().map(audit_of).collect()
    }
}
