//! The terminal: what was typed, what is shown, and one command a file. It belongs to the binary, so that the library cannot
//! reach it: nothing below prints, exits, or reads flags and environment.

#[expect(
    dead_code,
    reason = "`Tier::name` serves the commands that read content, which come with the pipeline"
)]
pub mod args;
pub mod outcome;
#[expect(
    dead_code,
    reason = "collected by the commands that read content, which come with the pipeline"
)]
pub mod settings;
pub mod terminal;

mod colour;
mod help;
mod json;
mod progress;
mod show;
mod summary;
mod visible;

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "runs the commands that read content, which come with the pipeline"
    )
)]
pub mod interrupt;

pub mod completions;
pub mod explain;
pub mod init;
