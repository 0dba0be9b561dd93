//! `samenloop evaluate`: how good the lists are, by a split in time.
//!
//! What lies before the split goes through the stages of the service, and nothing else does; the lists that would then be
//! published are asked for what was hidden in the rest, and never change meanwhile. `docs/evaluation.md` says how each task
//! asks. Absent: data that is both counted and asked about, personal rules, and filling up with best sellers.

mod history;
mod lists;
mod training;
mod estimate;
mod exposure;
mod basket;
mod next_view;
mod report;

use super::output::stdout;
use super::sources::{EventFile, event_files, sort, vet};
use super::{Outcome, Sets, UsageError, assembly, facts, findings};
use crate::config::Settings;
use crate::facts::Facts;
use crate::relation::Relation;
use crate::rules::{DAY_MS, ListRules, Measure};
use crate::stage::Clocked;
use crate::watch::now_ms;
use basket::{Baskets, Target, Value};
use clap::{Args, ValueEnum};
use exposure::Exposure;
use history::{History, Line};
use lists::{Lists, Popularity};
use next_view::{LISTS_COMBINED, Sessions, Way};
use report::{Part, Report, Results};
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use training::Trained;

const HELP: &str = "\
The files are read twice. What is measured, how to read it, and the figures on public data: docs/evaluation.md.

Examples:
  samenloop evaluate orders.jsonl.gz
  samenloop evaluate clicks.jsonl.gz --task next-view --measures score,cosine,llr
  samenloop evaluate orders.jsonl --set lists.bought-together.specificity=0.4
  samenloop evaluate orders.jsonl --against counting.row_max=512
  samenloop evaluate orders.jsonl.gz --seeds 20 --json";

/// Counts the first part of the events, and asks the lists for what was hidden in the rest.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Events as JSON lines, a JSON array or CSV, plain, .gz or .zst
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What is hidden [default: what the files hold: orders → basket, views → next-view]
    #[arg(help_heading = "What is asked", long, value_enum)]
    pub(crate) task: Option<Task>,
    /// Share of the orders, at the end, that is asked about (basket)
    #[arg(help_heading = "What is asked", long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    pub(crate) split: f64,
    /// Largest order that is asked about, in distinct items (basket); counting.basket_max is what is counted
    #[arg(help_heading = "What is asked", long, value_name = "ITEMS", default_value_t = 100, value_parser = count)]
    pub(crate) order_max: usize,
    /// Choices of the hidden item to average over (basket)
    #[arg(help_heading = "What is asked", long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) seeds: u32,
    /// K of recall@K and MRR@K
    #[arg(help_heading = "What is asked", long, value_name = "K", default_value_t = 20, value_parser = count)]
    pub(crate) at: usize,
    /// Entries of each list, reserve included [default: 15 (basket), 20 (next-view)]
    #[arg(help_heading = "What is compared", long, value_name = "N", value_parser = count)]
    pub(crate) entries: Option<usize>,
    /// Measures to compare, of score, confidence, count, cosine, lift, llr
    #[arg(help_heading = "What is compared", 
        long,
        value_name = "MEASURE",
        value_delimiter = ',',
        default_value = "score,confidence,count,cosine,lift,llr",
        value_parser = compared
    )]
    pub(crate) measures: Vec<Compared>,
    /// Other settings to compare with those in force, on the same questions, as in "counting.row_max=512
    /// lists.bought-together.reserve=0"; may be repeated
    #[arg(long, value_name = "KEY=VALUE …", value_parser = variant)]
    pub(crate) against: Vec<Variant>,
    /// Exit with 3 where something is warned of, as where records are rejected
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print JSON: one object, a report for each task
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

/// Settings that differ from those in force.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// As given.
    name: String,
    pub(super) set: Vec<(String, String)>,
}

/// What an evaluation hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// One item of an order
    Basket,
    /// The next view of a session
    NextView,
}

/// What lists are ordered by in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Compared {
    /// The rule: score × (N/b)^specificity.
    Score,
    /// The score itself, which is specificity 0.
    Confidence,
    /// Pair weight.
    Count,
    /// k / sqrt(a b).
    Cosine,
    /// (k/a) / (b/N).
    Lift,
    /// Signed root of Dunning's G².
    Llr,
}

/// Most entries of a list, largest K, largest order asked about.
const COUNT_MAX: usize = 1000;

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "must be between 0 and 1".to_owned())
}

