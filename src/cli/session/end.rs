//! `delete`, `invalidate`

use std::io::Write;
use std::time::SystemTime;

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::json;
use tenure_client::{InvalidationReason, Owner, Selector, parse_time};

use super::{Context, InNamespace, OfSession};
use crate::cli::exit::{Exit, Usage};
use crate::cli::output::{self, Format};

#[derive(Debug, Args)]
pub(super) struct Delete {
    #[command(flatten)]
    session: OfSession,
}

impl Delete {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let sessions = self.session.owner.bind(context);
        let deleted = sessions.end(self.session.session_id).await?;
        match context.output {
            Format::Json => output::json(out, &json!({"deleted": deleted}))?,
            Format::Table => output::fields(out, &[("deleted", deleted.to_string())])?,
        }
        Ok(Exit::Ok)
    }
}

/// Why sessions end.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reason {
    PasswordChanged,
    LoggedOut,
    PermissionsChanged,
    AccountDisabled,
    CredentialCompromised,
    Admin,
    ProviderSessionEnded,
}

impl From<Reason> for InvalidationReason {
    fn from(reason: Reason) -> InvalidationReason {
        match reason {
            Reason::PasswordChanged => InvalidationReason::PasswordChanged,
            Reason::LoggedOut => InvalidationReason::LoggedOut,
            Reason::PermissionsChanged => InvalidationReason::PermissionsChanged,
            Reason::AccountDisabled => InvalidationReason::AccountDisabled,
            Reason::CredentialCompromised => InvalidationReason::CredentialCompromised,
            Reason::Admin => InvalidationReason::Admin,
            Reason::ProviderSessionEnded => InvalidationReason::ProviderSessionEnded,
        }
    }
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args([
    "session_id", "owner_user", "subject_user", "provider_session", "tenant", "issuer", "all",
]))]
pub(super) struct Invalidate {
    #[command(flatten)]
    namespace: InNamespace,
    #[command(flatten)]
    selector: Which,
    /// Leave this session alone: "sign out everywhere else"
    #[arg(long, value_name = "ID")]
    except: Option<String>,
    /// Only logins up to then, so that a late event never ends a newer login
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    authenticated_until: Option<SystemTime>,
    /// Why; the owner is told
    #[arg(long, value_enum)]
    reason: Option<Reason>,
    /// A note for the audit trail
    #[arg(long)]
    note: Option<String>,
    /// Who asked for it, for the audit trail
    #[arg(long)]
    actor: Option<String>,
    /// Change nothing, only count
    #[arg(long)]
    dry_run: bool,
}

/// One selector.
#[derive(Debug, Args)]
#[command(next_help_heading = "Selector (one of)")]
struct Which {
    /// Every session that bears or bore this id, whoever owns it
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Everything of one owner: its user
    #[arg(long, value_name = "USER")]
    owner_user: Option<String>,
    /// … and its tenant
    #[arg(long, value_name = "TENANT", requires = "owner_user")]
    owner_tenant: Option<String>,
    /// … and its issuer
    #[arg(long, value_name = "ISSUER", requires = "owner_user")]
    owner_issuer: Option<String>,
    /// Everything of one user of an issuer, over all tenants
    #[arg(long, value_name = "USER", requires = "subject_issuer")]
    subject_user: Option<String>,
    /// … and the issuer
    #[arg(long, value_name = "ISSUER", requires = "subject_user")]
    subject_issuer: Option<String>,
    /// Everything that came from one login: the provider's id of it (`sid`)
    #[arg(long, value_name = "ID", requires = "provider_issuer")]
    provider_session: Option<String>,
    /// … and the provider
    #[arg(long, value_name = "ISSUER", requires = "provider_session")]
    provider_issuer: Option<String>,
    /// Everything of one tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Everything that an issuer vouched for
    #[arg(long)]
    issuer: Option<String>,
    /// Everything in the namespace
    #[arg(long)]
    all: bool,
}

impl Which {
    fn selector(self) -> Option<Selector> {
        if self.all {
            return Some(Selector::All);
        }
        if let Some(user) = self.owner_user {
            return Some(Selector::Owner(Owner {
                tenant: self.owner_tenant.unwrap_or_default(),
                user,
                issuer: self.owner_issuer.unwrap_or_default(),
            }));
        }
        if let Some((user, issuer)) = self.subject_user.zip(self.subject_issuer) {
            return Some(Selector::Subject { issuer, user });
        }
        if let Some((provider_session_id, issuer)) = self.provider_session.zip(self.provider_issuer)
        {
            return Some(Selector::ProviderSession {
                issuer,
                provider_session_id,
            });
        }
        let id = self.session_id.map(Selector::SessionId);
        let tenant = self.tenant.map(Selector::Tenant);
        id.or(tenant).or(self.issuer.map(Selector::Issuer))
    }
}

impl Invalidate {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let selector = self
            .selector
            .selector()
            .ok_or_else(|| Usage("say which sessions; see --help".to_owned()))?;
        let mut call = context.namespace(&self.namespace).invalidate(selector);
        if let Some(id) = self.except {
            call = call.except(id);
        }
        if let Some(until) = self.authenticated_until {
            call = call.authenticated_until(until);
        }
        if let Some(reason) = self.reason {
            call = call.reason(reason.into());
        }
        if let Some(note) = self.note {
            call = call.note(note);
        }
        if let Some(actor) = self.actor {
            call = call.actor(actor);
        }
        if self.dry_run {
            call = call.dry_run();
        }
        let answer = call.await?;
        match context.output {
            Format::Json => {
                let value = json!({
                    "ended_count": answer.ended_count,
                    "estimated_count": answer.estimated_count,
                    "dry_run": self.dry_run,
                });
                output::json(out, &value)?;
            }
            Format::Table => {
                let count = match (answer.ended_count, answer.estimated_count) {
                    (Some(count), _) => count.to_string(),
                    (None, Some(count)) => format!("about {count}"),
                    (None, None) => "in force; counted in the events".to_owned(),
                };
                let name = if self.dry_run { "would end" } else { "ended" };
                output::fields(out, &[(name, count)])?;
            }
        }
        Ok(Exit::Ok)
    }
}
