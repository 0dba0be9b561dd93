//! Placements as they are set.

use super::{file, flags, refused};
use crate::config::Settings;
use crate::list_key::ListName;
use crate::rules::{KindRules, Part, Parts};

fn parts(settings: &Settings, name: &str) -> Vec<(&'static str, u16)> {
    let list = ListName::find(name).unwrap();
    let KindRules::Placement { parts, .. } = settings.lists[list.index()].kind else { panic!("{name}") };
    parts.iter().map(|Part { list, places }| (list.name(), places)).collect()
}

#[test]
fn parts_are_an_array_or_a_text_with_commas_and_print_as_they_are_read() {
    let text =
        "[placements.cart]\nenabled = true\nparts = [\"viewed-together 2\", \" also-bought  12\"]\nprice_max = 9.5";
    let by_file = Settings::load(&file(text)).unwrap();
    let expected = [("viewed-together", 2), ("also-bought", 12)];
    assert_eq!(parts(&by_file, "cart"), expected);
    let by_flag = flags(&[("placements.cart.parts", "viewed-together 2, also-bought 12")]);
    assert_eq!(parts(&Settings::load(&by_flag).unwrap(), "cart"), expected);
    let printed = by_file.to_toml().unwrap();
    assert_eq!(Settings::load(&file(&printed)).unwrap(), by_file);
    let rules = &by_file.lists[ListName::find("cart").unwrap().index()];
    let parts = Parts::of(
        [("viewed-together", 2), ("also-bought", 12)]
            .map(|(name, places)| Part { list: ListName::find(name).unwrap(), places }),
    );
    assert!(rules.enabled);
    assert_eq!(rules.kind, KindRules::Placement { parts, price_max: Some(9.5) });
}

#[test]
fn what_no_placement_can_be_made_of_is_refused_with_what_would_do() {
    for (set, says) in [
        (&[("placements.cart.parts", "viewed-together")][..], "as in \"bought-together 4\""),
        (&[("placements.cart.parts", "viewed-together 0")], "a number of places from 1 to 1000"),
        (&[("placements.cart.parts", "seen-together 4")], "\"seen-together\" is no list: bought-together, also-bought"),
        (&[("placements.cart.parts", "mail 4")], "\"mail\" is no list"),
        (&[("placements.cart.parts", "")], "must be 1 to 8 lists"),
        (&[("placements.cart.parts", "viewed-together 1, viewed-together 2")], "is there twice"),
        (&[("placements.cart.parts", "best-sellers 4")], "is no list about a product, as this placement is"),
        (&[("placements.home.parts", "bought-together 4")], "is no list about a shop, as this placement is"),
        (&[("placements.home.enabled", "true")], "set lists.trending.enabled = true, or leave it out"),
        (&[("placements.mail.enabled", "true"), ("lists.also-bought.enabled", "false")], "also-bought.enabled = true"),
        (&[("placements.cart.length", "0")], "must be 1 to 1000"),
        (&[("placements.cart.price_at_most", "-1")], "or \"off\""),
        (&[("placements.home.price_max", "-1")], "or \"off\""),
        (&[("placements.home.price_at_most", "0.5")], "placements.home.price_at_most"),
        (&[("placements.card.enabled", "true")], "placements.cart.enabled"),
    ] {
        let message = refused(&flags(set));
        assert!(message.contains(says), "{set:?}: {message}");
    }
}

#[test]
fn a_placement_is_as_long_as_its_parts_where_nothing_else_is_set() {
    let length = |set: &[(&'static str, &'static str)]| {
        Settings::load(&flags(set)).unwrap().lists[ListName::find("cart").unwrap().index()].length
    };
    assert_eq!(length(&[]), 10);
    assert_eq!(length(&[("placements.cart.parts", "bought-together 50")]), 50);
    assert_eq!(length(&[("placements.cart.parts", "bought-together 2, viewed-together 1")]), 3);
    assert_eq!(length(&[("placements.cart.parts", "bought-together 900, viewed-together 900")]), 1000, "at most");
    let both = [("placements.cart.parts", "bought-together 6, viewed-together 6"), ("placements.cart.length", "6")];
    assert_eq!(length(&both), 6, "the later parts fill what is left");
    let by_file = Settings::load(&file("[placements.cart]\nparts = [\"bought-together 50\"]")).unwrap();
    let printed = by_file.to_toml().unwrap();
    assert_eq!(Settings::load(&file(&printed)).unwrap(), by_file);
}
