//! Bars: one for each running stage, with counts, rate, and what is slow. Where there is no terminal there are no bars, and
//! nobody else has to know. Without colour, so that `--color` needs no second reading here.

use std::collections::BTreeMap;
use std::time::Duration;

use aem_static::report::Stage;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::visible;

/// Bars redraw this often, so that a stage that waits is seen to wait.
const TICK: Duration = Duration::from_millis(120);
const COUNTED: &str = "{prefix:>8} {bar:28} {pos}/{len}  {rate}  {wide_msg}";
const OPEN: &str = "{prefix:>8} {spinner} {pos}  {rate}  {wide_msg}";

/// The drawer of bars, or none.
pub struct Progress {
    bars: BTreeMap<Stage, ProgressBar>,
    drawer: Option<MultiProgress>,
}

impl Progress {
    /// Draws nothing.
    pub fn none() -> Self {
        Progress { bars: BTreeMap::new(), drawer: None }
    }

    /// Draws on stderr.
    pub fn bars() -> Self {
        let drawer = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12));
        Progress { bars: BTreeMap::new(), drawer: Some(drawer) }
    }

    /// Whether bars are drawn.
    pub fn draws(&self) -> bool {
        self.drawer.is_some()
    }

    /// A stage begins.
    pub fn start(&mut self, stage: Stage, total: Option<u64>) {
        let Some(drawer) = &self.drawer else { return };
        // Dressed before it is added: adding draws.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let bar = bar.with_style(style(OPEN)).with_prefix(stage.name());
        set_total(&bar, total);
        let bar = drawer.add(bar);
        bar.enable_steady_tick(TICK);
        if let Some(old) = self.bars.insert(stage, bar) {
            old.finish_and_clear();
        }
    }

    /// A stage has come to `done`.
    pub fn update(&mut self, stage: Stage, done: u64, total: Option<u64>, slow: Option<&str>) {
        let Some(bar) = self.bars.get(&stage) else { return };
        set_total(bar, total);
        bar.set_position(done);
        bar.set_message(slow.map(visible::line).unwrap_or_default());
    }

    /// A stage is over; its bar goes.
    pub fn finish(&mut self, stage: Stage) {
        if let Some(bar) = self.bars.remove(&stage) {
            bar.finish_and_clear();
        }
    }

    /// Every bar goes, for the last lines.
    pub fn clear(&mut self) {
        for bar in std::mem::take(&mut self.bars).into_values() {
            bar.finish_and_clear();
        }
    }

    /// Runs `write` with the bars out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.drawer {
            Some(drawer) => drawer.suspend(write),
            None => write(),
        }
    }
}

fn set_total(bar: &ProgressBar, total: Option<u64>) {
    if let Some(total) = total.filter(|total| bar.length() != Some(*total)) {
        bar.set_length(total);
        bar.set_style(style(COUNTED));
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─").with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        // Before the first unit there is nothing to tell; a failing write is indicatif's to notice.
        if state.pos() > 0 {
            let _ = write!(out, "{:.0}/s", state.per_sec());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [COUNTED, OPEN] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn without_a_drawer_nothing_happens() {
        let mut progress = Progress::none();
        progress.start(Stage::Fetch, Some(3));
        progress.update(Stage::Fetch, 1, None, Some("slow"));
        progress.finish(Stage::Fetch);
        assert_eq!(progress.aside(|| 5), 5);
    }
}
