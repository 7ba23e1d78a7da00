//! An issuer of tokens: keys, a place where they can be fetched, and tokens of every kind, sound or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tenure::config::TokenIssuer;
use tokio::net::TcpListener;

pub(super) const ISSUER: &str = "https://issuer.example";
pub(super) const AUDIENCE: &str = "tenure";

pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since the epoch, so many from now.
pub(super) fn in_seconds(seconds: i64) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.expect("after the epoch").as_secs();
    i64::try_from(now).expect("not that late") + seconds
}

/// A key that signs.
pub(super) enum SigningKey {
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    pub(super) fn ec() -> SigningKey {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        SigningKey::Ec(key.expect("a key"))
    }

    pub(super) fn rsa() -> SigningKey {
        let key = RsaKeyPair::generate(KeySize::Rsa2048);
        SigningKey::Rsa(Box::new(key.expect("a key")))
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            SigningKey::Ec(_) => "ES256",
            SigningKey::Rsa(_) => "RS256",
        }
    }

    /// Its public half.
    pub(super) fn public(&self) -> Vec<u8> {
        match self {
            SigningKey::Ec(key) => key.public_key().as_ref().to_vec(),
            SigningKey::Rsa(key) => key.public_key().as_ref().to_vec(),
        }
    }

    pub(super) fn jwk(&self, id: &str) -> Value {
        match self {
            SigningKey::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id,
                       "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
            }
            SigningKey::Rsa(key) => {
                let public = key.public_key();
                json!({"kty": "RSA", "use": "sig", "kid": id,
                       "n": encoded(public.modulus().big_endian_without_leading_zero()),
                       "e": encoded(public.exponent().big_endian_without_leading_zero())})
            }
        }
    }

    pub(super) fn sign(&self, message: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            SigningKey::Ec(key) => {
                let signature = key.sign(&random, message.as_bytes()).expect("signed");
                signature.as_ref().to_vec()
            }
            SigningKey::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    message.as_bytes(),
                    &mut signature,
                )
                .expect("signed");
                signature
            }
        }
    }

    /// A token with this header and these claims, as they are.
    pub(super) fn token(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = encoded(self.sign(&message));
        format!("{message}.{signature}")
    }

    /// A sound header.
    pub(super) fn header(&self, id: &str) -> String {
        json!({"alg": self.algorithm(), "typ": "JWT", "kid": id}).to_string()
    }

    /// A token that is sound but for what is set in its claims.
    pub(super) fn token_with(&self, id: &str, set: &Value) -> String {
        self.token(&self.header(id), &claims(set))
    }
}

/// Sound claims, but for what is set; `null` takes one away.
pub(super) fn claims(set: &Value) -> String {
    let mut claims = json!({
        "iss": ISSUER,
        "sub": "system:serviceaccount:mcp:crm",
        "aud": [AUDIENCE, "other"],
        "exp": in_seconds(600),
        "nbf": in_seconds(-10),
        "iat": in_seconds(-10),
    });
    let object = claims.as_object_mut().expect("an object");
    for (name, value) in set.as_object().expect("an object") {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    claims.to_string()
}

pub(super) fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// Where an issuer's keys can be fetched. It can die, and it can publish others.
pub(super) struct Endpoint {
    address: SocketAddr,
    answer: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
}

impl Endpoint {
    pub(super) async fn start(keys: &[Value]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let endpoint = Endpoint {
            address: listener.local_addr().expect("an address"),
            answer: Arc::new(Mutex::new(Some(jwks(keys)))),
            fetches: Arc::default(),
        };
        let (answer, fetches) = (Arc::clone(&endpoint.answer), Arc::clone(&endpoint.fetches));
        let fetch = async move || {
            fetches.fetch_add(1, Ordering::SeqCst);
            let answer = answer.lock().clone();
            answer.ok_or(StatusCode::SERVICE_UNAVAILABLE)
        };
        let router = Router::new().route("/jwks", get(fetch));
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    pub(super) fn publish(&self, keys: &[Value]) {
        *self.answer.lock() = Some(jwks(keys));
    }

    pub(super) fn publish_text(&self, text: &str) {
        *self.answer.lock() = Some(text.to_owned());
    }

    pub(super) fn die(&self) {
        *self.answer.lock() = None;
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    pub(super) fn issuer(&self) -> TokenIssuer {
        TokenIssuer {
            issuer: ISSUER.to_owned(),
            audiences: vec![AUDIENCE.to_owned()],
            jwks_url: Some(format!("http://{}/jwks", self.address)),
            ..TokenIssuer::default()
        }
    }
}
