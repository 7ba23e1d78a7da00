//! `tenure serve`

use clap::Args;

use super::exit::Exit;
use super::settings::Settings;
use crate::server;

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let loaded = self.settings.load()?;
        server::run(loaded.config)?;
        Ok(Exit::Ok)
    }
}
