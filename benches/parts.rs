//! What each part of the way from a record to a list costs, beside what one would write without thinking of it, in the same run.
//!
//! ```sh
//! cargo bench --bench parts                           # catalogues of 100,000, 1,000,000 and 10,000,000 items
//! cargo bench --bench parts -- --items 100000         # of one size
//! ```
//!
//! Times are of one thread's processor. Each way of a part runs several times, ours and the others by turns, and of each the fastest counts:
//! ratios hold on a busy machine too. Items are drawn by Zipf's law with exponent 1.05, anew for each view: harsher than visits of a real
//! shop, whose views are of few items each.

#![allow(clippy::print_stdout, missing_docs, clippy::expect_used)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // numbers that were drawn

#[path = "parts/decoding.rs"]
mod decoding;
#[path = "parts/draw.rs"]
mod draw;
#[path = "parts/state.rs"]
mod state;
#[path = "parts/table.rs"]
mod table;

use std::error::Error;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ITEMS: [usize; 3] = [100_000, 1_000_000, 10_000_000];

fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args().skip_while(|argument| argument != "--items").nth(1);
    let sizes = given.map(|text| text.parse()).transpose()?.map_or(ITEMS.to_vec(), |items| vec![items]);
    table::head();
    decoding::json()?;
    decoding::avro()?;
    for items in sizes {
        println!("\n{items} items");
        table::head();
        state::of(items)?;
    }
    Ok(())
}
