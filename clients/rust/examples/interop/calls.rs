//! The calls of the shared vectors, in this client's spelling; see tests/vectors/README.md. The vectors' runner and
//! the interop program are both made of this.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tenure_client::{
    Create, Error, Invalidate, Namespace, OnExisting, Sessions, Tenure, Watch, show_time,
};
use tokio::time::timeout;

#[path = "arguments.rs"]
pub(crate) mod arguments;
#[path = "show.rs"]
pub(crate) mod show;
#[path = "values.rs"]
pub(crate) mod values;

use arguments::Arguments;

/// How long `events` waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The watches that are open, by the name under which they were saved.
pub(crate) type Watches = HashMap<String, Watch>;

/// The name of a watch that has just been opened.
pub(crate) const NEW_WATCH: &str = "$new";

/// Why a call gave no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The client said so.
    Client(Error),
    /// There was nothing within the time that the vectors give.
    Nothing,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Client(error)
    }
}

/// Performs calls for one owner.
pub(crate) struct Caller {
    namespace: Namespace,
    sessions: Sessions,
}

impl Caller {
    pub(crate) fn new(tenure: &Tenure, namespace: &str, owner: &Value) -> Caller {
        let namespace = tenure.namespace(namespace);
        let mut sessions = namespace.sessions_of(arguments::owner(owner));
        if let Some(token) = owner.get("user_token").and_then(Value::as_str) {
            sessions = sessions.user_token(token);
        }
        Caller {
            namespace,
            sessions,
        }
    }

    /// Performs a call, and shows its answer.
    pub(crate) async fn call(
        &self,
        call: &str,
        with: &Value,
        watches: &mut Watches,
    ) -> Result<Value, Failed> {
        let given = &Arguments(with);
        match call {
            "watch" | "events" | "stop_watch" => self.watching(call, given, watches).await,
            "put_credential" | "get_credential" | "list_credentials" | "delete_credential"
            | "fresh_token" => Ok(self.credentials(call, given).await?),
            _ => Ok(self.simple(call, given).await?),
        }
    }

    async fn simple(&self, call: &str, given: &Arguments<'_>) -> Result<Value, Error> {
        let id = given.text("session_id");
        let sessions = &self.sessions;
        Ok(match call {
            "create" => self.create(sessions.create(), given).await?,
            "get_or_create" => {
                let create = sessions.get_or_create(given.text("conversation_id"));
                self.create(create, given).await?
            }
            "get" => {
                let mut get = sessions.get(id);
                if given.flag("peek") {
                    get = get.peek();
                }
                if let Some(keys) = given.texts("state_keys") {
                    get = get.keys(keys);
                }
                show::session(&get.await?, &Value::Null)
            }
            "update" => self.update(given).await?,
            "touch" => show::session(&sessions.touch(id).await?, &Value::Null),
            "rotate" => self.rotate(given).await?,
            "end" => json!({"deleted": sessions.end(id).await?}),
            "list" | "list_all" => self.list(call, given).await?,
            "invalidate" => {
                let selector = arguments::selector(given.get("selector").expect("a selector"));
                invalidate(self.namespace.invalidate(selector), given).await?
            }
            "invalidate_owner" => invalidate(sessions.invalidate(), given).await?,
            "claim_once" => {
                let ttl = given.duration("ttl").unwrap_or_default();
                let mut claim = sessions.claim_once(given.text("key"), ttl);
                if let Some(id) = given.opt_text("request_id") {
                    claim = claim.request_id(id);
                }
                let claimed = claim.await?;
                json!({"claimed": claimed.claimed, "replayed": claimed.replayed})
            }
            "now" => json!({"time": show_time(values::from_now(0.0))}),
            other => panic!("no such call: {other}"),
        })
    }

