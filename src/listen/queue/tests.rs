#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::listen::delivery::Kind;

fn event(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        kind: Kind::Published,
        fragment: Some(format!("/content/dam/{id}")),
        model: None,
        tier: None,
        time: None,
        recipient: None,
    }
}

fn events(ids: &[&str]) -> Vec<Event> {
    ids.iter().map(|id| event(id)).collect()
}

fn open(folder: &Path) -> Queue {
    let (queue, damaged) = Queue::open(folder, 1000).unwrap();
    assert_eq!(damaged, 0);
    queue
}

fn ids(queue: &Queue) -> Vec<String> {
    queue.waiting().into_iter().map(|held| held.event.id).collect()
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    assert_eq!(queue.accept(events(&["b", "a", "b"]), None).await, Ok(Accepted { new: 2, known: 1 }));
    assert_eq!(queue.accept(events(&["a", "c"]), Some("p1".into())).await, Ok(Accepted { new: 1, known: 1 }));
    queue.settle(vec![Id::of("a")]).await.unwrap();
    queue.stale(vec![Id::of("b")]).await.unwrap();
    let before = queue.waiting();
    drop(queue);
    let queue = open(folder.path());
    assert_eq!(queue.waiting(), before);
    assert_eq!((ids(&queue), queue.position().as_deref()), (vec!["b".into(), "c".into()], Some("p1")));
    let depth = queue.depth();
    assert_eq!((depth.waiting, depth.stale), (1, 1));
    assert_eq!(queue.accept(events(&["a", "b", "c"]), None).await, Ok(Accepted { new: 0, known: 3 }), "settled, too");
}

#[tokio::test]
async fn whoever_waits_is_told_and_two_cannot_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    assert!(matches!(Queue::open(folder.path(), 9), Err(OpenError::Held)));
    queue.accept(events(&["a"]), None).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(5), queue.arrived()).await.unwrap();
}

/// Adobe closes the connection after 10 s: what it sent is on disk all the same, and nobody would send it as something new again.
#[tokio::test]
async fn what_is_written_for_somebody_who_has_gone_is_told_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    let mut accepting = Box::pin(queue.accept(events(&["a"]), None));
    let _ = poll_once(accepting.as_mut());
    drop(accepting);
    tokio::time::timeout(std::time::Duration::from_secs(20), queue.arrived()).await.unwrap();
    assert_eq!(ids(&queue), ["a"]);
}

/// Polls once.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn a_full_queue_takes_nothing_of_a_delivery_and_repetitions_still() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, _) = Queue::open(folder.path(), 2).unwrap();
    queue.accept(events(&["a"]), None).await.unwrap();
    assert_eq!(queue.accept(events(&["b", "c"]), None).await, Err(QueueError::Full));
    assert_eq!(ids(&queue), ["a"]);
    assert_eq!(queue.accept(events(&["a"]), None).await, Ok(Accepted { new: 0, known: 1 }));
    queue.accept(events(&["b"]), None).await.unwrap();
}

#[tokio::test]
async fn many_at_once_are_all_written() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let queue = queue.clone();
            // Every event is sent twice.
            tokio::spawn(async move { queue.accept(vec![event(&format!("e{}", number / 2))], None).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        new += task.await.unwrap().new;
    }
    assert_eq!(new, 100);
    drop(queue);
    assert_eq!(ids(&open(folder.path())).len(), 100);
}

#[tokio::test]
async fn a_file_that_grows_is_written_anew_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    for round in 0..40 {
        let names: Vec<String> = (0..500).map(|number| format!("{round} {number} {}", "x".repeat(60))).collect();
        queue.accept(names.iter().map(|id| event(id)).collect(), None).await.unwrap();
        queue.settle(names.iter().skip(1).map(|id| Id::of(id)).collect()).await.unwrap();
    }
    let waiting = queue.waiting();
    assert_eq!(waiting.len(), 40);
    drop(queue);
    let len = fs::metadata(folder.path().join("events-v1")).unwrap().len();
    assert!(len < 4 << 20, "{len}");
    let queue = open(folder.path());
    assert_eq!(queue.waiting(), waiting);
    let again = event(&format!("3 17 {}", "x".repeat(60)));
    assert_eq!(queue.accept(vec![again], None).await, Ok(Accepted { new: 0, known: 1 }));
}

/// A file with three deliveries, and what it says.
fn written(folder: &Path) -> Vec<u8> {
    let (mut log, _) = Log::open(folder).unwrap();
    for id in ["a", "b", "c"] {
        log.append(&[Record::Accepted { at: 7, events: events(&[id]), position: None }]).unwrap();
    }
    fs::read(folder.join("events-v1")).unwrap()
}

