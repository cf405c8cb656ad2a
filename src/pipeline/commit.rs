//! The end of a build: what changes is told, and put into place, and what the next build is told is saved.

use super::hold::Kept;
use super::publish::Noted;
use super::{Export, Folders, Stop, changes, guards, host};
use crate::output::{Changed, Class, Mode, Staged, Stamps};
use crate::report::{Diagnostic, Event, FileChange, Stage, Summary};
use crate::state::{self, ChangesDraft, FileTimes, Manifest};

impl Export<'_> {
    /// Commits, unless it is a dry run, or a guard or a signal stops it.
    pub(super) async fn commit(
        mut self,
        staged: Staged,
        manifest: Manifest,
        mut noted: Noted,
        items: u64,
    ) -> Result<Summary, Stop> {
        let kept = std::mem::take(&mut noted.held);
        let mut summary = Summary {
            items,
            source: self.options.source.clone(),
            out: self.options.folders.shown.clone(),
            dry_run: self.options.mode != Mode::Write,
            unchanged: staged.unchanged_pages() as u64,
            ..Summary::default()
        };
        for changed in staged.changes() {
            if self.options.mode == Mode::Compare {
                self.compared(&staged, changed);
            }
            let Changed { change, class, path, mark } = changed;
            match change {
                _ if class == Class::Asset => summary.assets += 1,
                FileChange::Created => summary.created += 1,
                FileChange::Updated => summary.updated += 1,
                FileChange::Removed => summary.removed += 1,
                FileChange::Unchanged => {}
            }
            let reason = noted.reason(change, mark);
            self.reporter.emit(Event::File { change, path: path.to_owned(), reason });
        }
        summary.held = kept.len() as u64;
        for path in staged.repaired() {
            self.reporter.emit(Event::Note(format!("{path} was changed or deleted by hand and is made anew")));
        }
        if !self.options.allow_removals
            && let Some(problem) = guards::removals(&self.site, &staged, &self.expected)
        {
            return Err(problem.into());
        }
        if self.cancel.is_set() {
            return Err(Stop::Interrupted);
        }
        if self.options.mode == Mode::Write {
            self.write(staged, manifest, noted).await?;
        }
        summary.stages = self.stages;
        for Kept { path, is_absent } in kept {
            self.reporter.emit(Event::Held { path, is_absent });
        }
        Ok(summary)
    }

    async fn write(&mut self, staged: Staged, mut manifest: Manifest, mut noted: Noted) -> Result<(), Stop> {
        let total = staged.change_count() as u64;
        let started = self.stage_started(Stage::Write, Some(total));
        let Stamps { commit, times } = staged.stamps();
        manifest.files = FileTimes { commit, times };
        manifest.build = self.state.manifest().build.saturating_add(u32::from(noted.is_new(&staged, &self.state)));
        manifest.assets = std::mem::take(&mut noted.assets);
        manifest.host = host(&self.aem);
        let index = noted.index.take();
        // What previews change is no news.
        let is_told = self.options.folders == Folders::of(&self.site);
        let keeps = self.site.config.build.keep_replaced;
        let reporter = self.reporter.clone();
        let state = self.state.clone();
        let written = tokio::task::spawn_blocking(move || {
            // What is replaced is there until the commit.
            let recorded = if is_told { changes::record(&state, &staged, &noted, keeps) } else { Ok(None) };
            manifest.pages = noted.pages(&staged);
            let progress = |done: u64| {
                reporter.emit(Event::Progress { stage: Stage::Write, done, total: Some(total), slow: None });
            };
            staged.commit(&progress).map_err(|error| error.diagnostic())?;
            // What follows is a cache: a failure costs time, not content.
            let kept = state.save(&manifest).and_then(|()| {
                index.map_or(Ok(()), state::IndexWriter::finish)?;
                let answers = manifest.calls.values().flat_map(|call| call.answers.iter().map(|answer| answer.id));
                state.answers().retain(&answers.chain(manifest.assets.values().map(|asset| asset.id)).collect())
            });
            let recorded = recorded.and_then(|draft| draft.map_or(Ok(()), ChangesDraft::put));
            if let Err(error) = kept.and(recorded) {
                reporter.emit(Event::Note(format!("the state could not be saved: {error}")));
            }
            Ok::<(), Diagnostic>(())
        })
        .await;
        match written {
            Ok(Ok(())) => {
                self.stage_finished(Stage::Write, total, started);
                Ok(())
            }
            Ok(Err(problem)) => Err(problem.into()),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}
