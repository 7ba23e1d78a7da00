//! Credentials and encrypted state over the wire, as callers see them.

mod canaries;
mod keys;
mod over_redis;
mod refresh;
mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tenure::config::{Config, Grpc, Http};
use tenure::server;
use tenure::session::limits::Limits;
use tenure::session::names::NamespaceName;
use tenure::store::memory::MemoryStore;
use tenure::store::{Clock, Store};
use tenure_client::proto::admin_v1::admin_service_client::AdminServiceClient;
use tenure_client::proto::v1;
use tenure_client::proto::v1::credential::Secret;
use tenure_client::proto::v1::credential_service_client::CredentialServiceClient;
use tenure_client::proto::v1::session_service_client::SessionServiceClient;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Instances within the test, over one store.
struct Fleet {
    instances: Vec<SocketAddr>,
    store: Arc<dyn Store>,
    _stop: tokio_util::sync::DropGuard,
    _running: Vec<JoinHandle<anyhow::Result<()>>>,
}

/// The namespace whose state is encrypted.
const SECRET: &str = "secret";
/// One that allows little.
const SMALL: &str = "small";

fn config() -> Config {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let listed = |name: &str, limits| (NamespaceName::new(name).expect("a good name"), limits);
    Config {
        grpc: Grpc {
            listen: any_port,
            threads: Some(1),
            ..Grpc::default()
        },
        http: Http { listen: any_port },
        namespaces: vec![
            listed(
                SECRET,
                Limits {
                    encrypt_state: true,
                    state_bytes: 1000,
                    state_keys: 4,
                    ..Limits::default()
                },
            ),
            listed(
                SMALL,
                Limits {
                    credentials_per_session: 1,
                    credential_bytes: 10,
                    ..Limits::default()
                },
            ),
        ],
        ..Config::default()
    }
}

impl Fleet {
    async fn start(config: Config) -> Fleet {
        Fleet::of(1, config).await
    }

    /// So many instances, each with the same configuration.
    async fn of(instances: usize, config: Config) -> Fleet {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&config.store, Clock::system()));
        Fleet::over(vec![store; instances], config).await
    }

    /// An instance over each of these.
    async fn over(stores: Vec<Arc<dyn Store>>, config: Config) -> Fleet {
        let stop = CancellationToken::new();
        let mut addresses = Vec::new();
        let mut running = Vec::new();
        for store in &stores {
            let bound = server::bind(config.clone(), Arc::clone(store)).expect("bound");
            addresses.push(bound.grpc_address());
            let service = bound.start().await.expect("started");
            let stopped = stop.clone();
            running.push(tokio::spawn(async move {
                service.until(stopped.cancelled()).await
            }));
        }
        Fleet {
            instances: addresses,
            store: Arc::clone(&stores[0]),
            _stop: stop.drop_guard(),
            _running: running,
        }
    }

    async fn channel(&self, instance: usize) -> Channel {
        let address = format!("http://{}", self.instances[instance]);
        let endpoint = Endpoint::from_shared(address).expect("an address");
        endpoint.connect().await.expect("connected")
    }

    async fn caller(&self) -> Caller {
        Caller::new(self.channel(0).await, "crm")
    }
}

/// Somebody who calls, for one owner.
#[derive(Clone)]
struct Caller {
    sessions: SessionServiceClient<Channel>,
    credentials: CredentialServiceClient<Channel>,
    admin: AdminServiceClient<Channel>,
    namespace: String,
    owner: v1::Owner,
}

impl Caller {
    fn new(channel: Channel, namespace: &str) -> Caller {
        Caller {
            sessions: SessionServiceClient::new(channel.clone()),
            credentials: CredentialServiceClient::new(channel.clone()),
            admin: AdminServiceClient::new(channel),
            namespace: namespace.to_owned(),
            owner: v1::Owner {
                tenant: "acme".to_owned(),
                user: "ann".to_owned(),
                issuer: "idp".to_owned(),
            },
        }
    }

