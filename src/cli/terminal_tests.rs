//! Whole outputs of [`Terminal`], both streams, from one script of events.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::sync::Arc;

use aem_static::report::{StageTime, codes};

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn manner(format: Format, verbosity: Verbosity, files: Files) -> Manner {
    Manner { format, verbosity, files, out: Paint::PLAIN, err: Paint::PLAIN, out_is_terminal: false }
}

/// Both streams after `script`, as text.
fn output(manner: Manner, script: impl FnOnce(&Terminal)) -> String {
    let (out, err) = (Sink::default(), Sink::default());
    let terminal = Terminal::new(manner, Box::new(out.clone()), Box::new(err.clone()), Progress::none());
    script(&terminal);
    assert_eq!(terminal.close(Status::Done), Status::Done);
    let text = |sink: Sink| String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    format!("-- stdout\n{}-- stderr\n{}", text(out), text(err))
}

fn summary() -> Summary {
    Summary {
        created: 142,
        updated: 3,
        unchanged: 1,
        requests: 12,
        bytes: 1_234_567,
        source: "http://127.0.0.1:41234 (local)".to_owned(),
        out: "out/".to_owned(),
        stages: vec![
            StageTime { stage: Stage::Fetch, elapsed: Duration::from_millis(50) },
            StageTime { stage: Stage::Write, elapsed: Duration::from_millis(100) },
        ],
        elapsed: Duration::from_millis(420),
        warnings: 1,
        ..Summary::default()
    }
}

fn run(terminal: &Terminal, errors: u64) {
    terminal.emit(Event::Note("content from http://127.0.0.1:41234".to_owned()));
    terminal.emit(Event::Detail("AEM_HOST is not set".to_owned()));
    terminal.emit(Event::StageStarted { stage: Stage::Fetch, total: Some(64) });
    let slow = Some("tours".to_owned());
    terminal.emit(Event::Progress { stage: Stage::Fetch, done: 3, total: Some(64), slow });
    terminal.emit(Event::StageFinished { stage: Stage::Fetch, done: 64, elapsed: Duration::from_millis(120) });
    terminal.emit(Event::Diagnostic(Diagnostic::warning(codes::UNSORTED, "query `tours` has no order")));
    if errors > 0 {
        terminal.emit(Event::Diagnostic(Diagnostic::error(codes::BECAME_EMPTY, "query `tours` has no items")));
    }
    for (change, path) in
        [(FileChange::Created, "a/index.html"), (FileChange::Unchanged, "b\u{1b}"), (FileChange::Removed, "c")]
    {
        terminal.emit(Event::File { change, path: path.to_owned(), reason: "new" });
    }
    if errors > 0 {
        terminal.failure(&super::super::summary::failed(errors, 1));
    } else {
        terminal.emit(Event::Finished(summary()));
    }
}

#[test]
fn a_build_in_plain_lines() {
    insta::assert_snapshot!(output(manner(Format::Human, Verbosity::Normal, Files::Detail), |t| run(t, 0)));
}

#[test]
fn a_verbose_build() {
    insta::assert_snapshot!(output(manner(Format::Human, Verbosity::Verbose, Files::Detail), |t| { run(t, 0) }));
}

#[test]
fn a_quiet_build_says_nothing_when_it_works_and_only_errors_when_not() {
    let quiet = manner(Format::Human, Verbosity::Quiet, Files::Detail);
    assert_eq!(output(quiet, |t| run(t, 0)), "-- stdout\n-- stderr\n");
    insta::assert_snapshot!(output(quiet, |t| run(t, 3)));
}

#[test]
fn a_failed_build_ends_with_its_error() {
    let text = output(manner(Format::Human, Verbosity::Normal, Files::Detail), |t| run(t, 3));
    assert!(text.ends_with("error: build failed with 3 errors, 1 warning; out/ is as it was\n"), "{text}");
    assert!(!text.contains("built"), "{text}");
}

#[test]
fn a_dry_run_lists_files_on_stdout() {
    let dry = |t: &Terminal| {
        t.emit(Event::File { change: FileChange::Created, path: "a/index.html".to_owned(), reason: "new" });
        t.emit(Event::File { change: FileChange::Updated, path: "b.json".to_owned(), reason: "new" });
        t.emit(Event::File { change: FileChange::Unchanged, path: "c".to_owned(), reason: "new" });
        t.emit(Event::File { change: FileChange::Removed, path: "d".to_owned(), reason: "new" });
        t.emit(Event::Finished(Summary { dry_run: true, ..summary() }));
    };
    insta::assert_snapshot!(output(manner(Format::Human, Verbosity::Normal, Files::Result), dry));
}

fn checks(terminal: &Terminal) {
    terminal.emit(Event::Check(Check::passed("tls", "trusted").text("certificate_ends", "2031-05-06T00:00:00Z")));
    terminal.emit(Event::Check(Check::left_out("dispatcher", "none stands before author")));
    terminal.emit(Event::Check(Check::failed("query", "does not\u{1b}[2J run").of("tours").number("items", 0)));
}

#[test]
fn checks_have_signs_on_a_terminal_and_words_elsewhere() {
    let mut manner = manner(Format::Human, Verbosity::Quiet, Files::Detail);
    let words = output(manner, checks);
    manner.out_is_terminal = true;
    insta::assert_snapshot!(format!("{words}{}", output(manner, checks)));
    manner.format = Format::Json;
    insta::assert_snapshot!(output(manner, checks));
}

#[test]
fn every_event_as_json() {
    let json = manner(Format::Json, Verbosity::Normal, Files::Detail);
    insta::assert_snapshot!(output(json, |terminal| {
        run(terminal, 1);
        // The second progress event comes too soon after the first, and is left out.
        terminal.emit(Event::Progress { stage: Stage::Fetch, done: 4, total: None, slow: None });
        terminal.emit(Event::Finished(summary()));
        terminal.result("text", "origin", &[("url", "http://127.0.0.1:1".into())]);
        terminal.failure("interrupted; out/ is as it was");
    }));
}

#[test]
fn a_result_is_byte_exact_in_a_pipe_and_harmless_on_a_terminal() {
    let mut manner = manner(Format::Human, Verbosity::Quiet, Files::Detail);
    let write = |t: &Terminal| t.result("a\u{1b}[2J\n", "query", &[]);
    assert_eq!(output(manner, write), "-- stdout\na\u{1b}[2J\n-- stderr\n");
    manner.out_is_terminal = true;
    assert_eq!(output(manner, write), "-- stdout\na␛[2J\n-- stderr\n");
}

#[test]
fn a_reader_that_went_away_is_no_failure_but_a_full_disk_is() {
    for (kind, expected) in [(io::ErrorKind::BrokenPipe, Status::Done), (io::ErrorKind::StorageFull, Status::Problems)]
    {
        let manner = manner(Format::Human, Verbosity::Normal, Files::Detail);
        let terminal = Terminal::new(manner, Box::new(Failing(kind)), Box::new(Sink::default()), Progress::none());
        terminal.result("one\n", "x", &[]);
        terminal.result("two\n", "x", &[]);
        assert_eq!(terminal.close(Status::Done), expected);
    }
}
