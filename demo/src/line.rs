//! Events of the simulated shop and the JSON lines they are written as. By hand into one buffer: the demo must not be
//! what limits the speed that it shows.

use super::catalogue::Catalogue;

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Visitor(u32),
    Business(u32),
    Reseller(u32),
    Stranger(u32),
    Crawler,
}

/// A line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub item: u32,
    pub quantity: u32,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    View(u32),
    Cart(u32),
    Order(Box<[Line]>),
}

/// An event, before it is bytes. The id is a letter for its origin and a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub id: (u8, u64),
    pub user: User,
    pub time_ms: i64,
    pub action: Action,
}

/// Writes the user's id.
pub(super) fn write_user(out: &mut Vec<u8>, user: User) {
    let (prefix, number) = match user {
        User::Visitor(n) => (b'u', n),
        User::Business(n) => (b'c', n),
        User::Reseller(n) => (b'r', n),
        User::Stranger(n) => (b's', n),
        User::Crawler => (b'b', 1),
    };
    out.push(prefix);
    write_number(out, u64::from(number));
}

/// Writes the event as a JSON object, without a line end.
pub(super) fn write_event(out: &mut Vec<u8>, event: &Event, catalogue: &Catalogue) {
    out.extend_from_slice(b"{\"event_id\":\"");
    write_id(out, event.id);
    out.extend_from_slice(match event.action {
        Action::View(_) => b"\",\"type\":\"view\",\"user\":\"" as &[u8],
        Action::Cart(_) => b"\",\"type\":\"cart\",\"user\":\"",
        Action::Order(_) => b"\",\"type\":\"order\",\"user\":\"",
    });
    write_user(out, event.user);
    out.extend_from_slice(b"\",\"ts\":");
    write_number(out, event.time_ms.unsigned_abs());
    match &event.action {
        Action::View(item) | Action::Cart(item) => {
            out.extend_from_slice(b",\"item\":\"");
            out.extend_from_slice(catalogue.product(*item).id.as_bytes());
            out.extend_from_slice(b"\"}");
        }
        Action::Order(lines) => {
            out.extend_from_slice(b",\"order_id\":\"o-");
            write_id(out, event.id);
            out.extend_from_slice(b"\",\"lines\":[");
            for (place, line) in lines.iter().enumerate() {
                write_line(out, place, *line, catalogue);
            }
            out.extend_from_slice(b"]}");
        }
    }
}

fn write_line(out: &mut Vec<u8>, place: usize, line: Line, catalogue: &Catalogue) {
    let product = catalogue.product(line.item);
    out.extend_from_slice(if place == 0 { b"{\"item\":\"" } else { b",{\"item\":\"" as &[u8] });
    out.extend_from_slice(product.id.as_bytes());
    out.extend_from_slice(b"\",\"qty\":");
    write_number(out, u64::from(line.quantity));
    out.extend_from_slice(b",\"price\":");
    write_number(out, u64::from(product.cents / 100));
    let cents = product.cents % 100;
    out.extend_from_slice(if cents < 10 { b".0" } else { b"." as &[u8] });
    write_number(out, u64::from(cents));
    out.push(b'}');
}

fn write_id(out: &mut Vec<u8>, (origin, number): (u8, u64)) {
    out.push(origin);
    write_number(out, number);
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] += u8::try_from(number % 10).unwrap_or(0); // a digit
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
