//! Arguments of the vectors' calls, in this client's own types.

use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use tenure_client::{
    Credential, EventKind, InvalidationReason, McpContext, OnExisting, Owner, Selector, TokenSet,
};

use super::values;

/// The arguments of one call.
pub(crate) struct Arguments<'a>(pub(crate) &'a Value);

impl<'a> Arguments<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.opt_text(name).unwrap_or_default()
    }

    pub(crate) fn opt_text(&self, name: &str) -> Option<String> {
        self.get(name).map(text)
    }

    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.get(name).map(texts)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name)
            .map(|value| Duration::from_secs_f64(value.as_f64().expect("seconds")))
    }

    pub(crate) fn number<N: TryFrom<i64>>(&self, name: &str) -> Option<N> {
        let number = self.get(name)?.as_i64().expect("an integer");
        Some(N::try_from(number).ok().expect("not too large"))
    }
}

fn text(value: &Value) -> String {
    let value = values::json(value);
    value.as_str().expect("a text").to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    let value = values::json(value);
    value.as_array().expect("a list").iter().map(text).collect()
}

pub(crate) fn owner(value: &Value) -> Owner {
    let arguments = Arguments(value);
    Owner {
        tenant: arguments.text("tenant"),
        user: arguments.text("user"),
        issuer: arguments.text("issuer"),
    }
}

pub(crate) fn mcp(value: &Value) -> McpContext {
    let arguments = Arguments(value);
    McpContext {
        initialize_params_json: arguments.text("initialize_params_json"),
        protocol_version: arguments.text("protocol_version"),
        initialized: arguments.flag("initialized"),
        log_level: arguments.text("log_level"),
        resource_subscriptions: arguments
            .texts("resource_subscriptions")
            .unwrap_or_default(),
    }
}

pub(crate) fn on_existing(value: &Value) -> OnExisting {
    match text(value).as_str() {
        "FAIL" => OnExisting::Fail,
        "RETURN" => OnExisting::Return,
        "REPLACE" => OnExisting::Replace,
        other => panic!("no such on_existing: {other}"),
    }
}

pub(crate) fn selector(value: &Value) -> Selector {
    let fields = value.as_object().expect("a selector");
    let (kind, inner) = values::single(fields).expect("one selector");
    let of = Arguments(inner);
    match kind.as_str() {
        "session_id" => Selector::SessionId(text(inner)),
        "owner" => Selector::Owner(owner(inner)),
        "subject" => Selector::Subject {
            issuer: of.text("issuer"),
            user: of.text("user"),
        },
        "provider_session" => Selector::ProviderSession {
            issuer: of.text("issuer"),
            provider_session_id: of.text("provider_session_id"),
        },
        "tenant" => Selector::Tenant(text(inner)),
        "issuer" => Selector::Issuer(text(inner)),
        "all" => Selector::All,
        other => panic!("no such selector: {other}"),
    }
}

pub(crate) fn reason(name: &str) -> InvalidationReason {
    let known = InvalidationReason::from_name(name);
    assert!(name == "UNSPECIFIED" || known.as_str() == name, "{name}");
    known
}

pub(crate) fn kind(value: &Value) -> EventKind {
    let name = text(value);
    let mut all = EventKind::ALL.into_iter();
    all.find(|kind| kind.as_str() == name).expect("a kind")
}

pub(crate) fn credential(value: &Value) -> Credential {
    match value.get("opaque") {
        Some(secret) => {
            let secret = base64::engine::general_purpose::STANDARD.decode(text(secret));
            Credential::Opaque(secret.expect("base64"))
        }
        None => Credential::OAuth(token_set(&value["oauth"])),
    }
}

pub(crate) fn token_set(value: &Value) -> TokenSet {
    let arguments = Arguments(value);
    TokenSet {
        access_token: arguments.text("access_token"),
        refresh_token: arguments.text("refresh_token"),
        token_type: arguments.text("token_type"),
        scopes: arguments.texts("scopes").unwrap_or_default(),
        expires_at: arguments.get("expires_at").map(values::time),
        issuer: arguments.text("issuer"),
        audience: arguments.text("audience"),
    }
}
