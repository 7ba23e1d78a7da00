//! Several instances need the same OAuth token at the same moment; one refreshes it, the rest wait for the result.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use tenure_client::{Error, Options, RefreshLease, Tenure, TokenSet};

/// Stands for an authorization server that accepts each refresh token once.
#[derive(Default)]
struct Provider {
    refreshes: AtomicUsize,
}

impl Provider {
    /// What would be a POST to the token endpoint with `lease.tokens.refresh_token`.
    #[expect(clippy::print_stdout, reason = "a sample shows what it does")]
    async fn refresh(&self, lease: RefreshLease) -> Result<TokenSet, Error> {
        if lease.uncertain {
            println!("an earlier instance disappeared; its refresh token may be used up");
        }
        let next = self.refreshes.fetch_add(1, Ordering::Relaxed) + 2;
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(TokenSet::bearer(format!("access-{next}"))
            .refresh_token(format!("refresh-{next}"))
            .expires_in(Duration::from_hours(1)))
    }
}

/// One instance of an MCP server that is about to call the API behind the token.
async fn instance(session_id: &str, provider: &Provider) -> Result<String, Error> {
    let tenure = Tenure::connect(Options::from_env()?).await?;
    let credentials = tenure
        .namespace("crm")
        .owner("acme", "ada")
        .credentials(session_id);
    let stored = credentials
        .with_fresh_token("github", |lease| provider.refresh(lease))
        .await?;
    Ok(stored.access_token().to_owned())
}

/// A token that is about to expire, and five instances.
#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a sample shows what it does")]
async fn main() -> Result<(), Error> {
    let provider = Provider::default();
    let about_to_expire = TokenSet::bearer("access-1")
        .refresh_token("refresh-1")
        .expires_in(Duration::from_secs(5));
    let tenure = Tenure::connect(Options::from_env()?).await?;
    let session = tenure
        .namespace("crm")
        .owner("acme", "ada")
        .create()
        .credential("github", about_to_expire)
        .await?
        .session;
    let instances = (0..5).map(|_| instance(&session.id, &provider));
    let tokens: BTreeSet<String> = try_join_all(instances).await?.into_iter().collect();
    let refreshes = provider.refreshes.into_inner();
    println!("tokens: {tokens:?}, refreshes: {refreshes}");
    Ok(())
}
