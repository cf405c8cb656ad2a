//! What earlier builds kept and this one keeps: answers, digests of their items, what routes made of them, assets.

use super::blocks::Block;
use super::gather::Gatherer;
use super::gathered::stable_key;
use super::{AnswersFrom, lock};
use crate::plan::PlannedCall;
use crate::report::{Diagnostic, Event, Stage, codes};
use crate::shape::Location;
use crate::state::{AnswerId, AnswerRecord, AssetRecord, CallRecord, IndexWriter, Key};

/// Items' starts in an answer, and the digests of their bytes.
pub(super) type Digests = Vec<(u32, Key)>;

impl Gatherer {
    /// Takes an answer up under a number of this build; its items are told by [`Gatherer::placed`].
    pub(super) fn take(&self, record: AnswerRecord) -> Result<u32, Diagnostic> {
        let mut answers = lock(&self.answers);
        answers.push(record);
        lock(&self.digests).push(Digests::default());
        u32::try_from(answers.len() - 1).map_err(|_| Diagnostic::error(codes::TOO_LARGE, "more than 4 billion answers"))
    }

    /// Keeps a body on disk.
    pub(super) fn keep(&self, body: &[u8]) -> Result<AnswerId, Diagnostic> {
        self.state.answers().keep(body).map_err(|error| error.diagnostic())
    }

    /// Where the items of an answer begin, and their digests.
    pub(super) fn placed(&self, number: u32, digests: Digests) {
        if let Some(known) = lock(&self.digests).get_mut(number as usize) {
            *known = digests;
        }
    }

    /// The digest of an item's bytes.
    pub(super) fn digest(&self, at: Location) -> Option<Key> {
        let digests = lock(&self.digests);
        let items = digests.get(at.answer as usize)?;
        let row = items.binary_search_by_key(&at.start, |(start, _)| *start).ok()?;
        Some(items[row].1)
    }

    /// Digests of items by answer, for reading without a lock.
    pub(super) fn all_digests(&self) -> Vec<Digests> {
        lock(&self.digests).clone()
    }

    /// Whether what the last build was answered may be taken for what this one is. `--full` asks anew, unless nobody is asked.
    fn may_use(&self) -> bool {
        self.is_same_host && (!self.full || self.answers_from == AnswersFrom::Kept)
    }

    /// What was answered to the same request in the last build, if its body is still there.
    pub(super) fn known(&self, asked: &Key) -> Option<&AnswerRecord> {
        self.known.get(asked).filter(|record| self.may_use() && self.state.answers().has(&record.id))
    }

    /// What the last build was answered to the same call.
    pub(super) fn last_answers(&self, call: &PlannedCall) -> Option<&CallRecord> {
        self.state.manifest().calls.get(&stable_key(&self.site, call)).filter(|_| self.may_use())
    }

    /// An asset of the last build whose bytes are still there.
    pub(super) fn known_asset(&self, location: &str) -> Option<&AssetRecord> {
        let known = self.state.manifest().assets.get(location)?;
        (self.may_use() && self.state.answers().has(&known.id)).then_some(known)
    }

    /// Tells how many assets are there.
    pub(super) fn assets_done(&self, done: usize) {
        let done = done as u64;
        self.reporter.emit(Event::Progress { stage: Stage::Assets, done, total: None, slow: None });
    }

    /// A block of the last build.
    pub(super) fn block(&self, key: &Key) -> Option<Block> {
        let bytes = self.state.index().get(key).filter(|_| !self.full)?;
        let block = postcard::from_bytes(&bytes).ok()?;
        if let Some(writer) = &mut *lock(&self.writer) {
            writer.put(*key, &bytes);
        }
        Some(block)
    }

    /// Keeps a block for the next build.
    pub(super) fn keep_block(&self, key: Key, block: &Block) {
        let Ok(bytes) = postcard::to_stdvec(block) else { return };
        if let Some(writer) = &mut *lock(&self.writer) {
            writer.put(key, &bytes);
        }
    }

    /// All answers of this build so far.
    pub(super) fn answers(&self) -> Vec<AnswerRecord> {
        lock(&self.answers).clone()
    }

    /// The index of this build, once nothing more is asked.
    pub(super) fn take_writer(&self) -> Option<IndexWriter> {
        lock(&self.writer).take()
    }
}