/// Settings of which what is read of the files does not depend: else the questions would not be the same.
const VARIED: [&str; 2] = ["counting.", "lists."];

fn variant(text: &str) -> Result<Variant, String> {
    let set = text.split_whitespace().map(super::settings::key_and_value).collect::<Result<Vec<_>, _>>()?;
    if set.is_empty() {
        return Err("write it as KEY=VALUE, several with blanks between them".to_owned());
    }
    match set.iter().find(|(key, _)| !VARIED.iter().any(|prefix| key.starts_with(prefix))) {
        Some((key, _)) => {
            Err(format!("{key}: only counting.* and lists.* can be compared; others change what is asked"))
        }
        None => Ok(Variant { name: text.trim().to_owned(), set }),
    }
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().ok().filter(|count| (1..=COUNT_MAX).contains(count));
    count.ok_or_else(|| format!("must be 1 to {COUNT_MAX}"))
}

fn compared(text: &str) -> Result<Compared, serde::de::value::Error> {
    Compared::deserialize(text.into_deserializer())
}

impl Task {
    fn relation(self) -> Relation {
        match self {
            Self::Basket => Relation::BoughtTogether,
            Self::NextView => Relation::ViewedTogether,
        }
    }

    fn entries(self) -> usize {
        match self {
            Self::Basket => 15,
            Self::NextView => 20,
        }
    }
}

impl Compared {
    /// The rules of `list`, ordered by this instead.
    fn rules(self, list: &ListRules) -> ListRules {
        let by = |measure| ListRules { measure, ..list.clone() };
        match self {
            Self::Score => by(Measure::Score),
            Self::Confidence => ListRules { specificity: 0.0, ..by(Measure::Score) },
            Self::Count => by(Measure::Count),
            Self::Cosine => by(Measure::Cosine),
            Self::Lift => by(Measure::Lift),
            Self::Llr => by(Measure::Llr),
        }
    }
}

/// The name of what `rules` order by.
fn name_of(rules: &ListRules) -> &'static str {
    match rules.measure {
        Measure::Score if rules.specificity.abs() < 1e-12 => "confidence",
        Measure::Score => "score",
        Measure::Count => "count",
        Measure::Cosine => "cosine",
        Measure::Lift => "lift",
        Measure::Llr => "llr",
    }
}

/// `against`: the settings of each of `args.against`, whole.
pub(super) fn run(args: EvaluateArgs, settings: Settings, against: Vec<Settings>) -> anyhow::Result<Outcome> {
    if args.files.iter().any(|path| path == Path::new("-")) {
        return Err(UsageError("stdin cannot be read twice, as evaluate does: name a file".to_owned()).into());
    }
    let evaluation = Evaluation::open(args, settings, against)?;
    let History { rejected, findings: found, .. } = &evaluation.history;
    findings::tell(found);
    let reports = evaluation.tasks()?.into_iter().map(|task| evaluation.report(task));
    let reports = reports.collect::<anyhow::Result<Vec<Report>>>()?;
    let mut out = stdout();
    if evaluation.args.json {
        serde_json::to_writer_pretty(&mut out, &serde_json::json!({ "reports": reports }))?;
        writeln!(out)?;
    } else {
        let texts: Vec<String> = reports.iter().map(Report::to_text).collect();
        write!(out, "{}", texts.join("\n"))?;
    }
    out.flush()?;
    Ok(findings::outcome(found, *rejected > 0, evaluation.args.strict))
}

/// All that the tasks share.
struct Evaluation {
    args: EvaluateArgs,
    settings: Settings,
    against: Vec<Settings>,
    files: Vec<EventFile>,
    /// As what items count.
    facts: Option<Arc<Facts>>,
    history: History,
    clock_ms: i64,
}

impl Evaluation {
    fn open(args: EvaluateArgs, settings: Settings, against: Vec<Settings>) -> anyhow::Result<Self> {
        let mut files = event_files(&args.files, &settings)?;
        let intake = assembly::setup(&settings, Clocked::Wall, None).intake;
        let clock_ms = now_ms();
        let all: Vec<usize> = (0..files.len()).collect();
        vet(&mut files, &all, true);
        let (facts, refused) = facts::of_counts(&settings)?;
        let mut history = History::read(&files, &intake, facts.as_deref(), clock_ms, settings.log.format)?;
        history.rejected += refused;
        sort(&mut files, &history.out_of_order)?;
        // What jumps is no line that is counted, unless it is one of several events of a record.
        vet(&mut files, &all, false);
        vet(&mut files, &history.with_jumps, true);
        Ok(Self { args, settings, against, files, facts, history, clock_ms })
    }

