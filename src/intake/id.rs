//! What an id may be, wherever it comes from: a record, or a constant of the mapping. And what stands in for one.

use super::reject::Reason;
use crate::event::{Action, EventKey, EventTime, EventType, Spot};
use crate::limits::ID_BYTES_MAX;
use std::borrow::Cow;

/// What is wrong with an id, if anything.
pub(super) fn id_fault(id: &str) -> Option<(Reason, String)> {
    if id.is_empty() {
        return Some((Reason::EmptyId, "empty; an id is not".to_owned()));
    }
    if id.len() > ID_BYTES_MAX {
        let what = format!("{} bytes; an id has at most {ID_BYTES_MAX}: map a shorter one", id.len());
        return Some((Reason::IdTooLong, what));
    }
    // They would break lines and columns of what is written later. Bytes first: most ids are plain ASCII.
    let is_control = |byte: u8| byte < 0x20 || byte == 0x7F;
    if id.bytes().any(is_control) || (!id.is_ascii() && id.chars().any(char::is_control)) {
        return Some((
            Reason::BadId,
            "holds a control character, such as a tab; clean the id at its producer".to_owned(),
        ));
    }
    None
}

/// What is wrong with an id as a shop, if anything.
pub(super) fn shop_fault(shop: &str) -> Option<String> {
    let slash = "holds a slash, which ends the shop in the key of a list; map another name";
    shop.contains('/').then(|| slash.to_owned())
}

/// What tells an event without id from others.
pub(super) fn content_key(action: &Action<'_>, own_time: EventTime) -> EventKey {
    match action {
        Action::View { item, .. } | Action::Cart { item } => EventKey::of_item(action.event_type(), item, own_time),
        Action::Order { step, order_id, version, items, .. } => {
            EventKey::of_order(*step, order_id, *version, items.iter().map(AsRef::as_ref), own_time)
        }
        Action::Erase => EventKey::of_item(EventType::Erase, "", own_time),
        Action::Unread(event_type) => EventKey::of_item(*event_type, "", own_time),
        // Which entries were shown tells impressions apart by itself.
        Action::Impression { spot, .. } => of_spot(EventType::Impression, spot, "", own_time),
        Action::Click { spot, entry } => of_spot(EventType::Click, spot, &entry.item, own_time),
    }
}

fn of_spot(event_type: EventType, spot: &Spot<'_>, item: &str, own_time: EventTime) -> EventKey {
    let part = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    // No name holds a control character.
    let text = [part(&spot.list), part(&spot.placement), part(&spot.about), item.to_owned()].join("\u{1}");
    EventKey::of_item(event_type, &text, own_time)
}

/// A user of one order, whose number or else whose key tells it from others. No id holds a control character.
pub(super) fn anonymous<'a>(action: &Action<'a>, key: EventKey) -> Cow<'a, str> {
    match action {
        Action::Order { order_id, .. } if !order_id.is_empty() => Cow::Owned(format!("\u{1}order {order_id}")),
        _ => Cow::Owned(format!("\u{1}event {:016x}", key.0)),
    }
}
