//! Making a session, or finding the live one of its conversation.

use redis::Value;

use super::keys::Spot;
use super::link::Call;
use super::reply::{self, Fields, Reply};
use super::{Shared, counts_tenants, flag, insist, millis, number, optional, pack, read, scripts};
use crate::session::limits::{AtSessionLimit, LimitName};
use crate::session::owner_record::{Create, Created, OnExisting, Read, Shown};
use crate::session::record::{Meta, Session};
use crate::session::refusal::Refusal;
use crate::session::request::Rpc;
use crate::session::time::Time;
use crate::store::{Answer, Place, StoreError};

/// Which lane a creation takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// It may not end other sessions.
    Shared,
    /// It may: its answer waits for the replicas.
    Endings,
}

impl Shared {
    /// How often a creation is begun anew because the session that it found has ended meanwhile.
    const TRIES: usize = 3;

    pub(super) async fn create(&self, place: &Place, create: &Create) -> Answer<Created> {
        self.register(&place.namespace).await?;
        match self.create_once(place, create).await {
            Err(StoreError::Refused(Refusal::Limit(exceeded)))
                if matches!(
                    exceeded.limit,
                    LimitName::SessionsPerTenant | LimitName::AnonymousSessions
                ) =>
            {
                // Sessions that are dead must not stand in the way of new ones, swept or not.
                if self.give_back(&place.namespace).await? {
                    self.create_once(place, create).await
                } else {
                    Err(Refusal::Limit(exceeded).into())
                }
            }
            answer => answer,
        }
    }

    async fn create_once(&self, place: &Place, create: &Create) -> Answer<Created> {
        let spot = self
            .keys
            .of_session(&place.namespace.name, &place.owner, &create.id);
        let mut lane = match create.on_existing {
            OnExisting::Replace => Lane::Endings,
            OnExisting::Fail | OnExisting::Return => Lane::Shared,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let mut call = self.create_call(place, &spot, create, lane).await?;
            let answer = match lane {
                Lane::Shared => {
                    let doubt = self.doubt(place, &spot, &mut call);
                    let answer = doubt.over(self.link.call(&call).await)?;
                    self.tell_endings(place, &answer, 2);
                    answer
                }
                Lane::Endings => {
                    let (answer, durable) = self.call_in_doubt(place, &spot, &mut call).await?;
                    self.tell_endings(place, &answer, 2);
                    if is_ending(&answer) {
                        self.keep_endings(place, &spot, &answer, 2);
                        self.wipe(place, &spot, &answer, 2).await;
                        insist(durable)?;
                    }
                    answer
                }
            };
            match reply::read(answer)? {
                Reply::Done(mut fields) => return self.made(place, &spot, create, &mut fields),
                Reply::Replayed(mut fields) => return replayed(&mut fields),
                Reply::Existing(mut fields) => {
                    let found = fields.session()?;
                    if let Some(session) = self.existing(place, &spot, &found).await? {
                        return Ok(Created {
                            session,
                            created: false,
                            replayed: false,
                        });
                    }
                }
                Reply::EndsOthers => lane = Lane::Endings,
                Reply::Lost | Reply::Misplaced => return Err(reply::malformed()),
            }
            if tries > Self::TRIES {
                return Err(reply::malformed());
            }
        }
    }

