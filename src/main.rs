//! The door: parse, run the command, turn its outcome into an exit status.
fn main() {}
