//! Paths of requests with parts that are only known when the program runs.

use std::fmt;

/// A path such as `/api/tasks/{}`: parameters have no names here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Text(String),
    Parameter,
}

impl Path {
    /// Reads a path; `{…}` anywhere in a segment makes it a parameter. A slash at the end does
    /// not count.
    pub(crate) fn new(text: &str) -> Self {
        let segment = |part: &str| {
            if part.contains('{') { Segment::Parameter } else { Segment::Text(part.to_owned()) }
        };
        Self(text.split('/').filter(|part| !part.is_empty()).map(segment).collect())
    }

    /// Whether both mean the same routes.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self == other
    }

    /// Whether a request to this path may be meant for the other: a part only known when the
    /// program runs may turn out to be any text.
    pub(crate) fn may_call(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.may_begin(other)
    }

    /// Whether the other path may begin with this one.
    pub(crate) fn may_begin(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len()
            && self.0.iter().zip(&other.0).all(|(mine, theirs)| match (mine, theirs) {
                (Segment::Text(mine), Segment::Text(theirs)) => mine == theirs,
                _ => true,
            })
    }

    /// Whether it is below another, for example below `/api`.
    pub(crate) fn is_below(&self, first: &str) -> bool {
        matches!(self.0.first(), Some(Segment::Text(text)) if text == first)
    }

    /// The text of a segment, counted from 0.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        match self.0.get(index)? {
            Segment::Text(text) => Some(text),
            Segment::Parameter => None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => write!(f, "/{text}")?,
                Segment::Parameter => f.write_str("/{…}")?,
            }
        }
        if self.0.is_empty() { f.write_str("/") } else { Ok(()) }
    }
}
