"""The back end: a REST API over a relational database."""
