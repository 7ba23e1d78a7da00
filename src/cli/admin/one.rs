//! One session: what is in it, and its story.

use std::io::{self, Write};
use std::time::SystemTime;

use clap::Args;
use tenure_client::{EndReason, MarkSeen, SessionStory, show_time};

use super::{Context, InNamespace};
use crate::cli::exit::{Exit, Usage};
use crate::cli::output::{self, Format};

/// Which session.
#[derive(Debug, Args)]
struct OfId {
    #[command(flatten)]
    namespace: InNamespace,
    /// Only a session of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// The session's id
    #[arg(value_name = "SESSION_ID")]
    session_id: String,
}

#[derive(Debug, Args)]
pub(super) struct Session {
    #[command(flatten)]
    which: OfId,
    /// Show the values, too. For emergencies: it takes a right of its own and a --reason, and stands in the audit
    #[arg(long, requires = "reason")]
    values: bool,
    /// Why the values have to be seen
    #[arg(long, value_name = "TEXT", requires = "values")]
    reason: Option<String>,
    /// Only the value of this key; may be repeated
    #[arg(long = "key", value_name = "KEY", requires = "values")]
    keys: Vec<String>,
}

impl Session {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (namespace, id) = (&self.which.namespace.namespace, &self.which.session_id);
        let tenant = self.which.tenant.as_deref();
        let mut out = io::stdout().lock();
        if self.values {
            let reason = self
                .reason
                .ok_or_else(|| Usage("--values takes --reason".into()))?;
            let read = context
                .admin
                .read_state(namespace, id, tenant, &reason, self.keys);
            let sessions = read.await?;
            if sessions.is_empty() {
                return Ok(unknown());
            }
            match context.output {
                Format::Json => output::json(&mut out, &output::to_json(&sessions)?)?,
                Format::Table => {
                    for session in &sessions {
                        output::session(&mut out, session)?;
                    }
                }
            }
            return Ok(Exit::Ok);
        }
        let sessions = context.admin.inspect(namespace, id, tenant).await?;
        if sessions.is_empty() {
            return Ok(unknown());
        }
        match context.output {
            Format::Json => output::json(&mut out, &output::to_json(&sessions)?)?,
            Format::Table => {
                for inspected in &sessions {
                    output::session(&mut out, &inspected.session)?;
                    let keys = inspected.state_keys.iter();
                    let rows = keys.map(|key| vec![key.key.clone(), key.value_bytes.to_string()]);
                    writeln!(out)?;
                    output::table(&mut out, &["state key", "bytes"], rows)?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}

fn unknown() -> Exit {
    output::note(
        "no live session bears this id here; `tenure admin explain` knows whether one lately did, and why it ended",
    );
    Exit::NotFound
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    which: OfId,
}

impl Explain {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (namespace, id) = (&self.which.namespace.namespace, &self.which.session_id);
        let tenant = self.which.tenant.as_deref();
        let stories = context.admin.explain(namespace, id, tenant).await?;
        let mut out = io::stdout().lock();
        match context.output {
            Format::Json => output::json(&mut out, &output::to_json(&stories)?)?,
            Format::Table => {
                for story in &stories {
                    tell(&mut out, story)?;
                }
            }
        }
        if stories.is_empty() {
            output::note(
                "nothing is known of this id: no such session was made here, or it ended longer ago than ended \
                 sessions are remembered (`tombstone_ttl`); the audit reaches further back",
            );
            return Ok(Exit::NotFound);
        }
        Ok(Exit::Ok)
    }
}

fn tell(out: &mut impl Write, story: &SessionStory) -> io::Result<()> {
    let by = |at: Option<SystemTime>, who: &str| {
        let at = at.map_or_else(|| "?".to_owned(), show_time);
        match who {
            "" => at,
            who => format!("{at} by {who}"),
        }
    };
    let owner = &story.owner;
    let mut rows = vec![
        ("session", story.session_id.clone()),
        ("tenant", owner.tenant.clone()),
        ("user", owner.user.clone()),
        ("issuer", owner.issuer.clone()),
        ("status", status(story)),
        ("made", by(story.created_at, &story.created_by)),
        ("last used", by(story.last_used_at, &story.last_used_by)),
    ];
    if let Some(end) = &story.end {
        rows.push(("ended", by(end.ended_at, &end.ended_by)));
        rows.push(("why", why(end.reason)));
    }
    for (name, at) in [
        ("known until", story.known_until),
        ("ends unused", story.idle_expires_at),
        ("ends", story.expires_at),
    ] {
        rows.extend(at.map(|at| (name, show_time(at))));
    }
    rows.extend(story.lives_on_as.clone().map(|id| ("lives on as", id)));
    rows.retain(|(_, value)| !value.is_empty());
    output::fields(out, &rows)?;
    for mark in &story.marks {
        writeln!(out, "mark  {}", output::printable(&told_of(mark)?))?;
    }
    Ok(())
}

fn status(story: &SessionStory) -> String {
    match (&story.end, story.swept) {
        (None, _) => "alive",
        (Some(end), _) if end.reason == EndReason::Rotated => "rotated",
        (Some(_), true) => "ended",
        // Nobody is served it any more; its event is still to come.
        (Some(_), false) => "ended, not swept yet",
    }
    .to_owned()
}

fn why(reason: EndReason) -> String {
    match reason {
        EndReason::ExpiredIdle => "it was not used for its idle TTL".to_owned(),
        EndReason::ExpiredAbsolute => "it reached its longest lifetime".to_owned(),
        EndReason::Deleted => "its owner ended it".to_owned(),
        EndReason::Rotated => "it got a new id".to_owned(),
        EndReason::Replaced => "a newer session took its conversation".to_owned(),
        EndReason::Evicted => {
            "it made room for a newer session of its owner, or Redis evicted it".to_owned()
        }
        EndReason::Invalidated(why) => format!("it was invalidated: {}", why.as_str()),
        _ => "for a reason that this version does not know".to_owned(),
    }
}

fn told_of(mark: &MarkSeen) -> io::Result<String> {
    let whom = output::to_json(&mark.selector)?;
    let set_at = mark.set_at.map(show_time).unwrap_or_default();
    let mut text = format!("{} of {whom}, set {set_at}", mark.reason.as_str());
    if !mark.set_by.is_empty() {
        text.extend([" by ", &mark.set_by]);
    }
    if let Some(until) = mark.made_until {
        text.extend([", made until ", &show_time(until)]);
    }
    if let Some(until) = mark.authenticated_until {
        text.extend([", logins until ", &show_time(until)]);
    }
    text.push_str(if mark.covers {
        ": covers this session"
    } else {
        ": does not cover it"
    });
    Ok(text)
}