    fn in_namespace(&self, namespace: &str) -> Caller {
        Caller {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    fn for_user(&self, tenant: &str, user: &str) -> Caller {
        let owner = v1::Owner {
            tenant: tenant.to_owned(),
            user: user.to_owned(),
            ..self.owner.clone()
        };
        Caller {
            owner,
            ..self.clone()
        }
    }

    /// A request to make a session, for this owner.
    fn new_session(&self) -> v1::CreateSessionRequest {
        v1::CreateSessionRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            ..v1::CreateSessionRequest::default()
        }
    }

    async fn create(&mut self, request: v1::CreateSessionRequest) -> Result<v1::Session, Status> {
        let created = self.sessions.create_session(request).await?.into_inner();
        Ok(created.session.expect("a session"))
    }

    async fn make(&mut self) -> String {
        let request = self.new_session();
        self.create(request).await.expect("a new session").id
    }

    async fn put(
        &mut self,
        id: &str,
        name: &str,
        credential: v1::Credential,
    ) -> Result<i64, Status> {
        let request = v1::PutCredentialRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
            name: name.to_owned(),
            credential: Some(credential),
        };
        let answer = self.credentials.put_credential(request).await?;
        Ok(answer.into_inner().version)
    }

    async fn get(&mut self, id: &str, name: &str) -> Result<(v1::Credential, i64), Status> {
        let request = v1::GetCredentialRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
            name: name.to_owned(),
        };
        let answer = self.credentials.get_credential(request).await?.into_inner();
        Ok((answer.credential.expect("a credential"), answer.version))
    }

    async fn delete(&mut self, id: &str, name: &str) -> Result<bool, Status> {
        let request = v1::DeleteCredentialRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
            name: name.to_owned(),
        };
        let answer = self.credentials.delete_credential(request).await?;
        Ok(answer.into_inner().deleted)
    }

    async fn names(&mut self, id: &str) -> Result<Vec<String>, Status> {
        let request = v1::ListCredentialsRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
        };
        let answer = self.credentials.list_credentials(request).await?;
        Ok(answer.into_inner().names)
    }

    async fn session(&mut self, id: &str) -> Result<v1::Session, Status> {
        let request = v1::GetSessionRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
            ..v1::GetSessionRequest::default()
        };
        let answer = self.sessions.get_session(request).await?.into_inner();
        Ok(answer.session.expect("a session"))
    }

    async fn end(&mut self, id: &str) {
        let request = v1::DeleteSessionRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
        };
        self.sessions.delete_session(request).await.expect("ended");
    }
}

fn opaque(text: &str) -> v1::Credential {
    v1::Credential {
        secret: Some(Secret::Opaque(text.as_bytes().to_vec())),
    }
}

fn tokens(access: &str, refresh: &str) -> v1::Credential {
    v1::Credential {
        secret: Some(Secret::Oauth(v1::OAuthTokenSet {
            access_token: access.to_owned(),
            refresh_token: refresh.to_owned(),
            token_type: "Bearer".to_owned(),
            scopes: vec!["read".to_owned(), "write".to_owned()],
            expires_at: Some(prost_types::Timestamp {
                seconds: 1_900_000_000,
                nanos: 5,
            }),
            issuer: "https://as.example".to_owned(),
            audience: "https://api.example".to_owned(),
        })),
    }
}

fn reason(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().expect("an ErrorInfo");
    (status.code(), info.reason)
}

#[track_caller]
fn refused<T>(answer: Result<T, Status>, code: Code, why: &str) -> BTreeMap<String, String> {
    let status = answer.err().expect("refused");
    assert_eq!(reason(&status), (code, why.to_owned()));
    let info = status.get_details_error_info().expect("an ErrorInfo");
    info.metadata.into_iter().collect()
}

