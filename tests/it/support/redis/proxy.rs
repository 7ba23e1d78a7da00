//! A way to a server on which answers get lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes everything on, until it is told to lose an answer.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    lose: Losing,
}

/// What the next command holds whose answer is to be lost.
type Losing = Arc<Mutex<Option<Vec<u8>>>>;

impl Proxy {
    pub(crate) fn before(server: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let lose = Losing::default();
        let losing = Arc::clone(&lose);
        thread::spawn(move || {
            for client in listener.incoming() {
                let losing = Arc::clone(&losing);
                let client = client.expect("a connection");
                thread::spawn(move || pass(&client, server, &losing));
            }
        });
        Proxy { port, lose }
    }

    /// The answer to the next command that holds these bytes never arrives: the server has answered, and the
    /// connection breaks.
    pub(crate) fn lose_answer_to(&self, bytes: &[u8]) {
        *self.lose.lock().expect("not poisoned") = Some(bytes.to_owned());
    }

    /// Whether it has been lost.
    pub(crate) fn has_lost(&self) -> bool {
        self.lose.lock().expect("not poisoned").is_none()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn pass(client: &TcpStream, server: u16, wanted: &Losing) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
        return;
    };
    let (mut from_client, mut to_client) = (client, client);
    let (mut from_server, mut to_server) = (&server, &server);
    thread::scope(|scope| {
        let lost = Arc::new(Mutex::new(false));
        let losing = Arc::clone(&lost);
        scope.spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            while let Ok(read @ 1..) = from_client.read(&mut buffer) {
                let mut sought = wanted.lock().expect("not poisoned");
                let found = |bytes: &Vec<u8>| {
                    buffer[..read]
                        .windows(bytes.len())
                        .any(|window| window == bytes)
                };
                // Until the server has it nothing breaks: it is the answer that is lost, not the command.
                let mut losing = losing.lock().expect("not poisoned");
                if sought.as_ref().is_some_and(found) {
                    *losing = true;
                    *sought = None;
                }
                drop(sought);
                if to_server.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let mut buffer = vec![0; 1 << 20];
        while let Ok(read @ 1..) = from_server.read(&mut buffer) {
            if *lost.lock().expect("not poisoned") || to_client.write_all(&buffer[..read]).is_err()
            {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_server.shutdown(Shutdown::Both);
    });
}
