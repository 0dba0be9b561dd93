//! The core alone: bytes in memory → rows, by the stages that `run` drives, with the blocks between them, and no broker.
//!
//! ```sh
//! cargo bench --bench core                            # catalogues of 100,000 and 1,000,000 items, two exponents, 1 and 2 threads
//! cargo bench --bench core -- --items 100000          # of one size
//! cargo bench --bench core -- --data events.jsonl     # views of a file, again and again by other users, instead; .zst or not
//! ```
//!
//! As many views as are measured have been counted before: tables are full, not fresh. Lists are silent, as in a load of history. With two
//! threads each has half of the users, and half of the rows; both intakes end before the windows begin, and those before the rows.
//! Times are of the threads' processors, so that what else the machine does is not in them; views a second are by the thread that ran longest.

#![allow(clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // numbers that were drawn

#[path = "core/line.rs"]
mod line;
#[path = "core/source.rs"]
mod source;

use std::error::Error;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ITEMS: [usize; 2] = [100_000, 1_000_000];
/// Zipf's exponents: between popular products and the others, less and more.
const SKEWS: [f64; 2] = [0.8, 1.05];

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn main() -> Result<(), Box<dyn Error>> {
    line::head();
    if let Some(path) = argument("--data") {
        return of("a file".to_owned(), &source::of_file(&path)?);
    }
    let sizes = argument("--items").map(|text| text.parse()).transpose()?.map_or(ITEMS.to_vec(), |items| vec![items]);
    for items in sizes {
        for skew in SKEWS {
            of(format!("{items} items, {skew}"), &source::drawn(items, skew)?)?;
        }
    }
    Ok(())
}

/// The same views as Avro and as JSON, on one thread and on two.
fn of(what: String, views: &[source::View]) -> Result<(), Box<dyn Error>> {
    for (format, threads) in [(source::Form::Avro, 1), (source::Form::Avro, 2), (source::Form::Json, 1)] {
        let records = source::records(views, format, threads)?;
        line::of(&what, format, &records)?;
    }
    Ok(())
}
