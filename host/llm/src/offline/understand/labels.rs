//! What a person reads, in the language of the request.

use super::super::model::{Field, FieldKind};
use super::language;
use super::lexicon::lexicon;
use super::naming::sentence_case;

/// Labels of one language.
pub(super) struct Labels {
    pub(super) tag: &'static str,
}

impl Labels {
    /// Singular and plural of an entity; `surface`: as written, empty when nobody wrote it.
    pub(super) fn entity(&self, key: &str, surface: &str, plural: bool) -> (String, String) {
        let words = key.replace('_', " ");
        let surface: String = surface.chars().filter(|c| !c.is_control()).take(60).collect();
        let surface = surface.trim();
        if self.tag == "en" || (surface.is_empty() && language::label_of(key, self.tag).is_none()) {
            return english(&words, surface, plural);
        }
        if language::supported(self.tag) {
            let known = if surface.is_empty() {
                language::label_of(key, self.tag)
            } else {
                language::forms_of(surface, self.tag)
            };
            if let Some((one, many)) = known {
                return (sentence_case(&one), sentence_case(&many));
            }
        }
        if !language::supported(self.tag) {
            return (sentence_case(surface), sentence_case(surface));
        }
        if plural {
            let one = match surface.split_once(' ') {
                Some((first, rest)) if language::noun_first(self.tag) => {
                    let first = language::singular_label(first, self.tag)
                        .unwrap_or_else(|| first.to_owned());
                    format!(
                        "{first} {}",
                        rest.split(' ')
                            .map(|word| language::singular_label(word, self.tag)
                                .unwrap_or_else(|| word.to_owned()))
                            .collect::<Vec<_>>()
                            .join(" ")
                    )
                }
                _ => language::singular_label(surface, self.tag)
                    .unwrap_or_else(|| surface.to_owned()),
            };
            return (sentence_case(&one), sentence_case(surface));
        }
        (sentence_case(surface), sentence_case(&language::plural_label(surface, self.tag)))
    }

    /// Label of a field that nobody wrote.
    pub(super) fn field(&self, mut field: Field) -> Field {
        if let Some(label) = self.translated(&field.name) {
            field.label = label;
        }
        field
    }

    fn translated(&self, key: &str) -> Option<String> {
        if self.tag == "en" {
            return None;
        }
        language::label_of(key, self.tag).map(|(one, _)| sentence_case(&one))
    }

    /// Label of a field as it was written.
    pub(super) fn said_field(&self, key: &str, surface: &str) -> String {
        let text = surface.trim();
        if let Some((one, many)) = language::forms_of(text, self.tag).filter(|_| self.tag != "en") {
            return sentence_case(
                if text.to_lowercase() == many.to_lowercase()
                    && language::label_of(key, self.tag).is_none_or(|(usual, _)| usual == many)
                {
                    &many
                } else {
                    &one
                },
            );
        }
        if self.tag == "en" || text.is_empty() {
            return self
                .translated(key)
                .unwrap_or_else(|| special(&sentence_case(&key.replace('_', " "))));
        }
        let text: String = surface.chars().filter(|c| !c.is_control()).take(60).collect();
        sentence_case(text.trim())
    }

    /// A status field in this language.
    pub(super) fn status(&self, values: &[&str]) -> Field {
        self.field(Field {
            name: "status".to_owned(),
            label: "Status".to_owned(),
            kind: FieldKind::Enum,
            required: false,
            unique: false,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        })
    }
}

fn special(label: &str) -> String {
    match label {
        "Isbn" | "Sku" | "Url" | "Vin" | "Iban" | "Ean" | "Issn" | "Upc" | "Bmi" | "Abv" | "Ph"
        | "Gpa" => label.to_uppercase(),
        _ => label.to_owned(),
    }
}

/// English: the last word is inflected, abbreviations stay large.
fn english(words: &str, surface: &str, _plural: bool) -> (String, String) {
    let lexicon = lexicon();
    let text = if surface.is_empty()
        || surface.split_whitespace().count() != words.split_whitespace().count()
    {
        words
    } else {
        surface
    };
    let (head, last) = match text.rsplit_once(' ') {
        Some((head, last)) => (format!("{head} "), last),
        None => (String::new(), text),
    };
    let shouted = last.chars().filter(|c| c.is_uppercase()).count() > 1;
    if shouted {
        let one = last.trim_end_matches('s');
        return (sentence_case(&format!("{head}{one}")), sentence_case(&format!("{head}{one}s")));
    }
    let lower = last.to_lowercase();
    let one = lexicon.singular(&lower);
    let head = if head.chars().filter(|c| c.is_uppercase()).count() > 2 {
        head
    } else {
        head.to_lowercase()
    };
    (
        sentence_case(&format!("{head}{one}")),
        sentence_case(&format!("{head}{}", lexicon.plural(&one))),
    )
}
