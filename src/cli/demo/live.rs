//! The live view: one screen, drawn over itself a few times a second.
//!
//! What is drawn is a pure function of a [`Frame`] and the width. Nothing is written when there is no terminal.

use super::typeset::{Line, Tone, column, counted, cut, date_time, grouped, milliseconds, percent, rounded};
use console::{Term, TermTarget, colors_enabled, colors_enabled_stderr, measure_text_width};
use std::io;

/// Room that names get before reasons get more.
const NAME_WIDTH: usize = 30;
/// Room that names keep on the narrowest of screens.
const NAME_WIDTH_MIN: usize = 12;
/// Columns of a score, before the name.
const SCORE_WIDTH: usize = 8;
/// Columns used at most: longer lines are hard to read.
const WIDTH_MAX: usize = 130;
/// Where figures begin.
pub(super) const FIGURES_AT: usize = 12;
/// Entries drawn of each list.
const ENTRIES_MAX: usize = 3;
/// Products drawn.
const PRODUCTS_MAX: usize = 3;
/// Changes drawn.
const CHANGES_MAX: usize = 3;
const BAR_WIDTH: u64 = 24;
/// What is said where nothing can be bought together.
pub(super) const BOUGHT_IS_OFF: &str = "the bought-together list is off (lists.bought-together.enabled)";

/// From the arrival of an event to the list that it changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// Median, in ms.
    pub p50_ms: f64,
    /// 99th percentile, in ms.
    pub p99_ms: f64,
}

/// An entry of a bought-together list.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryView {
    /// The product's name.
    pub name: String,
    /// 0 to 100.
    pub score: f64,
    /// Support.
    pub customers: u32,
    /// How many times more often than by chance.
    pub lift: f64,
}

impl EntryView {
    /// Why the entry is there, as a sentence about the product `anchor` ("it" where that is plain).
    #[must_use]
    pub fn reason(&self, anchor: &str) -> String {
        let customers = counted(u64::from(self.customers), "customer", "customers");
        let least = self.score.floor();
        format!(
            "of 100 orders with {anchor}, at least {least:.0} also hold this; {customers}; {:.1}× chance",
            self.lift
        )
    }

    /// The reason, from long to short.
    fn reasons(&self) -> [String; 3] {
        let customers = counted(u64::from(self.customers), "customer", "customers");
        let least = self.score.floor();
        let lift = self.lift;
        [
            self.reason("it"),
            format!("≥ {least:.0} of 100; {customers}; {lift:.1}× chance"),
            format!("{customers}; {lift:.1}×"),
        ]
    }
}

/// A product and its bought-together list.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductView {
    /// Article number.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Best first; may be empty.
    pub entries: Vec<EntryView>,
}

/// Events by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Records read.
    pub events: u64,
    /// Views accepted.
    pub views: u64,
    /// Cart additions accepted.
    pub carts: u64,
    /// Orders accepted.
    pub orders: u64,
    /// What was not counted, and why: a name and a number, in the order to show.
    pub set_aside: Vec<(String, u64)>,
    /// Lists published.
    pub published: u64,
    /// Changes of lists that were too small to publish, or came too soon.
    pub suppressed: u64,
}

/// All that the live view shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The shop's seed.
    pub seed: u64,
    /// Gates that are switched off.
    pub without: Vec<String>,
    /// Simulated time, in ms since 1970.
    pub simulated_ms: i64,
    /// How many events there will be; `None` is until Ctrl-C.
    pub events_wanted: Option<u64>,
    /// Events a second, lately.
    pub events_per_second: f64,
    /// What became of the events.
    pub tallies: Tallies,
    /// From event to list.
    pub delay: Option<Delay>,
    /// Where the HTTP endpoint is.
    pub url: Option<String>,
    /// A few products.
    pub products: Vec<ProductView>,
    /// Whether bought-together lists are off: then there are no products to show.
    pub bought_is_off: bool,
    /// What changed last, newest first: a sentence each.
    pub changes: Vec<String>,
}