    async fn create(&self, mut create: Create, given: &Arguments<'_>) -> Result<Value, Error> {
        if let Some(id) = given.opt_text("session_id") {
            create = create.session_id(id);
        }
        if let Some(conversation) = given.opt_text("conversation_id") {
            create = create.conversation(conversation);
        }
        if let Some(state) = given.get("state") {
            create = create.state(values::given(state));
        }
        if let Some(mcp) = given.get("mcp") {
            create = create.mcp(arguments::mcp(mcp));
        }
        if let Some(labels) = given.texts("labels") {
            create = create.labels(labels);
        }
        let credentials = given.get("credentials").and_then(Value::as_object);
        for (name, credential) in credentials.into_iter().flatten() {
            create = create.credential(name, arguments::credential(credential));
        }
        if let Some(ttl) = given.duration("idle_ttl") {
            create = create.idle_ttl(ttl);
        }
        if let Some(lifetime) = given.duration("max_lifetime") {
            create = create.max_lifetime(lifetime);
        }
        if let Some(at) = given.get("authenticated_at") {
            create = create.authenticated_at(values::time(at));
        }
        if let Some(id) = given.opt_text("provider_session_id") {
            create = create.provider_session_id(id);
        }
        if let Some(on_existing) = given.get("on_existing") {
            let on_existing: OnExisting = arguments::on_existing(on_existing);
            create = create.on_existing(on_existing);
        }
        if let Some(id) = given.opt_text("request_id") {
            create = create.request_id(id);
        }
        let made = create.await?;
        let more = json!({"created": made.created, "replayed": made.replayed});
        Ok(show::session(&made.session, &more))
    }

    async fn update(&self, given: &Arguments<'_>) -> Result<Value, Error> {
        let mut update = self.sessions.update(given.text("session_id"));
        if let Some(set) = given.get("set") {
            update = update.set_all(values::given(set));
        }
        for key in given.texts("remove").into_iter().flatten() {
            update = update.remove(key);
        }
        let increment = given.get("increment").and_then(Value::as_object);
        for (key, by) in increment.into_iter().flatten() {
            update = update.increment(key, by.as_i64().expect("an integer"));
        }
        let append = given.get("append").and_then(Value::as_object);
        for (key, tail) in append.into_iter().flatten() {
            let tail = Arguments(tail);
            let values = tail.get("values").and_then(Value::as_array);
            let values = values.into_iter().flatten().map(values::given);
            let max_length = tail.number("max_length").unwrap_or_default();
            update = update.append_capped(key, values, max_length);
        }
        if let Some(mcp) = given.get("mcp") {
            update = update.mcp(arguments::mcp(mcp));
        }
        if let Some(labels) = given.texts("labels") {
            update = update.labels(labels);
        }
        if let Some(revision) = given.number("if_revision") {
            update = update.if_revision(revision);
        }
        if given.flag("omit_state") {
            update = update.omit_state();
        }
        if let Some(id) = given.opt_text("request_id") {
            update = update.request_id(id);
        }
        let done = update.await?;
        let more = json!({"increments": done.increments, "replayed": done.replayed});
        Ok(show::session(&done.session, &more))
    }

    async fn rotate(&self, given: &Arguments<'_>) -> Result<Value, Error> {
        let mut rotate = self.sessions.rotate(given.text("session_id"));
        if let Some(id) = given.opt_text("new_session_id") {
            rotate = rotate.new_session_id(id);
        }
        if let Some(at) = given.get("authenticated_at") {
            rotate = rotate.authenticated_at(values::time(at));
        }
        if let Some(id) = given.opt_text("provider_session_id") {
            rotate = rotate.provider_session_id(id);
        }
        if let Some(id) = given.opt_text("request_id") {
            rotate = rotate.request_id(id);
        }
        let rotated = rotate.await?;
        let more = json!({"replayed": rotated.replayed});
        Ok(show::session(&rotated.session, &more))
    }

