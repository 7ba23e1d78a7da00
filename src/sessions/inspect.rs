//! The use cases of those who are asked about sessions: finding, showing and explaining them, and ending many.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::{Call, Error, Sessions};
use crate::events::Events;
use crate::session::filter::Filter;
use crate::session::names::{CallerTag, Owner, SessionId};
use crate::session::owner_record::{Read, Shown};
use crate::session::record::Session;
use crate::session::refusal::{InvalidationReason, Refusal};
use crate::session::story::Story;
use crate::store::inspection::{Found, Position, Slice};
use crate::store::{Namespace, Place, Revocation, Revoked, Selector, Store, StoreError};

/// Slices that are worked on at once, whoever asked for them. Nobody holds a place while waiting for a client.
pub(super) const AT_ONCE: usize = 2;
/// Sessions in one message of a stream.
const BATCH: usize = 256;
/// After so many sessions that were looked at, others have their turn for as long as it took.
const REST_AFTER: usize = 256;
/// As little as a pause can be.
const LEAST_REST: Duration = Duration::from_millis(1);
/// How many sessions are looked at for one page: it may be short, but it comes.
const LOOKED_AT_FOR_A_PAGE: usize = 50_000;
/// Endings that are under way at once.
const ENDINGS: usize = 16;

/// How far a search has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sessions that were looked at.
    pub looked: usize,
    /// Sessions that were there at the start, about.
    pub total: usize,
    /// Those that are meant.
    pub matched: usize,
    /// Those that were ended.
    pub ended: usize,
    /// Those of them whose ending would not survive a failover yet.
    pub not_durable: usize,
}

/// A story, and the names of the callers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The story.
    pub story: Story,
    /// The callers' names.
    pub callers: HashMap<CallerTag, String>,
}

/// A walk through the sessions of a namespace that leaves the others their time.
struct Search {
    store: Arc<dyn Store>,
    places: Arc<Semaphore>,
    namespace: Arc<Namespace>,
    filter: Filter,
    after: Option<Position>,
    over: bool,
    /// What was done since the last pause: sessions that were looked at, and for how long.
    since_rest: (usize, Duration),
    progress: Progress,
}

impl Search {
    /// The next slice; `None` behind the last.
    async fn slice(&mut self, most: usize) -> Result<Option<Slice>, Error> {
        if self.over {
            return Ok(None);
        }
        if self.since_rest.0 >= REST_AFTER {
            sleep(self.since_rest.1.max(LEAST_REST)).await;
            self.since_rest = Default::default();
        }
        let place = self.places.acquire().await;
        let began = Instant::now();
        let (after, filter) = (self.after.as_ref(), &self.filter);
        let slice = self.store.slice(&self.namespace, filter, after, most);
        let mut slice = slice.await?;
        drop(place);
        self.since_rest.0 += slice.looked;
        self.since_rest.1 += began.elapsed();
        self.progress.looked += slice.looked;
        self.progress.matched += slice.found.len();
        // More may have come since they were counted.
        self.progress.total = self.progress.total.max(self.progress.looked);
        self.after = slice.next.take();
        self.over = self.after.is_none();
        Ok(Some(slice))
    }
}

impl Sessions {
    async fn search(&self, namespace: &Arc<Namespace>, filter: Filter) -> Result<Search, Error> {
        let in_use = self.store.namespaces().await?;
        let own = in_use.iter().find(|used| used.name == namespace.name);
        Ok(Search {
            store: Arc::clone(&self.store),
            places: Arc::clone(&self.searches),
            namespace: Arc::clone(namespace),
            filter,
            after: None,
            over: false,
            since_rest: Default::default(),
            progress: Progress {
                total: own.map_or(0, |used| used.sessions),
                ..Progress::default()
            },
        })
    }

