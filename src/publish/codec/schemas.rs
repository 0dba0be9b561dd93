//! Our own schemas.

/// A view, in samenloop's own form of events.
pub const VIEW_SCHEMA: &str = include_str!("../../../schemas/view.avsc");
/// An addition to the cart, in samenloop's own form of events.
pub const CART_SCHEMA: &str = include_str!("../../../schemas/cart.avsc");
/// An order, in samenloop's own form of events.
pub const ORDER_SCHEMA: &str = include_str!("../../../schemas/order.avsc");
/// The key of the lists topic.
pub const LIST_KEY_SCHEMA: &str = include_str!("../../../schemas/list-key.avsc");
/// The value of the lists topic.
pub const LIST_VALUE_SCHEMA: &str = include_str!("../../../schemas/list-value.avsc");