#[tokio::test]
async fn stored_whole_and_read_back() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.make().await;
    let github = tokens("access", "refresh");
    assert_eq!(
        ann.put(&id, "github", github.clone()).await.expect("put"),
        1
    );
    assert_eq!(
        ann.put(&id, "api.key_1-x", opaque("\0key"))
            .await
            .expect("put"),
        1
    );
    assert_eq!(ann.get(&id, "github").await.expect("got"), (github, 1));
    assert_eq!(
        ann.get(&id, "api.key_1-x").await.expect("got"),
        (opaque("\0key"), 1)
    );
    assert_eq!(
        ann.put(&id, "github", opaque("other")).await.expect("put"),
        2
    );
    assert_eq!(
        ann.get(&id, "github").await.expect("got"),
        (opaque("other"), 2)
    );
    assert_eq!(
        ann.names(&id).await.expect("listed"),
        ["api.key_1-x", "github"]
    );
    let session = ann.session(&id).await.expect("alive");
    assert_eq!(session.credential_names, ["api.key_1-x", "github"]);
    assert_eq!(session.revision, 1);

    assert!(ann.delete(&id, "github").await.expect("deleted"));
    assert!(!ann.delete(&id, "github").await.expect("nothing to delete"));
    let gone = ann.get(&id, "github").await;
    refused(gone, Code::NotFound, "CREDENTIAL_NOT_FOUND");
    // Its old versions never come again.
    assert_eq!(ann.put(&id, "github", opaque("new")).await.expect("put"), 3);
}

#[tokio::test]
async fn made_with_the_session_and_ended_with_it() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let mut request = ann.new_session();
    request.request_id = uuid::Uuid::new_v4().to_string();
    request.credentials.insert("a".to_owned(), opaque("one"));
    request.credentials.insert("b".to_owned(), tokens("x", "y"));
    let session = ann.create(request.clone()).await.expect("made");
    assert_eq!(session.credential_names, ["a", "b"]);
    assert_eq!(
        ann.get(&session.id, "b").await.expect("got"),
        (tokens("x", "y"), 1)
    );
    // The same request again is the same session; with another secret it is another request.
    let again = ann.create(request.clone()).await.expect("repeated");
    assert_eq!(again.id, session.id);
    request.credentials.insert("a".to_owned(), opaque("two"));
    let other = ann.create(request).await;
    refused(other, Code::InvalidArgument, "REQUEST_ID_REUSED");

    let mut bob = ann.for_user("acme", "bob");
    for answer in [
        bob.get(&session.id, "a").await.map(drop),
        bob.put(&session.id, "a", opaque("x")).await.map(drop),
        bob.delete(&session.id, "a").await.map(drop),
        bob.names(&session.id).await.map(drop),
    ] {
        refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
    }
    ann.end(&session.id).await;
    let ended = ann.get(&session.id, "a").await;
    refused(ended, Code::NotFound, "SESSION_DELETED");
}

#[tokio::test]
async fn kept_through_a_rotation() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.make().await;
    ann.put(&id, "a", opaque("one")).await.expect("put");
    let request = v1::RotateSessionRequest {
        namespace: ann.namespace.clone(),
        owner: Some(ann.owner.clone()),
        session_id: id.clone(),
        ..v1::RotateSessionRequest::default()
    };
    let rotated = ann.sessions.rotate_session(request).await.expect("rotated");
    let session = rotated.into_inner().session.expect("a session");
    assert_eq!(session.credential_names, ["a"]);
    assert_eq!(
        ann.get(&session.id, "a").await.expect("got"),
        (opaque("one"), 1)
    );
    let old = ann.get(&id, "a").await;
    refused(old, Code::NotFound, "SESSION_ROTATED");
}

