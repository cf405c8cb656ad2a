//! The status in its forms: JSON, Prometheus' text, and a page.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::queue::Depth;
use super::status::{Known, now, time};

/// The status as JSON.
pub fn json(known: &Known, depth: &Depth) -> Value {
    let at = |time_of: Option<i64>| time_of.map(time);
    let troubles: Vec<Value> =
        known.troubles.iter().map(|(topic, text)| json!({ "topic": topic.word(), "problem": text })).collect();
    json!({
        "ready": known.troubles.is_empty(),
        "troubles": troubles,
        "started": time(known.started),
        "building_since": at(known.building),
        "queue": {
            "waiting": depth.waiting, "stale": depth.stale, "oldest": at(depth.oldest),
            "lag_ms": millis(Known::lag(depth)),
        },
        "events": {
            "accepted": known.events, "repeated": known.repeated, "ignored": known.ignored, "refused": known.refused,
            "last": at(known.last_event),
        },
        "builds": { "done": known.built.0, "failed": known.failed, "last": known.builds },
        "reconciliation": { "next": at(known.next_reconciliation), "caught": known.caught },
        "deploy": { "done": known.deployed.0, "failed": known.deployed.1, "waiting_files": known.undeployed },
        "journal": known.journal,
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The status as Prometheus reads it (text format 0.0.4).
pub fn metrics(known: &Known, depth: &Depth) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, f64)>| {
        let _ = writeln!(text, "# HELP aem_static_{name} {help}\n# TYPE aem_static_{name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "aem_static_{name}{labels} {value}");
        }
    };
    let one = |value: f64| vec![(String::new(), value)];
    let words = |counts: &std::collections::BTreeMap<&'static str, u64>, label: &str| {
        counts.iter().map(|(word, count)| (format!("{{{label}=\"{word}\"}}"), number(*count))).collect::<Vec<_>>()
    };
    let outcomes = |done: u64, failed: u64| {
        vec![("{outcome=\"done\"}".to_owned(), number(done)), ("{outcome=\"failed\"}".to_owned(), number(failed))]
    };
    let seconds = |at: Option<i64>| one(at.map_or(0.0, |at| number(u64::try_from(at).unwrap_or(0)) / 1000.0));
    let answers = known
        .answers
        .iter()
        .map(|((address, status), count)| (format!("{{address=\"{address}\",status=\"{status}\"}}"), number(*count)));
    let ready = f64::from(u8::from(known.troubles.is_empty()));
    family("ready", "gauge", "Whether the site is up to date as far as is known.", one(ready));
    family("answers_total", "counter", "HTTP answers.", answers.collect());
    family("events_total", "counter", "New events, by kind.", words(&known.events, "kind"));
    family("events_repeated_total", "counter", "Events that had come before.", one(number(known.repeated)));
    family("events_ignored_total", "counter", "Events that are not followed.", one(number(known.ignored)));
    family("refused_total", "counter", "Deliveries refused, by reason.", words(&known.refused, "reason"));
    family("last_event_seconds", "gauge", "When the last event came, Unix time.", seconds(known.last_event));
    family("queue_waiting", "gauge", "Events that wait for a build.", one(number(depth.waiting as u64)));
    family("queue_stale", "gauge", "Events that wait for reconciliation.", one(number(depth.stale as u64)));
    family("queue_lag_seconds", "gauge", "How long the oldest has waited.", one(Known::lag(depth).as_secs_f64()));
    family("builds_total", "counter", "Builds.", outcomes(known.built.0, known.failed));
    family("build_seconds_total", "counter", "Time of builds that were done.", one(known.built.1.as_secs_f64()));
    family("stale_total", "counter", "Events without visible effect in time.", one(number(known.stale)));
    family("reconciliation_caught_total", "counter", "Files no event had told of.", one(number(known.caught)));
    family("deploys_total", "counter", "Deployments.", outcomes(known.deployed.0, known.deployed.1));
    family("undeployed_files", "gauge", "Files that wait for deployment.", one(number(known.undeployed as u64)));
    if let Some(journal) = &known.journal {
        family("journal_entries_total", "counter", "Journal entries read.", one(number(journal.entries)));
        family("journal_answered_seconds", "gauge", "When the journal last answered.", seconds(journal.answered));
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn number(count: u64) -> f64 {
    count as f64
}

/// The status as a page, which asks anew by itself.
pub fn page(known: &Known, depth: &Depth) -> String {
    let mut rows = String::new();
    let mut row = |label: &str, value: &str| {
        let _ = write!(rows, "<tr><th scope=\"row\">{label}<td>{}", escaped(value));
    };
    let waiting = match depth.waiting {
        0 => "none".to_owned(),
        count => format!("{count}, the oldest for {:.1} s", Known::lag(depth).as_secs_f64()),
    };
    let at = |moment: Option<i64>, never: &str| moment.map_or_else(|| never.to_owned(), time);
    row("Events that wait", &waiting);
    row("Waiting for reconciliation", &depth.stale.to_string());
    row("Last event", &at(known.last_event, "none since the start"));
    row(
        "Under way",
        &known.building.map_or_else(|| "nothing".to_owned(), |since| format!("a build since {}", time(since))),
    );
    row("Next reconciliation", &at(known.next_reconciliation, "never"));
    row("Files caught by reconciliation", &known.caught.to_string());
    row("Files to deploy", &known.undeployed.to_string());
    if let Some(journal) = &known.journal {
        let trouble = journal.problem.as_ref().map_or_else(String::new, |problem| format!("; {problem}"));
        row("Journal", &format!("{} entries, last answer {}{trouble}", journal.entries, at(journal.answered, "never")));
    }
    row("Started", &time(known.started));
    let mut builds = String::new();
    for build in &known.builds {
        let changes = match &build.problem {
            Some(problem) => problem.clone(),
            None => format!("{} created, {} updated, {} removed", build.created, build.updated, build.removed),
        };
        let _ = write!(
            builds,
            "<tr class=\"{}\"><td>{}<td>{}<td>{}<td>{}<td>{} ms",
            build.outcome,
            escaped(&build.at),
            escaped(&build.cause),
            build.outcome,
            escaped(&changes),
            build.elapsed_ms
        );
    }
    let state = match known.troubles.values().next() {
        None => "<p class=\"good\">Ready: the site is up to date.</p>".to_owned(),
        Some(_) => {
            let texts = known.troubles.iter().map(|(topic, text)| format!("<li>{}: {}", topic.word(), escaped(text)));
            format!("<ul class=\"bad\">{}</ul>", texts.collect::<String>())
        }
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
        <meta http-equiv=\"refresh\" content=\"5\"><title>aem-static listen</title><style>{STYLE}</style>\
        <main><h1>aem-static listen</h1>{state}<table>{rows}</table><h2>Last builds</h2><table><thead><tr><th>Began\
        <th>Cause<th>Outcome<th>Pages<th>Time<tbody>{builds}</table><p>At {}. <a href=\"/status.json\">JSON</a> \
        <a href=\"/metrics\">Metrics</a></p></main>",
        time(now())
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1c2430;background:#fbfbf9}\
    main{max-width:64rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;margin:1rem 0;width:100%}\
    th,td{text-align:left;padding:.35rem .75rem .35rem 0;border-bottom:1px solid #d9dcd6;vertical-align:top}\
    th[scope]{width:16rem;font-weight:500}.good{color:#14532d}.bad,.failed td{color:#8f1d1d}a{color:#1d4f8f;margin-right:1rem}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::status::{BuildNote, Topic};
    use super::*;

    fn known() -> Known {
        let mut known = Known { started: 1_772_356_500_000, ..Known::default() };
        known.answers.insert(("/events", 200), 3);
        known.events.insert("published", 2);
        known.trouble(Topic::Build, Some("a <b> & \"c\"".to_owned()));
        known.add(BuildNote { cause: "<script>".to_owned(), outcome: "done", ..BuildNote::default() });
        known
    }

    #[test]
    fn metrics_have_every_family_and_labels() {
        insta::assert_snapshot!(metrics(&known(), &Depth { waiting: 1, stale: 2, oldest: None }));
    }

    #[test]
    fn the_page_escapes_what_came_from_elsewhere() {
        let page = page(&known(), &Depth::default());
        assert!(!page.contains("<script>") && !page.contains("a <b>") && page.contains("&lt;script&gt;"));
    }

    #[test]
    fn json_says_what_keeps_it_from_being_ready() {
        let told = json(&known(), &Depth::default());
        assert_eq!(told["ready"], false);
        assert_eq!(told["troubles"][0]["topic"], "build");
    }
}
