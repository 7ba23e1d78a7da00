//! How far long work has come: a bar on stderr, where that is a terminal.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar. It is gone when the work is over, whatever came of it.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Where stderr is a terminal, and a bar is wanted.
    pub(super) fn start(wanted: bool) -> Progress {
        let target = if wanted && io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} looked at  {elapsed}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress(ProgressBar::with_draw_target(None, target).with_style(style))
    }

    /// So many of so many.
    pub(super) fn show(&self, looked: i64, total: i64) {
        self.0.set_length(u64::try_from(total).unwrap_or(0));
        self.0.set_position(u64::try_from(looked).unwrap_or(0));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
