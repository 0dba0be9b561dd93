//! What became of shown lists, over sockets.

use super::*;
use crate::clicks::{Band, Cell, CellTally, Revenue};
use crate::event::Currency;
use crate::serve::clicks::Clicked;

/// What a worker counted of two lists and another shop.
pub(super) fn known(clicked: u64) -> Clicked {
    let revenue = BTreeMap::from([
        (Currency(*b"EUR"), Revenue { ordered: 1500, returned: 500 }),
        (Currency(*b"USD"), Revenue { ordered: 9, returned: 0 }),
    ]);
    let tally = CellTally { shown: 50, clicked, clicks: 10, converted: 3, orders: 4, returned: 1, revenue, unseen: 2 };
    let cell = |shop, list, band, source| Cell { shop, list, placement: Some("cart"), band, source, tally: &tally };
    Clicked::of_cells(
        [
            cell("main", Some("also-bought"), Band::First, Some("counted")),
            cell("main", Some("also-bought"), Band::Later, None),
            cell("main", None, Band::Unknown, None),
            cell("b2b", Some("also-bought"), Band::First, None),
        ]
        .into_iter(),
        None,
    )
}

#[test]
fn what_all_workers_counted_is_told_by_list_with_rates_and_money_by_currency() {
    let shop = Shop::simple();
    let answer = shop.get("/v1/clicks");
    assert_eq!((answer.status, answer.headers["cache-control"].as_str()), (200, "no-store"), "{}", answer.body);
    let json = answer.json();
    let lists = json["lists"].as_array().unwrap();
    assert_eq!((lists.len(), &lists[0]["list"], &lists[1]["list"]), (2, &Value::Null, &Value::from("also-bought")));
    let list = &lists[1];
    let workers = list["shown"].as_u64().unwrap() / 100;
    assert!(workers >= 1 && list["clicked"].as_u64().unwrap() >= 6 * workers, "{list}");
    let rate = |of: &Value| ["low", "rate", "high"].map(|part| of[part].as_f64().unwrap());
    let [low, middle, high] = rate(&list["order_rate"]);
    assert!(0.0 < low && low < middle && (middle - 0.3).abs() < 1e-9 && middle < high && high < 1.0, "{list}");
    let [low, middle, high] = rate(&list["click_rate"]);
    assert!(0.0 < low && low < middle && middle < high, "{list}");
    let money = |of: &str, currency: &str| list[of][currency].as_f64().unwrap() / (2 * workers) as f64;
    assert!((money("revenue", "EUR") - 1.0).abs() < 1e-9 && (money("revenue", "USD") - 0.009).abs() < 1e-9);
    assert!((money("revenue_returned", "EUR") - 0.5).abs() < 1e-9, "{list}");
    assert_eq!(list["by_position"].as_object().unwrap().keys().collect::<Vec<_>>(), ["1", "11+"]);
    assert_eq!(list["by_source"]["counted"]["shown"].as_u64(), Some(50 * workers));
    assert_eq!(list["by_placement"]["cart"]["shown"], list["shown"]);
    let other = shop.get("/v1/clicks?shop=nobody").json();
    assert_eq!(other["lists"].as_array().map(Vec::len), Some(0));
    assert_eq!(shop.get("/v1/clicks?list=x").status, 400);
    assert_eq!(shop.get("/v1/clicks?shop=a&shop=b").status, 400);
}