/// The screen for `frame`, no line longer than `width` columns.
#[must_use]
pub fn render(frame: &Frame, width: usize) -> Vec<Line> {
    let width = width.min(WIDTH_MAX);
    let mut lines = head(frame, width);
    for product in frame.products.iter().take(PRODUCTS_MAX) {
        lines.push(Line::default());
        lines.extend(product_lines(product, ENTRIES_MAX, width, NAME_WIDTH));
    }
    if frame.bought_is_off {
        lines.extend([Line::default(), Line::of(Tone::Faint, BOUGHT_IS_OFF)]);
    }
    if !frame.changes.is_empty() {
        lines.push(Line::default());
        lines.push(Line::of(Tone::Faint, "Just changed"));
        lines.extend(
            frame.changes.iter().take(CHANGES_MAX).map(|change| Line::of(Tone::Plain, "  ").then(Tone::Plain, change)),
        );
    }
    lines.into_iter().map(|line| line.cut(width)).collect()
}

fn head(frame: &Frame, width: usize) -> Vec<Line> {
    let date = date_time(frame.simulated_ms);
    let mut title = Line::of(Tone::Strong, "samenloop demo").then(Tone::Faint, &format!("  seed {}", frame.seed));
    if !frame.without.is_empty() {
        title = title.then(Tone::Bad, &format!("  without {}", frame.without.join(", ")));
    }
    let title = title.then_at(width.saturating_sub(date.len()), Tone::Plain, &date);
    let tallies = &frame.tallies;
    let rate = format!("{} events/s", rounded(frame.events_per_second));
    let progress = match frame.events_wanted {
        Some(wanted) => {
            let (done, share) = (tallies.events.min(wanted), percent(tallies.events.min(wanted), wanted));
            figures("events").then(Tone::Plain, &format!("{} {share} of {}", bar(done, wanted), grouped(wanted)))
        }
        None => figures("events").then(Tone::Plain, &grouped(tallies.events)),
    };
    let kinds = [("views", tallies.views), ("carts", tallies.carts), ("orders", tallies.orders)];
    let mut lines = vec![
        title,
        Line::of(Tone::Faint, &"─".repeat(width)),
        progress.then(Tone::Plain, " · ").then(Tone::Strong, &rate),
        figures("counted").then(Tone::Plain, &named(kinds)),
    ];
    let aside = tallies.set_aside.iter().map(|(name, number)| (name.as_str(), *number));
    if !tallies.set_aside.is_empty() {
        lines.push(figures("set aside").then(Tone::Plain, &named(aside)));
    }
    lines.extend(list_figures(frame));
    lines.extend(frame.url.iter().map(|url| figures("endpoint").then(Tone::Plain, url)));
    lines
}

fn list_figures(frame: &Frame) -> Vec<Line> {
    let tallies = &frame.tallies;
    let published = named([("published", tallies.published), ("suppressed", tallies.suppressed)]);
    let mut lines = vec![figures("lists").then(Tone::Plain, &published)];
    let Some(delay) = frame.delay else { return lines };
    let line = figures("delay").then(Tone::Plain, "event to list ").then(Tone::Strong, &delay_text(delay));
    lines.push(line);
    lines
}

/// A label, with room before the figures.
pub(super) fn figures(label: &str) -> Line {
    Line::of(Tone::Faint, &column(label, FIGURES_AT))
}

pub(super) fn delay_text(delay: Delay) -> String {
    format!("p50 {}, p99 {}", milliseconds(delay.p50_ms), milliseconds(delay.p99_ms))
}

/// `views 1,234 · carts 12`.
pub(super) fn named<'a>(figures: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let all: Vec<String> = figures.into_iter().map(|(name, number)| format!("{name} {}", grouped(number))).collect();
    all.join(" · ")
}

