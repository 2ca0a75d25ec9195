//! The front end and the back end stay apart, and secrets stay out of the code.
