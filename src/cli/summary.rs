//! The last lines of a build, for people. Counting is over when they are drawn.

use std::time::Duration;

use aem_static::report::{Stage, Summary};

use super::visible;

/// The summary of a build without errors, lines ending in a line break.
pub fn draw(summary: &Summary) -> String {
    let (out, source) = (visible::line(&summary.out), visible::line(&summary.source));
    let elapsed = seconds(summary.elapsed);
    let mut text = if summary.dry_run {
        format!("dry run of {out} from {source} in {elapsed}; nothing was written\n")
    } else {
        format!("built {out} from {source} in {elapsed}\n")
    };
    text.push_str(&format!(
        "  {} created, {} updated, {} unchanged, {} removed\n",
        counted(summary.created, "page"),
        summary.updated,
        summary.unchanged,
        summary.removed,
    ));
    if summary.assets > 0 {
        text.push_str(&format!("  {} copied or removed\n", counted(summary.assets, "asset and static file")));
    }
    text.push_str(&format!(
        "  {}, {}, {}",
        counted(summary.requests, "request"),
        size(summary.bytes),
        if summary.retries == 1 { "1 retry".to_owned() } else { format!("{} retries", summary.retries) },
    ));
    if !summary.waited.is_zero() {
        text.push_str(&format!(", held back for {}", seconds(summary.waited)));
    }
    if summary.exchanges > 0 {
        text.push_str(&format!(", {}", counted(summary.exchanges, "access token")));
    }
    if let Some(age) = summary.age {
        text.push_str(&format!(", oldest answer {age} s"));
    }
    text.push('\n');
    let stages: Vec<_> = summary.stages.iter().map(|time| stage(time.stage, time.elapsed)).collect();
    if !stages.is_empty() {
        text.push_str(&format!("  {}\n", stages.join(", ")));
    }
    if summary.held > 0 {
        text.push_str(&format!("  {} held\n", counted(summary.held, "page")));
    }
    if !summary.partial.is_empty() {
        text.push_str(&format!("  partial data kept of {}\n", visible::line(&summary.partial.join(", "))));
    }
    if summary.warnings > 0 {
        text.push_str(&format!("  {}\n", counted(summary.warnings, "warning")));
    }
    text
}

/// The one line of a build that went on in spite of errors, without its `error:`.
pub fn held(summary: &Summary) -> String {
    let errors = counted(summary.errors, "error");
    format!("built with {errors}: {} held as they were, or absent; the rest is new", counted(summary.held, "page"))
}

/// The one line of a build with errors, without its `error:`.
pub fn failed(errors: u64, warnings: u64) -> String {
    format!("{}; out/ is as it was", failed_command("build", errors, warnings))
}

/// The one line of a build whose commit broke off.
pub fn broke_off(errors: u64, warnings: u64) -> String {
    format!("{}; its commit broke off, the next command finishes it", failed_command("build", errors, warnings))
}

/// The one line of any command with errors.
pub fn failed_command(command: &str, errors: u64, warnings: u64) -> String {
    let mut problems = counted(errors, "error");
    if warnings > 0 {
        problems.push_str(&format!(", {}", counted(warnings, "warning")));
    }
    format!("{command} failed with {problems}")
}

/// The line of a stage that is over: `fetched  64 items in 0.12 s`.
pub fn stage_line(stage: Stage, done: u64, elapsed: Duration) -> String {
    let (verb, noun) = words(stage);
    format!("{verb:<8} {} in {}\n", counted(done, noun), seconds(elapsed))
}

/// What a stage does, in the past, and what it counts.
fn words(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Load => ("loaded", "file"),
        Stage::Fetch => ("fetched", "item"),
        Stage::Render => ("rendered", "page"),
        Stage::Assets => ("copied", "asset"),
        Stage::Write => ("wrote", "file"),
    }
}

fn stage(stage: Stage, elapsed: Duration) -> String {
    format!("{} {}", stage.name(), seconds(elapsed))
}

/// `1 page`, `3 pages`.
pub fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Bytes in decimal units with one digit: `1.2 MB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    // 999.95 would be printed as 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_never_round_into_the_next_unit() {
        let shown = [0, 999, 1000, 1_234_567, 999_949, 999_950, 3_000_000_000].map(size);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.2 MB", "999.9 kB", "1.0 MB", "3.0 GB"]);
    }
}
