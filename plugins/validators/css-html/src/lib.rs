//! Style sheets that parse and HTML whose tags match.
