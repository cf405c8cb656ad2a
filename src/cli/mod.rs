//! The terminal: what was typed, what is shown, and one command a file. It belongs to the binary, so that the library cannot
//! reach it: nothing below prints, exits, or reads flags and environment.

pub mod args;
pub mod outcome;
pub mod settings;
pub mod terminal;

mod colour;
mod help;
mod json;
mod progress;
mod show;
mod summary;
mod visible;

pub mod interrupt;

pub mod completions;
pub mod explain;
pub mod init;
