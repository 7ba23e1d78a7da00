//! A tool of an MCP server that remembers what its caller did, from one call to the next.
//!
//! The owner comes from the verified token of the call, the conversation from the tool's arguments. Any instance of
//! the server can serve any call.

use serde_json::Value;
use tenure_client::{EndReason, Error, ErrorKind, Options, Owner, Tenure};

/// Searches the orders of a customer: of the one that was named last, if none is.
async fn search_orders(
    tenure: &Tenure,
    caller: Owner,
    conversation: &str,
    customer: Option<&str>,
) -> Result<String, Error> {
    let sessions = tenure.namespace("crm").sessions_of(caller);
    let session = sessions
        .get_or_create(conversation)
        .set("searches", 0)
        .await?
        .session;
    let state = session.state.unwrap_or_default();
    let known = state.get("customer").and_then(Value::as_str);
    let Some(customer) = customer.or(known) else {
        return Ok("Which customer?".to_owned());
    };
    // One atomic step, and only these keys: another tool that runs now keeps its own.
    let updated = sessions
        .update(&session.id)
        .set("customer", customer)
        .increment("searches", 1)
        .append_capped("recent", [customer], 5)
        .await?;
    let recent = &updated.session.state.unwrap_or_default()["recent"];
    let searches = updated.increments["searches"];
    Ok(format!(
        "Orders of {customer} (search {searches}, recently {recent})"
    ))
}

/// What the user is told. That somebody was signed out is an answer, not a failure.
fn answer(found: Result<String, Error>) -> Result<String, Error> {
    match found {
        Err(error) => match error.kind() {
            ErrorKind::SessionEnded(EndReason::Invalidated(why)) => Ok(format!(
                "You were signed out ({}). Please sign in again.",
                why.as_str()
            )),
            _ => Err(error),
        },
        found => found,
    }
}

/// Three calls, as three instances would serve them.
#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a sample shows what it does")]
async fn main() -> Result<(), Error> {
    let ada = Owner {
        issuer: "https://id.example".to_owned(),
        ..Owner::new("acme", "ada")
    };
    for customer in [Some("Globex"), None, Some("Initech")] {
        let tenure = Tenure::connect(Options::from_env()?).await?;
        let found = search_orders(&tenure, ada.clone(), "conversation-1", customer).await;
        println!("{}", answer(found)?);
    }
    Ok(())
}
