//! Tokens that are taken, tokens that are not, and keys that come and go.

use std::fs;
use std::time::Duration;

use aws_lc_rs::hmac;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tenure::callers::new_key;
use tenure::config::{ApiKey, Callers, TokenIssuer};
use tonic::Code;

use super::issuer::{Endpoint, ISSUER, SigningKey, claims, encoded, in_seconds, jwks};
use super::raw::Answered;
use super::{House, assert_unknown, bearer, rule, with_callers};
use crate::server::{config, eventually};

fn callers(issuer: TokenIssuer) -> Callers {
    Callers {
        jwt: vec![("k8s".to_owned(), issuer)],
        jwks_cooldown: Duration::from_millis(100),
        ..Callers::default()
    }
}

async fn shown(house: &House, token: &str) -> Answered {
    house.list(&[("authorization", &bearer(token))]).await
}

async fn is_taken(house: &House, token: &str) -> bool {
    shown(house, token).await.code == Code::Ok
}

#[tokio::test]
async fn sound_tokens_are_taken_whatever_signed_them() {
    let (ec, rsa) = (SigningKey::ec(), SigningKey::rsa());
    let endpoint = Endpoint::start(&[ec.jwk("a"), rsa.jwk("b")]).await;
    let house = House::start(with_callers(callers(endpoint.issuer()))).await;
    for (key, id) in [(&ec, "a"), (&rsa, "b")] {
        for set in [
            json!({}),
            json!({"aud": "tenure"}),
            json!({"nbf": null, "iat": null}),
            json!({"exp": in_seconds(-10)}),
            json!({"nbf": in_seconds(10), "iat": in_seconds(10)}),
        ] {
            let token = key.token_with(id, &set);
            assert!(is_taken(&house, &token).await, "{id} {set}");
        }
    }
    for typ in [json!("at+jwt"), json!("application/at+JWT"), Value::Null] {
        let mut header: Value = serde_json::from_str(&ec.header("a")).expect("JSON");
        header["typ"] = typ;
        let token = ec.token(&header.to_string(), &claims(&json!({})));
        assert!(is_taken(&house, &token).await, "{header}");
    }
}

#[tokio::test]
async fn the_policy_knows_a_token_by_issuer_and_subject() {
    let key = SigningKey::ec();
    let endpoint = Endpoint::start(&[key.jwk("a")]).await;
    let mut settings = config();
    settings.callers = callers(endpoint.issuer());
    let caller = "jwt:k8s:system:serviceaccount:mcp:*";
    settings.policy = vec![rule("mcp", caller, &["server"], "crm", "*")];
    let house = House::start(settings).await;
    assert!(is_taken(&house, &key.token_with("a", &json!({}))).await);
    for subject in [
        "system:serviceaccount:other:crm",
        "system:serviceaccount:mcp:a:b",
    ] {
        let answered = shown(&house, &key.token_with("a", &json!({"sub": subject}))).await;
        assert_eq!(answered.reason, "CALLER_NOT_ALLOWED", "{subject}");
    }
}

/// A token of an algorithm that needs a secret, made with what is public.
fn hmac_token(secret: &[u8], header: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims(&json!({}))));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", encoded(tag))
}

