//! One held connection to one server, made anew when it breaks.

use std::pin::{Pin, pin};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, RedisError, Value};

use crate::store::redis::link::connect::Held;
use crate::store::redis::link::fault::Trouble;
use crate::store::redis::link::node::Node;

/// A connection that many calls share. Calls are written one behind the other without waiting for answers.
#[derive(Default)]
pub(super) struct Lane {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Empty,
    /// Somebody is at it; all who come wait for the same attempt, so that an outage makes no crowd of them.
    Connecting(Attempt),
    Up(Arc<Held>),
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Held>, Trouble>>>;

impl Lane {
    /// The connection. Makes one if there is none, in a task of its own: it goes on if this caller goes away.
    pub(super) async fn connection(
        self: &Arc<Lane>,
        node: &Arc<Node>,
    ) -> Result<Arc<Held>, Trouble> {
        let attempt = {
            let mut state = self.state.lock();
            match &*state {
                State::Up(held) => return Ok(Arc::clone(held)),
                State::Connecting(attempt) => attempt.clone(),
                State::Empty => {
                    let attempt = self.connect(node);
                    *state = State::Connecting(attempt.clone());
                    attempt
                }
            }
        };
        attempt.await
    }

    fn connect(self: &Arc<Lane>, node: &Arc<Node>) -> Attempt {
        let (lane, node) = (Arc::clone(self), Arc::clone(node));
        let task = tokio::spawn(async move {
            let pool = node.pool();
            let made = Held::from_pool(&pool, &node.address).await.map(Arc::new);
            if matches!(made, Err(Trouble::Denied)) {
                node.renew_credentials();
            }
            *lane.state.lock() = match &made {
                Ok(held) => State::Up(Arc::clone(held)),
                Err(_) => State::Empty,
            };
            made
        });
        let lane = Arc::clone(self);
        let task = task.map(move |made| {
            made.unwrap_or_else(|_| {
                // The runtime is going down.
                *lane.state.lock() = State::Empty;
                Err(Trouble::Broken)
            })
        });
        task.boxed().shared()
    }

    /// Gives a connection up, unless it has been replaced already. Calls that wait on it keep it open until
    /// they are done.
    pub(super) fn discard(&self, held: &Arc<Held>) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Up(current) if Arc::ptr_eq(current, held)) {
            *state = State::Empty;
        }
    }

    /// Gives up whatever it has.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Up(_)) {
            *state = State::Empty;
        }
    }
}

/// Sends one command.
pub(super) async fn send(held: &Held, command: &Cmd) -> Result<Value, Sent> {
    let mut connection = held.connection.clone();
    first_poll_tells(pin!(connection.send_packed_command(command))).await
}

/// Sends many commands in one go. A command's own error is a `Value::ServerError` in its place.
pub(super) async fn send_all(held: &Held, commands: &Pipeline) -> Result<Vec<Value>, Sent> {
    let mut connection = held.connection.clone();
    let sending = connection.send_packed_commands(commands, 0, commands.len());
    first_poll_tells(pin!(sending)).await
}

/// An error of the driver, and whether anything had gone out by then.
pub(super) enum Sent {
    Nothing,
    Perhaps(RedisError),
}

impl Sent {
    pub(super) fn trouble(self, node: &Node) -> Trouble {
        match self {
            Sent::Nothing => Trouble::NotSent,
            Sent::Perhaps(error) => Trouble::from_driver(&error, &node.address),
        }
    }
}

/// A connection that died while it was idle (a restart, a proxy's idle timeout) fails the next call, although
/// nothing was sent. The driver reports it with the same error as an answer that was lost. But it hands a
/// command to its task first and then waits: an error before the first wait means that the task was gone, so
/// sending again on a new connection is safe for every command.
async fn first_poll_tells<T>(
    mut sending: Pin<&mut impl Future<Output = Result<T, RedisError>>>,
) -> Result<T, Sent> {
    match futures::poll!(&mut sending) {
        std::task::Poll::Ready(Err(error)) if error.is_unrecoverable_error() => Err(Sent::Nothing),
        std::task::Poll::Ready(done) => done.map_err(Sent::Perhaps),
        std::task::Poll::Pending => sending.await.map_err(Sent::Perhaps),
    }
}
