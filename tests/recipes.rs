//! The recipes of docs/recipes.md: their settings make of their records the events that stand beside them, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use samenloop::event::UserKeys;
use samenloop::intake::{Admitted, FieldsSpec, Intake, Mapping, MappingSpec, Now, Plans, Record, Reject, TimeRules};

const RECIPES: &str = include_str!("../docs/recipes.md");

struct Recipe<'a> {
    title: &'a str,
    settings: &'a str,
    records: Vec<&'a str>,
    events: Vec<&'a str>,
}

/// Sections with settings; each has records and events too. Those for files are in `tests/files.rs`.
fn recipes() -> Vec<Recipe<'static>> {
    let sections =
        RECIPES.split("\n## ").skip(1).filter(|section| section.contains("```toml") && !section.starts_with("Files: "));
    let recipe = |section: &'static str| {
        let title = section.lines().next().unwrap();
        let block = |start: &str, number: usize| {
            let mut blocks = section.split(start).skip(1 + number);
            let block = blocks.next().unwrap_or_else(|| panic!("{title}: no block {number} of {start}"));
            block.split("\n```").next().unwrap().trim()
        };
        let lines = |number| block("```json", number).lines().collect();
        Recipe { title, settings: block("```toml", 0), records: lines(0), events: lines(1) }
    };
    sections.map(recipe).collect()
}

/// The settings' mapping; every key of a recipe must be one.
fn spec(recipe: &Recipe<'_>) -> MappingSpec {
    let title = recipe.title;
    let mut table: toml::Table = recipe.settings.parse().unwrap_or_else(|error| panic!("{title}: {error}"));
    let mut source = table.remove("source").unwrap().as_array_mut().unwrap().remove(0);
    assert!(table.is_empty(), "{title}: more than a source");
    for own in ["name", "file"] {
        assert!(source.as_table_mut().unwrap().remove(own).is_some(), "{title}: no {own}");
    }
    let spec: MappingSpec = source.clone().try_into().unwrap_or_else(|error| panic!("{title}: {error}"));
    let known = toml::Table::try_from(&spec).unwrap();
    for (key, value) in source.as_table().unwrap() {
        let known = known.get(key).unwrap_or_else(|| panic!("{title}: {key} is no setting"));
        if let Some(inner) = value.as_table() {
            inner.keys().for_each(|key| assert!(known.get(key).is_some(), "{title}: {key} is no setting"));
        }
    }
    spec
}

fn told(admitted: Result<Option<Admitted<'_>>, Reject>) -> Option<String> {
    admitted.transpose().map(|admitted| {
        admitted.map_or_else(|reject| format!("reject {reject}"), |admitted| format!("{:?}", admitted.event))
    })
}

fn events(mapping: &Mapping, lines: &[&str]) -> Vec<String> {
    let intake = Intake::new(TimeRules::default(), UserKeys::new([0; 16]), 1);
    let plans = Plans::default();
    let mut all = Vec::new();
    for line in lines {
        let record = Record { value: Some(line.as_bytes()), ..Record::default() };
        if !mapping.transforms() {
            all.extend(told(intake.admit_record(mapping, &plans, &record, Now::default())));
            continue;
        }
        let outputs = mapping.transform(&plans, &record).unwrap_or_else(|reject| panic!("{reject}: {line}"));
        for output in &outputs {
            all.extend(told(intake.admit_output(mapping, &plans, &record, output, Now::default())));
        }
    }
    all
}

#[test]
fn each_recipe_makes_the_events_that_stand_beside_it() {
    let recipes = recipes();
    assert!(recipes.len() >= 10, "only {} recipes were found", recipes.len());
    for recipe in recipes {
        let spec = MappingSpec { reads_clicks: true, ..spec(&recipe) };
        let mapping = spec.compile().unwrap_or_else(|error| panic!("{}: {error}", recipe.title));
        let fields = FieldsSpec { user_missing: spec.fields.user_missing, ..FieldsSpec::default() };
        let own_form = MappingSpec { fields, reads_clicks: true, ..MappingSpec::default() }.compile().unwrap();
        let (got, want) = (events(&mapping, &recipe.records), events(&own_form, &recipe.events));
        assert!(want.iter().all(|event| !event.starts_with("reject")), "{}: {want:?}", recipe.title);
        assert_eq!(got, want, "{}", recipe.title);
    }
}