    async fn list(&self, call: &str, given: &Arguments<'_>) -> Result<Value, Error> {
        let mut list = self.sessions.list();
        if let Some(size) = given.number("page_size") {
            list = list.page_size(size);
        }
        if given.flag("include_state") {
            list = list.include_state();
        }
        let show = |session| show::session(session, &Value::Null);
        if call == "list_all" {
            let all = list.all().await?;
            return Ok(json!({"sessions": all.iter().map(show).collect::<Vec<_>>()}));
        }
        if let Some(token) = given.opt_text("page_token") {
            list = list.page_token(token);
        }
        let page = list.await?;
        Ok(json!({
            "sessions": page.sessions.iter().map(show).collect::<Vec<_>>(),
            "next_page_token": page.next_page_token.unwrap_or_default(),
        }))
    }

    async fn watching(
        &self,
        call: &str,
        given: &Arguments<'_>,
        watches: &mut Watches,
    ) -> Result<Value, Failed> {
        if call == "watch" {
            let mut opening = match given.text("scope").as_str() {
                "owner" => self.sessions.watch(),
                _ => self.namespace.watch(),
            };
            if let Some(kinds) = given.get("kinds").and_then(Value::as_array) {
                opening = opening.kinds(kinds.iter().map(arguments::kind));
            }
            if let Some(cursor) = given.opt_text("cursor") {
                opening = opening.cursor(cursor);
            }
            let watch = opening.await?;
            let cursor = watch.cursor().to_owned();
            watches.insert(NEW_WATCH.to_owned(), watch);
            return Ok(json!({"cursor": cursor}));
        }
        let name = given.text("watch");
        if call == "stop_watch" {
            watches.remove(&name).expect("an open watch");
            return Ok(json!({}));
        }
        let watch = watches.get_mut(&name).expect("an open watch");
        let mut events = Vec::new();
        for _ in 0..given.number("count").unwrap_or(1_i64) {
            let next = timeout(PATIENCE, watch.next()).await;
            events.push(show::watched(&next.map_err(|_| Failed::Nothing)??));
        }
        Ok(json!({"events": events, "cursor": watch.cursor()}))
    }

    async fn credentials(&self, call: &str, given: &Arguments<'_>) -> Result<Value, Error> {
        let credentials = self.sessions.credentials(given.text("session_id"));
        let name = given.text("name");
        Ok(match call {
            "put_credential" => {
                let credential = given.get("credential").expect("a credential");
                let put = credentials.put(name, arguments::credential(credential));
                json!({"version": put.await?})
            }
            "get_credential" => {
                let stored = credentials.get(name).await?;
                let credential = show::credential(&stored.credential);
                json!({"credential": credential, "version": stored.version})
            }
            "list_credentials" => json!({"names": credentials.names().await?}),
            "delete_credential" => json!({"deleted": credentials.delete(name).await?}),
            _ => {
                let result = given.get("refreshed").expect("a token set");
                let result = arguments::token_set(result);
                let refreshes = AtomicUsize::new(0);
                let mut rejected = None;
                if given.flag("force") {
                    rejected = Some(credentials.get(&name).await?);
                }
                let mut fresh = credentials.with_fresh_token(name, |_| async {
                    refreshes.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, Error>(result)
                });
                if let Some(rejected) = rejected {
                    fresh = fresh.rejected(rejected);
                }
                let stored = fresh.await?;
                json!({
                    "credential": show::credential(&stored.credential),
                    "refreshes": refreshes.into_inner(),
                })
            }
        })
    }
}

async fn invalidate(mut call: Invalidate, given: &Arguments<'_>) -> Result<Value, Error> {
    if let Some(id) = given.opt_text("except_session_id") {
        call = call.except(id);
    }
    if let Some(until) = given.get("authenticated_until") {
        call = call.authenticated_until(values::time(until));
    }
    if let Some(reason) = given.opt_text("reason") {
        call = call.reason(arguments::reason(&reason));
    }
    if let Some(note) = given.opt_text("note") {
        call = call.note(note);
    }
    if let Some(actor) = given.opt_text("actor") {
        call = call.actor(actor);
    }
    if given.flag("dry_run") {
        call = call.dry_run();
    }
    Ok(show::invalidated(call.await?))
}