    fn tasks(&self) -> anyhow::Result<Vec<Task>> {
        let holds = |task: &Task| match task {
            Task::Basket => !self.history.orders.is_empty(),
            Task::NextView => !self.history.views.is_empty(),
        };
        let wanted = self.args.task.map_or_else(|| Task::value_variants().to_vec(), |task| vec![task]);
        let tasks: Vec<Task> = wanted.into_iter().filter(holds).collect();
        anyhow::ensure!(!tasks.is_empty(), "the files hold nothing to ask about: basket needs orders, next-view views");
        Ok(tasks)
    }

    fn report(&self, task: Task) -> anyhow::Result<Report> {
        let rules = self.rules(task, &self.settings)?;
        match task {
            Task::Basket => self.baskets(&rules),
            Task::NextView => self.next_views(&rules),
        }
    }

    /// The rules of the list that is asked, with as many entries as are wanted.
    fn rules(&self, task: Task, settings: &Settings) -> anyhow::Result<ListRules> {
        let entries = self.args.entries.unwrap_or_else(|| task.entries());
        if let Some(row_max) = settings.counting.row_max.filter(|row_max| entries > *row_max) {
            let message = format!("--entries {entries} is more than a row holds (counting.row_max = {row_max})");
            return Err(UsageError(message).into());
        }
        let mut rules = settings.lists[task.relation().index()].clone();
        rules.enabled = true;
        rules.length = rules.length.min(entries);
        rules.reserve = entries - rules.length;
        Ok(rules)
    }