/// A product and the first of its bought-together list, each with its reason. Reasons get shorter before names have less
/// than `name_room`.
pub(super) fn product_lines(product: &ProductView, entries_max: usize, width: usize, name_room: usize) -> Vec<Line> {
    let title = Line::of(Tone::Faint, "Bought together with ")
        .then(Tone::Strong, &product.name)
        .then(Tone::Faint, &format!("  {}", product.id));
    let mut lines = vec![title];
    let shown = &product.entries[..product.entries.len().min(entries_max)];
    if shown.is_empty() {
        lines.push(Line::of(Tone::Faint, "     –  nothing yet: not enough customers"));
    }
    let longest = |texts: &mut dyn Iterator<Item = &str>| texts.map(measure_text_width).max().unwrap_or(0);
    let names = longest(&mut shown.iter().map(|entry| entry.name.as_str()));
    let reasons: Vec<_> = shown.iter().map(EntryView::reasons).collect();
    let needs = |form: usize| longest(&mut reasons.iter().map(|forms| forms[form].as_str()));
    let fits = |form: &usize| SCORE_WIDTH + names.min(name_room) + 2 + needs(*form) <= width;
    let form = (0..3).find(fits).unwrap_or(2);
    let least = if name_room > NAME_WIDTH { name_room } else { NAME_WIDTH_MIN };
    let name_width =
        width.saturating_sub(SCORE_WIDTH + 2 + needs(form)).clamp(names.min(least), names.max(NAME_WIDTH_MIN));
    for (entry, reasons) in shown.iter().zip(&reasons) {
        let line = Line::of(Tone::Good, &format!("  {:>4.1}  ", entry.score))
            .then(Tone::Plain, &column(&entry.name, name_width))
            .then(Tone::Faint, &format!("  {}", reasons[form]));
        lines.push(line);
    }
    lines
}

fn bar(done: u64, wanted: u64) -> String {
    let full = usize::try_from(done.saturating_mul(BAR_WIDTH) / wanted.max(1)).unwrap_or(0);
    let width = usize::try_from(BAR_WIDTH).unwrap_or(0);
    "█".repeat(full.min(width)) + &"░".repeat(width.saturating_sub(full))
}

/// What is on the screen.
pub struct Live {
    term: Term,
    drawn: usize,
    size: (u16, u16),
}

impl Live {
    /// A view on `term` (one that buffers does not flicker); `None` when that is no terminal.
    #[must_use]
    pub fn new(term: Term) -> Option<Self> {
        let size = term.size();
        (term.is_term() && !console::is_dumb()).then_some(Self { term, drawn: 0, size })
    }

    /// Draws over what was drawn last.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, frame: &Frame) -> io::Result<()> {
        let size = self.term.size();
        if size != self.size {
            self.term.clear_screen()?; // a terminal that shrinks breaks the lines that are on it
            (self.size, self.drawn) = (size, 0);
        }
        let (height, width) = (usize::from(size.0), usize::from(size.1));
        let mut lines = render(frame, width.saturating_sub(1));
        lines.truncate(height.saturating_sub(1)); // what has scrolled away cannot be drawn over
        let coloured = has_colours(&self.term);
        self.term.hide_cursor()?;
        self.term.move_cursor_up(self.drawn)?;
        for line in &lines {
            self.term.clear_line()?;
            self.term.write_line(&if coloured { line.coloured() } else { line.plain() })?;
        }
        self.term.clear_to_end_of_screen()?;
        self.term.flush()?;
        self.drawn = lines.len();
        Ok(())
    }

    /// Takes the view away and gives the terminal back, for the summary.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn finish(self) -> io::Result<()> {
        self.term.move_cursor_up(self.drawn)?;
        self.term.clear_to_end_of_screen()?;
        self.term.flush() // the cursor comes back with the drop
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Nothing is left to do for a terminal that is gone.
        let _ = self.term.show_cursor();
        let _ = self.term.flush();
    }
}

/// Whether text for `term` may be coloured: a terminal that can, and nobody said no (`NO_COLOR`).
#[must_use]
pub fn has_colours(term: &Term) -> bool {
    let wanted = if matches!(term.target(), TermTarget::Stderr) { colors_enabled_stderr() } else { colors_enabled() };
    wanted && term.is_term()
}

/// A sentence for [`Frame::changes`]: which list, of what, and what stands first in it now.
#[must_use]
pub fn change_text(list: &str, product: &str, first: &[&str]) -> String {
    const NAME_WIDTH: usize = 34;
    let names: Vec<String> = first.iter().take(2).map(|name| cut(name, NAME_WIDTH)).collect();
    let product = cut(product, NAME_WIDTH);
    if names.is_empty() {
        format!("{list} of {product}: withdrawn")
    } else {
        format!("{list} of {product}: {}", names.join(", "))
    }
}
