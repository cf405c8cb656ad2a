//! The events that wait for their effect, on disk before anybody is told that they were accepted (design.md §2, promise 8).
//!
//! One thread writes: whatever comes while it waits for the disk goes into its next write, so that a thousand events a second cost
//! few waits. Repetitions are known by their id, also after a restart.

mod book;
mod log;

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};

use super::delivery::Event;
use crate::state::make_private;

use book::{Book, Record};
pub use book::{Held, Id};
use log::Log;

/// Orders that one write takes together, at most.
const TOGETHER: usize = 1024;

/// Why events were not accepted. None of them is in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueueError {
    /// Too many wait already.
    #[error("too many events wait already")]
    Full,
    /// The disk did not take them.
    #[error("the events could not be written: {0}")]
    Disk(String),
}

/// The queue could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another `listen` is at work on this site")]
    Held,
    /// A file operation failed.
    #[error("the queue of events cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// How many of a delivery were new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Never seen before; they are on disk.
    pub new: usize,
    /// Seen before.
    pub known: usize,
}

/// The queue; clones share it.
#[derive(Debug, Clone)]
pub struct Queue {
    thread: Arc<Thread>,
    book: Arc<Mutex<Book>>,
    arrived: Arc<Notify>,
}

/// The writer's thread, and the lock that keeps others away. It ends with the last queue, before the lock is let go.
#[derive(Debug)]
struct Thread {
    orders: Option<Sender<Order>>,
    handle: Option<JoinHandle<()>>,
    _lock: File,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(handle) = self.handle.take() {
            // It has answered every order; a panic there has shown itself as a failed order.
            let _ = handle.join();
        }
    }
}

/// How full it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depth {
    /// Events that wait for a build.
    pub waiting: usize,
    /// Events that wait for reconciliation.
    pub stale: usize,
    /// When the oldest event that waits came, in milliseconds since 1970.
    pub oldest: Option<i64>,
}

#[derive(Debug)]
struct Order {
    what: What,
    done: oneshot::Sender<Result<Accepted, QueueError>>,
}

#[derive(Debug)]
enum What {
    Accept { events: Vec<Event>, position: Option<String> },
    Note(Record),
}

impl Queue {
    /// Opens the queue in `folder`, which is made if it is not there, for at most `most` waiting events. Gives the number of
    /// damaged lines as well: each may have been an event, so that everything has to be checked.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(folder: &Path, most: usize) -> Result<(Queue, usize), OpenError> {
        make_private(folder)?;
        let lock = File::create(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(OpenError::Held),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let (log, found) = Log::open(folder)?;
        let book = Arc::new(Mutex::new(found.book));
        let (orders, taken) = channel();
        let arrived = Arc::new(Notify::new());
        let writer = Writer { log, book: book.clone(), most, broken: found.damaged > 0, arrived: arrived.clone() };
        let handle = std::thread::Builder::new().name("events".to_owned()).spawn(move || writer.run(&taken))?;
        let thread = Arc::new(Thread { orders: Some(orders), handle: Some(handle), _lock: lock });
        Ok((Queue { thread, book, arrived }, found.damaged))
    }

    /// Takes events, and with them the place up to which the journal was read. When it returns, they are on disk.
    ///
    /// # Errors
    /// [`QueueError`]; then none was taken.
    pub async fn accept(&self, events: Vec<Event>, position: Option<String>) -> Result<Accepted, QueueError> {
        self.order(What::Accept { events, position }).await
    }

    /// The site shows the effect of these events.
    ///
    /// # Errors
    /// [`QueueError::Disk`]: they still wait, and a build more is made for them.
    pub async fn settle(&self, ids: Vec<Id>) -> Result<(), QueueError> {
        self.note(Record::Settled(ids)).await
    }

    /// These events wait for reconciliation from now on.
    ///
    /// # Errors
    /// [`QueueError::Disk`].
    pub async fn stale(&self, ids: Vec<Id>) -> Result<(), QueueError> {
        self.note(Record::Stale(ids)).await
    }

    async fn note(&self, record: Record) -> Result<(), QueueError> {
        self.order(What::Note(record)).await.map(|_| ())
    }

