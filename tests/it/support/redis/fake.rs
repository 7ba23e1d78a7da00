//! A server that says what a test wants, for what a real one cannot be brought to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) port: u16,
    answers: Answers,
}

type Answers = Arc<Mutex<HashMap<String, String>>>;

impl Fake {
    /// It is well, new, and by default knows every script, and answers 1.
    pub(crate) async fn start() -> Fake {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answers = Answers::default();
        let fake = Fake {
            port,
            answers: Arc::clone(&answers),
        };
        let info = "redis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:fake\r\n\
            maxmemory_policy:noeviction\r\nrole:master\r\n";
        fake.answer("INFO", &bulk(info));
        fake.answer("EVALSHA", ":1\r\n");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers)));
            }
        });
        fake
    }

    /// Sets what it says to a command from now on, in the protocol's own words; an empty text: nothing at all.
    pub(crate) fn answer(&self, command: &str, says: &str) {
        let mut answers = self.answers.lock().expect("not poisoned");
        answers.insert(command.to_owned(), says.to_owned());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

pub(crate) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

async fn serve(stream: TcpStream, answers: Answers) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut words = Vec::new();
        for _ in 0..number(&mut reader).await? {
            let length = number(&mut reader).await?;
            let mut word = vec![0; usize::try_from(length).ok()? + 2];
            reader.read_exact(&mut word).await.ok()?;
            word.truncate(word.len() - 2);
            words.push(String::from_utf8_lossy(&word).into_owned());
        }
        let said = answers
            .lock()
            .expect("not poisoned")
            .get(&words[0])
            .cloned();
        let answer = said.unwrap_or_else(|| match words[0].as_str() {
            "TIME" => {
                let now = std::time::SystemTime::now();
                let now = now
                    .duration_since(std::time::UNIX_EPOCH)
                    .expect("after 1970");
                format!("*2\r\n{}{}", bulk(&now.as_secs().to_string()), bulk("0"))
            }
            "CONFIG" => "*0\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        });
        writer.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// The number of a `*` or `$` line.
async fn number(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Option<i64> {
    let mut line = String::new();
    if reader.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    line.get(1..)?.trim().parse().ok()
}
