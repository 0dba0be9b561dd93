//! Bar charts as SVG: no script, nothing from elsewhere.

use super::page::escaped;
use std::fmt::Write as _;

const BAR_WIDTH: usize = 36;
const HEIGHT: f64 = 90.0;
const BELOW: f64 = 16.0;
const ABOVE: f64 = 14.0;

/// A chart with a bar for each label; `title` says what it shows to those who cannot see it.
pub(super) fn bars(title: &str, bars: &[(String, f64)]) -> String {
    let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let (width, height) = (bars.len().max(1) * BAR_WIDTH, HEIGHT + BELOW + ABOVE);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    );
    for (number, (label, value)) in bars.iter().enumerate() {
        let share = if most > 0.0 { value / most } else { 0.0 };
        let (x, tall) = (number * BAR_WIDTH, share * HEIGHT);
        let (top, middle) = (ABOVE + HEIGHT - tall, x + BAR_WIDTH / 2);
        let _infallible = write!(
            svg,
            "<rect x=\"{}\" y=\"{top:.1}\" width=\"{}\" height=\"{tall:.1}\"/>\
             <text x=\"{middle}\" y=\"{:.1}\">{}</text><text x=\"{middle}\" y=\"{:.1}\">{}</text>",
            x + 3,
            BAR_WIDTH - 6,
            top - 3.0,
            short(*value),
            ABOVE + HEIGHT + 12.0,
            escaped(label)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A number that fits over a bar.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.0}k", value / 1e3),
        value if value == value.round() => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}
