//! What holds for the rules whatever happens.

mod lifetimes;
mod patches;
mod values;
