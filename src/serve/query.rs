//! What HTTP asks of the workers: the row behind a list, and the counts, a portion at a time.
//!
//! A worker looks at its bounded queue between batches and answers at once, as much as one look is worth
//! ([`super::Look`]); no answer can make it wait. A question for a row goes to every worker, as only they know what they
//! hold; counts are asked of one worker after another.
//! Absent: knowledge of rows. A worker renders its own answer, so no state is shared.

use super::clicks::Clicked;
use super::counts::{CountsFrom, CountsPortion, Moved};
use super::review::ToReview;
use crate::list_key::ListName;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::mpsc;

/// Questions that may wait for one worker. More are refused: HTTP says it is busy.
pub const QUERIES_MAX: usize = 64;

/// A question to a worker.
#[derive(Debug)]
pub enum Query {
    /// The row of an item: what `inspect` shows.
    Row {
        /// The shop.
        shop: String,
        /// Which list it is behind.
        list: ListName,
        /// The anchor.
        item: String,
        /// Where the answer goes.
        reply: Reply<RowAnswer>,
    },
    /// What a person should look at in the lists that the worker holds.
    Review {
        /// The shop.
        shop: String,
        /// So many entries at most.
        count: usize,
        /// Where the answer goes.
        reply: Reply<ToReview>,
    },
    /// What became of a shop's lists where they were shown.
    Clicks {
        /// The shop.
        shop: String,
        /// Where the answer goes.
        reply: Reply<Clicked>,
    },
    /// The next of all counts that the worker holds.
    Counts {
        /// Where the portion before ended.
        from: CountsFrom,
        /// Where the answer goes.
        reply: Reply<CountsAnswer>,
    },
}

/// What a worker knows of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowAnswer {
    /// The item has been met. JSON; the row in it may be empty.
    Found(String),
    /// The item would be in a partition of this worker, but has never been met.
    NoSuchItem,
    /// The same of a variant: it counts as this item.
    CountsAs(String),
    /// The item belongs to a partition that this worker does not have.
    NotHere,
}

/// A portion of a worker's counts, or why there is no next one.
pub type CountsAnswer = Result<CountsPortion, Moved>;

/// The right to answer one question, once. Dropping it is an answer too: none.
#[derive(Debug)]
pub struct Reply<T>(mpsc::Sender<T>);

impl<T> Reply<T> {
    /// Hands `answer` over. Never waits; an asker who has gone away is no error.
    pub fn send(self, answer: T) {
        // There is a place for every worker's answer, so only a closed channel can refuse.
        let _gone = self.0.try_send(answer);
    }

    /// Whether anyone still waits: asked before work that costs much.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.0.is_closed()
    }
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// A worker's queue is full.
    #[error("a worker has {QUERIES_MAX} questions waiting; ask again later")]
    Busy,
    /// A worker has ended, or let go of the question.
    #[error("a worker has stopped")]
    Stopped,
}

/// The askers' side.
#[derive(Clone, Debug)]
pub struct Queries {
    workers: Vec<SyncSender<Query>>,
}

/// Connects `workers` workers, each with its own queue.
#[must_use]
pub fn queries(workers: usize) -> (Queries, Vec<Receiver<Query>>) {
    let (senders, receivers) = (0..workers).map(|_| sync_channel(QUERIES_MAX)).unzip();
    (Queries { workers: senders }, receivers)
}

impl Queries {
    /// The row of `item`, from the worker that has it. [`RowAnswer::NotHere`] when none does.
    ///
    /// # Errors
    /// When a worker cannot be asked or does not answer, and no other worker has the item.
    pub async fn row(&self, shop: &str, list: ListName, item: &str) -> Result<RowAnswer, AskError> {
        let mut answers = self.ask(|reply| Query::Row { shop: shop.to_owned(), list, item: item.to_owned(), reply })?;
        let mut count = 0;
        while let Some(answer) = answers.recv().await {
            if answer != RowAnswer::NotHere {
                return Ok(answer);
            }
            count += 1;
        }
        if count == self.workers.len() { Ok(RowAnswer::NotHere) } else { Err(AskError::Stopped) }
    }

    /// The first `count` entries that a person should look at, of all that the workers hold.
    ///
    /// # Errors
    /// When a worker cannot be asked or does not answer: the first ones could be among its.
    pub async fn review(&self, shop: &str, count: usize) -> Result<ToReview, AskError> {
        let mut answers = self.ask(|reply| Query::Review { shop: shop.to_owned(), count, reply })?;
        let (mut all, mut answered) = (ToReview::default(), 0);
        while let Some(answer) = answers.recv().await {
            all.join(answer, count);
            answered += 1;
        }
        if answered == self.workers.len() { Ok(all) } else { Err(AskError::Stopped) }
    }

