//! Event → deltas. One visitor per user: session, cart, purchases, recent views.
