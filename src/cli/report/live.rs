//! What a running instance knows: its metrics, and its queue of what is to be reviewed.

use super::figures::{ClickFigures, HitFigures, Report, ReviewFigures};
use super::gather::REVIEW_TOLD;
use crate::cli::ask::Instance;
use crate::cli::review::Page;
use crate::serve::http::{clicks_path, review_path};
use std::collections::BTreeMap;

/// Asks `instance`.
pub(super) fn ask(instance: &Instance, report: &mut Report) -> anyhow::Result<()> {
    report.hits = Some(hits(&instance.get("/metrics")?, &report.shop));
    report.clicks = clicks(&instance.get(&clicks_path(&report.shop))?)?;
    let path = review_path(&report.shop, 0, REVIEW_TOLD);
    let Some(page) = instance.find(&path, "no_such_shop")? else {
        report.miss(format!("nothing of shop {} has come to the partitions of this instance", report.shop));
        return Ok(());
    };
    take(Page::read(&page)?, report);
    Ok(())
}

/// What became of lists where they were shown, if anything is known of that.
fn clicks(answer: &str) -> anyhow::Result<Option<Vec<ClickFigures>>> {
    #[derive(serde::Deserialize)]
    struct Answer {
        lists: Vec<ClickFigures>,
    }
    let Answer { lists } = serde_json::from_str(answer)?;
    Ok(Some(lists).filter(|lists| !lists.is_empty()))
}

/// What a page tells, and what it cannot.
fn take(page: Page, report: &mut Report) {
    let Page { total, entries: first, partitions, waiting, without_queue, of } = page;
    if partitions.len() < of as usize {
        let left = of as usize - partitions.len();
        report.miss(format!("hit rate and review of {left} of {of} partitions: ask the instances that have them too"));
    }
    if !waiting.is_empty() {
        report.miss(format!("review of all lists of {} partitions: not all have been looked at yet", waiting.len()));
    }
    report.miss_queues(without_queue.len(), partitions.len());
    report.review = Some(ReviewFigures { total, first, partitions, waiting, of });
}

/// The hit rates of a shop, from metrics in Prometheus' text format.
fn hits(metrics: &str, shop: &str) -> Vec<HitFigures> {
    #[derive(Default)]
    struct Counts {
        tests: f64,
        shown: [f64; 3],
        counted: [f64; 3],
    }
    let mut lists: BTreeMap<String, Counts> = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("samenloop_hit")) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let Some((name, labels)) = series.split_once('{') else { continue };
        let (labels, value) = (labels_of(labels.trim_end_matches('}')), value.parse::<f64>().unwrap_or(0.0));
        let Some(list) = labels.get("list").filter(|_| labels.get("shop").is_some_and(|label| label == shop)) else {
            continue;
        };
        let counts = lists.entry(list.clone()).or_default();
        let at = labels.get("at").and_then(|at| ["1", "4", "10"].iter().position(|known| known == at));
        match (name, at) {
            ("samenloop_hit_tests_total", None) => counts.tests += value,
            ("samenloop_hits_total", Some(at)) => counts.shown[at] += value,
            ("samenloop_hits_by_count_total", Some(at)) => counts.counted[at] += value,
            _ => {}
        }
    }
    let tested = lists.into_iter().filter(|(_, counts)| counts.tests > 0.0);
    tested
        .map(|(list, Counts { tests, shown, counted })| {
            let rates = |hits: [f64; 3]| hits.map(|hits| hits / tests);
            HitFigures { list, tests: whole(tests), shown: rates(shown), counted: rates(counted) }
        })
        .collect()
}

/// A counter's value.
fn whole(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap_or(0)
}

/// The labels of a series: `name="value"`, with `\\`, `\"` and `\n` in values.
fn labels_of(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let (mut value, mut end, mut is_escaped) = (String::new(), after.len(), false);
        for (at, c) in after.char_indices() {
            match (is_escaped, c) {
                (true, 'n') => value.push('\n'),
                (true, c) => value.push(c),
                (false, '"') => {
                    end = at;
                    break;
                }
                (false, '\\') => {}
                (false, c) => value.push(c),
            }
            is_escaped = !is_escaped && c == '\\';
        }
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = after.get(end + 1..).unwrap_or_default();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_instance_does_not_have_is_said() {
        let missing = |page: &str| {
            let mut report = Report::new("main", 0);
            take(Page::read(page).unwrap(), &mut report);
            (report.missing, report.review.unwrap())
        };
        let whole = r#"{"total":0,"entries":[],"partitions":[0,1],"waiting":[],"without_queue":[],"of":2}"#;
        assert_eq!(missing(whole).0, [""; 0]);
        let part = r#"{"total":0,"entries":[],"partitions":[0,3],"waiting":[3],"without_queue":[0],"of":4}"#;
        let (told, figures) = missing(part);
        for (told, says) in
            told.iter().zip(["of 2 of 4 partitions", "of 1 partitions: not all", "of 1 of 2 partitions: they keep"])
        {
            assert!(told.contains(says), "{says}: {told}");
        }
        assert_eq!((told.len(), figures.partitions, figures.waiting, figures.of), (3, vec![0, 3], vec![3], 4));
    }

    #[test]
    fn hit_rates_are_those_of_the_shop_whatever_it_is_called() {
        let shop = "a\"b\\,list=\"x";
        let label = r#"a\"b\\,list=\"x"#;
        let metrics = format!(
            "# HELP samenloop_hits_total x\nsamenloop_hit_tests_total{{list=\"also-bought\",shop=\"{label}\"}} 200\n\
             samenloop_hit_tests_total{{list=\"also-bought\",shop=\"main\"}} 7\n\
             samenloop_hits_total{{at=\"4\",list=\"also-bought\",shop=\"{label}\"}} 50\n\
             samenloop_hits_by_count_total{{at=\"10\",list=\"also-bought\",shop=\"{label}\"}} 20\n\
             samenloop_hit_tests_total{{list=\"viewed-together\",shop=\"{label}\"}} 0\n"
        );
        let expected = HitFigures {
            list: "also-bought".to_owned(),
            tests: 200,
            shown: [0.0, 0.25, 0.0],
            counted: [0.0, 0.0, 0.1],
        };
        assert_eq!(hits(&metrics, shop), [expected]);
        assert_eq!(hits(&metrics, "none"), []);
    }
}
