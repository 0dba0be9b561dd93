//! One number of bytes for the whole process, dealt out to all that may hold some before anything is held.
//!
//! Three kinds of parts. What *must be* has one size: the program, the merge buffers (their bound is part of a log's identity, so it
//! cannot give way), facts, answers over HTTP. *Buffers* have a least size, at which everything still goes on, and a size beyond which
//! more gains nothing; between the two all shrink alike, until together they take a quarter of the budget at most. *State* gets what is left:
//! it grows with data, nothing bounds it, so it is watched.
//!
//! Invariants: what was dealt out, and the least for the state, is never more than the budget; a buffer has at least what it needs to go on, alone: no
//! buffer waits for room in another, so none can hold another up. Absent: IO; nothing here knows how much memory there is.

use crate::limits::{
    APPENDED_BYTES_MAX, APPENDED_BYTES_MIN, EARLY_BYTES_MAX, FETCHED_AHEAD_BYTES_MAX, FETCHED_AHEAD_BYTES_MIN,
    FETCHED_BYTES_MAX, FETCHED_BYTES_MIN, PROGRAM_BYTES, REJECTED_BYTES_MAX, WAITING_BYTES_MAX,
};
use std::fmt;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Of the budget, one part in so many goes to what the allocator keeps for later.
const SLACK_PART: u64 = 8;
/// Of the budget, one part in so many goes to buffers, where they can do with it.
const BUFFERS_PART: u64 = 4;
/// With less for the state, nothing could be counted.
const STATE_BYTES_MIN: u64 = 64 * MIB;
/// What a client of the brokers takes that holds no records: its threads, metadata and sockets' buffers.
const CLIENT_BYTES: u64 = MIB;
/// A fetch is there twice for a moment: as it came, and unpacked.
const FETCH_COPIES: u64 = 2;
/// Of a partition no more than this is fetched at once (`max.partition.fetch.bytes`).
const PARTITION_FETCH_BYTES: u64 = MIB;
/// Clients of a worker that read outside its group, at most at once: rows follows totals, the lists and older lists, and scans a log
/// meanwhile; the others scan two.
const ROWS_FOLLOWERS: u64 = 5;
const SCANS: u64 = 2;
/// What is under way to brokers of one writer: requests, packed.
const UNDER_WAY_BYTES: u64 = 8 * MIB;
/// What a queued record costs besides its bytes; one in so many bytes may be queued (`queue.buffering.max.messages`).
const QUEUED_EACH_BYTES: u64 = 256;
/// Bytes of a queue to a record of it.
const BYTES_TO_A_RECORD: u64 = KIB;
/// Most records that wait for the brokers, of one writer.
const QUEUED_MAX: u64 = 100_000;
/// Room that a growing block has not used yet, and the names that it has named.
const BLOCK_COPIES: u64 = 2;
const BLOCK_BYTES_MIN: u64 = 64 * KIB;
const WAITING_BYTES_MIN: u64 = 256 * KIB;
/// The last record that is put by before a partition is paused.
const WAITING_LAST_BYTES: u64 = MIB;
const EARLY_BYTES_MIN: u64 = 16 * MIB;
/// What went early grows by doubling, and is copied into a portion as a whole.
const EARLY_COPIES: u64 = 2;
/// Portions and parts on their way to the store, of one snapshot; and how many are at most, with those that were given up.
const STORING_BYTES: u64 = 12 * MIB;
const STORING_MAX: u64 = 3;
/// What one that is being loaded reads and unpacks.
const LOADING_BYTES: u64 = 20 * MIB;
/// Answers under way, and scrapes and texts of counts.
const ANSWERS: u64 = 64;
const ANSWER_BYTES: u64 = 512 * KIB;
const OTHER_ANSWERS_BYTES: u64 = 16 * MIB;
/// Facts are reckoned by what items hold, a quarter less than what the allocator gives.
const FACTS_COST_QUARTERS: u64 = 5;

/// What memory goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The program itself, its clients and threads, and what the allocator keeps for later.
    Program,
    /// Facts about items.
    Facts,
    /// Events that wait in the merge for a source that is behind.
    Merge,
    /// Answers over HTTP that are being read.
    Answers,
    /// What was fetched from brokers and not yet taken.
    Fetched,
    /// Records of a source that wait for another source, or for a schema.
    Waiting,
    /// Blocks under construction.
    Blocks,
    /// What was appended and is not acknowledged, rejects too.
    Appends,
    /// Snapshots that are being taken or loaded.
    Snapshots,
    /// All that was counted, and what is served of it.
    State,
}

