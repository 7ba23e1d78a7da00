//! What can be tested within one process: the rules, and every store against them.

mod house;
mod model;
mod rules;
mod store_contract;
mod support;
