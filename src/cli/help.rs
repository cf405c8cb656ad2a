//! The end of `--help`: exit statuses and environment variables, made from the enum and the register that the code runs by.

use super::outcome::Status;
use super::settings::VARIABLES;

/// What stands below the options in `aem-static --help`.
pub fn after_long_help() -> String {
    let mut text = String::from("Exit status:\n");
    for status in Status::ALL {
        text.push_str(&format!("  {:>3}  {}\n", status.number(), status.meaning()));
    }
    text.push_str("\nEnvironment (also read from .env in the site directory; the real environment wins):\n");
    for variable in VARIABLES {
        text.push_str(&format!("  {:<27}  {}\n", variable.name, variable.meaning));
    }
    text.push_str("\nExamples:\n");
    text.push_str("  aem-static init my-site        write the starter site\n");
    text.push_str("  aem-static -C my-site build    export it to my-site/out/\n");
    text.push_str("  aem-static explain E0302       what a diagnostic code means");
    text
}
