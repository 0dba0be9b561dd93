"""What tests/mutations breaks: each a mistake that somebody could make, and that would count or show something wrongly.

`text` stands once in `file`, outside its tests. A mutation that no test can tell from the code says why it is `equivalent`.
"""

import typing


class Mutant(typing.NamedTuple):
    name: str
    file: str
    text: str
    replacement: str
    comment: str
    equivalent: str = ""
    is_made: bool = False


def of(file, *mutants):
    return [Mutant(name, file, *rest) for name, *rest in mutants]


MUTANTS = [
    # Where things stand.
    *of(
        "src/position.rs",
        ("ledger-gap", "if span.from > line.next {", "if span.from > line.next && span.to < line.next {", "a lost block is not noticed"),
        (
            "ledger-mark-again",
            "let is_old = span.to < line.next || (span.to == line.next && span.from < span.to);",
            "let is_old = span.to < line.next;",
            "a block that was sent again is heard as a mark",
        ),
        (
            "ledger-mark-unheard",
            "let is_old = span.to < line.next || (span.to == line.next && span.from < span.to);",
            "let is_old = span.to <= line.next;",
            "marks are taken for duplicates",
        ),
        ("ledger-back", "line.next = line.next.max(to);", "line.next = to;", "a ledger moves backwards"),
        (
            "ledger-reopen",
            "self.lines.entry(source.clone()).or_insert(Line { next: origin });",
            "self.lines.insert(source.clone(), Line { next: origin });",
            "a later opening mark sets the ledger back",
        ),
        (
            "ledger-overlap",
            "Ok(Verdict::Apply { from: line.next })",
            "Ok(Verdict::Apply { from: span.from })",
            "the known part of an overlapping section counts again",
        ),
        (
            "ledger-backwards",
            "if span.to < span.from {",
            "if span.to < span.from && span.from < line.next {",
            "a section that runs backwards is applied",
        ),
        (
            "position-after",
            "Self { offset: self.offset, index: self.index.saturating_add(1) }",
            "Self { offset: self.offset.after(), index: 0 }",
            "behind an output lies the next record",
        ),
    ),
    # From events to deltas.
    *of(
        "src/windows/gap_window.rs",
        ("gap-inclusive", "time.since(latest) <= gap_ms", "time.since(latest) < gap_ms", "a gap of exactly session_gap ends the session"),
        ("gap-late", "latest.since(time) > gap_ms", "latest.since(time) >= gap_ms", "exactly the gap too old is late"),
        ("gap-latest-back", "self.latest = latest.max(time);", "self.latest = time;", "a late event moves the window back"),
        ("gap-full", "items.len() >= max_items", "items.len() > max_items", "one more item than the limit"),
        ("gap-close", "if self.latest <= time {", "if self.latest < time {", "an order at the very time of the last addition leaves the cart open"),
        ("gap-keeps", "self.items = Box::default();\n                self.latest = time;", "self.latest = time;", "a new session starts with the items of the last"),
    ),
    *of(
        "src/windows/views.rs",
        (
            "views-nearest",
            "visitor.sessions.items().iter().rev().take(rules.pair_window)",
            "visitor.sessions.items().iter().take(rules.pair_window)",
            "a view pairs with the first items of a session, not with the last",
        ),
        (
            "views-window",
            ".take(rules.pair_window)",
            ".take(rules.pair_window + 1)",
            "one neighbour too many",
        ),
        ("views-recent-back", "self.views[place].time.max(time)", "time", "a late view makes a seen item older"),
        ("views-horizon", "(0..=horizon_ms)", "(0..horizon_ms)", "exactly view_to_order ago counts no more"),
        (
            "views-future",
            "(0..=horizon_ms).contains(&time.since(seen.time))",
            "time.since(seen.time) <= horizon_ms",
            "a view after an order led to it",
        ),
        ("views-reload", "Place::Held => return Fate::Counted, // a reload is not a signal", "Place::Held => {}", "a reload counts again"),
        (
            "views-context",
            "Arrival::Opens => sink(Delta::counted(time, Change::Context { shop: input.shop, relation: RELATION })),",
            "Arrival::Opens => {}",
            "sessions are not counted",
        ),
        (
            "views-overlong-recent",
            "visitor.recent_views.touch(item, time, rules.recent_max);\n    match visitor.sessions.place(item, rules.session_max_items) {",
            "match visitor.sessions.place(item, rules.session_max_items) {\n        Place::Full => {}\n        _ => visitor.recent_views.touch(item, time, rules.recent_max),\n    }\n    match visitor.sessions.place(item, rules.session_max_items) {",
            "a view beyond the session's limit is not remembered for orders",
        ),
    ),
    *of(
        "src/windows/carts.rs",
        ("carts-max", "cart.place(item, rules.cart_max)", "cart.place(item, rules.session_max_items)", "a cart is as long as a session"),
        ("carts-gap", "cart.arrive(time, rules.cart_gap_ms)", "cart.arrive(time, rules.session_gap_ms)", "a cart ends with a session"),
    ),
    *of(
        "src/windows/orders.rs",
        ("orders-cart-stays", "        cart.close_at(time);\n", "        let _ = cart;\n", "an order leaves the cart as it was"),
        (
            "orders-view-horizon",
            "views.before(time, rules.view_to_order_ms)",
            "views.before(time, rules.also_horizon_ms)",
            "views of months ago led to an order",
        ),
        (
            "orders-record-first",
            "(number, time), rules.purchases_max, gone);\n",
            "(number, time), rules.also_max, gone);\n",
            "fewer purchases are remembered",
        ),
    ),
    *of(
        "src/windows/purchases.rs",
        ("purchases-repeat", "age_ms <= rules.repeat_horizon_ms", "age_ms < rules.repeat_horizon_ms", "exactly the horizon ago is no repeat"),
        ("purchases-also", "(0..=rules.also_horizon_ms)", "(0..rules.also_horizon_ms)", "exactly the horizon ago is not also-bought"),
        ("purchases-also-max", "before.len() < rules.also_max", "before.len() <= rules.also_max", "one purchase too many"),
        ("purchases-oldest", "self.bought.iter_mut().rev()", "self.bought.iter_mut()", "the oldest purchases go first"),
        (
            "purchases-forget-newest",
            "bought.drain(..too_many)",
            "bought.drain(max.min(bought.len())..)",
            "the newest purchases are forgotten",
        ),
        ("purchases-times", "line.times = if line.is_recorded { purchase.times } else { line.repeats.saturating_add(1) };", "line.times = if line.is_recorded { purchase.times } else { 1 };", "repeats are counted up to one"),
    ),
    *of(
        "src/windows/basket.rs",
        ("basket-bulk", "if self.lines.len() == items_max {", "if self.lines.len() > items_max {", "one item more than basket_max is no bulk order"),
    ),
    *of(
        "src/windows/tell.rs",
        ("orders-also-repeats", "!is_also || bought.repeats == 0;", "!is_also || bought.repeats < 2;", "what was bought before counts as bought anew"),
        ("orders-settled", "{ stay } else { 0 };\n    let relation", "{ stay } else { stay };\n    let relation", "a pair stays new that was bought together since"),
    ),
    *of(
        "src/windows/purchases.rs",
        ("purchases-latest", "latest: line.latest.max(time)", "latest: time", "a late order makes a purchase older"),
    ),
    *of(
        "src/windows/recent_ids.rs",
        ("ids-ring", "if oldest + 1 < max { self.oldest + 1 } else { 0 }", "0", "the newest id is forgotten first"),
    ),
    *of(
        "src/windows/mod.rs",
        (
            "ids-shared",
            "Action::Order(_) => &mut visitor.customer.get_or_insert_default().order_ids,",
            "Action::Order(_) => &mut visitor.click_ids,",
            "clicks push out the ids of orders",
        ),
        (
            "forget-leap",
            "time.min(EventTime(self.now.0.saturating_add(DAY_MS)))",
            "time",
            "one event of years ahead makes strangers of everybody",
        ),
    ),
    *of(
        "src/windows/visitors.rs",
        ("forget-exactly", "silence_ms > self.of_user_ms.saturating_mul(times)", "silence_ms >= self.of_user_ms.saturating_mul(times)", "forgotten at exactly the horizon"),
        ("forget-seen-back", "visitor.seen = seen.max(time);", "visitor.seen = time;", "a late event lets a user be forgotten earlier"),
        ("forget-index", "                *other = place;\n", "                let _ = other;\n", "who moves into a gap is not found any more"),
        ("forget-early", "silence_ms > self.of_customer_ms.saturating_mul(times)", "silence_ms > self.of_customer_ms", "memory is freed while it may still decide"),
        ("forget-hand", "                self.hand += 1;\n", "                self.hand += 2;\n", "reclaiming passes over every other visitor"),
    ),
    *of(
        "src/windows/merge.rs",
        (
            "merge-bound-type",
            "Key { time: source.highest, event_type: EventType::View, rank: source.rank, index }",
            "Key { time: source.highest, event_type: EventType::Order, rank: source.rank, index }",
            "a view at the very time of another source's order comes too late",
        ),
        ("merge-forced", "            self.forced += 1;\n", "", "forced releases are not told"),
        ("merge-room", "if self.bytes <= self.bytes_max {", "if self.bytes < self.bytes_max {", "a buffer is full one event early"),
        (
            "merge-highest-back",
            "marked.highest = marked.highest.max(highest.unwrap_or(EventTime::MIN));",
            "marked.highest = highest.unwrap_or(EventTime::MIN);",
            "a mark sets a source's time back",
        ),
        ("merge-rank", "source.rank = small(rank);", "source.rank = index.0;", "at equal times the source that was opened first wins"),
        (
            "merge-bound-old",
            "if source.holds_up() && source.highest == lowest.time {",
            "if source.holds_up() {",
            "an outdated bound holds up what may go",
        ),
        ("merge-new-source", "            behind: true,\n", "            behind: false,\n", "a source that has said nothing yet holds nothing up"),
        ("merge-not-behind", "marked.behind = behind;", "marked.behind |= behind;", "a source that has caught up holds up for ever"),
        ("merge-bytes", "        self.bytes -= released.bytes;\n", "", "the buffer fills up for good"),
    ),
    # From deltas to rows.
    *of(
        "src/relation.rs",
        ("star-weight", "1.0 / f64::from(distance.max(1)).sqrt()", "1.0 / f64::from(distance.max(1))", "nearness falls off too fast"),
        ("repeat-weight", "1.0 / (1.0 + f64::from(repeats))", "1.0 / f64::from(repeats.max(1))", "the first repeat weighs as much as the first order"),
    ),
    *of(
        "src/rules.rs",
        ("row-max-default", "row_max: Some(256),", "row_max: None,", "rows have no bound by default"),
        ("row-max-default-255", "row_max: Some(256),", "row_max: Some(255),", "the default bound is another"),
        ("min-weight-default", "min_weight_millionths: 50_000,", "min_weight_millionths: 0,", "nothing fades by default"),
    ),
    *of(
        "src/rows/slab.rs",
        (
            "prune-mixes-tail",
            "self.tails[to] = self.tails[from];",
            "self.tails[to] = self.tails[from].rotate_left(16);",
            "pruning mixes up a pair's day and fine bits",
        ),
        ("prune-tail-stays", "        self.tails[to] = self.tails[from];\n", "", "pruning leaves day and fine bits of another pair"),
        (
            "widen-tails",
            "new.tails[..old.tails.len()].copy_from_slice(old.tails);",
            "new.tails[..old.tails.len()].fill(0);",
            "a row that grows forgets days and fine bits",
        ),
        ("fine-bits-lost", "self.tails[index] & 0xFFFF | u32::from(fine) << 16", "self.tails[index] & 0xFFFF", "fine bits are not kept"),
    ),
    *of(
        "src/rows/row.rs",
        ("row-day-back", "if block.day(index) < increment.day {", "if block.day(index) != increment.day {", "a late event makes a pair's last day earlier"),
        ("row-day-push", "        block.set_day(length, increment.day);\n", "", "a new pair has the day of whatever was there before"),
        ("row-fine-push", "        block.set_fine(length, fine);\n", "", "a new pair has the fine bits of whatever was there before"),
        (
            "prune-tie",
            "*fingerprint = items.fingerprint(item(*index))",
            "*fingerprint = *index as u64",
            "among equal weights the place in the row decides",
        ),
        (
            "prune-ties-in-order",
            "        ties.sort_unstable_by_key(|&(_, index)| index);\n",
            "",
            "of those that weigh the same some stay that should go",
        ),
        ("prune-share", "const PRUNED_SHARE: usize = 16;", "const PRUNED_SHARE: usize = 8;", "an eighth goes at once"),
        ("prune-early", "if head.length as usize >= self.row_max {", "if head.length as usize + 1 >= self.row_max {", "a row is full one pair early"),
        ("prune-faded-first", "smallest(&block.weights[..full]))) < faded {", "smallest(&block.weights[..full]))) < 0.0 {", "what has faded does not go first"),
        ("prune-evictions", "held.evictions += (full - length) as u64;", "held.evictions += 1;", "evictions are counted by occasion"),
        ("row-support", "block.support[index].saturating_add(increment.support)", "block.support[index].saturating_add(1)", "every repeat is support"),
        (
            "row-rescale",
            "let factor = power_of_two(-half_lives);\n        for head",
            "let factor = power_of_two(1 - half_lives);\n        for head",
            "a moved landmark doubles the pairs",
        ),
    ),
    *of(
        "src/rows/decay.rs",
        ("decay-underflow", "(weight as f32).max(f32::MIN_POSITIVE)", "weight as f32", "a pair that was counted becomes zero"),
        ("decay-rounding", "weight.to_bits().saturating_add(1 << (DROPPED_BITS - 1))", "weight.to_bits()", "weights are cut, not rounded"),
        ("decay-fine", "| u64::from(fine) << DROPPED_BITS", "| 0 * u64::from(fine)", "fine bits are not added to"),
        ("decay-lead", "const EXPONENT_MAX: i64 = 64;", "const EXPONENT_MAX: i64 = 63;", "the landmark moves elsewhere: other bits"),
        ("decay-back", "if lead <= EXPONENT_MAX {", "if lead.abs() <= EXPONENT_MAX {", "an old event moves the landmark back"),
        ("decay-ancient", ".max(EXPONENT_MIN)", "", "an ancient event has no weight at all"),
        ("decay-period", "rem_euclid", "wrapping_rem", "times before 1970 decay the wrong way"),
    ),
    *of(
        "src/rows/totals.rs",
        ("totals-underflow", "(*weight * factor).max(f64::MIN_POSITIVE)", "*weight * factor", "a total that was counted becomes zero"),
        ("totals-contexts-rescale", "        self.contexts.iter_mut().for_each(|contexts| shrink(&mut contexts.weight));\n", "", "contexts do not decay over a moved landmark"),
        ("totals-anchor", "if relation.is_symmetric() { &self.others } else { &self.anchors }", "&self.others", "an anchor's total is that of the other role"),
    ),
    *of(
        "src/rows/mod.rs",
        ("rows-now-back", "self.now = self.now.max(time);", "self.now = time;", "a late event sets the rows' time back"),
        ("rows-basket-support", "before[place].are_apart(before[at])", "!before[place].are_apart(before[at])", "a new item with an old one is no support"),
        ("rows-basket-weight", "self.count_other(unit, anchor.item, 1.0, 1);", "self.count_other(unit, anchor.item, weight, 1);", "repeats are damped on the other's side too"),
        ("rows-cross-self", "others.iter().filter(|other| other.item != anchor)", "others.iter().filter(|_| true)", "an item is paired with itself"),
        ("rows-faded-then", "faded: self.min_weight * weight_now", "faded: self.min_weight * weight", "what has faded is measured at the event's time"),
        (
            "rows-star-back",
            "self.count_pair(unit, neighbour, centre, relation.star_weight(distance), 1);",
            "self.count_pair(unit, neighbour, centre, 1.0, 1);",
            "far neighbours of other partitions weigh as much as near ones",
        ),
        ("rows-star-touched", "                self.count_pair(unit, neighbour, centre, weight, 1);\n                touched.push((unit.relation, neighbour));\n", "                self.count_pair(unit, neighbour, centre, weight, 1);\n", "neighbours' lists do not change"),
        ("rows-cross-touched", "            touched.push((unit.relation, anchor));\n", "", "lists of what led to an order do not change"),
        ("rows-basket-touched", "            touched.push((unit.relation, anchor.item));\n", "", "lists of what was bought do not change"),
        ("rows-cross-other", "self.count_other(unit, other.item, repeat_weight(other.repeats), u32::from(other.repeats == 0));", "self.count_other(unit, other.item, 1.0, 1);", "repeats are not damped in other totals"),
    ),
    *of(
        "src/rows/travel.rs",
        ("travel-step", "if (weight - *sent).abs() > step * *sent {", "if (weight - *sent).abs() >= step * *sent {", "exact totals are told again and again"),
        ("travel-own", "        self.owner.meet(&self.items);\n        if self.owns_total(update.key) {\n            return false;\n        }\n", "        self.owner.meet(&self.items);\n", "what another says of one's own total overwrites a count"),
        ("travel-shift", "let shift = landmark.saturating_sub(self.landmark(relation));", "let shift = 0;", "a total from another landmark is off by a power of two"),
        ("travel-restored", "        if !self.owns_total(update.key) {\n            return;\n        }\n        let weight = self.aligned(update, landmark);\n        self.keep_total(update.key);\n", "        let weight = self.aligned(update, landmark);\n        self.keep_total(update.key);\n", "what was told of others' totals counts as told by oneself"),
        ("travel-forgotten", "if sent.copied().unwrap_or_default() != weight {", "if true {", "what readers did not take is not told again"),
        ("travel-unknown", "const UNKNOWN: f64 = f64::MAX;", "const UNKNOWN: f64 = 0.0;", "a total that was taken back wholly, of which nobody knows what readers have, is not told"),
    ),
    *of(
        "src/rows/view.rs",
        ("view-row-support", "anchor_support: anchor_total.support", "anchor_support: 0", "an explanation lacks the anchor's support"),
    ),
    # From rows to lists.
    *of(
        "src/rank/measure.rs",
        ("wilson-z", "pub const Z: f64 = 1.96;", "pub const Z: f64 = 1.95;", "another interval"),
        ("pair-capped", "pair: pair.min(anchor).min(other)", "pair: pair.min(anchor)", "a pair outweighs its other total"),
        ("llr-sign", "if k * n < a * b { -root } else { root }", "root", "less than by chance passes for more"),
        ("llr-cell", "(n - a - b + k).max(0.0)", "(n - a - b).max(0.0)", "a cell of the table is too small"),
        ("milli-rounding", "value * 1000.0 + 0.5", "value * 1000.0", "thousandths are cut, not rounded"),
        ("lift-missing", "if self.are_known() { self.confidence() * (self.contexts / self.other) } else { 0.0 }", "self.confidence() * (self.contexts / self.other)", "missing totals make an infinite lift"),
    ),
    *of(
        "src/rank/gate.rs",
        ("gate-support", "if support < rules.min_support {", "if support <= rules.min_support {", "min_support is one more than it says"),
        ("gate-chance", "figures.pair * figures.contexts <= by_chance", "figures.pair * figures.contexts < by_chance", "exactly by chance passes"),
        ("gate-root", "root < smallest", "root <= smallest", "exactly the root LLR fails"),
    ),
    *of(
        "src/rank/ranker.rs",
        ("rank-reserve", "self.rules.length.saturating_add(self.rules.reserve)", "self.rules.length", "no reserve"),
        ("rank-ties-cut", "        best += ties_first(&mut candidates[best..], last);\n", "        let _ = last;\n", "among equals at the end of a list the place in the row decides"),
        ("rank-one-round", "            done += best;\n", "            done = self.candidates.len();\n", "a list is short where many fail the root LLR"),
        ("rank-tie-llr", "y.llr_root.total_cmp(&x.llr_root).then_with(|| x.name.cmp(y.name))", "x.name.cmp(y.name)", "ties go by name only"),
        ("rank-tie-name", ".then_with(|| x.name.cmp(y.name))", ".then_with(|| y.name.cmp(x.name))", "ties of ties go backwards"),
        ("rank-min-support", "if neighbour.support < self.rules.min_support {", "if neighbour.support + 1 < self.rules.min_support {", "the early look at support", "the gate behind it looks again; the early look only saves a look-up"),
    ),
    # When a list is published.
    *of(
        "src/rank/told.rs",
        ("facts-never", "self.never.binary_search(&fingerprint).is_ok()", "false", "what never goes together is shown"),
        ("facts-reject", "if ruling == Some(Ruling::Reject) {", "if false {", "what is rejected is shown"),
        ("facts-sold", "if !other.is_sold {", "if false {", "what is not sold is shown"),
        ("facts-out", "other.stock == Stock::Out", "false", "what is out of stock is shown"),
        ("facts-sibling", "other.family == self.anchor.family", "false", "a variant of the anchor is shown"),
        ("facts-price", "if is_too_cheap || is_too_dear {", "if is_too_cheap && is_too_dear {", "no price is too low or too high"),
        ("facts-approve", "ruling == Some(Ruling::Approve)", "false", "evidence turns away what is approved"),
        ("facts-list-first", "verdicts.dedup_by_key(|(other, ..)| *other);", "verdicts.reverse(); verdicts.dedup_by_key(|(other, ..)| *other); verdicts.reverse();", "what is said of all lists goes before what is said of one"),
    ),
    *of(
        "src/rank/placing.rs",
        ("facts-low", "self.puts_low_behind && known.stock == Stock::Low", "false", "what is low is shown as if there were enough"),
        ("facts-lead", "self.enough >= self.lead().min(left)", "true", "what is low keeps out what there is enough of"),
    ),
    *of(
        "src/publish/holders.rs",
        ("holders-moved", "            held[found].at = at;\n", "", "who was moved is not found again"),
    ),
    *of(
        "src/stage/rows/shown.rs",
        ("shown-held-back", ".chain(self.ranked.held_back.iter().copied())", "", "what is back in stock does not come back"),
        ("shown-reserve", ".chain(told));", ");", "what subscribers have in reserve is not watched"),
        ("shown-complete", ".is_none_or(|shown| shown.facts.is_complete())", ".is_none_or(|_| true)", "lists go out before all facts are there"),
        ("shown-bound", "let mut room = MARKED_MAX;", "let mut room = usize::MAX;", "a best seller is marked in all lists at once"),
        ("shown-renewed", "ranker.turns_any_away(&self.rows.row(relation, anchor), shown.facts(), &gone)", "false", "subscribers keep in reserve what has run out"),
    ),
    *of(
        "src/facts/saying.rs",
        ("facts-calendar", "Turn::Of(item) => self.changed(item)", "Turn::Of(_) => {}", "what begins to hold is told to nobody"),
    ),
    *of(
        "src/facts/table.rs",
        ("facts-variants", "next.variants > 0 && before.parent_fingerprint != next.parent_fingerprint", "false", "variants of a parent that moves stay of the old family"),
    ),
    *of(
        "src/publish/publisher.rs",
        ("news-step", "> step_milli", ">= step_milli", "a whole step is news"),
        ("news-length", "known.len() != shown.len()\n        || ", "", "a longer list is no news"),
    ),
    *of(
        "src/publish/due.rs",
        ("due-oldest", "Some(known.min(new))", "Some(new)", "the delay is that of the newest change"),
        ("due-carry", "self.sweep.carry = owed % self.sweep_ms;", "self.sweep.carry = 0;", "the sweep takes longer than it says"),
        ("due-leap", ".min(self.sweep_ms)", "", "a leap of time is swept many times"),
        ("due-interval", "is_some_and(|(until_ms, _)| *until_ms <= self.clock_ms)", "is_some_and(|(until_ms, _)| *until_ms < self.clock_ms)", "a row that has cooled does not keep the stage busy"),
        ("due-interval-pop", ".filter(|(until_ms, _)| *until_ms <= self.clock_ms) else {", ".filter(|(until_ms, _)| *until_ms < self.clock_ms) else {", "a row rests a tick too long"),
        ("due-clock-back", "self.clock_ms = self.clock_ms.max(clock_ms);", "self.clock_ms = clock_ms;", "a clock that goes back moves the queue"),
    ),
    # The stages.
    *of(
        "src/stage/mod.rs",
        ("stage-again", "if offset < self.inputs[input.index()].next {", "if false {", "a record that a transport gives again is applied again"),
        ("stage-live-early", "self.inputs.iter().all(|input| input.reached) {", "self.inputs.iter().any(|input| input.reached) {", "live before all inputs are"),
    ),
    *of(
        "src/stage/identity.rs",
        ("identity-log", "if first != opening.log_id {", "if false {", "another log under the same name is read"),
        ("identity-rules", "if opening.identity != own {", "if false {", "a log of other rules is read"),
        ("identity-input", "if first == found {", "if true {", "the log behind a log may be another"),
        ("identity-source-log", "self.input_log_id.get_or_insert(opening.input_log_id);", "", "what a predecessor read is forgotten"),
    ),
    *of(
        "src/stage/windows.rs",
        ("windows-ahead", "if self.merge.held() == 0 && self.behind.is_empty() {", "if self.behind.is_empty() {", "the rows' time runs ahead of what is held"),
        ("windows-history-early", "            self.history_read.push(head.source.clone());\n", "            self.history.remove(&head.source);\n", "the end of a history is told as news"),
        ("windows-silent-late", "            self.grow_silent(head);\n", "", "a history is loud until its section ends"),
        ("windows-removed", "        self.forget_removed(&opening);\n", "", "a source that was removed is waited for"),
        ("windows-ledger", "            self.identity.known.ledger.advance(&head.source, head.span.to);\n", "", "everything may come twice"),
        ("windows-again", "if entry.position < from {", "if entry.position <= from {", "the first new entry is dropped"),
    ),
    *of(
        "src/stage/rows/counting.rs",
        ("rows-again", "if entry.position < from {", "if entry.position <= from {", "the first new entry is dropped"),
        ("rows-ledger", "            self.identity.known.ledger.advance(&head.source, head.span.to);\n", "", "everything may come twice"),
        ("rows-loud", "(!is_silent).then_some(arrived_ms)", "Some(arrived_ms)", "what is counted while silent is due as a change"),
        ("rows-silent-late", "                self.silence.begin_history(&head.source); // from the first entry on; its end counts from the last\n", "", "a history is loud"),
        ("rows-highest", "            self.rows.observe(highest);\n", "", "the rows' time does not follow marks"),
        ("rows-moved", "            self.moved |= highest > self.rows.now();\n", "", "time that passed by marks alone brings no rest"),
    ),
    *of(
        "src/stage/rows/silence.rs",
        ("silence-history", "!self.is_live || !self.kept.history.is_empty()", "!self.is_live", "a history is loud once the partition has caught up"),
        ("silence-end", "self.kept.history.remove(source) && !self.is_on()", "self.kept.history.remove(source)", "silence ends with the first of several histories"),
        ("silence-catch-up", "was_on && !self.is_on()", "was_on", "silence ends though a source reads history"),
    ),
    *of(
        "src/stage/rows/publishing.rs",
        ("rows-bounded", "for _ in 0..RANKED_MAX {", "for _ in 0..usize::MAX {", "a step ranks without bound"),
        ("rows-bounded-neighbours", "            if neighbours >= NEIGHBOURS_MAX {\n                return;\n            }\n", "", "a step over long rows has no bound"),
        ("rows-silent-publish", "        if !self.may_publish() {\n            return;\n        }\n", "", "lists go out while all is silent"),
        ("rows-since", "self.publication(stamp, since_ms));\n            }\n            News::Tombstone", "self.publication(stamp, None));\n            }\n            News::Tombstone", "lists do not say since when they were due"),
    ),
    *of(
        "src/stage/lag.rs",
        ("lag-lasting", "if now_ms.saturating_sub(since_ms) >= LASTING_MS {", "if true {", "one old record puts a source behind"),
        ("lag-lasting-since", "*self.otherwise_since_ms.get_or_insert(now_ms)", "*self.otherwise_since_ms.insert(now_ms)", "what lasts never comes to last"),
        ("lag-end", "        self.is_late.settle(false);\n", "", "the end of a source does not clear that it is late"),
        ("lag-end-reached", "(self.reached, self.given_up, self.waits_since_ms) = (true, false, None);", "(self.given_up, self.waits_since_ms) = (false, None);", "a source that was read to its end stays behind"),
        ("lag-wait-again", "self.waits_since_ms.get_or_insert(now_ms);", "self.waits_since_ms = Some(now_ms);", "a source that is asked for again and again waits for ever"),
        ("lag-wait-read", "        self.waits_since_ms = None;\n        let age_ms", "        let age_ms", "a source that reads again is given up"),
        ("lag-given-up", "self.given_up &= !(self.reached && is_young);", "self.given_up &= !is_young;", "a source that was given up holds all up again before it has caught up"),
        ("lag-clock-off", "age_ms.filter(|&age_ms| age_ms >= -CLOCK_OFF_MS)", "age_ms", "a clock that is off by years decides what is old"),
        ("lag-history-first", "is_history.settled != Some(false)", "is_history.settled == Some(true)", "a history is loud until its first record"),
    ),
    *of(
        "src/stage/checkpoints.rs",
        ("checkpoint-until", "checkpoint.resume(NextOffset(0), until, None)?;", "let _ = until;", "a log that lost its tail is read on"),
        ("checkpoint-next", ".filter(|&record| record >= next)", ".filter(|&record| record > next)", "the first record read is not compared"),
        ("checkpoint-gone", ".filter(|first| *first.key() <= offset)", ".filter(|first| *first.key() == offset)", "a record that is gone is not missed"),
    ),
    *of(
        "src/stage/outbox.rs",
        ("outbox-index", "            channel.index = 0;\n", "", "positions depend on what came before"),
        ("outbox-muted", "if position < self.channels[output].sent.position {", "if position <= self.channels[output].sent.position {", "the first new delta is muted"),
        ("outbox-news", "News::All => channel.announced != Some(progress) || reached > channel.sent.position,", "News::All => channel.announced != Some(progress),", "how far it is, is not told while nothing changes"),
        ("outbox-lag-news", "News::Lag => channel.announced.map(|announced| announced.lag) != Some(progress.lag),", "News::Lag => true,", "every change of one lag tells all positions"),
        ("outbox-replaying", "if is_news && !replaying && channel.writer.is_empty() {", "if is_news && channel.writer.is_empty() {", "marks of the past are told as new"),
        ("outbox-cross-all", "let needs_all = !split.anchors.is_empty();", "let needs_all = true;", "more travels than is needed", "rows takes only what it owns: fewer bytes, the same counts"),
        ("outbox-cross-none", "let needs_all = !split.anchors.is_empty();", "let needs_all = false;", "rows of other partitions' items lack pairs"),
        ("outbox-distance", "let placed = (1_u32..).zip(neighbours)", "let placed = (0_u32..).zip(neighbours)", "distances start at 0"),
    ),
    *of(
        "src/stage/intake/outputs.rs",
        ("intake-block-end", "            self.passed(input, span.to, checksum_of_record(record));\n            self.flush_one(partition.index(), effects);\n        }\n", "            self.flush_one(partition.index(), effects);\n        }\n", "a full block does not cover its last event"),
    ),
    *of(
        "src/cli/sources/jumps.rs",
        ("jumps-spread", "|| ahead_ms / SPREADS <= median(&mut distances)", "", "times in no order jump"),
        ("jumps-back", "(goes_back || is_far).then_some(median_ms)", "is_far.then_some(median_ms)", "what goes back at once is no jump"),
        ("jumps-far", "(goes_back || is_far).then_some(median_ms)", "goes_back.then_some(median_ms)", "the last record of a file never jumps"),
    ),
    *of(
        "src/stage/intake.rs",
        ("intake-resume", "self.sections.sent(input).reduce(Checkpoint::min)", "self.sections.sent(input).reduce(Checkpoint::max)", "an event that one partition lacks is not read again"),
        ("intake-lag-marks", "self.next_lag_marks_ms = now_ms.map_or(i64::MIN, |now_ms| now_ms.saturating_add(LAG_MARKS_MIN_MS));", "self.next_lag_marks_ms = i64::MIN;", "marks of lag have no bound in time"),
        ("intake-arrived", "(1..now_ms).contains(timestamp_ms)", "true", "a timestamp of the future counts as arrival"),
        ("intake-skipped", "if reading.origin.is_some() && next > expected {", "if false {", "records that were skipped are not noticed"),
    ),
    # Snapshots.
    *of(
        "src/drive/snapshots/saving.rs",
        ("snapshot-unacknowledged", "!self.is_asked && is_acknowledged {", "!self.is_asked {", "a snapshot is published before what was made of it is acknowledged"),
        ("snapshot-stuck", "        if self.is_encoded\n            && let Some(chunk) = self.waiting.take()", "        if false\n            && let Some(chunk) = self.waiting.take()", "a last portion that found no room never goes out"),
        ("snapshot-still", "self.seen.1) > STILL_MS_MAX {", "self.seen.1) > i64::MAX - 1 {", "a snapshot waits for a store that stands still, and no other is begun"),
        ("snapshot-still-encoded", "self.deliver(is_acknowledged).or(failure.map(Err))", "self.deliver(is_acknowledged)", "what is encoded waits for a store that stands still"),
        ("snapshot-early-unbounded", "if held > EARLY_BYTES_MAX {", "if false {", "what changes while a snapshot is taken may take as much again as the state"),
        ("snapshot-threads", " || held >= GIVEN_UP_MAX {", " {", "a store that stands still gets a thread every few minutes"),
    ),
    *of(
        "src/drive/snapshots/storing.rs",
        ("snapshot-totals-furthest", "*least = offset.min(*least);", "*least = offset.max(*least);", "totals that another partition needs are trimmed"),
        ("snapshot-totals-few", "if counting.count() < self.snapshots.keep {", "if counting.count() < 1 {", "totals are trimmed while a partition has too few snapshots"),
        ("snapshot-portion-whole", "pieces(raw, CHUNK_BYTES_MAX / 4).try_for_each(|piece| self.chunk(piece))", "self.chunk(raw)", "a portion longer than a chunk ends the snapshot"),
        ("snapshot-kept-damaged", "if !is_overtaken && self.is_whole(&found)? {", "if !is_overtaken {", "damaged snapshots push good ones out"),
        ("snapshot-kept-overtaken", "if !is_overtaken && self.is_whole(&found)? {", "if self.is_whole(&found)? {", "snapshots of an owner that was overtaken push others out"),
        ("snapshot-trim-newest", "if counting == keep {", "if counting == 1 {", "logs are trimmed to the newest snapshot: there is no older one"),
        ("snapshot-not-removed", "self.snapshots.store.remove(name)?;", "", "what does not read back stays as the newest"),
    ),
    *of(
        "src/drive/snapshots/counted.rs",
        ("snapshot-kin", "                && kin == Kin::of(ours)\n", "", "snapshots of other logs, rules and stores count"),
        ("snapshot-overtaken", "candidate.is_overtaken = candidate.epoch < highest;", "candidate.is_overtaken = false;", "no owner counts as overtaken"),
        ("snapshot-version", ".filter(|known| known.version == found.version)", "", "what is damaged after it was read counts as whole"),
    ),
    *of(
        "src/drive/snapshots/mod.rs",
        ("snapshot-trim-all", "NextOffset(offset.saturating_sub(1))", "NextOffset(offset)", "the record that a snapshot is compared by is trimmed"),
    ),
    *of(
        "src/drive/snapshots/restoring.rs",
        ("snapshot-behind", "behind < Position::start_of(NextOffset(head.offset))", "behind > Position::start_of(NextOffset(head.offset))", "snapshots before which the log behind lacks nothing are passed over"),
        ("snapshot-identity", "if (head.identity, head.partitions) != (wanted.identity, wanted.partitions) {", "if false {", "a state of other rules is taken up"),
        ("snapshot-other-store", "if head.store_id != snapshots.store_id {", "if false {", "two stores are mixed"),
        ("snapshot-other-record", "head.offset)), checksum: head.checksum }", "head.offset)), checksum: None }", "whether the log is the one that was read is not compared"),
        ("snapshot-late", "if let Some(refusal) = lost.remove(&wanted.partition) {", "if let Some(refusal) = None::<Refusal> {", "a late snapshot behind which totals are trimmed is loaded for nothing, again and again"),
        ("snapshot-late-own", "Err(refusal) => self.pass_over_trimmed(place, &found, refusal),", "Err(_) => return Ok(Some((found, head))),", "a late snapshot behind which its own log is trimmed is not passed over"),
        ("snapshot-anew", "let lost = if heads.is_empty() { BTreeMap::new() } else { (logs.lost)(&heads)? };", "let lost = if true || heads.is_empty() { BTreeMap::new() } else { (logs.lost)(&heads)? };", "logs that were trimmed while a state was loaded are not heeded"),
        ("snapshot-anew-without-end", "if *choices >= CHOICES_MAX {", "if *choices > CHOICES_MAX {", "a choice is begun anew once more than it says"),
        ("snapshot-missing-oldest", "self.refusals.entry(place).or_insert(refusal);", "self.refusals.insert(place, refusal);", "what is missing is said of the oldest snapshot"),
        ("snapshot-unusable", "Err(error) if error.is_waited_for() => {", "Err(error) if error.is_transient() => {", "a store that may not be used for a while ends the process"),
        ("snapshot-unmounted", "snapshots.store.check_id()?;", "", "a folder that is not mounted passes for a store without snapshots"),
    ),
    *of(
        "src/stage/kept.rs",
        ("snapshot-unmarked", "        self.work.mark(effects);\n        self.work.flush(effects);\n        self.work.begin_save();", "        self.work.begin_save();", "what was made of a state is not out when it is kept"),
    ),
    *of(
        "src/stage/rows/totals.rs",
        ("totals-again", "if is_own && is_overtaken {", "if false {", "what an overtaken owner told behind a claim is held to be told"),
    ),
    *of(
        "src/stage/rows/hits.rs",
        ("hits-nearest", "*distance == 1", "*distance > 0", "any neighbour stands for the one before"),
        ("hits-settled", "place >= settled && is_new(&pair[1])", "is_new(&pair[1])", "lines are tried again whenever their order changes"),
        ("hits-repeats", "place >= settled && is_new(&pair[1])", "place >= settled", "what a customer always buys is tried"),
        ("hits-newest", "anchors.last()", "anchors.first()", "the oldest view is asked"),
        ("hits-at", "place < hits_at));\n            tally.counted", "place <= hits_at));\n            tally.counted", "one place further counts"),
    ),
    *of(
        "src/stage/rows/keeping.rs",
        ("snapshot-known-rows", "self.identity.known = state.known;", "", "the ledger and the facts of rows are not taken up"),
        ("snapshot-silence", "self.silence.restore(state.silence);", "", "a history that was read when the state was kept is loud"),
        ("snapshot-heard", "self.telling.restore(state.read_stamps);", "", "who had been overtaken is heard again"),
    ),
    *of(
        "src/stage/windows/keeping.rs",
        ("snapshot-known-windows", "        self.identity.known = known;\n", "        let _ = known;\n", "the ledger and the facts of windows are not taken up"),
        ("snapshot-merge", "self.merge.load(body, |held| {", "self.merge.load(&body[..0], |held| {", "what waits in the merge is not taken up"),
    ),
    *of(
        "src/stage/outbox.rs",
        ("snapshot-outbox-at", "(read_to.position.offset, false, true);", "(read_to.position.offset.after(), false, true);", "a state goes on one record too far"),
    ),
    *of(
        "src/saved.rs",
        ("snapshot-early-again", "*word |= bit;\n        is_to_go", "is_to_go", "what went early is saved again as it is later"),
        ("snapshot-early-skipped", "if place < self.next || place >= self.places {", "if true {", "what changes before its turn is saved as it is later"),
    ),
    *of(
        "src/drive/recovery.rs",
        ("snapshot-facts", "            self.held.insert(partition, facts);\n", "            let _ = facts;\n", "what lies before a snapshot is not known to who writes the log"),
    ),
    # Bytes.
    *of(
        "src/wire/frame.rs",
        ("frame-checksum", "if found == said {", "if true || found == said {", "damaged blocks are read"),
        ("frame-version", "if block[3] != VERSION {", "if false {", "another release's blocks are read"),
        ("frame-kind", "if kind != expected {", "if false {", "a block of another kind is read"),
    ),
    *of(
        "src/wire/block.rs",
        ("block-end", "if cursor.position >= span.to {", "if cursor.position > span.to {", "an entry may stand at its section's end"),
        ("block-backwards", "if position < before.position {", "if false {", "entries may run backwards"),
        ("block-flags", "if flags & !(LAG | HIGHEST | ARRIVED | CHECKSUM) != 0 {", "if false {", "unknown flags are passed over"),
        ("block-span", "if span.to < span.from {", "if false {", "sections may run backwards"),
    ),
    *of(
        "src/wire/varint.rs",
        ("varint-over", "bits > 1 {", "bits > 3 {", "a number of 65 bits is read"),
        ("varint-count", "count.saturating_mul(bytes_each) > self.bytes.len() - self.at", "count > self.bytes.len() - self.at", "a count that cannot be asks for memory"),
        ("varint-name", "if length > ID_BYTES_MAX {", "if length >= ID_BYTES_MAX {", "the longest name is refused"),
        ("varint-name-long", "if length > ID_BYTES_MAX {", "if false {", "names of any length are read"),
        ("varint-reference", "if (value as usize) < bound {", "if (value as usize) <= bound {", "a reference behind the dictionary"),
    ),
    *of(
        "src/wire/dictionary.rs",
        ("dictionary-block", "self.item_numbers.0.clear();", "", "names of the block before keep their numbers"),
    ),
    *of(
        "src/wire/events.rs",
        ("events-empty-order", "if lines.len() == from {", "if false {", "an order without lines is read"),
        ("events-rest", "if !reader.is_at_end() {", "if false {", "bytes behind the end are passed over"),
        ("events-users", "        self.user_numbers.clear();\n", "", "users of the block before are known"),
    ),
    *of(
        "src/wire/pairs.rs",
        ("pairs-rest", "if !reader.is_at_end() {", "if false {", "bytes behind the end are passed over"),
    ),
    *of(
        "src/wire/opening.rs",
        ("opening-rest", "if !reader.is_at_end() {", "if false {", "bytes behind the end are passed over"),
        ("opening-known", "_ => return Err(reader.error(\"an origin is known or not\")),", "_ => None,", "a damaged origin is passed over"),
    ),
]