/// Every token that must not be taken, by what is wrong with it.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn unsound(key: &SigningKey, other: &SigningKey) -> Vec<(&'static str, String)> {
    let sound = key.token_with("a", &json!({}));
    let (message, signature) = sound.rsplit_once('.').expect("three parts");
    let (header, payload) = message.split_once('.').expect("three parts");
    let header_of = |header: &Value| key.token(&header.to_string(), &claims(&json!({})));
    let with = |set: Value| key.token_with("a", &set);
    let algorithm = key.algorithm();
    let none = json!({"alg": "none", "kid": "a"}).to_string();
    let hs256 = json!({"alg": "HS256", "typ": "JWT", "kid": "a"}).to_string();
    let other_payload = encoded(claims(&json!({"sub": "admin"})));
    let duplicated = claims(&json!({})).replace("\"aud\"", "\"sub\":\"admin\",\"aud\"");
    vec![
        ("expired", with(json!({"exp": in_seconds(-60)}))),
        ("never expires", with(json!({"exp": null}))),
        ("not valid yet", with(json!({"nbf": in_seconds(60)}))),
        ("issued in the future", with(json!({"iat": in_seconds(60)}))),
        ("wrong audience", with(json!({"aud": ["other"]}))),
        ("no audience", with(json!({"aud": null}))),
        ("wrong issuer", with(json!({"iss": "https://evil.example"}))),
        (
            "issuer with a slash",
            with(json!({"iss": format!("{ISSUER}/")})),
        ),
        (
            "two issuers",
            with(json!({"iss": [ISSUER, "https://evil.example"]})),
        ),
        ("no issuer", with(json!({"iss": null}))),
        ("no subject", with(json!({"sub": null}))),
        ("empty subject", with(json!({"sub": ""}))),
        ("subject that breaks lines", with(json!({"sub": "a\nb"}))),
        ("exp is a text", with(json!({"exp": "tomorrow"}))),
        ("none", format!("{}.{payload}.", encoded(&none))),
        ("none, signed", key.token(&none, &claims(&json!({})))),
        (
            "None",
            format!("{}.{payload}.", encoded(none.replace("none", "None"))),
        ),
        (
            "HMAC with the public key",
            hmac_token(&key.public(), &hs256),
        ),
        (
            "HMAC with the key set",
            hmac_token(jwks(&[key.jwk("a")]).as_bytes(), &hs256),
        ),
        (
            "algorithm not allowed",
            header_of(&json!({"alg": "ES384", "kid": "a"})),
        ),
        (
            "algorithm of another key",
            header_of(
                &json!({"alg": if algorithm == "ES256" { "RS256" } else { "ES256" }, "kid": "a"}),
            ),
        ),
        ("wrong signature", other.token_with("a", &json!({}))),
        ("no signature", format!("{message}.")),
        (
            "short signature",
            format!("{message}.{}", &signature[..signature.len() - 4]),
        ),
        (
            "tampered claims",
            format!("{header}.{other_payload}.{signature}"),
        ),
        (
            "tampered header",
            format!(
                "{}.{payload}.{signature}",
                encoded(key.header("a").replace("JWT", "jwt"))
            ),
        ),
        ("unknown kid", key.token_with("z", &json!({}))),
        ("no kid", header_of(&json!({"alg": algorithm}))),
        (
            "empty kid",
            header_of(&json!({"alg": algorithm, "kid": ""})),
        ),
        (
            "kid is a number",
            header_of(&json!({"alg": algorithm, "kid": 1})),
        ),
        (
            "alg twice",
            key.token(
                &format!("{{\"alg\":\"none\",\"alg\":\"{algorithm}\",\"kid\":\"a\"}}"),
                &claims(&json!({})),
            ),
        ),
        ("subject twice", key.token(&key.header("a"), &duplicated)),
        (
            "critical extension",
            header_of(&json!({"alg": algorithm, "kid": "a", "crit": ["b64"], "b64": false})),
        ),
        (
            "a key of its own",
            header_of(
                &json!({"alg": algorithm, "kid": "z", "jwk": other.jwk("z"), "jku": "https://evil.example"}),
            ),
        ),
        (
            "a logout token",
            header_of(&json!({"alg": algorithm, "kid": "a", "typ": "logout+jwt"})),
        ),
        (
            "a security event",
            header_of(&json!({"alg": algorithm, "kid": "a", "typ": "secevent+jwt"})),
        ),
        ("four parts", format!("{sound}.x")),
        ("five parts", format!("{sound}.x.y")),
        ("two parts", message.to_owned()),
        ("padding", format!("{message}.{signature}==")),
        ("no token at all", "x".to_owned()),
        ("too long", with(json!({"more": "x".repeat(13_000)}))),
    ]
}

#[tokio::test]
async fn every_unsound_token_gets_the_same_answer() {
    let (ec, rsa, other_ec, other_rsa) = (
        SigningKey::ec(),
        SigningKey::rsa(),
        SigningKey::ec(),
        SigningKey::rsa(),
    );
    for (key, other) in [(&ec, &other_ec), (&rsa, &other_rsa)] {
        let endpoint = Endpoint::start(&[key.jwk("a")]).await;
        let mut settings = with_callers(callers(endpoint.issuer()));
        // Above the longest token, so that it arrives.
        settings.grpc.max_header_list_bytes = 64 * 1024;
        let house = House::start(settings).await;
        let sound = key.token_with("a", &json!({}));
        assert!(is_taken(&house, &sound).await, "the control");
        let nothing = house.list(&[]).await;
        assert_unknown(&nothing, "nothing");
        for (what, token) in unsound(key, other) {
            assert_eq!(shown(&house, &token).await, nothing, "{what}");
        }
        assert!(is_taken(&house, &sound).await, "still");
    }
}