impl Part {
    /// How many there are.
    pub const COUNT: usize = 10;
    /// All, in the order of a table.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Program,
        Self::Facts,
        Self::Merge,
        Self::Answers,
        Self::Fetched,
        Self::Waiting,
        Self::Blocks,
        Self::Appends,
        Self::Snapshots,
        Self::State,
    ];

    /// Its place among [`Part::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// As metrics and tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Facts => "facts",
            Self::Merge => "merge",
            Self::Answers => "answers",
            Self::Fetched => "fetched",
            Self::Waiting => "waiting",
            Self::Blocks => "blocks",
            Self::Appends => "appends",
            Self::Snapshots => "snapshots",
            Self::State => "state",
        }
    }

    /// What makes it smaller.
    fn remedy(self) -> &'static str {
        match self {
            Self::Program => "fewer workers and sources",
            Self::Facts => "facts.memory",
            Self::Merge => "intake.merge_buffer, fewer partitions of events: both only before there are logs",
            Self::Answers => "http.enabled",
            Self::Fetched => "fewer workers and sources",
            Self::Waiting => "fewer partitions of sources",
            Self::Blocks => "fewer partitions of events and pairs, for a new log",
            Self::Appends => "fewer workers",
            Self::Snapshots => "fewer workers of windows and rows",
            Self::State => "more instances",
        }
    }
}

/// What a process is made of, as far as memory goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Workers of intake, windows and rows.
    pub workers: [u64; 3],
    /// Topics of sources, and their partitions together.
    pub sources: (u64, u64),
    /// Topics of facts.
    pub facts_topics: u64,
    /// What facts may take; `None` where there are none.
    pub facts_bytes: Option<u64>,
    /// Partitions of events and pairs.
    pub partitions: (u64, u64),
    /// `intake.merge_buffer` and `logs.block_bytes`.
    pub merge_bytes: u64,
    /// The same.
    pub block_bytes: u64,
    /// Whether there are snapshots.
    pub has_snapshots: bool,
    /// Whether HTTP is served.
    pub has_http: bool,
    /// Processors.
    pub cores: u64,
    /// What the settings fix of clients of the brokers.
    pub fixed: Fixed,
}

/// What `[kafka]` says itself: it stands, and is reckoned with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// `queued.max.messages.kbytes`, in bytes.
    pub fetched_ahead: Option<u64>,
    /// `fetch.max.bytes`.
    pub fetched: Option<u64>,
    /// `queue.buffering.max.kbytes`, in bytes.
    pub appended: Option<u64>,
}

/// How large each buffer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes that a reader fetches ahead.
    pub fetched_ahead: usize,
    /// Bytes of one fetch.
    pub fetched: usize,
    /// Bytes that a worker may have appended without acknowledgement.
    pub appended: usize,
    /// The same of rejects.
    pub rejected: usize,
    /// Bytes that may wait of one source partition.
    pub waiting: usize,
    /// Bytes at which a block is closed.
    pub block: usize,
    /// Bytes that may have changed early while a snapshot is taken.
    pub early: usize,
}

impl Default for Sizes {
    /// As large as they are of use.
    fn default() -> Self {
        Self {
            fetched_ahead: FETCHED_AHEAD_BYTES_MAX,
            fetched: FETCHED_BYTES_MAX,
            appended: APPENDED_BYTES_MAX,
            rejected: REJECTED_BYTES_MAX,
            waiting: WAITING_BYTES_MAX,
            block: usize::MAX,
            early: EARLY_BYTES_MAX,
        }
    }
}

impl Sizes {
    /// How many records may be queued where so many bytes may.
    #[must_use]
    pub fn queued(bytes: usize) -> u64 {
        (bytes as u64 / BYTES_TO_A_RECORD).clamp(1, QUEUED_MAX)
    }
}

/// What a part may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which.
    pub part: Part,
    /// With less it does not go on.
    pub least: u64,
    /// What it was given.
    pub given: u64,
    /// What it is made of, for people.
    pub of: String,
}

/// A budget that was dealt out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// All of it.
    pub bytes: u64,
    /// Every part, in the order of [`Part::ALL`].
    pub shares: Vec<Share>,
    /// What follows for each buffer.
    pub sizes: Sizes,
}

/// What must be does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The budget.
    pub bytes: u64,
    /// Every part, with the least that it needs given.
    pub shares: Vec<Share>,
}

/// A buffer between its least and its most: how many of it, what one costs at a size.
#[derive(Clone, Copy)]
struct Range {
    least: u64,
    most: u64,
}

impl Range {
    /// One that the settings fix does not give way.
    fn of(least: usize, most: usize, fixed: Option<u64>) -> Self {
        fixed.map_or(Self { least: least as u64, most: most as u64 }, |fixed| Self { least: fixed, most: fixed })
    }

    /// So much of the way, in thousandths.
    fn at(self, thousandths: u64) -> u64 {
        self.least + (self.most.saturating_sub(self.least)).saturating_mul(thousandths) / 1000
    }
}

