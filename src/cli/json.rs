//! Events as JSON objects, one a line, for machines. Field names are a promise: they are only ever added to.

use std::time::Duration;

use aem_static::report::{Check, Diagnostic, Event, Fact, Logged, StageTime, Summary};
use serde_json::{Map, Value, json};

use super::show;

/// The object of one event; its first key is `event`. Durations are whole milliseconds, `elapsed_ms`.
pub fn event(event: &Event) -> Value {
    match event {
        Event::Note(text) => json!({"event": "note", "text": text}),
        Event::Detail(text) => json!({"event": "detail", "text": text}),
        Event::Logged(logged) => self::logged(logged),
        Event::Diagnostic(diagnostic) => self::diagnostic(diagnostic),
        Event::Check(check) => self::check(check),
        Event::StageStarted { stage, total } => {
            json!({"event": "stage-started", "stage": stage.name(), "total": total})
        }
        Event::Progress { stage, done, total, slow } => {
            json!({"event": "progress", "stage": stage.name(), "done": done, "total": total, "slow": slow})
        }
        Event::StageFinished { stage, done, elapsed } => {
            json!({"event": "stage-finished", "stage": stage.name(), "done": done, "elapsed_ms": milliseconds(*elapsed)})
        }
        Event::File { change, path, reason } => {
            json!({"event": "file", "change": change.name(), "path": path, "reason": reason})
        }
        Event::Text { path, diff } => {
            json!({"event": "text", "path": path, "diff": diff.as_ref().ok(), "diff_missing": diff.as_ref().err()})
        }
        Event::Held { path, is_absent } => {
            json!({"event": "held", "path": path, "absent": is_absent})
        }
        Event::Finished(summary) => finished(summary),
    }
}

/// An event that only the binary tells: the result of a command, or why it failed.
pub fn named(name: &str, fields: &[(&str, Value)]) -> Value {
    let mut object = Map::new();
    object.insert("event".to_owned(), name.into());
    for (key, value) in fields {
        object.insert((*key).to_owned(), value.clone());
    }
    Value::Object(object)
}

fn diagnostic(diagnostic: &Diagnostic) -> Value {
    let mut notes = Map::new();
    for (label, text) in &diagnostic.notes {
        // A label may come twice (`also`); then its value is a list.
        match notes.get_mut(*label) {
            None => {
                notes.insert((*label).to_owned(), text.as_str().into());
            }
            Some(Value::Array(texts)) => texts.push(text.as_str().into()),
            Some(first) => *first = Value::Array(vec![first.take(), text.as_str().into()]),
        }
    }
    let place = diagnostic.place.as_ref();
    let with_line = place.filter(|place| place.line > 0);
    json!({
        "event": "diagnostic",
        "code": diagnostic.code.id,
        "severity": show::severity(diagnostic.severity),
        "message": diagnostic.message,
        "file": place.map(|place| &place.file),
        "line": with_line.map(|place| place.line),
        "column": with_line.map(|place| place.column),
        "length": with_line.map(|place| place.length),
        "fragments": diagnostic.fragments,
        "notes": notes,
        "help": diagnostic.help,
    })
}

fn facts(facts: &[(&'static str, Fact)]) -> Map<String, Value> {
    let value = |fact: &Fact| match fact {
        Fact::Number(number) => (*number).into(),
        Fact::Text(text) => text.as_str().into(),
    };
    facts.iter().map(|(name, fact)| ((*name).to_owned(), value(fact))).collect()
}

/// Facts stand at top level, where a log is searched.
fn logged(logged: &Logged) -> Value {
    let mut object = json!({"event": logged.name, "text": logged.text});
    if let Value::Object(members) = &mut object {
        members.extend(facts(&logged.facts));
    }
    object
}

fn check(check: &Check) -> Value {
    json!({
        "event": "check",
        "name": check.name,
        "subject": check.subject,
        "outcome": check.outcome.name(),
        "detail": check.detail,
        "facts": facts(&check.facts),
    })
}

fn finished(summary: &Summary) -> Value {
    let stage = |time: &StageTime| json!({"stage": time.stage.name(), "elapsed_ms": milliseconds(time.elapsed)});
    json!({
        "event": "finished",
        "created": summary.created,
        "updated": summary.updated,
        "unchanged": summary.unchanged,
        "removed": summary.removed,
        "assets": summary.assets,
        "items": summary.items,
        "requests": summary.requests,
        "bytes": summary.bytes,
        "retries": summary.retries,
        "age": summary.age,
        "source": summary.source,
        "out": summary.out,
        "dry_run": summary.dry_run,
        "stages": summary.stages.iter().map(stage).collect::<Vec<_>>(),
        "elapsed_ms": milliseconds(summary.elapsed),
        "warnings": summary.warnings,
        "waited_ms": milliseconds(summary.waited),
        "exchanges": summary.exchanges,
        "partial": summary.partial,
        "held": summary.held,
        "errors": summary.errors,
    })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use aem_static::report::{Place, codes};

    use super::*;

    #[test]
    fn a_diagnostic_keeps_every_fact() {
        let place = Place { file: "templates/a.html".into(), line: 3, column: 4, length: 5, source: "abc".into() };
        let diagnostic = Diagnostic::error(codes::SAME_PATH, "two pages have the path /a/\n")
            .at(place)
            .fragment("/content/dam/a")
            .note("also", "one")
            .note("also", "two")
            .note("page", "/a/")
            .help("mend it");
        insta::assert_snapshot!(event(&Event::Diagnostic(diagnostic)).to_string());
        let bare = Diagnostic::warning(codes::UNSORTED, "no order").at(Place::file("x"));
        insta::assert_snapshot!(event(&Event::Diagnostic(bare)).to_string());
    }
}
