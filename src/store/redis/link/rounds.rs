//! From requests to answers: sends them to the servers that have their slots, and those that are told
//! "elsewhere" or "not now" once more, until the patience ends.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use redis::{Cmd, Pipeline, Value};
use tokio::time::Instant;

use crate::config::redis::Address;
use crate::store::redis::link::fault::{Fault, Remedy, Trouble, UNAVAILABLE};
use crate::store::redis::link::node::Node;
use crate::store::redis::link::pause::Pause;
use crate::store::redis::link::servers::Servers;
use crate::store::redis::link::{Call, Durable, Way};

/// What is asked.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    Script(&'a Call),
    Plain { slot: u16, command: &'a Cmd },
}

/// Where a request goes next, and with what before it.
#[derive(Clone, Default)]
struct Hop {
    /// To this server, whatever the map says.
    to: Option<Address>,
    /// As a guest: the slot is not that server's yet.
    asking: bool,
    /// With the script's text.
    load: bool,
}

type Answered = Result<(Value, Durable), Fault>;

impl Request<'_> {
    pub(super) fn slot(&self) -> u16 {
        match self {
            Request::Script(call) => call.slot(),
            Request::Plain { slot, .. } => *slot,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Request::Script(call) => call.script.name(),
            Request::Plain { .. } => "command",
        }
    }

    pub(super) fn command(&self) -> Cmd {
        match self {
            Request::Script(call) => call.command(),
            Request::Plain { command, .. } => (*command).clone(),
        }
    }
}

/// The answer of one request: on the way that almost all take there is nothing to group.
pub(super) async fn one(servers: &Arc<Servers>, request: Request<'_>) -> Result<Value, Fault> {
    servers.admit(Way::Plain)?;
    let trouble = match servers.primary_of(request.slot()).await {
        Ok(node) => match node.call(&request.command()).await {
            Ok(value) => return Ok(value),
            Err(trouble) => trouble,
        },
        Err(trouble) => trouble,
    };
    let requests = [request];
    let mut rounds = Rounds::new(servers, Way::Plain, &requests);
    rounds.settle(0, Hop::default(), Err(trouble));
    // Boxed, because few calls come here.
    let answered = Box::pin(rounds.finish()).await.into_iter().next();
    answered.unwrap_or(Err(UNAVAILABLE)).map(|(value, _)| value)
}

/// The answers of many, in their order.
pub(super) async fn many(
    servers: &Arc<Servers>,
    way: Way,
    requests: &[Request<'_>],
) -> Vec<Answered> {
    if let Err(fault) = servers.admit(way) {
        return vec![Err(fault); requests.len()];
    }
    let mut rounds = Rounds::new(servers, way, requests);
    rounds.due = (0..requests.len())
        .map(|index| (index, Hop::default()))
        .collect();
    rounds.finish().await
}

struct Rounds<'a> {
    servers: &'a Arc<Servers>,
    way: Way,
    requests: &'a [Request<'a>],
    answered: Vec<Option<Answered>>,
    due: Vec<(usize, Hop)>,
    /// Whether somebody said "not now".
    wait: bool,
    /// Whether a slot was on the move: those of its keys that are missing come by and by.
    moving: bool,
    pause: Pause,
    round: u32,
    began: Instant,
}

