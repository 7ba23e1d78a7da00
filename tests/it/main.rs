//! What can be tested within one process: the rules, every store against them, and the running service.

mod audit;
mod cli;
mod credentials;
mod house;
mod model;
mod redis_link;
mod redis_service;
mod redis_store;
mod rules;
mod server;
mod store_contract;
mod support;
mod telemetry;
