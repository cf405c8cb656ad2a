//! The terminal: what was typed, what is shown, and one command a file. It belongs to the binary, so that the library cannot
//! reach it: nothing below prints, exits, or reads flags and environment.

pub mod args;
pub mod outcome;
pub mod terminal;

mod access;
mod colour;
mod help;
mod interrupt;
mod json;
mod load;
mod progress;
mod settings;
mod show;
mod summary;
mod threads;
mod visible;

pub mod build;
pub mod clean;
pub mod completions;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod init;
#[cfg(feature = "listen")]
pub mod listen;
pub mod lock;
#[cfg(feature = "origin")]
pub mod origin;
#[cfg(feature = "origin")]
pub mod origin_access;
#[cfg(feature = "preview")]
pub mod preview;
pub mod queries;
pub mod routes;
pub mod why;
