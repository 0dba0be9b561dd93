//! Row → list: gates, score, order, explanations.
