//! Lists without room to spare: most visitors are met a few times, and there are millions of them.

use crate::memory::allocated;

/// Appends `item`. Lists of visitors are short and grow rarely, so each time costs less than room that is never used.
pub(super) fn push<T>(list: &mut Box<[T]>, item: T) {
    let mut items = std::mem::take(list).into_vec();
    items.reserve_exact(1);
    items.push(item);
    *list = items.into_boxed_slice();
}

/// What a list takes besides itself.
pub(super) fn of_list<T>(list: &[T]) -> usize {
    allocated(size_of_val(list))
}
