//! `/v1/counts`: portions of several workers, read slowly, not at all, or for too long.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Portions of [`large`], far more than the buffers of a socket hold.
const PORTIONS: usize = 200;
const PORTION_BYTES: usize = 256 << 10;

/// A worker with 50 MB of counts, which notes how many portions it was asked for.
fn large(portions_asked: &Arc<AtomicUsize>, query: Query) {
    let (number, reply): (_, Reply<_>) = match query {
        Query::Counts { from: CountsFrom::Start { .. }, reply } => (0, reply),
        Query::Counts { from: CountsFrom::Next(next), reply } => (next.number(), reply),
        other @ (Query::Row { .. } | Query::Review { .. } | Query::Clicks { .. }) => return knows(other),
    };
    portions_asked.fetch_add(1, Ordering::Relaxed);
    let rest = if number + 1 < PORTIONS {
        Rest::Next(NextCounts::numbered(number + 1))
    } else {
        Rest::Tallies(BTreeMap::new())
    };
    let line = format!("pair\tmain\tr\t{number:07}\tx\t1\t1\n");
    reply.send(Ok(CountsPortion { text: line.repeat(PORTION_BYTES / line.len()).into(), rest }));
}

/// A shop with one such worker, and what it notes.
fn large_shop(limits: Limits) -> (Shop, Arc<AtomicUsize>) {
    let (queries, receivers) = queries(1);
    let asked = Arc::<AtomicUsize>::default();
    let workers = receivers.into_iter().map(|receiver| {
        let asked = Arc::clone(&asked);
        thread::spawn(move || receiver.iter().for_each(|query| large(&asked, query)))
    });
    let shop = Shop::with_queries(1, limits, queries, workers.collect());
    shop.health.set(StageName::Rows, Partition(0), PartitionState::Live);
    (shop, asked)
}

/// A client that asks for all counts, and reads no more than that they come.
fn begin(shop: &Shop) -> TcpStream {
    let mut client = connect(shop.address());
    client.write_all(b"GET /v1/counts HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    client
}

#[test]
fn every_worker_gives_its_counts_and_the_tallies_are_added_up() {
    let shop = Shop::open(2, Limits::default(), vec![knows, knows_nothing, knows]);
    let (status, text) = shop.counts("?as_of=9");
    let of_one = "pair\tmain\tr\ta\tb\t1\t9\npair\tmain\tr\ta\tc\t1\t1\n";
    let tallies = "tally\t*\taccepted\t*\t*\t10\t0\ntally\t*\tlate\t*\t*\t1\t0\n";
    let expected = format!("{of_one}pair\tmain\tr\tA\tb\t1\t1\n{of_one}{tallies}");
    assert_eq!((status, &*text.unwrap()), (200, &*expected));
}

#[test]
fn a_client_that_does_not_read_is_no_work_for_anybody() {
    let (shop, asked) = large_shop(Limits::default());
    let mut slow: Vec<TcpStream> = (0..COUNTS_MAX).map(|_| begin(&shop)).collect();
    // What was asked for is in the buffers of sockets, and two portions each: far from all there is.
    let still_for = |asked: &AtomicUsize| {
        let before = asked.load(Ordering::Relaxed);
        (0..20).all(|_| shop.get("/v1/rows/main/bought-together/known").status == 200)
            && asked.load(Ordering::Relaxed) == before
    };
    wait_for("the end of asking", || still_for(&asked));
    let portions = asked.load(Ordering::Relaxed);
    assert!(portions < COUNTS_MAX * PORTIONS / 2, "{portions} portions for nobody");
    let busy = shop.get("/v1/counts");
    assert_eq!((busy.is_error(503, "busy"), &*busy.headers["retry-after"]), (busy.json(), "5"));
    let mut rest = Vec::new();
    slow.remove(0).read_to_end(&mut rest).unwrap();
    let lines = rest.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"pair\t")).count();
    let expected = PORTIONS * (PORTION_BYTES / 27);
    assert!(lines > expected * 99 / 100, "{lines} of {expected}"); // chunk heads may stand before a line
    assert!(rest.ends_with(b"0\r\n\r\n"), "the last chunk: all of it came");
    wait_for("the place to come back", || shop.get("/v1/counts").status == 200);
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    let limits = Limits { silence: Duration::from_secs(1), ..Limits::default() };
    let (shop, _) = large_shop(limits);
    let _slow: Vec<TcpStream> = (0..COUNTS_MAX).map(|_| begin(&shop)).collect();
    wait_for("the place to come back", || shop.counts("").0 == 200);
}

#[test]
fn counts_of_partitions_that_go_away_meanwhile_are_cut_so_that_it_shows() {
    fn moves(query: Query) {
        match query {
            Query::Counts { from: CountsFrom::Next(_), reply } => reply.send(Err(Moved)),
            query => knows(query),
        }
    }
    let shop = Shop::open(1, Limits::default(), vec![moves]);
    let (status, text) = shop.counts("");
    assert!(status == 200 && text.is_err(), "{text:?}");
}

#[test]
fn counts_that_take_too_long_are_cut_so_that_it_shows() {
    let limits = Limits { counts: Duration::ZERO, ..Limits::default() };
    let shop = Shop::open(1, limits, vec![knows]);
    let agent = ureq::Agent::new_with_defaults();
    let answer = agent.get(format!("http://{}/v1/counts", shop.address())).call();
    assert!(answer.and_then(|mut response| response.body_mut().read_to_string()).is_err());
}

#[test]
fn a_stop_does_not_wait_for_ever_for_a_client() {
    let limits = Limits { shutdown: Duration::from_millis(50), ..Limits::default() };
    let (mut shop, _) = large_shop(limits);
    let _slow = begin(&shop);
    let begun = Instant::now();
    shop.server.take().unwrap().stop();
    assert!(begun.elapsed() < PATIENCE);
}