    /// A page of the sessions that a filter means, and where the next begins.
    pub async fn find(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        filter: Filter,
        after: Option<Position>,
        size: usize,
    ) -> Result<(Vec<Found>, Option<Position>), Error> {
        self.events.inspected(call, namespace, &filter);
        let mut search = self.search(namespace, filter).await?;
        search.after = after;
        let mut found = Vec::new();
        while found.len() < size && search.progress.looked < LOOKED_AT_FOR_A_PAGE {
            match search.slice(size - found.len()).await? {
                Some(slice) => found.extend(slice.found),
                None => break,
            }
        }
        Ok((found, search.after))
    }

    /// All sessions that a filter means, in batches, each with how far it has come.
    pub async fn find_all(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        filter: Filter,
    ) -> Result<BoxStream<'static, Result<(Vec<Found>, Progress), Error>>, Error> {
        self.events.inspected(call, namespace, &filter);
        let search = self.search(namespace, filter).await?;
        let batches = stream::try_unfold(search, |mut search| async move {
            let mut found = Vec::new();
            let from = search.progress.looked;
            while let Some(slice) = search.slice(BATCH).await? {
                found.extend(slice.found);
                // Whoever waits for something rare wants to see that it goes on.
                if found.len() >= BATCH || search.progress.looked - from >= 16 * BATCH {
                    break;
                }
            }
            let is_end = found.is_empty() && search.progress.looked == from && search.over;
            let batch = (found, search.progress);
            Ok((!is_end).then_some((batch, search)))
        });
        Ok(batches.boxed())
    }

    /// Ends the sessions that a filter means, or only counts them; tells how far it has come.
    pub async fn end_all(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        filter: Filter,
        (dry_run, note): (bool, String),
    ) -> Result<BoxStream<'static, Result<Progress, Error>>, Error> {
        self.events.ending_found(call, namespace, &filter, dry_run);
        self.events.annotated(call, (String::new(), note));
        let by = self.caller_names.tag(&self.store, call).await;
        let ending = Ending {
            search: self.search(namespace, filter).await?,
            events: Arc::clone(&self.events),
            call: call.clone(),
            by,
            dry_run,
            told: false,
        };
        let progress = stream::try_unfold(ending, |mut ending| async move {
            let told = ending.step().await?;
            Ok(told.map(|told| (told, ending)))
        });
        Ok(progress.boxed())
    }

    /// The owners that have the most sessions, those with the most first.
    pub async fn top_owners(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        tenant: Option<&str>,
        most: usize,
    ) -> Result<Vec<(Owner, usize)>, Error> {
        let filter = Filter {
            tenant: tenant.map(Into::into),
            ..Filter::default()
        };
        self.events.inspected(call, namespace, &filter);
        let mut search = self.search(namespace, filter).await?;
        let mut top: BTreeSet<(usize, Owner)> = BTreeSet::new();
        while let Some(slice) = search.slice(BATCH).await? {
            for found in slice.found {
                let least = top.first().map_or(0, |(count, _)| *count);
                // Who has no user is many.
                if found.owner.is_anonymous() || top.len() >= most && found.of_owner <= least {
                    continue;
                }
                top.retain(|(_, owner)| *owner != found.owner);
                top.insert((found.of_owner, found.owner));
                if top.len() > most {
                    top.pop_first();
                }
            }
        }
        Ok(top
            .into_iter()
            .rev()
            .map(|(count, owner)| (owner, count))
            .collect())
    }

    /// The stories of the sessions that bear an id or bore it.
    pub async fn explain(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        id: &SessionId,
        tenant: Option<&str>,
    ) -> Result<Vec<Explained>, Error> {
        let mut explained = Vec::new();
        for story in self.stories(call, namespace, id, tenant).await? {
            let ends = story.marks.iter().map(|mark| mark.end.by);
            let ends = ends.chain(story.end.map(|end| end.by));
            let tags = ends.chain([story.life.made_by, story.life.used_by]);
            let mut callers = HashMap::new();
            for tag in tags.filter(|tag| tag.is_somebody()) {
                let name = self.store.caller_name(tag).await?;
                let name = name.map_or_else(|| tag.to_string(), String::from);
                callers.insert(tag, name);
            }
            explained.push(Explained { story, callers });
        }
        Ok(explained)
    }

    /// The stories of those sessions with an id that are of a tenant.
    pub async fn stories(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        id: &SessionId,
        tenant: Option<&str>,
    ) -> Result<Vec<Story>, Error> {
        self.events.inspected_one(call, namespace, id);
        let mut stories = self.store.stories(namespace, id).await?;
        stories.retain(|story| tenant.is_none_or(|tenant| story.owner.tenant() == tenant));
        Ok(stories)
    }

    /// The live sessions with an id, with their values. What is given out so is in the audit, or nothing is.
    pub async fn break_glass(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        id: &SessionId,
        (tenant, keys): (Option<&str>, Vec<Box<str>>),
        reason: String,
    ) -> Result<Vec<(Place, Session)>, Error> {
        self.events.breaks_glass(call, namespace, reason)?;
        let show = if keys.is_empty() {
            Shown::All
        } else {
            Shown::Keys(keys)
        };
        let mut sessions = Vec::new();
        for story in self.store.stories(namespace, id).await? {
            let is_meant = tenant.is_none_or(|tenant| story.owner.tenant() == tenant);
            if !is_meant || story.end.is_some() {
                continue;
            }
            let place = Place {
                namespace: Arc::clone(namespace),
                owner: story.owner,
                by: CallerTag::NOBODY,
            };
            self.events.concerns(call, &place.owner, Some(id));
            let read = Read {
                slide: false,
                show: show.clone(),
            };
            match self.store.read(&place, id, read).await {
                Ok(mut session) => {
                    self.opened(call, &place, &mut session).await?;
                    sessions.push((place, session));
                }
                // It has ended just now.
                Err(StoreError::Refused(Refusal::NotFound | Refusal::Ended(_))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sessions)
    }
}

/// An EndSessions in progress.
struct Ending {
    search: Search,
    events: Arc<Events>,
    call: Call,
    by: CallerTag,
    dry_run: bool,
    told: bool,
}

impl Ending {
    /// Ends the sessions of a slice; `None` behind the last.
    async fn step(&mut self) -> Result<Option<Progress>, Error> {
        let from = self.search.progress.looked;
        while let Some(slice) = self.search.slice(BATCH).await? {
            if !self.dry_run {
                self.end(slice.found).await?;
            }
            if self.search.progress.looked - from >= BATCH {
                return Ok(Some(self.search.progress));
            }
        }
        if std::mem::replace(&mut self.told, true) {
            return Ok(None);
        }
        let ended = self.search.progress.ended;
        if !self.dry_run {
            self.events
                .ended_found(&self.call, &self.search.namespace, ended);
        }
        Ok(Some(self.search.progress))
    }

    async fn end(&mut self, found: Vec<Found>) -> Result<(), Error> {
        let (store, namespace, by) = (&self.search.store, &self.search.namespace, self.by);
        let endings = stream::iter(found).map(|found| async move {
            let revocation = Revocation {
                selector: Selector::Session(found.owner.clone(), found.session.id.clone()),
                authenticated_until: None,
                except: None,
                reason: InvalidationReason::Admin,
                dry_run: false,
                by,
            };
            store.revoke(namespace, revocation).await
        });
        let mut endings = endings.buffer_unordered(ENDINGS);
        while let Some(revoked) = endings.next().await {
            match revoked {
                Ok(Revoked::Exactly(0)) => continue,
                Ok(_) => {}
                // It is in force all the same.
                Err(StoreError::NotDurable) => self.search.progress.not_durable += 1,
                Err(error) => return Err(error.into()),
            }
            self.search.progress.ended += 1;
        }
        Ok(())
    }
}
