//! Everything we tell people, as data: [`Event`]s while a command runs, [`Diagnostic`]s for what is wrong, a [`Summary`] at
//! the end. Nothing here is drawn; the binary's `cli/terminal.rs` and `cli/show.rs` do that.

mod check;
pub mod codes;
mod diagnostic;
mod event;

pub use check::{Check, CheckOutcome, Fact};
pub use codes::Code;
pub use diagnostic::{Diagnostic, Place, Severity};
pub use event::{Event, FileChange, Logged, Reporter, Silent, Stage, StageTime, Summary};
