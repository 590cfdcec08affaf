//! Manual pages, help, transcripts, and the commands that texts suggest.

mod manual;
mod suggestions;
mod transcripts;
