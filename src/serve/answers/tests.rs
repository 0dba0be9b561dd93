//! How much a look is worth.

use super::*;
use crate::serve::counts::CountsFrom;
use crate::serve::query::{Queries, queries};
use std::sync::mpsc::Receiver;

fn nothing() -> Asked<'static> {
    Asked { assignment: 0, rejected: 0, windows: Vec::new(), rows: Vec::new(), rows_partitions: 1 }
}

/// How many of `asked` questions one look answers.
fn answered(asked: usize, ask: impl Fn(Queries) -> tokio::task::JoinHandle<()>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (queries, receivers) = queries(1);
    let questions: &Receiver<Query> = &receivers[0];
    runtime.block_on(async {
        let _asking: Vec<_> = (0..asked).map(|_| ask(queries.clone())).collect();
        tokio::task::yield_now().await;
        let (mut look, mut answered) = (Look::default(), 0);
        while look.goes_on()
            && let Ok(query) = questions.try_recv()
        {
            look.answer(&nothing(), query);
            answered += 1;
        }
        let left = questions.try_iter().count();
        assert_eq!(answered + left, asked, "what is not answered waits for the next look");
        answered
    })
}

#[test]
fn a_look_is_worth_one_portion_of_counts_however_many_ask() {
    let ask = |queries: Queries| {
        tokio::spawn(async move {
            drop(queries.counts(0, CountsFrom::Start { as_of: None }).await);
        })
    };
    assert_eq!([1, 2, 50].map(|asked| answered(asked, ask)), [1, 1, 1]);
}

#[test]
fn questions_that_cost_nothing_are_all_answered_at_once() {
    let ask = |queries: Queries| {
        tokio::spawn(async move {
            drop(queries.row("main", ListName::ALL[0], "x").await);
        })
    };
    assert_eq!(answered(50, ask), 50);
}