#[tokio::test]
async fn every_unsound_header_gets_the_same_answer() {
    let key = SigningKey::ec();
    let endpoint = Endpoint::start(&[key.jwk("a")]).await;
    let house = House::start(with_callers(callers(endpoint.issuer()))).await;
    let token = key.token_with("a", &json!({}));
    let sound = bearer(&token);
    let nothing = house.list(&[]).await;
    for headers in [
        vec![sound.as_str(), sound.as_str()],
        vec![sound.as_str(), "Bearer x"],
        vec![token.as_str()],
        vec!["Bearer"],
        vec!["Bearer "],
        vec![""],
        vec!["Basic YWRtaW46YWRtaW4="],
    ] {
        let headers: Vec<_> = headers
            .iter()
            .map(|value| ("authorization", *value))
            .collect();
        assert_eq!(house.list(&headers).await, nothing, "{headers:?}");
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {token}");
        let answered = house.list(&[("authorization", &value)]).await;
        assert_eq!(answered.code, Code::Ok, "{scheme}");
    }
    let answered = house.list(&[("x-authorization", &sound)]).await;
    assert_eq!(answered, nothing);
}

#[tokio::test]
async fn a_token_is_no_way_in_where_none_is_taken() {
    let key = SigningKey::ec();
    let (_, hash) = new_key();
    let api_key = ApiKey {
        hashes: vec![hash],
        hash_file: None,
    };
    let house = House::start(with_callers(Callers {
        api_keys: vec![("crm".to_owned(), api_key)],
        ..Callers::default()
    }))
    .await;
    assert_unknown(
        &shown(&house, &key.token_with("a", &json!({}))).await,
        "a token",
    );
    let (stranger, _) = new_key();
    assert_unknown(
        &shown(&house, stranger.expose_secret()).await,
        "a strange key",
    );
}

#[tokio::test]
async fn an_endpoint_that_dies_takes_no_key_away() {
    let (old, new) = (SigningKey::ec(), SigningKey::ec());
    let endpoint = Endpoint::start(&[old.jwk("old")]).await;
    let mut settings = callers(endpoint.issuer());
    settings.jwks_refresh = Duration::from_millis(100);
    let house = House::start(with_callers(settings)).await;
    let nonces = 0..;
    let mut fresh = nonces.map(|nonce| old.token_with("old", &json!({"jti": nonce.to_string()})));
    let mut next = move || fresh.next().expect("endless");
    assert!(is_taken(&house, &next()).await);

    for broken in [None, Some(""), Some("{\"keys\": []}"), Some("<html>")] {
        match broken {
            None => endpoint.die(),
            Some(text) => endpoint.publish_text(text),
        }
        let before = endpoint.fetches();
        eventually("it was asked in vain", async || {
            endpoint.fetches() > before + 1
        })
        .await;
        assert!(is_taken(&house, &next()).await, "{broken:?}");
        assert!(!is_taken(&house, &new.token_with("new", &json!({}))).await);
    }
    endpoint.publish(&[new.jwk("new")]);
    eventually("the new key is in force", async || {
        is_taken(&house, &new.token_with("new", &json!({}))).await
    })
    .await;
    assert!(
        !is_taken(&house, &next()).await,
        "the old key was withdrawn"
    );
}

