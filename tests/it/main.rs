//! Everything that needs more than one part of the service, or a real server beside it.

mod redis_link;
mod support;
