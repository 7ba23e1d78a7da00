//! The program for interop: reads calls as lines of JSON, writes answers; see tests/vectors/README.md.
//!
//!     interop ADDRESS

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};

use serde_json::{Value, json};
use tenure_client::{Options, Tenure};

mod calls;

use calls::{Caller, Failed, Watches, show};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: interop ADDRESS")?;
    let tenure = Tenure::connect(Options::new(&address)).await?;
    for line in io::stdin().lock().lines() {
        let call: Value = serde_json::from_str(&line?)?;
        let text = |name: &str| call[name].as_str().unwrap_or_default();
        let caller = Caller::new(&tenure, text("namespace"), &call["owner"]);
        let mut watches = Watches::new();
        let answer = caller.call(text("do"), &call["with"], &mut watches);
        let shown = match answer.await {
            Ok(answer) => json!({"answer": answer}),
            Err(Failed::Client(error)) => json!({"error": show::error(&error)}),
            Err(Failed::Nothing) => json!({"error": {"reason": "NOTHING_CAME"}}),
        };
        writeln!(io::stdout().lock(), "{shown}")?;
    }
    Ok(())
}
