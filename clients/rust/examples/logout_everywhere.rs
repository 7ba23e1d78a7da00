//! A user's password changed: every session ends at once, and every instance that watches hears of it.

use std::collections::HashMap;

use tenure_client::{
    EndReason, Error, ErrorKind, EventKind, InvalidationReason, Options, Tenure, Watch, Watched,
};

/// What an instance does that keeps something of its own with a session.
#[expect(clippy::print_stdout, reason = "a sample shows what it does")]
async fn drop_what_ends(
    mut watch: Watch,
    mut cache: HashMap<String, &'static str>,
) -> Result<(), Error> {
    while !cache.is_empty() {
        match watch.next().await? {
            // Events were missed: whatever is kept may be of a session that ended.
            Watched::StartedAnew => cache.clear(),
            Watched::Event(event) if event.kind == EventKind::Ended => {
                let id = event.session_id.unwrap_or_default();
                if cache.remove(&id).is_some()
                    && let Some(EndReason::Invalidated(why)) = event.end_reason
                {
                    println!("dropped: INVALIDATED, {}", why.as_str());
                }
            }
            Watched::Event(_) => {}
        }
    }
    Ok(())
}

/// Ada is signed in twice; then her password changes.
#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a sample shows what it does")]
async fn main() -> Result<(), Error> {
    let tenure = Tenure::connect(Options::from_env()?).await?;
    let crm = tenure.namespace("crm");
    let ada = crm.owner("acme", "ada").issuer("https://id.example");
    let watch = crm.watch().await?;
    let laptop = ada.create().labels(["laptop"]).await?.session;
    let phone = ada.create().labels(["phone"]).await?.session;
    let cache = HashMap::from([
        (laptop.id.clone(), "what an instance keeps"),
        (phone.id, "what another one keeps"),
    ]);

    // What the identity provider's event says: who it was, and up to which login.
    let invalidating = ada
        .invalidate()
        .reason(InvalidationReason::PasswordChanged)
        .note("event of the identity provider");
    let (done, ()) = tokio::try_join!(invalidating.into_future(), drop_what_ends(watch, cache))?;
    println!("ended: {}", done.ended_count.unwrap_or_default());
    if let Err(error) = ada.get(&laptop.id).await
        && let ErrorKind::SessionEnded(EndReason::Invalidated(why)) = error.kind()
    {
        println!("the laptop is told: {}", why.as_str());
    }
    Ok(())
}