    fn train(&self, settings: &Settings, rules: &ListRules, lines: &HashSet<Line>) -> anyhow::Result<Trained<'_>> {
        Trained::count(&self.files, settings, rules, lines, &self.history, (self.facts.clone(), self.clock_ms))
    }

    /// The lists that the other settings publish, by their names.
    fn others(&self, task: Task, lines: &HashSet<Line>) -> anyhow::Result<Vec<(String, bool, Lists)>> {
        let variants = self.args.against.iter().zip(&self.against);
        variants
            .map(|(variant, settings)| {
                let rules = self.rules(task, settings)?;
                Ok((variant.name.clone(), false, self.train(settings, &rules, lines)?.published()?))
            })
            .collect()
    }

    /// The lists to compare: first those published, then the same counts by other measures.
    fn compared(&self, trained: &mut Trained<'_>, rules: &ListRules) -> anyhow::Result<Vec<(String, bool, Lists)>> {
        let mut all = vec![(name_of(rules).to_owned(), true, trained.published()?)];
        let mut met = vec![rules.clone()];
        for other in self.args.measures.iter().map(|measure| measure.rules(rules)) {
            if !met.contains(&other) {
                all.push((name_of(&other).to_owned(), false, trained.ranked(&other)));
                met.push(other);
            }
        }
        Ok(all)
    }

    fn baskets(&self, rules: &ListRules) -> anyhow::Result<Report> {
        let EvaluateArgs { split, order_max, at, seeds, .. } = self.args;
        let baskets = Baskets::split(&self.history, split, order_max, at, seeds);
        let questions = baskets.questions(Target::Any);
        anyhow::ensure!(questions > 0, "none of the last orders has 2 to {order_max} items: nothing to ask about");
        let lines =
            baskets.trained.iter().flat_map(|order| order.changes.iter().copied().chain([order.line])).collect();
        let mut trained = self.train(&self.settings, rules, &lines)?;
        let mut all = self.compared(&mut trained, rules)?;
        for measure in [Measure::Cosine, Measure::Count] {
            let whole = whole_rows(measure, rules);
            all.push((format!("{}, whole rows", name_of(&whole)), false, trained.ranked(&whole)));
        }
        let published = all.first().map_or(0, |(_, _, lists)| lists.count());
        all.extend(self.others(Task::Basket, &lines)?);
        let targets = [("any item", Target::Any), ("new to the customer", Target::New)];
        let repeats = seeds as usize;
        let mut results = Results::new(repeats);
        for (measure, published, lists) in &all {
            for value in Value::ALL {
                let answers = targets.map(|(name, target)| (name, baskets.ask(lists, target, value)));
                results.add(measure, *published, Some(value.name()), answers);
                if value == Value::Sum {
                    results.expose(Exposure::of(lists, trained.items()));
                }
            }
        }
        let basket_max = self.settings.counting.basket_max;
        let counted = baskets.trained.iter().filter(|order| order.items.len() <= basket_max);
        let popularity = Popularity::of(counted.flat_map(|order| order.items.iter().copied()), &self.history);
        let answers = targets.map(|(name, target)| (name, baskets.ask_popularity(&popularity, target)));
        results.add("popularity", false, None, answers);
        Ok(Report {
            task: "basket",
            list: rules.relation.list_name(),
            at,
            errors_over: format!("the orders, each asked with {seeds} choices of the hidden item"),
            trained: Part::of(baskets.trained.iter().map(|order| order.time), "orders"),
            tested: Part::of(baskets.tested.iter().map(|order| order.time), "orders"),
            settings: self.shown_settings(rules),
            lists: trained.held(published),
            results: results.rows,
        })
    }

    fn next_views(&self, rules: &ListRules) -> anyhow::Result<Report> {
        let at = self.args.at;
        let sessions = Sessions::split(&self.history, at);
        anyhow::ensure!(sessions.questions() > 0, "no session of the last day has two views: nothing to ask about");
        let lines = sessions.trained.iter().map(|view| view.line).collect();
        let mut trained = self.train(&self.settings, rules, &lines)?;
        let mut all = self.compared(&mut trained, rules)?;
        let published = all.first().map_or(0, |(_, _, lists)| lists.count());
        all.extend(self.others(Task::NextView, &lines)?);
        let targets = [("any view", next_view::Target::Next), ("new to the session", next_view::Target::New)];
        let mut results = Results::new(1);
        for (measure, published, lists) in &all {
            let ask = |way| targets.map(|(name, target)| (name, sessions.ask(lists, target, way)));
            results.add(measure, *published, None, ask(Way::Last));
            results.expose(Exposure::of(lists, trained.items()));
            if *published {
                results.add(&format!("{measure}, last {LISTS_COMBINED}"), false, None, ask(Way::Combined));
            }
        }
        let popularity = Popularity::of(sessions.trained.iter().map(|view| view.item), &self.history);
        let answers = targets.map(|(name, target)| (name, sessions.ask_popularity(&popularity, target)));
        results.add("popularity", false, None, answers);
        Ok(Report {
            task: "next-view",
            list: rules.relation.list_name(),
            at,
            errors_over: format!("{} sessions", sessions.tested.len()),
            trained: Part::of(sessions.trained.iter().map(|view| view.time), "views"),
            tested: Part::of(sessions.tested_times(), "views"),
            settings: self.shown_settings(rules),
            lists: trained.held(published),
            results: results.rows,
        })
    }

    /// The settings that the figures depend on most.
    fn shown_settings(&self, rules: &ListRules) -> BTreeMap<&'static str, serde_json::Value> {
        let counting = &self.settings.counting;
        let days = counting.half_life(rules.relation) as f64 / DAY_MS as f64;
        let mut shown = BTreeMap::from([
            ("entries", (rules.length + rules.reserve).into()),
            ("half_life_days", days.into()),
            ("lift_above_one", rules.lift_above_one.into()),
            ("min_llr_root", rules.min_llr_root.map_or_else(|| "off".into(), Into::into)),
            ("min_support", rules.min_support.into()),
            ("row_max", counting.row_max.unwrap_or(0).into()),
            ("specificity", rules.specificity.into()),
        ]);
        if rules.relation == Relation::BoughtTogether {
            shown.insert("basket_max", counting.basket_max.into());
            shown.insert("order_max", self.args.order_max.into());
        } else {
            shown.insert("pair_window", counting.pair_window.into());
        }
        shown
    }
}

/// Whole rows without gates: what a plain batch of the same counts would use.
fn whole_rows(measure: Measure, rules: &ListRules) -> ListRules {
    ListRules {
        measure,
        min_support: 0,
        min_llr_root: None,
        lift_above_one: false,
        length: usize::MAX,
        reserve: 0,
        ..rules.clone()
    }
}