impl Demand {
    /// Clients that read: members of groups, and those outside them.
    fn readers(&self) -> u64 {
        let [intake, windows, rows] = self.workers;
        intake * (self.sources.0 + SCANS) + windows * (1 + SCANS) + rows * (1 + ROWS_FOLLOWERS) + self.facts_topics
    }

    /// Writers of logs, and of rejects.
    fn writers(&self) -> (u64, u64) {
        (self.workers.iter().sum(), self.workers[0])
    }

    /// Blocks that may be under construction: to every partition of events from each worker of intake, of pairs from each of events, and totals.
    fn blocks(&self) -> u64 {
        let (events, pairs) = self.partitions;
        self.workers[0] * events + events * pairs + pairs
    }

    /// Workers that keep snapshots.
    fn keepers(&self) -> u64 {
        if self.has_snapshots { self.workers[1] + self.workers[2] } else { 0 }
    }

    /// Merge buffers that can fill: where there is one partition of one source, nothing waits for another.
    fn merges(&self) -> u64 {
        if self.sources.1 > 1 { self.partitions.0 } else { 0 }
    }

    /// How large each buffer is, so much of the way between its least and its most, in thousandths.
    fn sizes(&self, thousandths: u64) -> Sizes {
        let Fixed { fetched_ahead, fetched, appended } = self.fixed;
        let size = |range: Range| usize::try_from(range.at(thousandths)).unwrap_or(usize::MAX);
        let block = self.block_bytes;
        Sizes {
            fetched_ahead: size(Range::of(FETCHED_AHEAD_BYTES_MIN, FETCHED_AHEAD_BYTES_MAX, fetched_ahead)),
            fetched: size(Range::of(FETCHED_BYTES_MIN, FETCHED_BYTES_MAX, fetched)),
            appended: size(Range::of(APPENDED_BYTES_MIN, APPENDED_BYTES_MAX, appended)),
            rejected: size(Range::of(APPENDED_BYTES_MIN, REJECTED_BYTES_MAX, appended)),
            waiting: size(Range { least: WAITING_BYTES_MIN, most: WAITING_BYTES_MAX as u64 }),
            block: size(Range { least: block.min(BLOCK_BYTES_MIN), most: block }),
            early: size(Range { least: EARLY_BYTES_MIN, most: EARLY_BYTES_MAX as u64 }),
        }
    }

    /// What the buffers take at these sizes.
    fn buffers(&self, sizes: &Sizes) -> [(Part, u64, String); 5] {
        let Sizes { fetched_ahead, fetched, appended, rejected, waiting, block, early } = *sizes;
        let [fetched_ahead, fetched, appended, rejected, waiting, block, early] =
            [fetched_ahead, fetched, appended, rejected, waiting, block, early].map(|size| size as u64);
        let at_once =
            self.partitions.0.max(self.partitions.1).max(self.sources.1).saturating_mul(PARTITION_FETCH_BYTES);
        let fetch = fetched.min(at_once.max(FETCHED_BYTES_MIN as u64));
        let reader = fetched_ahead + FETCH_COPIES * fetch;
        let writer = |bytes: u64| {
            let queued = Sizes::queued(usize::try_from(bytes).unwrap_or(usize::MAX));
            bytes + queued * QUEUED_EACH_BYTES + UNDER_WAY_BYTES
        };
        let (readers, (writers, rejecters)) = (self.readers(), self.writers());
        let loading = self.cores.min(16).min(self.partitions.0.max(self.partitions.1)) * LOADING_BYTES;
        let keeper = (EARLY_COPIES * early + STORING_MAX * STORING_BYTES).max(loading);
        let times = |count: u64, each: u64| (count.saturating_mul(each), Mib(each));
        let (fetched, of_a_reader) = times(readers, reader);
        let (held, of_a_partition) = times(self.sources.1, waiting + WAITING_LAST_BYTES);
        let (built, of_a_block) = times(self.blocks(), block * BLOCK_COPIES);
        let (sent, of_a_writer) = times(writers, writer(appended));
        let (refused, of_rejects) = times(rejecters, writer(rejected));
        let (kept, of_a_keeper) = times(self.keepers(), keeper);
        [
            (Part::Fetched, fetched, format!("{readers} readers, {of_a_reader} each")),
            (Part::Waiting, held, format!("{} partitions of sources, {of_a_partition} each", self.sources.1)),
            (Part::Blocks, built, format!("{} blocks, {of_a_block} each", self.blocks())),
            (
                Part::Appends,
                sent.saturating_add(refused),
                format!("{writers} writers, {of_a_writer} each; {rejecters} of rejects, {of_rejects} each"),
            ),
            (Part::Snapshots, kept, format!("{} workers, {of_a_keeper} each", self.keepers())),
        ]
    }

