//! One line of `doctor`: what was looked at, and what came of it.

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckOutcome {
    /// It is as it should be.
    Passed,
    /// It is not, and nothing behind it works.
    Failed,
    /// It was not looked at, and need not be.
    LeftOut,
}

impl CheckOutcome {
    /// The word for JSON events.
    pub fn name(self) -> &'static str {
        match self {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Failed => "failed",
            CheckOutcome::LeftOut => "left-out",
        }
    }
}

/// A fact for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A number: seconds, or a count.
    Number(u64),
    /// Anything else.
    Text(String),
}

/// One link of the way to AEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which link: `name`, `tls`, `dispatcher`, …
    pub name: &'static str,
    /// What of several: the name of a query.
    pub subject: Option<String>,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// One line for people.
    pub detail: String,
    /// The same for machines, where it holds more than words.
    pub facts: Vec<(&'static str, Fact)>,
}

impl Check {
    /// A check that passed.
    pub fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Check { name, subject: None, outcome: CheckOutcome::Passed, detail: detail.into(), facts: Vec::new() }
    }

    /// A check that failed.
    pub fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Check { outcome: CheckOutcome::Failed, ..Check::passed(name, detail) }
    }

    /// A check that there was no need for; `detail` says why.
    pub fn left_out(name: &'static str, detail: impl Into<String>) -> Self {
        Check { outcome: CheckOutcome::LeftOut, ..Check::passed(name, detail) }
    }

    /// Says what of several it is about.
    pub fn of(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Adds a number for machines.
    pub fn number(mut self, name: &'static str, number: u64) -> Self {
        self.facts.push((name, Fact::Number(number)));
        self
    }

    /// Adds a text for machines.
    pub fn text(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.facts.push((name, Fact::Text(text.into())));
        self
    }

    /// `query stories`, or just `tls`.
    pub fn title(&self) -> String {
        match &self.subject {
            Some(subject) => format!("{} {subject}", self.name),
            None => self.name.to_owned(),
        }
    }
}
