//! The tests that drive the service from outside its modules.

mod server;
