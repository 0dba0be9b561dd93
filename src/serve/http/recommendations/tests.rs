//! What is asked.

use super::*;

fn parse(query: &str) -> Option<Question> {
    Question::parse(query)
}

#[test]
fn a_question_is_read_whole_or_not_at_all() {
    let question =
        parse("items=a,b%2Fc&item=d%2C1&exclude=x&exclude_item=y%2Cz&limit=3&combine=session&fill=false&shop=s")
            .unwrap();
    assert_eq!(question.items, ["a", "b/c", "d,1"]);
    assert_eq!(question.excluded, ["x", "y,z"]);
    assert_eq!((question.limit, question.combining, question.fill), (Some(3), Some(Combining::Session), Some(false)));
    assert_eq!((question.shop.as_deref(), question.list), (Some("s"), None));
    assert_eq!(parse(""), Some(Question::default()));
    let many = |count: usize| format!("items={}", vec!["x"; count].join(","));
    assert!(parse(&many(ITEMS_MAX)).is_some());
    for bad in [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=1&limit=2",
        "combine=sum",
        "fill=1",
        "item=",
        "shop=a%2Fb",
        "shop=",
        "list=a&placement=b",
        "itmes=a",
        &many(ITEMS_MAX + 1),
    ] {
        assert_eq!(parse(bad), None, "{bad}");
    }
}

#[test]
fn the_usual_list_is_taken_where_none_is_named() {
    let published = |names: &[&str]| names.iter().map(|name| ListName::find(name).unwrap()).collect::<Vec<_>>();
    let name = |query: &str, lists: &[&str]| parse(query).unwrap().list(&published(lists)).map(ListName::name);
    assert_eq!(name("", &["viewed-together", "bought-together"]), Ok("bought-together"));
    assert_eq!(name("", &["viewed-together", "bought-together", "cart"]), Ok("cart"));
    assert_eq!(name("", &["also-bought"]), Ok("also-bought"));
    assert_eq!(name("placement=mail", &["mail"]), Ok("mail"));
    assert!(matches!(name("list=mail", &["cart"]), Err(Refusal::NoSuchList { .. })));
    assert!(matches!(name("", &[]), Err(Refusal::NoSuchList { .. })));
}
