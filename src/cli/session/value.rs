//! Values of flags: JSON, and what is read from files.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use tenure_client::{McpContext, State};

use crate::cli::exit::Usage;

/// Reads `KEY=JSON`.
pub(super) fn assignment(text: &str) -> Result<(String, Value), String> {
    let (key, json) = text.split_once('=').ok_or("write KEY=JSON")?;
    let value = serde_json::from_str(json).map_err(|error| {
        format!("{json:?} is not JSON ({error}); a text needs quotes: {key}='\"{json}\"'")
    })?;
    Ok((key.to_owned(), value))
}

/// Reads `KEY=INTEGER`.
pub(super) fn increment(text: &str) -> Result<(String, i64), String> {
    let (key, number) = text.split_once('=').ok_or("write KEY=INTEGER")?;
    let number = number
        .parse()
        .map_err(|_| format!("{number:?} is not an integer"))?;
    Ok((key.to_owned(), number))
}

/// Reads a JSON object.
pub(super) fn object(text: &str) -> Result<State, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(state)) => Ok(state),
        Ok(_) => Err("must be a JSON object: {\"key\": value}".to_owned()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

/// Several keys at once, from an argument or a file.
pub(super) fn state(json: Option<State>, file: Option<&Path>) -> anyhow::Result<Option<State>> {
    let Some(path) = file else {
        return Ok(json);
    };
    let text = read(path)?;
    let state = object(&text).map_err(|why| Usage(format!("{}: {why}", path.display())))?;
    Ok(Some(state))
}

/// A file's text; `-` is stdin.
fn read(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .context("stdin cannot be read")?;
        return Ok(text);
    }
    fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))
        .map_err(|error| Usage(format!("{error:#}")).into())
}

/// What is needed to revive an MCP session.
#[derive(Debug, Args)]
#[command(next_help_heading = "MCP context")]
pub(super) struct Mcp {
    /// The params of the client's `initialize` request, as JSON
    #[arg(
        long = "mcp-initialize",
        value_name = "JSON",
        conflicts_with = "initialize_file"
    )]
    initialize: Option<String>,
    /// The same from a file; `-` is stdin
    #[arg(long = "mcp-initialize-file", value_name = "FILE")]
    initialize_file: Option<PathBuf>,
    /// The negotiated protocol version
    #[arg(long = "mcp-protocol-version", value_name = "VERSION")]
    protocol_version: Option<String>,
    /// The client's `notifications/initialized` has been seen
    #[arg(long = "mcp-initialized")]
    initialized: bool,
    /// The level of `logging/setLevel`
    #[arg(long = "mcp-log-level", value_name = "LEVEL")]
    log_level: Option<String>,
    /// The URI of a resource that the client subscribed to; may be repeated
    #[arg(long = "mcp-subscription", value_name = "URI")]
    subscription: Vec<String>,
}

impl Mcp {
    /// The context, if any part of it was given.
    pub(super) fn context(self) -> anyhow::Result<Option<McpContext>> {
        let initialize = match &self.initialize_file {
            Some(path) => Some(read(path)?),
            None => self.initialize,
        };
        let context = McpContext {
            initialize_params_json: initialize.unwrap_or_default(),
            protocol_version: self.protocol_version.unwrap_or_default(),
            initialized: self.initialized,
            log_level: self.log_level.unwrap_or_default(),
            resource_subscriptions: self.subscription,
        };
        Ok((context != McpContext::default()).then_some(context))
    }
}