#[test]
fn a_file_cut_anywhere_holds_every_line_before_the_cut_and_can_be_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let whole = written(folder.path());
    for cut in 0..=whole.len() {
        fs::write(folder.path().join("events-v1"), &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        let (mut log, found) = Log::open(folder.path()).unwrap();
        assert_eq!((found.book.waiting().len(), found.damaged), (lines, 0), "cut at {cut}");
        log.append(&[Record::Accepted { at: 8, events: events(&["d"]), position: None }]).unwrap();
        let (_, found) = Log::open(folder.path()).unwrap();
        assert_eq!((found.book.waiting().len(), found.damaged), (lines + 1, 0), "cut at {cut}");
    }
}

#[test]
fn a_damaged_line_costs_itself_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let whole = written(folder.path());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x15;
        fs::write(folder.path().join("events-v1"), &bytes).unwrap();
        let (_, found) = Log::open(folder.path()).unwrap();
        let last = whole[..at].iter().filter(|byte| **byte == b'\n').count() == 2;
        let kept = found.book.waiting().len();
        // A line break that went makes one bad line of two.
        assert!(kept == 2 || (kept == 1 && whole[at] == b'\n'), "{at}: {kept}");
        assert!(found.damaged >= 1 || last || at + 1 == whole.len() || whole[at] == b'\n', "{at}");
    }
}

#[tokio::test]
async fn a_queue_with_a_damaged_line_says_so_and_mends_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = written(folder.path());
    whole[3] ^= 1;
    fs::write(folder.path().join("events-v1"), &whole).unwrap();
    let (queue, damaged) = Queue::open(folder.path(), 100).unwrap();
    assert_eq!((damaged, ids(&queue)), (1, vec!["b".to_owned(), "c".to_owned()]));
    queue.accept(events(&["d"]), None).await.unwrap();
    drop(queue);
    assert_eq!(ids(&open(folder.path())), ["b", "c", "d"]);
}

#[test]
fn a_draft_of_a_killed_process_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let mut draft = fs::File::create(folder.path().join("events-v1.new")).unwrap();
    draft.write_all(b"half").unwrap();
    let (_, found) = Log::open(folder.path()).unwrap();
    assert_eq!(found.book.waiting().len(), 3);
    assert!(!folder.path().join("events-v1.new").exists());
}

fn any_record() -> impl Strategy<Value = Record> {
    let id = || (0u8..12).prop_map(|number| number.to_string());
    let ids = || proptest::collection::vec(id().prop_map(|id| Id::of(&id)), 0..6);
    prop_oneof![
        4 => (proptest::collection::vec(id(), 0..6), proptest::option::of("[a-z]{1,4}")).prop_map(|(ids, position)| {
            Record::Accepted { at: 5, events: ids.iter().map(|id| event(id)).collect(), position }
        }),
        2 => ids().prop_map(Record::Settled),
        1 => ids().prop_map(Record::Stale),
    ]
}

proptest! {
    /// Whatever happened, the short file says what the long one said, and no event waits that was settled.
    #[test]
    fn the_shortest_file_says_the_same(history in proptest::collection::vec(any_record(), 0..40)) {
        let mut book = Book::default();
        history.iter().for_each(|record| book.apply(record));
        let mut again = Book::default();
        book.records().iter().for_each(|record| again.apply(record));
        prop_assert_eq!(again.waiting().collect::<Vec<_>>(), book.waiting().collect::<Vec<_>>());
        prop_assert_eq!(again.position(), book.position());
        for number in 0..12 {
            let id = Id::of(&number.to_string());
            prop_assert_eq!(again.knows(&id), book.knows(&id));
        }
    }

    /// On disk as in memory, over a restart after every line.
    #[test]
    fn the_file_is_the_history(history in proptest::collection::vec(any_record(), 0..12)) {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::default();
        for record in &history {
            let (mut log, found) = Log::open(folder.path()).unwrap();
            prop_assert_eq!(&found.book, &book);
            log.append(std::slice::from_ref(record)).unwrap();
            book.apply(record);
        }
        let (mut log, found) = Log::open(folder.path()).unwrap();
        prop_assert_eq!(&found.book, &book);
        log.rewrite(&book).unwrap();
        let (_, found) = Log::open(folder.path()).unwrap();
        prop_assert_eq!(found.book.waiting().collect::<Vec<_>>(), book.waiting().collect::<Vec<_>>());
    }
}