    async fn create_call(
        &self,
        place: &Place,
        spot: &Spot,
        create: &Create,
        lane: Lane,
    ) -> Answer<Call> {
        let limits = &place.namespace.limits;
        let request = create.request.as_ref();
        let usage = self.usage(place).await?;
        let text = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
        let entries = create.state.entries();
        let mut call = self
            .call_on_record(&scripts::CREATE, place, spot)
            .key(spot.content(&create.id))
            .key(spot.credentials(&create.id))
            .request_key(spot, Rpc::Create, request)
            .arg(pack::id(&create.id))
            .arg(flag(lane == Lane::Endings))
            .request_args(request, limits)
            .arg(create.record_id.0.to_le_bytes())
            .arg(text(create.conversation.as_deref()))
            .arg(text(create.provider_session_id.as_deref()))
            .arg(pack::labels(create.labels.as_ref()))
            .arg(millis(create.max_lifetime))
            .arg(millis(create.idle_ttl))
            .arg(number(usage.tenant))
            .arg(optional(create.authenticated_at.map(Time::as_millis)))
            .arg(match create.on_existing {
                OnExisting::Fail => "f",
                OnExisting::Return => "r",
                OnExisting::Replace => "x",
            })
            .arg(number(limits.sessions_per_owner))
            .arg(flag(
                limits.at_session_limit == AtSessionLimit::EndLeastRecent,
            ))
            .arg(optional(limits.sessions_per_tenant))
            .arg(number(limits.anonymous_sessions))
            .arg(number(usage.anonymous))
            .arg(number(create.state.plain_len_bytes()))
            .arg(number(entries.len()))
            .arg(pack::mcp(create.mcp.as_ref()))
            .arg(pack::names(create.credentials.iter().map(|(name, _)| name)))
            .arg(number(limits.credentials_per_session))
            .arg(number(create.credentials.len()));
        for (name, sealed) in &create.credentials {
            call = call
                .arg(read::field(name.as_str()))
                .arg(pack::first_credential(sealed));
        }
        // Content that is empty must still be there. The field also says whether values may be sealed.
        let marker = if create.state.is_sealed() { "s" } else { "" };
        call = call.arg(".").arg(marker);
        for (key, value) in entries {
            call = call.arg(read::field(key)).arg(value);
        }
        Ok(call)
    }

    fn made(
        &self,
        place: &Place,
        spot: &Spot,
        create: &Create,
        fields: &mut Fields,
    ) -> Answer<Created> {
        let created_at = fields.time()?;
        let meta = Meta {
            record_id: create.record_id,
            revision: 1,
            created_at,
            made_by: place.by,
            last_used_at: created_at,
            last_used_by: place.by,
            idle_ttl: create.idle_ttl,
            expires_at: created_at.after(create.max_lifetime),
            authenticated_at: create.authenticated_at.unwrap_or(created_at),
            provider_session_id: create.provider_session_id.clone(),
            conversation: create.conversation.clone(),
            labels: create.labels.clone(),
            mcp: create.mcp.clone(),
        };
        let fleet = self.fleets.of(&place.namespace);
        fleet.due_at(spot.cell, meta.idle_expires_at());
        if counts_tenants(&place.namespace.limits) || place.owner.is_anonymous() {
            fleet.count_one_more(&place.owner);
        }
        let names = create.credentials.iter().map(|(name, _)| name.clone());
        let mut credential_names: Vec<_> = names.collect();
        credential_names.sort_unstable();
        Ok(Created {
            session: Session {
                id: create.id.clone(),
                meta,
                state: Some(create.state.clone()),
                credential_names,
            },
            created: true,
            replayed: false,
        })
    }

    /// The live session of the conversation with its state, unless it has ended meanwhile.
    async fn existing(
        &self,
        place: &Place,
        spot: &Spot,
        found: &Session,
    ) -> Answer<Option<Session>> {
        let peek = Read {
            slide: false,
            show: Shown::All,
        };
        match self.read_at(place, spot, &found.id, &peek).await {
            Ok(session) if session.meta.record_id == found.meta.record_id => Ok(Some(session)),
            Ok(_) | Err(StoreError::Refused(Refusal::NotFound | Refusal::Ended(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn replayed(fields: &mut Fields) -> Answer<Created> {
    let mut session = fields.session()?;
    let created = fields.int()? > 0;
    session.meta.revision = fields.revision()?;
    Ok(Created {
        session,
        created,
        replayed: true,
    })
}

/// Whether a script that may end sessions did, or did so before.
pub(super) fn is_ending(answer: &Value) -> bool {
    // Done, or replayed.
    matches!(answer, Value::Array(values) if matches!(values.first(), Some(Value::Int(0 | 20))))
}