#[tokio::test]
async fn bad_fields_and_limits() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.make().await;
    for name in ["", "a b", "ä", "a/b", &"x".repeat(65)] {
        let answer = ann.put(&id, name, opaque("x")).await;
        refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        let answer = ann.get(&id, name).await;
        refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    }
    let empty = v1::Credential { secret: None };
    let answer = ann.put(&id, "a", empty).await;
    refused(answer, Code::InvalidArgument, "INVALID_FIELD");

    let mut ann = ann.in_namespace(SMALL);
    let id = ann.make().await;
    ann.put(&id, "a", opaque("0123456789"))
        .await
        .expect("as large as allowed");
    let metadata = refused(
        ann.put(&id, "a", opaque("0123456789x")).await,
        Code::ResourceExhausted,
        "CREDENTIAL_TOO_LARGE",
    );
    assert_eq!(metadata["limit"], "credential_bytes");
    assert_eq!((&*metadata["maximum"], &*metadata["asked"]), ("10", "11"));
    let metadata = refused(
        ann.put(&id, "b", opaque("x")).await,
        Code::ResourceExhausted,
        "TOO_MANY_CREDENTIALS",
    );
    assert_eq!((&*metadata["maximum"], &*metadata["asked"]), ("1", "2"));
    let mut request = ann.new_session();
    request.credentials.insert("a".to_owned(), opaque("x"));
    request.credentials.insert("b".to_owned(), opaque("x"));
    let answer = ann.create(request).await;
    refused(answer, Code::ResourceExhausted, "TOO_MANY_CREDENTIALS");
}

#[tokio::test]
async fn without_keys_only_what_needs_none() {
    // Any store but the one in memory: a key of the process would be gone before the data.
    let fake = Arc::new(crate::server::fake_store::FakeStore::default());
    let bound = server::bind(config(), fake as Arc<dyn Store>).expect("bound");
    let address = bound.grpc_address();
    let running = bound.start().await.expect("started");
    let _running = tokio::spawn(running.until(std::future::pending()));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let mut ann = Caller::new(endpoint.connect().await.expect("connected"), "crm");
    let id = "0123456789abcdef";
    let code = Code::FailedPrecondition;
    refused(
        ann.put(id, "a", opaque("x")).await,
        code,
        "ENCRYPTION_NOT_CONFIGURED",
    );
    refused(ann.get(id, "a").await, code, "ENCRYPTION_NOT_CONFIGURED");
    let mut request = ann.new_session();
    request.credentials.insert("a".to_owned(), opaque("x"));
    refused(ann.create(request).await, code, "ENCRYPTION_NOT_CONFIGURED");
    let status = ann
        .admin
        .get_key_status(tenure_client::proto::admin_v1::GetKeyStatusRequest {});
    refused(status.await, code, "ENCRYPTION_NOT_CONFIGURED");
}

#[tokio::test]
async fn what_was_moved_in_the_store_is_refused() {
    use tenure::session::names::{CallerTag, CredentialName, Owner, SessionId};
    use tenure::session::owner_record::PutCredential;
    use tenure::store::{Namespace, Place};

    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let (one, two) = (ann.make().await, ann.make().await);
    ann.put(&one, "a", opaque("secret")).await.expect("put");
    let place = Place {
        namespace: Arc::new(Namespace {
            name: NamespaceName::new("crm").expect("a good name"),
            limits: Limits::default(),
        }),
        owner: Owner::new("acme", "ann", "idp").expect("a good owner"),
        by: CallerTag::NOBODY,
    };
    let name = |text| CredentialName::new(text).expect("a good name");
    let id = |text: &str| SessionId::known(text).expect("a good id");
    let looked = fleet.store.credential(&place, &id(&one), &name("a")).await;
    let stolen = looked
        .expect("looked up")
        .credential
        .expect("it is there")
        .sealed;
    // Into another session, into another field, and as a newer version of its own.
    for (session, field, version) in [(&two, "a", 1), (&one, "b", 1), (&one, "a", 2)] {
        let put = PutCredential {
            name: name(field),
            version,
            sealed: stolen.clone(),
            lease: None,
        };
        let planted = fleet.store.put_credential(&place, &id(session), put).await;
        assert_eq!(planted, Ok(version));
        let answer = ann.get(session, field).await;
        refused(answer, Code::DataLoss, "DATA_UNREADABLE");
    }
}
