//! What Redis says instead of doing what it is asked: each ends in the right answer, none of it reaches a client, and
//! it passes without a restart. What a real server cannot be brought to say is in `redis_link/errors.rs`.

use tenure_client::Code;

use super::eventually;
use super::outages::{all_say, ann, one_of_each};
use crate::support::redis::{Server, free_port};
use crate::support::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_is_answered_and_passes() {
    let server = Server::start();
    let service = Service::start(&server.url());
    service.wait_until_ready();
    let tenure = service.client();
    let owner = ann(&tenure);
    let id = owner.create().await.expect("a session").session.id;
    let served_again = async || {
        service.wait_until_ready();
        let until = std::time::Instant::now() + crate::support::redis::DEADLINE;
        while let Err(error) = owner.get(&id).await {
            assert_eq!(error.code(), Code::Unavailable, "{error}");
            assert!(std::time::Instant::now() < until, "{error}");
        }
    };

    // NOSCRIPT: nobody notices.
    server.ask(&["SCRIPT", "FLUSH"]);
    owner.get(&id).await.expect("read");
    owner.update(&id).set("a", "b").await.expect("updated");
    assert!(!owner.end("y".repeat(36)).await.expect("nothing to end"));

    // READONLY, or MASTERDOWN: it follows somebody who is not there.
    server.ask(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    all_say(&one_of_each(&tenure, &id).await, "STORE_UNAVAILABLE");
    eventually("not ready", || !service.is_ready()).await;
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    served_again().await;

    // NOAUTH.
    server.ask(&["CONFIG", "SET", "requirepass", "secret"]);
    let knocking = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
    server.ask_with_password("secret", &knocking);
    eventually("not ready", || !service.is_ready()).await;
    all_say(&one_of_each(&tenure, &id).await, "STORE_UNAVAILABLE");
    server.ask_with_password("secret", &["CONFIG", "SET", "requirepass", ""]);
    served_again().await;

    // MISCONF: it cannot save, and takes no writes then.
    server.ask(&["CONFIG", "SET", "save", "3600 1000000"]);
    server.can_save(false);
    all_say(&one_of_each(&tenure, &id).await, "STORE_UNAVAILABLE");
    server.can_save(true);
    served_again().await;

    // WRONGTYPE: somebody else has written where we do.
    let tamper = "local key = redis.call('KEYS', ARGV[1])[1]
        redis.call('COPY', key, 'kept')
        redis.call('SET', key, 'no hash')
        return key";
    server.ask(&["EVAL", tamper, "0", "tenure:{crm:*}:o:*"]);
    let errors = [
        owner.get(&id).await.err(),
        owner.update(&id).set("a", "b").await.err(),
        owner.list().await.err(),
        owner.end(&id).await.err(),
        owner.invalidate().await.err(),
    ];
    let errors: Vec<_> = errors.into_iter().flatten().collect();
    assert_eq!(errors.len(), 5);
    all_say(&errors, "STORE_UNAVAILABLE");
    assert!(
        service.log().contains("WRONGTYPE"),
        "the operator is told what is wrong"
    );
    let mend = "local key = redis.call('KEYS', ARGV[1])[1]
        redis.call('RENAME', 'kept', key)
        return 1";
    server.ask(&["EVAL", mend, "0", "tenure:{crm:*}:o:*"]);
    served_again().await;
}
