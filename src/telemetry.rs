//! What the service says of itself: its log and its metrics.

pub mod log;
pub mod metrics;

pub use log::LogFilter;
pub use metrics::Metrics;
