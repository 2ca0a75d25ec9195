//! Documents and JSON.

use serde::{Serialize, de::DeserializeOwned};

use crate::types::{Document, Fault};

/// Media type of documents that hold JSON.
pub const JSON: &str = "application/json";

impl Document {
    /// A document that holds a value as JSON, ending in a newline like every text file.
    pub fn json<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<Self, Fault> {
        let mut content = serde_json::to_string_pretty(value).map_err(|error| {
            Fault::permanent("unwritable-document", format!("`{name}`: {error}"))
        })?;
        content.push('\n');
        Ok(Self { name: name.to_owned(), media_type: JSON.to_owned(), content })
    }

    /// A document that holds text.
    pub fn text(name: &str, media_type: &str, content: impl Into<String>) -> Self {
        Self { name: name.to_owned(), media_type: media_type.to_owned(), content: content.into() }
    }

    /// Reads the JSON it holds. Fault: `unreadable-document`, which another attempt may cure.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_str(&self.content).map_err(|error| {
            Fault::retryable("unreadable-document", format!("document `{}`: {error}", self.name))
        })
    }
}

/// The document of that name, if there is one.
pub fn find<'a>(documents: &'a [Document], name: &str) -> Option<&'a Document> {
    documents.iter().find(|document| document.name == name)
}

/// The document of that name. Fault: `missing-document`.
pub fn require<'a>(documents: &'a [Document], name: &str) -> Result<&'a Document, Fault> {
    find(documents, name).ok_or_else(|| {
        Fault::permanent("missing-document", format!("no document `{name}` was given"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::File;

    #[test]
    fn json_round_trips_and_says_what_is_wrong() {
        let files = vec![File::new("a.py", "x = 1\n")];
        let document = Document::json("files", &files).unwrap();
        assert_eq!(document.read::<Vec<File>>().unwrap(), files);
        assert_eq!(document.read::<u32>().unwrap_err().code, "unreadable-document");
        assert_eq!(require(&[document], "intent").unwrap_err().code, "missing-document");
    }
}
