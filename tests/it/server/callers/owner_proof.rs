//! Owners that are proved by their own tokens.

use std::time::Duration;

use prost::Message as _;
use prost_types::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tenure::callers::new_key;
use tenure::config::{ApiKey, Callers, TokenIssuer};
use tenure::grpc::v1;
use tenure::session::limits::Limits;
use tenure::session::names::NamespaceName;
use tonic::Code;

use super::issuer::{Endpoint, ISSUER, SigningKey, in_seconds};
use super::raw::{self, Answered};
use super::{House, bearer, with_callers};

struct Proved {
    house: House,
    key: SigningKey,
    caller: String,
    _endpoint: Endpoint,
}

impl Proved {
    async fn start() -> Proved {
        let key = SigningKey::ec();
        let endpoint = Endpoint::start(&[key.jwk("a")]).await;
        let (api_key, hash) = new_key();
        let other = TokenIssuer {
            issuer: "https://other.example".to_owned(),
            ..endpoint.issuer()
        };
        let mut config = with_callers(Callers {
            api_keys: vec![(
                "crm".to_owned(),
                ApiKey {
                    hashes: vec![hash],
                    hash_file: None,
                },
            )],
            users: vec![
                ("okta".to_owned(), endpoint.issuer()),
                ("other".to_owned(), other),
            ],
            jwks_cooldown: Duration::from_millis(100),
            ..Callers::default()
        });
        let limits = Limits {
            owner_proof: vec!["okta".to_owned()],
            ..Limits::default()
        };
        let name = NamespaceName::new("crm").expect("a name");
        config.namespaces = vec![(name, limits)];
        Proved {
            house: House::start(config).await,
            key,
            caller: bearer(api_key.expose_secret()),
            _endpoint: endpoint,
        }
    }

    fn token(&self, set: &serde_json::Value) -> String {
        let mut all = json!({"sub": "ada"});
        for (name, value) in set.as_object().expect("an object") {
            all[name] = value.clone();
        }
        self.key.token_with("a", &all)
    }

    async fn call(
        &self,
        path: &'static str,
        tokens: &[&str],
        request: &impl prost::Message,
    ) -> Answered {
        let mut headers = vec![("authorization", self.caller.as_str())];
        headers.extend(tokens.iter().map(|token| ("tenure-user-token", *token)));
        let channel = self.house.channel().await;
        raw::call(channel, path, &headers, request.encode_to_vec()).await
    }

    async fn create(&self, tokens: &[&str], request: v1::CreateSessionRequest) -> Answered {
        let path = "/tenure.v1.SessionService/CreateSession";
        self.call(path, tokens, &request).await
    }
}

#[expect(clippy::unnecessary_wraps, reason = "messages hold it like this")]
fn owner(user: &str, issuer: &str) -> Option<v1::Owner> {
    Some(v1::Owner {
        tenant: "acme".to_owned(),
        user: user.to_owned(),
        issuer: issuer.to_owned(),
    })
}

fn create(owner: Option<v1::Owner>) -> v1::CreateSessionRequest {
    v1::CreateSessionRequest {
        namespace: "crm".to_owned(),
        owner,
        ..Default::default()
    }
}

fn session(answered: &Answered) -> v1::Session {
    assert_eq!(answered.code, Code::Ok, "{answered:?}");
    let body = answered.body.clone().expect("a message");
    let created = v1::CreateSessionResponse::decode(body).expect("a message");
    created.session.expect("a session")
}

fn assert_not_proved(answered: &Answered, what: &str) {
    assert_eq!(answered.code, Code::PermissionDenied, "{what}");
    assert_eq!(answered.reason, "OWNER_NOT_PROVED", "{what}");
}

#[tokio::test]
async fn the_token_says_who_the_owner_is_and_since_when() {
    let proved = Proved::start().await;
    let signed_in = in_seconds(-3600);
    let token = proved.token(&json!({"auth_time": signed_in}));
    for named in [
        owner("", ""),
        owner("ada", ""),
        owner("", ISSUER),
        owner("ada", ISSUER),
    ] {
        let made = session(&proved.create(&[&token], create(named)).await);
        assert_eq!(made.owner, owner("ada", ISSUER));
        let at = made.authenticated_at.expect("set");
        assert_eq!((at.seconds, at.nanos), (signed_in, 0));
    }
    // Without auth_time it is the time at which the token was issued.
    let issued = in_seconds(-5);
    let token = proved.token(&json!({"iat": issued}));
    let made = session(&proved.create(&[&token], create(owner("", ""))).await);
    assert_eq!(made.authenticated_at.expect("set").seconds, issued);
    let same = v1::CreateSessionRequest {
        authenticated_at: Some(Timestamp {
            seconds: issued,
            nanos: 0,
        }),
        ..create(owner("", ""))
    };
    session(&proved.create(&[&token], same).await);
}

