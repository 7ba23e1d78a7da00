//! What can be tested within one process: the rules, every store against them, and the running service.

mod cli;
mod house;
mod model;
mod rules;
mod redis_link;
mod server;
mod store_contract;
mod support;
