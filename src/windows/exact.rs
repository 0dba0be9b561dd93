//! Lists without room to spare, and what they cost: most visitors are met a few times, and there are millions of them.

/// Appends `item`. Lists of visitors are short and grow rarely, so each time costs less than room that is never used.
pub(super) fn push<T>(list: &mut Box<[T]>, item: T) {
    let mut items = std::mem::take(list).into_vec();
    items.reserve_exact(1);
    items.push(item);
    *list = items.into_boxed_slice();
}

/// What an allocation of so many bytes takes of the heap: whole units, and a word of the allocator's own.
pub(super) fn allocated(bytes: usize) -> usize {
    const UNIT: usize = 16;
    const WORD: usize = 8;
    const LEAST: usize = 32;
    if bytes == 0 { 0 } else { (bytes + WORD).next_multiple_of(UNIT).max(LEAST) }
}

/// The same of a list.
pub(super) fn of_list<T>(list: &[T]) -> usize {
    allocated(size_of_val(list))
}