#[tokio::test]
async fn whoever_does_not_prove_it_gets_one_answer() {
    let proved = Proved::start().await;
    let sound = proved.token(&json!({}));
    session(&proved.create(&[&sound], create(owner("ada", ISSUER))).await);
    let missing = proved.create(&[], create(owner("ada", ISSUER))).await;
    assert_not_proved(&missing, "missing");
    let stranger = SigningKey::ec();
    let table = [
        ("expired", proved.token(&json!({"exp": in_seconds(-60)}))),
        ("wrong audience", proved.token(&json!({"aud": "other"}))),
        (
            "wrong issuer",
            proved.token(&json!({"iss": "https://evil.example"})),
        ),
        ("no time", proved.token(&json!({"iat": null}))),
        (
            "wrong signature",
            stranger.token_with("a", &json!({"sub": "ada"})),
        ),
        ("nonsense", "x".to_owned()),
        (
            "the caller's own key",
            proved.caller["Bearer ".len()..].to_owned(),
        ),
    ];
    for (what, token) in &table {
        let answered = proved.create(&[token], create(owner("ada", ISSUER))).await;
        assert_eq!(answered, missing, "{what}");
    }
    // Sound, and naming nobody else: but its issuer is not one of this namespace's.
    let others = proved.token(&json!({"iss": "https://other.example"}));
    let answered = proved.create(&[&others], create(owner("", ""))).await;
    assert_eq!(answered, missing, "an issuer for other namespaces");
    for (what, tokens, named) in [
        ("two tokens", vec![&*sound, &*sound], owner("ada", ISSUER)),
        ("another user", vec![&*sound], owner("eve", ISSUER)),
        (
            "another issuer",
            vec![&*sound],
            owner("ada", "https://other.example"),
        ),
    ] {
        let answered = proved.create(&tokens, create(named)).await;
        assert_eq!(answered, missing, "{what}");
    }
    for seconds in [in_seconds(-20), in_seconds(0)] {
        let request = v1::CreateSessionRequest {
            authenticated_at: Some(Timestamp { seconds, nanos: 0 }),
            ..create(owner("ada", ISSUER))
        };
        let answered = proved.create(&[&sound], request).await;
        assert_eq!(answered, missing, "another time of login");
    }
}

#[tokio::test]
async fn every_call_for_an_owner_has_to_prove_it() {
    let proved = Proved::start().await;
    let token = proved.token(&json!({}));
    let made = session(&proved.create(&[&token], create(owner("ada", ISSUER))).await);
    let path = "/tenure.v1.SessionService/GetSession";
    let get = v1::GetSessionRequest {
        namespace: "crm".to_owned(),
        owner: owner("ada", ISSUER),
        session_id: made.id.clone(),
        ..Default::default()
    };
    assert_eq!(proved.call(path, &[&token], &get).await.code, Code::Ok);
    assert_not_proved(&proved.call(path, &[], &get).await, "missing");
    // Another user with a sound token of their own does not find it.
    let eves = proved.token(&json!({"sub": "eve"}));
    let as_eve = v1::GetSessionRequest {
        owner: owner("", ""),
        ..get.clone()
    };
    let answered = proved.call(path, &[&eves], &as_eve).await;
    assert_eq!(answered.reason, "SESSION_NOT_FOUND");
    for rpc in [
        "ListSessions",
        "TouchSession",
        "DeleteSession",
        "ClaimOnce",
        "UpdateSession",
    ] {
        let path: &'static str = tenure::call::Operation::ALL
            .iter()
            .find(|operation| operation.name() == rpc)
            .expect("an operation")
            .path();
        let headers = [("authorization", proved.caller.as_str())];
        let channel = proved.house.channel().await;
        let request = raw::request(rpc, "crm", "acme");
        assert_not_proved(&raw::call(channel, path, &headers, request).await, rpc);
    }
    // A namespace that does not ask for it takes the caller's word.
    let elsewhere = v1::CreateSessionRequest {
        namespace: "billing".to_owned(),
        ..create(owner("ada", ISSUER))
    };
    session(&proved.create(&[], elsewhere).await);
}

#[tokio::test]
async fn a_retry_may_show_a_younger_token() {
    let proved = Proved::start().await;
    let request = v1::CreateSessionRequest {
        request_id: "67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned(),
        ..create(owner("", ""))
    };
    let first = proved.token(&json!({"iat": in_seconds(-20)}));
    let second = proved.token(&json!({"iat": in_seconds(-10)}));
    let made = session(&proved.create(&[&first], request.clone()).await);
    let again = session(&proved.create(&[&second], request).await);
    assert_eq!(made.id, again.id);
}
