//! What the offline model knows about an application: the intent, as the prompts carry it.
//!
//! Same shape as the record `intent` of `wit/types.wit`, in JSON with `snake_case` keys.

use serde::{Deserialize, Serialize};

/// What the user wants, as data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Intent {
    /// Two to four words, for example `Task Manager`.
    pub title: String,
    pub domain: String,
    /// One sentence.
    pub goal: String,
    /// BCP 47 tag of the request's language.
    pub language: String,
    /// `auth`, `search`, `filter`, `sort`, `paging`, `dashboard`, `status-workflow`, `comments`, …
    pub features: Vec<String>,
    /// Primary entity first. Never empty.
    pub entities: Vec<Entity>,
    pub relations: Vec<Relation>,
    pub archetype: Route,
    pub vibe: Route,
    /// What could not be honoured, said openly.
    pub notes: Vec<String>,
}

/// A thing the application keeps records of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// `PascalCase`, singular, ASCII.
    pub name: String,
    /// `snake_case` plural: table, route and file name.
    pub plural: String,
    /// Singular and plural as a person reads them, in the language of the request.
    pub label: String,
    pub label_plural: String,
    /// At least one; the first required text field names a record.
    pub fields: Vec<Field>,
    /// Whether the user mentioned it, or it follows from a feature (`false`).
    pub named: bool,
}

/// One attribute of an entity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// `snake_case`, ASCII, no Python or SQL keyword, never `id`, `created_at`, `updated_at`, `owner_id`.
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    pub required: bool,
    #[serde(default)]
    pub unique: bool,
    /// Of an `enum`, in order; the first is the default. `snake_case` ASCII words.
    #[serde(default)]
    pub values: Vec<String>,
}

/// Type of a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    #[default]
    String,
    Text,
    Integer,
    /// Money and measures, exact, two places.
    Decimal,
    Boolean,
    Date,
    Datetime,
    Email,
    Url,
    Phone,
    Enum,
}

/// How two entities hang together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    pub kind: RelationKind,
    /// Entity that holds the reference.
    pub source: String,
    /// Entity referred to.
    pub target: String,
    /// `snake_case`; `project` gives the column `project_id`; plural for many-to-many.
    pub name: String,
    pub required: bool,
}

/// Cardinality of a relation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    #[default]
    ManyToOne,
    ManyToMany,
}

/// A choice among fixed options, with the reasons for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    pub choice: String,
    /// From 0 (a guess) to 1 (certain).
    pub confidence: f64,
    /// Words of the request that spoke for it.
    pub evidence: Vec<String>,
}
