//! The client against a real service, and against one that does as a script says.

mod calls;
mod connecting;
mod refreshing;
mod repeating;
mod samples;
mod scripted;
mod watching;
