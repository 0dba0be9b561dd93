//! Explanations by facts, the plain way: everything is asked for, everything is sorted, then places are given.

use super::explain::Judged;
use super::gate::Gate;
use super::label::{Label, Source};
use super::told::{ByHand, Told, pinned_at, said, sort_by_hand};
use crate::facts::Stock;
use crate::rows::RowView;
use crate::rules::ListRules;

/// Gives places to what passes, and names the gate of the others. Those with places come first, in their order; what people want, and
/// nobody has counted, is among them.
pub(super) fn place(judged: &mut Vec<Judged>, row: &RowView<'_>, rules: &ListRules, told: &Told<'_>) {
    let by_hand = by_hand(judged, row, rules, told);
    for wanted in &by_hand {
        if judged.iter().all(|judged| judged.item != wanted.item) {
            judged.push(Judged::uncounted(wanted.item, row));
        }
    }
    let number = |judged: &Judged| by_hand.iter().position(|wanted| wanted.item == judged.item);
    for judged in &mut *judged {
        if let Some(number) = number(judged) {
            (judged.gate, judged.label) = (None, by_hand[number].label); // evidence does not count
        }
    }
    let by_number = |judged: &Judged| number(judged).unwrap_or(usize::MAX);
    judged.sort_by(|x, y| by_number(x).cmp(&by_number(y)).then_with(|| x.compare(y, row)));
    let (wanted, first_of_reserve) = (rules.length.saturating_add(rules.reserve), rules.length.saturating_add(1));
    let (mut families, mut fixed, mut floating) = (Vec::new(), Vec::new(), Vec::new());
    for (index, judged) in judged.iter_mut().enumerate().filter(|(_, judged)| judged.gate.is_none()) {
        let hand = number(judged).map(|number| by_hand[number]);
        let fingerprint = row.items.fingerprint(judged.item);
        let (ruling, known) = (told.ruling(fingerprint), told.facts.of(fingerprint));
        let of_family = if hand.is_some() { &[][..] } else { &families[..] };
        judged.gate = told.failed(&rules.shown, (fingerprint, ruling, &known), of_family, hand.is_some());
        if judged.gate.is_some() {
            continue;
        }
        match hand.and_then(|hand| hand.place) {
            Some(_) if fixed.len() >= wanted => {
                judged.gate = Some(Gate::Rank);
                continue;
            }
            Some(place) => fixed.push((usize::from(place), index)),
            None => floating.push((rules.shown.in_stock && known.stock == Stock::Low, index)),
        }
        families.push(known.family);
    }
    let lead = first_of_reserve.saturating_sub(fixed.iter().filter(|(place, _)| *place <= first_of_reserve).count());
    let leading: Vec<usize> =
        floating.iter().filter(|(is_low, _)| !is_low).map(|(_, index)| *index).take(lead).collect();
    floating.sort_by_key(|(_, index)| !leading.contains(index)); // stable
    let (mut floating, behind) = {
        let left = wanted.saturating_sub(fixed.len()).min(floating.len());
        let behind = floating.split_off(left);
        (floating.into_iter().map(|(_, index)| index), behind)
    };
    behind.into_iter().for_each(|(_, index)| judged[index].gate = Some(Gate::Rank));
    let mut fixed = fixed.into_iter().peekable();
    for place in 1.. {
        let is_due = fixed.peek().is_some_and(|(at, _)| *at <= place);
        let next = if is_due { None } else { floating.next() };
        let Some(index) = next.or_else(|| fixed.next().map(|(_, index)| index)) else { break };
        judged[index].put(place, rules);
    }
    // Those with a place by it, then what passed and ranks behind, then the others.
    judged.sort_by_key(|judged| (judged.place.is_none(), judged.place, judged.gate != Some(Gate::Rank)));
}

/// What people want in the list, also where they want it everywhere and it is counted here.
fn by_hand(judged: &[Judged], row: &RowView<'_>, rules: &ListRules, told: &Told<'_>) -> Vec<ByHand> {
    let mut all = told.by_hand(row, &rules.shown);
    let of_anchor = all.len();
    for judged in judged {
        let fingerprint = row.items.fingerprint(judged.item);
        let ruling = told.ruling(fingerprint);
        if let Some(place) = pinned_at(ruling)
            && all[..of_anchor].iter().all(|known| known.item != judged.item)
        {
            let label = Label { source: Source::Pinned, verdict: said(ruling), relation: None, list: None };
            all.push(ByHand { item: judged.item, fingerprint, place: Some(place), label });
        }
    }
    sort_by_hand(&mut all, row);
    all
}