    async fn order(&self, what: What) -> Result<Accepted, QueueError> {
        let gone = || QueueError::Disk("the writer has ended".to_owned());
        let (done, result) = oneshot::channel();
        let orders = self.thread.orders.as_ref().ok_or_else(gone)?;
        orders.send(Order { what, done }).map_err(|_| gone())?;
        result.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Returns when events have come since it last returned.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Every event that waits, in order of arrival.
    pub fn waiting(&self) -> Vec<Held> {
        self.book().waiting().cloned().collect()
    }

    /// Up to where the journal was read.
    pub fn position(&self) -> Option<String> {
        self.book().position().map(str::to_owned)
    }

    /// How full it is.
    pub fn depth(&self) -> Depth {
        let book = self.book();
        let stale = book.waiting().filter(|held| held.stale).count();
        let oldest = book.waiting().filter(|held| !held.stale).map(|held| held.at).min();
        Depth { waiting: book.waiting().len() - stale, stale, oldest }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that writes.
struct Writer {
    log: Log,
    book: Arc<Mutex<Book>>,
    most: usize,
    /// The end of the file is not known: it has to be written anew before anything is added.
    broken: bool,
    /// Told by the writer: whoever sent an event may be gone before it is on disk.
    arrived: Arc<Notify>,
}

impl Writer {
    /// Works until the last queue is gone.
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            let mut group = vec![first];
            group.extend(orders.try_iter().take(TOGETHER - 1));
            self.work(group);
            if self.log.is_long() {
                self.rewrite();
            }
        }
    }

    /// Writes what a group of orders says, and only then answers it.
    fn work(&mut self, group: Vec<Order>) {
        let now = Timestamp::now().as_millisecond();
        let (mut records, mut answers, mut coming) = (Vec::new(), Vec::new(), HashSet::new());
        for Order { what, done } in group {
            let answer = match what {
                What::Note(record) => {
                    records.push(record);
                    Ok(Accepted::default())
                }
                What::Accept { events, position } => self.take(events, position, now, &mut records, &mut coming),
            };
            answers.push((done, answer));
        }
        let written = self.write(&records);
        if written.is_ok() && !coming.is_empty() {
            self.arrived.notify_one();
        }
        for (done, answer) in answers {
            // Whoever asked may have gone.
            let _ = done.send(answer.and_then(|accepted| written.clone().map(|()| accepted)));
        }
    }

    /// What is new of these events becomes a record.
    fn take(
        &self,
        events: Vec<Event>,
        position: Option<String>,
        at: i64,
        records: &mut Vec<Record>,
        coming: &mut HashSet<Id>,
    ) -> Result<Accepted, QueueError> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let all = events.len();
        let mut fresh = HashSet::new();
        let is_new = |event: &Event| {
            let id = Id::of(&event.id);
            !book.knows(&id) && !coming.contains(&id) && fresh.insert(id)
        };
        let events: Vec<Event> = events.into_iter().filter(is_new).collect();
        let accepted = Accepted { new: events.len(), known: all - events.len() };
        if accepted.new > 0 && book.waiting().len() + coming.len() + accepted.new > self.most {
            return Err(QueueError::Full);
        }
        coming.extend(fresh);
        if accepted.new > 0 || position.is_some() {
            records.push(Record::Accepted { at, events, position });
        }
        Ok(accepted)
    }

    fn write(&mut self, records: &[Record]) -> Result<(), QueueError> {
        if self.broken {
            self.rewrite();
        }
        if self.broken {
            return Err(QueueError::Disk("an earlier write failed".to_owned()));
        }
        if records.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.log.append(records) {
            // Half of it may stand there, or be thrown away by the system later.
            self.broken = true;
            self.rewrite();
            return Err(QueueError::Disk(error.to_string()));
        }
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().for_each(|record| book.apply(record));
        Ok(())
    }

    fn rewrite(&mut self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget(Timestamp::now().as_millisecond());
        self.broken = self.log.rewrite(&book).is_err();
    }
}

#[cfg(test)]
mod tests;
