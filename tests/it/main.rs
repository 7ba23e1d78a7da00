//! What can be tested within one process: the rules, every store against them, and the running service.

mod cli;
mod redis_link;
mod server;
mod support;
