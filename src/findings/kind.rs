//! What can be found, by name, with what to do about it.

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A source held nothing.
    Empty,
    /// No record became an event.
    NothingUsed,
    /// A large part of the records is refused.
    Rejected,
    /// No order has two items.
    NoBaskets,
    /// Orders are bulk.
    Bulk,
    /// Events are late.
    Late,
    /// Sessions or carts are full.
    Overlong,
    /// Events are copies.
    Duplicate,
    /// States of orders are older than what is known.
    Stale,
    /// Orders come again as they were.
    Unchanged,
    /// Returns and cancellations name orders that are not known.
    UnknownOrder,
    /// Views and orders share no shop.
    ShopsApart,
    /// Views and orders share no users.
    UsersApart,
    /// Views and orders share no items.
    ItemsApart,
    /// Ids differ by form only.
    IdForms,
    /// One user makes a large share.
    OneUser,
    /// Times run backwards.
    Backwards,
    /// Orders lie hours from the views of their users.
    Shifted,
    /// Times are days.
    Days,
    /// A relation stays empty.
    NoPairs,
    /// No list of a relation passes its gates.
    NoLists,
    /// Impressions and clicks come, and nobody wants to know of them.
    ClicksUnread,
    /// Impressions and clicks are of lists that are not told apart.
    OtherList,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Empty,
        Self::NothingUsed,
        Self::Rejected,
        Self::NoBaskets,
        Self::Bulk,
        Self::Late,
        Self::Overlong,
        Self::Duplicate,
        Self::Stale,
        Self::Unchanged,
        Self::UnknownOrder,
        Self::ShopsApart,
        Self::UsersApart,
        Self::ItemsApart,
        Self::IdForms,
        Self::OneUser,
        Self::Backwards,
        Self::Shifted,
        Self::Days,
        Self::NoPairs,
        Self::NoLists,
        Self::ClicksUnread,
        Self::OtherList,
    ];

    /// The name in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NothingUsed => "nothing_used",
            Self::Rejected => "rejected",
            Self::NoBaskets => "no_baskets",
            Self::Bulk => "bulk",
            Self::Late => "late",
            Self::Overlong => "overlong",
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Unchanged => "unchanged",
            Self::UnknownOrder => "unknown_order",
            Self::ShopsApart => "shops_apart",
            Self::UsersApart => "users_apart",
            Self::ItemsApart => "items_apart",
            Self::IdForms => "id_forms",
            Self::OneUser => "one_user",
            Self::Backwards => "backwards",
            Self::Shifted => "shifted",
            Self::Days => "days",
            Self::NoPairs => "no_pairs",
            Self::NoLists => "no_lists",
            Self::ClicksUnread => "clicks_unread",
            Self::OtherList => "other_list",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Empty => "name another file, or see why its export is empty",
            Self::NothingUsed => {
                "see the reasons of the rejects, and what types are skipped; --sample 5 shows what records become"
            }
            Self::Rejected => "see their reasons above, and mend the mapping or the producer",
            Self::NoBaskets => {
                "if a record is a line of an order, not an order, map its order number and send it as type \"add\"; else map the array of \
                 its lines (lines and line_item)"
            }
            Self::Bulk => {
                "raise counting.basket_max if these are usual orders; see that lines of several orders are not sent as one"
            }
            Self::Late => {
                "send each user's events in the order of their times; files are sorted by replay and by check, stdin with --order time"
            }
            Self::Overlong => {
                "see whether sessions never end (a session id or user id that is shared, a crawler); else raise \
                 counting.session_max_items or counting.cart_max"
            }
            Self::Duplicate => {
                "if these are no copies, map an event id that differs, or none: then the contents tell copies"
            }
            Self::Stale => {
                "map version, where an order's records have a number or time that rises with each change; see that no two orders share a \
                 number"
            }
            Self::Unchanged => {
                "where each record of an order is one line of it, send it as type \"add\"; see that lines names all lines, and that returns \
                 name products of their order"
            }
            Self::UnknownOrder => {
                "see that an order and its returns name the same order number, user and shop, in the same form; else the orders came before \
                 the start of what was read, or longer ago than counting.order_open"
            }
            Self::ShopsApart => "map the shop in both, with the same names, or in neither: nothing crosses a shop",
            Self::UsersApart => "map the same id in both, such as the customer number of those who are logged in",
            Self::ItemsApart => "map the same id in both: an SKU in one and a product number in the other never meet",
            Self::IdForms => {
                "set trim, or write ids in one way at the producer or in a transform; of items, parent of a catalogue mends it too: it \
                 says as which one the other counts"
            }
            Self::OneUser => {
                "if it stands for guests or for nobody, name its value under missing of the field user (see also user_missing); leave a \
                 crawler out by a transform"
            }
            Self::Backwards => "sort it by time, oldest first, or count it with --order time",
            Self::Shifted => {
                "a time without a zone is read as UTC: set zone of the field time; of an order map when it was placed, not when it was \
                 paid, sent or exported"
            }
            Self::Days => {
                "map a field that has the time too; where there is none, write dates (2026-11-27), which count at the end of their day, or read \
                 the day only (format = \"yyyy-mm-dd'T00:00:00'\")"
            }
            Self::NoPairs => "see the findings above, if any; docs/mapping.md says what each relation needs",
            Self::NoLists => {
                "samenloop inspect ITEM says which gate its candidates fail; with few events lower min_support of the list"
            }
            Self::ClicksUnread => {
                "set clicks.enabled = true to count what is shown, clicked and ordered after it; else do not send them, or skip their types"
            }
            Self::OtherList => {
                "name it under clicks.lists, or write the list's own name into the events; it is counted as \"other\" meanwhile"
            }
        }
    }
}