impl<'a> Rounds<'a> {
    fn new(servers: &'a Arc<Servers>, way: Way, requests: &'a [Request<'a>]) -> Rounds<'a> {
        Rounds {
            servers,
            way,
            requests,
            answered: requests.iter().map(|_| None).collect(),
            due: Vec::new(),
            wait: false,
            moving: false,
            pause: Pause::new(Duration::from_millis(2), Duration::from_millis(50)),
            round: 0,
            began: Instant::now(),
        }
    }

    async fn finish(mut self) -> Vec<Answered> {
        while !self.due.is_empty() {
            // Two servers that each point at the other must not be asked without end.
            if self.wait || self.round > 4 {
                let wait = self.pause.next();
                let config = &self.servers.config;
                let patience = if self.moving {
                    config.patience_with_moves
                } else {
                    config.patience
                };
                if self.began.elapsed() + wait >= patience {
                    break;
                }
                tokio::time::sleep(wait).await;
            }
            self.round += 1;
            self.wait = false;
            self.go_round().await;
        }
        let answered = self.answered.into_iter();
        answered
            .map(|answered| answered.unwrap_or(Err(UNAVAILABLE)))
            .collect()
    }

    async fn go_round(&mut self) {
        let mut groups: Vec<Group> = Vec::new();
        for (index, hop) in std::mem::take(&mut self.due) {
            let node = match &hop.to {
                Some(address) => self.servers.node_at(address),
                None => self.servers.primary_of(self.requests[index].slot()).await,
            };
            match node {
                Ok(node) => match groups
                    .iter_mut()
                    .find(|group| Arc::ptr_eq(&group.node, &node))
                {
                    Some(group) => group.items.push((index, hop)),
                    None => groups.push(Group {
                        node,
                        items: vec![(index, hop)],
                    }),
                },
                Err(trouble) => self.settle(index, hop, Err(trouble)),
            }
        }
        let (way, requests) = (self.way, self.requests);
        let asking = groups.into_iter().map(|group| group.ask(way, requests));
        for outcomes in join_all(asking).await {
            for (index, hop, outcome) in outcomes {
                self.settle(index, hop, outcome);
            }
        }
    }

    /// Takes an answer, or plans the next hop.
    fn settle(&mut self, index: usize, hop: Hop, outcome: Result<(Value, Durable), Trouble>) {
        let trouble = match outcome {
            Ok(answer) => {
                self.answered[index] = Some(Ok(answer));
                return;
            }
            Err(trouble) => trouble,
        };
        let hop = match trouble.remedy() {
            Remedy::Answer(fault) => {
                let (script, trouble) = (self.requests[index].name(), trouble.name());
                if matches!(fault, Fault::Script(_)) {
                    tracing::error!(script, trouble, "Redis: a defect");
                } else {
                    tracing::debug!(script, trouble, "Redis: a call failed");
                }
                self.answered[index] = Some(Err(fault));
                return;
            }
            Remedy::Load => Hop { load: true, ..hop },
            Remedy::Resend => hop,
            Remedy::Follow(address) => {
                self.servers.moved(self.requests[index].slot(), &address);
                Hop {
                    to: Some(address),
                    asking: false,
                    load: false,
                }
            }
            Remedy::FollowOnce(address) => Hop {
                to: Some(address),
                asking: true,
                load: false,
            },
            Remedy::Wait => {
                (self.wait, self.moving) = (true, true);
                Hop::default()
            }
            // A failover takes longer than it is good to have everybody stand and ask: those that come as it
            // ends are carried over, the others hear at once that it is away.
            Remedy::Locate if self.began.elapsed() > self.servers.config.response_timeout => {
                self.answered[index] = Some(Err(UNAVAILABLE));
                return;
            }
            Remedy::Locate => {
                self.servers.locate_anew();
                self.wait = true;
                Hop::default()
            }
        };
        self.due.push((index, hop));
    }
}

/// Requests for one server.
struct Group {
    node: Arc<Node>,
    items: Vec<(usize, Hop)>,
}

type Outcome = (usize, Hop, Result<(Value, Durable), Trouble>);

impl Group {
    async fn ask(self, way: Way, requests: &[Request<'_>]) -> Vec<Outcome> {
        let (commands, places) = self.commands(requests);
        let asked = match way {
            Way::Plain => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command);
                }
                let values = self.node.call_many(&pipeline).await;
                values.map(|values| (values, true))
            }
            Way::Ending => self.node.end(commands).await,
        };
        let (mut values, durable) = match asked {
            Ok(asked) => asked,
            Err(trouble) => {
                let items = self.items.into_iter();
                return items
                    .map(|(index, hop)| (index, hop, Err(trouble.clone())))
                    .collect();
            }
        };
        let durable = if durable {
            Durable::Yes
        } else {
            Durable::NotYet
        };
        let items = self.items.into_iter().zip(places);
        items
            .map(|((index, hop), place)| {
                let outcome = match values.get_mut(place).map(std::mem::take) {
                    Some(Value::ServerError(error)) => {
                        Err(Trouble::from_server(&error, &self.node.address))
                    }
                    Some(value) => Ok((value, durable)),
                    None => Err(Trouble::Broken),
                };
                (index, hop, outcome)
            })
            .collect()
    }

    /// The commands in the order in which they go out, and where among them each item's own one is.
    fn commands(&self, requests: &[Request<'_>]) -> (Vec<Cmd>, Vec<usize>) {
        let mut commands = Vec::with_capacity(self.items.len());
        let mut loaded: Vec<&str> = Vec::new();
        for (index, hop) in &self.items {
            if let Request::Script(call) = requests[*index]
                && hop.load
                && !loaded.contains(&call.script.name())
            {
                loaded.push(call.script.name());
                commands.push(call.script.load_command());
            }
        }
        let mut places = Vec::with_capacity(self.items.len());
        for (index, hop) in &self.items {
            if hop.asking {
                // Holds for the one command behind it.
                commands.push(redis::cmd("ASKING"));
            }
            places.push(commands.len());
            commands.push(requests[*index].command());
        }
        (commands, places)
    }
}