    /// What must be.
    fn musts(&self, budget: u64) -> [(Part, u64, String); 4] {
        let clients = self.readers() + self.writers().0 + self.writers().1;
        let slack = budget / SLACK_PART;
        let facts = self.facts_bytes.map_or(0, |bytes| bytes.saturating_mul(FACTS_COST_QUARTERS) / 4);
        let merge = self.merge_bytes;
        let answers = if self.has_http { ANSWERS * ANSWER_BYTES + OTHER_ANSWERS_BYTES } else { 0 };
        [
            (
                Part::Program,
                PROGRAM_BYTES + clients * CLIENT_BYTES + slack,
                format!("{clients} clients of the brokers, and {} that the allocator keeps", Mib(slack)),
            ),
            (
                Part::Facts,
                facts,
                format!("facts.memory of {}, a quarter more as allocated", Mib(self.facts_bytes.unwrap_or(0))),
            ),
            (
                Part::Merge,
                self.merges().saturating_mul(merge),
                format!("{} partitions of events, {} each: intake.merge_buffer", self.merges(), Mib(merge)),
            ),
            (Part::Answers, answers, format!("{ANSWERS} answers of http at once")),
        ]
    }
}

impl Budget {
    /// Deals `bytes` out.
    ///
    /// # Errors
    /// Where not even the least fits.
    pub fn deal(bytes: u64, demand: &Demand) -> Result<Self, Box<Unfit>> {
        let musts = demand.musts(bytes);
        let sum = |parts: &[(Part, u64, String)]| parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.1));
        let taken = sum(&musts).saturating_add(STATE_BYTES_MIN);
        let least = demand.buffers(&demand.sizes(0));
        let room = bytes.saturating_sub(taken);
        let fits = taken.saturating_add(sum(&least)) <= bytes;
        let room = room.min(sum(&least).max(bytes / BUFFERS_PART));
        let fitting = |&thousandths: &u64| sum(&demand.buffers(&demand.sizes(thousandths))) <= room;
        let thousandths = (0..=1000_u64).rev().find(fitting).unwrap_or(0);
        let sizes = demand.sizes(thousandths);
        let given = demand.buffers(&sizes);
        let state = if fits { bytes - sum(&musts) - sum(&given) } else { STATE_BYTES_MIN };
        let must = |(part, given, of)| Share { part, least: given, given, of };
        let mut shares: Vec<Share> = musts.into_iter().map(must).collect();
        let buffers = given.into_iter().zip(least);
        shares.extend(buffers.map(|((part, given, of), (_, least, _))| Share { part, least, given, of }));
        let of = "what is left: all that was counted, and what is served of it".to_owned();
        shares.push(Share { part: Part::State, least: STATE_BYTES_MIN, given: state, of });
        if fits { Ok(Self { bytes, shares, sizes }) } else { Err(Box::new(Unfit { bytes, shares })) }
    }

    /// What `part` was given.
    #[must_use]
    pub fn given(&self, part: Part) -> u64 {
        self.shares.iter().find(|share| share.part == part).map_or(0, |share| share.given)
    }
}

/// Bytes, in MiB.
struct Mib(u64);

impl fmt::Display for Mib {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A tenth, where a whole one would hide it.
        if self.0 != 0 && self.0 < 10 * MIB {
            write!(formatter, "{}.{} MiB", self.0 / MIB, self.0 % MIB * 10 / MIB)
        } else {
            write!(formatter, "{} MiB", self.0.div_ceil(MIB))
        }
    }
}

fn table(formatter: &mut fmt::Formatter<'_>, shares: &[Share], bytes: impl Fn(&Share) -> u64) -> fmt::Result {
    for share in shares {
        write!(formatter, "\n  {:<9} {:>10}  {}", share.part.name(), Mib(bytes(share)).to_string(), share.of)?;
    }
    Ok(())
}

impl fmt::Display for Budget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} for the process, dealt out as follows", Mib(self.bytes))?;
        table(formatter, &self.shares, |share| share.given)
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = self.shares.iter().fold(0_u64, |sum, share| sum.saturating_add(share.least));
        write!(
            formatter,
            "memory.budget is {}, and what these settings need at least is {}",
            Mib(self.bytes),
            Mib(sum)
        )?;
        table(formatter, &self.shares, |share| share.least)?;
        let largest = self.shares.iter().max_by_key(|share| share.least).map_or(Part::State, |share| share.part);
        write!(
            formatter,
            "\nGive it more memory (memory.budget says how much there is), or lower what takes most, {}: {}",
            largest.name(),
            largest.remedy()
        )
    }
}

impl std::error::Error for Unfit {}

#[cfg(test)]
mod tests;
