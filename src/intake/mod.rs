//! Record → event → partition of its user; what is refused, and why.