#[tokio::test]
async fn a_rotated_key_is_fetched_when_it_is_first_seen() {
    let (old, new) = (SigningKey::ec(), SigningKey::ec());
    let endpoint = Endpoint::start(&[old.jwk("old")]).await;
    let mut settings = callers(endpoint.issuer());
    settings.jwks_refresh = Duration::from_hours(1);
    let house = House::start(with_callers(settings)).await;
    let by_old = old.token_with("old", &json!({}));
    assert!(is_taken(&house, &by_old).await);
    endpoint.publish(&[old.jwk("old"), new.jwk("new")]);
    eventually("the new key is fetched", async || {
        is_taken(&house, &new.token_with("new", &json!({}))).await
    })
    .await;
    assert!(
        is_taken(&house, &by_old).await,
        "the old one is still published"
    );
    // Withdrawn: also a token that was taken before does not open any more.
    endpoint.publish(&[new.jwk("new")]);
    let third = SigningKey::ec();
    eventually("the old key is gone", async || {
        let _ = shown(&house, &third.token_with("third", &json!({}))).await;
        !is_taken(&house, &by_old).await
    })
    .await;
}

#[tokio::test]
async fn unknown_keys_do_not_make_the_endpoint_busy() {
    let (key, stranger) = (SigningKey::ec(), SigningKey::ec());
    let endpoint = Endpoint::start(&[key.jwk("a")]).await;
    let mut settings = callers(endpoint.issuer());
    settings.jwks_cooldown = Duration::from_hours(1);
    let house = House::start(with_callers(settings)).await;
    assert!(is_taken(&house, &key.token_with("a", &json!({}))).await);
    for id in 0..50 {
        let token = stranger.token_with(&id.to_string(), &json!({}));
        assert_unknown(&shown(&house, &token).await, "a stranger");
    }
    assert_eq!(endpoint.fetches(), 1);
}

#[tokio::test]
async fn the_service_starts_without_the_issuer_and_finds_it_later() {
    let key = SigningKey::ec();
    let endpoint = Endpoint::start(&[]).await;
    endpoint.die();
    let mut settings = callers(endpoint.issuer());
    settings.jwks_refresh = Duration::from_millis(100);
    let house = House::start(with_callers(settings)).await;
    let token = key.token_with("a", &json!({}));
    assert_unknown(&shown(&house, &token).await, "too early");
    endpoint.publish(&[key.jwk("a")]);
    eventually("the keys are there", async || {
        is_taken(&house, &token).await
    })
    .await;
}

#[tokio::test]
async fn keys_may_be_in_a_file_that_changes() {
    let (old, new) = (SigningKey::ec(), SigningKey::rsa());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("jwks.json");
    fs::write(&path, jwks(&[old.jwk("old")])).expect("written");
    let mut settings = callers(TokenIssuer {
        jwks_url: None,
        jwks_file: Some(path.clone()),
        ..Endpoint::start(&[]).await.issuer()
    });
    settings.jwks_refresh = Duration::from_millis(100);
    let house = House::start(with_callers(settings)).await;
    assert!(is_taken(&house, &old.token_with("old", &json!({}))).await);
    fs::write(&path, jwks(&[new.jwk("new")])).expect("written");
    eventually("the new key is in force", async || {
        is_taken(&house, &new.token_with("new", &json!({}))).await
    })
    .await;
    fs::remove_file(&path).expect("removed");
    assert!(is_taken(&house, &new.token_with("new", &json!({"jti": "2"}))).await);
}

#[tokio::test]
async fn keys_that_are_of_no_use_are_passed_over() {
    let key = SigningKey::ec();
    let mut for_encryption = key.jwk("enc");
    for_encryption["use"] = json!("enc");
    let mut no_id = key.jwk("x");
    no_id.as_object_mut().expect("an object").remove("kid");
    let secret = json!({"kty": "oct", "kid": "oct", "alg": "HS256", "k": encoded("secret")});
    let short = json!({"kty": "RSA", "kid": "short", "n": encoded([0xA5; 128]), "e": "AQAB"});
    let strange = json!({"kty": "PQC", "kid": "strange"});
    let endpoint = Endpoint::start(&[
        strange,
        secret,
        short,
        for_encryption,
        no_id,
        key.jwk("good"),
    ])
    .await;
    let house = House::start(with_callers(callers(endpoint.issuer()))).await;
    assert!(is_taken(&house, &key.token_with("good", &json!({}))).await);
    for id in ["enc", "oct", "short", "strange", ""] {
        assert!(
            !is_taken(&house, &key.token_with(id, &json!({}))).await,
            "{id}"
        );
    }
    let header = json!({"alg": "HS256", "kid": "oct"}).to_string();
    assert!(!is_taken(&house, &hmac_token(b"secret", &header)).await);
}