    /// What became of a shop's lists where they were shown, by all that the workers hold.
    ///
    /// # Errors
    /// When a worker cannot be asked or does not answer: what it counted would be missing.
    pub async fn clicks(&self, shop: &str) -> Result<Clicked, AskError> {
        let mut answers = self.ask(|reply| Query::Clicks { shop: shop.to_owned(), reply })?;
        let (mut all, mut answered) = (Clicked::default(), 0);
        while let Some(answer) = answers.recv().await {
            all.join(answer);
            answered += 1;
        }
        if answered == self.workers.len() { Ok(all) } else { Err(AskError::Stopped) }
    }

    /// How many workers there are to ask.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The next portion of what the `worker`-th worker counts.
    ///
    /// # Errors
    /// When the worker cannot be asked or does not answer.
    pub async fn counts(&self, worker: usize, from: CountsFrom) -> Result<CountsAnswer, AskError> {
        let (sender, mut receiver) = mpsc::channel(1);
        let worker = self.workers.get(worker).ok_or(AskError::Stopped)?;
        put(worker, Query::Counts { from, reply: Reply(sender) })?;
        receiver.recv().await.ok_or(AskError::Stopped)
    }

    fn ask<T>(&self, query: impl Fn(Reply<T>) -> Query) -> Result<mpsc::Receiver<T>, AskError> {
        let (sender, receiver) = mpsc::channel(self.workers.len().max(1));
        for worker in &self.workers {
            put(worker, query(Reply(sender.clone())))?;
        }
        Ok(receiver)
    }
}

fn put(worker: &SyncSender<Query>, query: Query) -> Result<(), AskError> {
    worker.try_send(query).map_err(|error| match error {
        TrySendError::Full(_) => AskError::Busy,
        TrySendError::Disconnected(_) => AskError::Stopped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn answer(query: Query, answer: RowAnswer) {
        match query {
            Query::Row { reply, .. } => reply.send(answer),
            _ => panic!("asked for something else"),
        }
    }

    /// Asks workers that answer as given (`None`: lets go of the question).
    fn ask(workers: Vec<Option<RowAnswer>>) -> Result<RowAnswer, AskError> {
        let (queries, receivers) = queries(workers.len());
        let threads: Vec<_> = receivers
            .into_iter()
            .zip(workers)
            .map(|(receiver, says)| {
                std::thread::spawn(move || {
                    let query = receiver.recv().unwrap();
                    if let Some(says) = says {
                        answer(query, says);
                    }
                })
            })
            .collect();
        let row = run(queries.row("main", ListName::ALL[0], "x"));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        row
    }

    #[test]
    fn the_worker_that_has_the_item_is_heard() {
        let found = RowAnswer::Found("{}".to_owned());
        assert_eq!(ask(vec![Some(RowAnswer::NotHere), Some(found.clone()), None]), Ok(found));
        assert_eq!(ask(vec![Some(RowAnswer::NoSuchItem), Some(RowAnswer::NotHere)]), Ok(RowAnswer::NoSuchItem));
        assert_eq!(ask(vec![Some(RowAnswer::NotHere), Some(RowAnswer::NotHere)]), Ok(RowAnswer::NotHere));
    }

    #[test]
    fn a_worker_without_an_answer_is_no_not_here() {
        assert_eq!(ask(vec![Some(RowAnswer::NotHere), None]), Err(AskError::Stopped));
    }

    #[test]
    fn counts_of_a_worker_that_lets_go_of_the_question_are_none() {
        let (queries, receivers) = queries(2);
        let all = CountsFrom::Start { as_of: None };
        let letting_go = std::thread::spawn({
            let receiver = receivers.into_iter().nth(1).unwrap();
            move || drop(receiver.recv().unwrap())
        });
        assert_eq!(run(queries.counts(1, all)), Err(AskError::Stopped));
        letting_go.join().unwrap();
        assert_eq!(run(queries.counts(2, all)), Err(AskError::Stopped), "there is no such worker");
    }

    #[test]
    fn a_full_queue_refuses_and_an_asker_who_left_is_not_wanted() {
        let (queries, receivers) = queries(1);
        let mut waiting: Vec<_> = (0..QUERIES_MAX)
            .map(|_| {
                queries.ask(|reply| Query::Counts { from: CountsFrom::Start { as_of: None }, reply }).map(Some).unwrap()
            })
            .collect();
        assert!(matches!(
            queries.ask(|reply| Query::Counts { from: CountsFrom::Start { as_of: None }, reply }),
            Err(AskError::Busy)
        ));
        waiting[0] = None;
        let wanted: Vec<bool> = receivers[0]
            .try_iter()
            .map(|query| match query {
                Query::Counts { reply, .. } => reply.is_wanted(),
                _ => panic!("asked for something else"),
            })
            .collect();
        assert_eq!(wanted.iter().filter(|&&wanted| !wanted).count(), 1);
        assert!(!wanted[0]);
        drop(receivers);
        assert!(matches!(
            queries.ask(|reply| Query::Counts { from: CountsFrom::Start { as_of: None }, reply }),
            Err(AskError::Stopped)
        ));
    }
}
