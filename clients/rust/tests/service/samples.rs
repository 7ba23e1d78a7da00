//! The samples do what they say.

use std::process::Command;

use tenure_client::testing::Server;

/// What a sample prints.
fn run(name: &str, server: &Server) -> String {
    // Cargo builds examples beside the tests.
    let test = std::env::current_exe().expect("this test");
    let built = test.ancestors().nth(2).expect("the profile's directory");
    let sample = built.join("examples").join(name);
    let done = Command::new(&sample)
        .env("TENURE_SERVER", server.address())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", sample.display()));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    String::from_utf8(done.stdout).expect("text")
}

#[test]
fn tool_handler() {
    let server = Server::start().expect("a service");
    assert_eq!(
        run("tool_handler", &server),
        "Orders of Globex (search 1, recently [\"Globex\"])\n\
         Orders of Globex (search 2, recently [\"Globex\",\"Globex\"])\n\
         Orders of Initech (search 3, recently [\"Globex\",\"Globex\",\"Initech\"])\n"
    );
}

#[test]
fn conversation_isolation() {
    let server = Server::start().expect("a service");
    assert_eq!(
        run("conversation_isolation", &server),
        "ada, write an offer: Globex\nada, check an invoice: Initech\n\
         bob, write an offer: {}\nbob, with ada's id: SESSION_NOT_FOUND\n"
    );
}

#[test]
fn logout_everywhere() {
    let server = Server::start().expect("a service");
    assert_eq!(
        run("logout_everywhere", &server),
        "dropped: INVALIDATED, PASSWORD_CHANGED\ndropped: INVALIDATED, PASSWORD_CHANGED\n\
         ended: 2\nthe laptop is told: PASSWORD_CHANGED\n"
    );
}

#[test]
fn token_refresh() {
    let server = Server::start().expect("a service");
    assert_eq!(
        run("token_refresh", &server),
        "tokens: {\"access-2\"}, refreshes: 1\n"
    );
}
