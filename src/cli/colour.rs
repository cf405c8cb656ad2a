//! Colour: decided once for each stream, and always an addition. Every line reads the same without it.

use anstyle::{AnsiColor, Style};

use super::args::ColorChoice;

/// What the decision looks at besides the flag.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings {
    /// The stream is a terminal.
    pub terminal: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set, and neither empty nor `0`.
    pub force: bool,
    /// `TERM` is `dumb`.
    pub dumb: bool,
}

/// Paints words, or leaves them as they are.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Never paints.
    #[cfg(test)]
    pub const PLAIN: Paint = Paint { on: false };

    /// Decides by the flag first, then by `NO_COLOR`, `CLICOLOR_FORCE` and `TERM`, then by what the stream is.
    pub fn decide(choice: ColorChoice, around: Surroundings) -> Paint {
        let on = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if around.no_color => false,
            ColorChoice::Auto if around.force => true,
            ColorChoice::Auto => around.terminal && !around.dumb,
        };
        Paint { on }
    }

    /// The head of an error.
    pub fn error(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// The head of a warning.
    pub fn warning(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default().bold(), text)
    }

    /// Gutter and arrow of an excerpt.
    pub fn gutter(self, text: &str) -> String {
        self.with(AnsiColor::Blue.on_default().bold(), text)
    }

    /// A label such as `help:`.
    pub fn label(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// Something that was added.
    pub fn added(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(choice: ColorChoice, around: Surroundings) -> bool {
        Paint::decide(choice, around).on
    }

    #[test]
    fn the_flag_wins_then_no_color_then_force_then_the_stream() {
        let terminal = Surroundings { terminal: true, ..Surroundings::default() };
        let piped = Surroundings::default();
        assert!(on(ColorChoice::Auto, terminal));
        assert!(!on(ColorChoice::Auto, piped));
        assert!(!on(ColorChoice::Auto, Surroundings { dumb: true, ..terminal }));
        assert!(!on(ColorChoice::Auto, Surroundings { no_color: true, force: true, ..terminal }));
        assert!(on(ColorChoice::Auto, Surroundings { force: true, ..piped }));
        assert!(on(ColorChoice::Always, Surroundings { no_color: true, ..piped }));
        assert!(!on(ColorChoice::Never, Surroundings { force: true, ..terminal }));
    }
}
