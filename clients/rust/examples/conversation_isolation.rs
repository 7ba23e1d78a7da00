//! Conversations of one user, and users among each other, stay apart: also when they guess each other's ids.

use serde_json::Value;
use tenure_client::{Error, Options, Tenure};

/// Two conversations of Ada, and Bob, who knows an id of hers.
#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a sample shows what it does")]
async fn main() -> Result<(), Error> {
    let tenure = Tenure::connect(Options::from_env()?).await?;
    let crm = tenure.namespace("crm");
    let ada = crm.owner("acme", "ada").issuer("https://id.example");
    let bob = crm.owner("acme", "bob").issuer("https://id.example");

    let offer = ada.get_or_create("write an offer").await?.session;
    let invoice = ada.get_or_create("check an invoice").await?.session;
    tokio::try_join!(
        ada.update(&offer.id)
            .set("customer", "Globex")
            .into_future(),
        ada.update(&invoice.id)
            .set("customer", "Initech")
            .into_future(),
    )?;
    for conversation in ["write an offer", "check an invoice"] {
        let session = ada.get_or_create(conversation).await?.session;
        let state = session.state.unwrap_or_default();
        let customer = state["customer"].as_str().unwrap_or_default();
        println!("ada, {conversation}: {customer}");
    }

    let same_name = bob.get_or_create("write an offer").await?.session;
    let state = Value::from(same_name.state.unwrap_or_default());
    println!("bob, write an offer: {state}");
    if let Err(error) = bob.get(&offer.id).await
        && error.is_not_found()
    {
        println!("bob, with ada's id: {}", error.reason());
    }
    Ok(())
}
