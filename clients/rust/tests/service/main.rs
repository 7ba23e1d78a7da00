//! The client against a real service, and against one that does as a script says.

mod calls;
mod connecting;
mod errors;
mod refreshing;
mod refusals;
mod repeating;
mod samples;
mod scripted;
mod watching;
