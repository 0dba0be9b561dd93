//! The only room that touches the world.
