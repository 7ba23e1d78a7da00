//! The lane of the endings: scripts and the WAIT that proves them, on one socket.
//!
//! WAIT answers for the writes that went before it on the same connection, and only for those: asked on a
//! fresh one it says 1 with every replica stopped (measured). One that waits in vain holds up what is
//! pipelined behind it, so endings have connections of their own. One WAIT covers all that had gathered by
//! the time that the batch before was done.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use redis::{Cmd, Pipeline, Value};
use tokio::sync::{mpsc, oneshot};

use crate::store::redis::link::fault::Trouble;
use crate::store::redis::link::lane::{self, Lane};
use crate::store::redis::link::node::Node;

/// How many commands go under one WAIT. All cells of a namespace (256) fit twice.
const BATCH: usize = 512;
/// How many callers may queue.
const QUEUE: usize = 1024;

pub(super) struct EndingLane {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    commands: Vec<Cmd>,
    answer: oneshot::Sender<Result<(Vec<Value>, bool), Trouble>>,
}

impl EndingLane {
    /// Starts the lane's task on this runtime. It ends with the node.
    pub(super) fn spawn(node: &Arc<Node>) -> EndingLane {
        let (jobs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(run(Arc::downgrade(node), queue));
        EndingLane { jobs }
    }

    /// Whether the runtime that it was started on is still there.
    pub(super) fn is_open(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// The answers of the commands, and whether enough replicas have what they wrote.
    pub(super) async fn send(&self, commands: Vec<Cmd>) -> Result<(Vec<Value>, bool), Trouble> {
        let (answer, answered) = oneshot::channel();
        let job = Job { commands, answer };
        self.jobs.send(job).await.map_err(|_| Trouble::Shed)?;
        answered.await.unwrap_or(Err(Trouble::Broken))
    }
}

async fn run(node: Weak<Node>, mut queue: mpsc::Receiver<Job>) {
    let lane = Arc::new(Lane::default());
    while let Some(first) = queue.recv().await {
        let Some(node) = node.upgrade() else { return };
        let mut count = first.commands.len();
        let mut jobs = vec![first];
        while count < BATCH
            && let Ok(job) = queue.try_recv()
        {
            count += job.commands.len();
            jobs.push(job);
        }
        // Whoever has stopped waiting has been told that it did not work: late, it could end what was made
        // since.
        jobs.retain(|job| !job.answer.is_closed());
        if !jobs.is_empty() {
            carry_out(&node, &lane, jobs).await;
        }
    }
}

/// Sends what the jobs hold under one WAIT, and hands the answers out.
async fn carry_out(node: &Arc<Node>, lane: &Arc<Lane>, mut jobs: Vec<Job>) {
    let mut pipeline = Pipeline::new();
    let mut lengths = Vec::with_capacity(jobs.len());
    for job in &mut jobs {
        lengths.push(job.commands.len());
        for command in job.commands.drain(..) {
            pipeline.add_command(command);
        }
    }
    let sending = batch(node, lane, pipeline);
    let outcome = tokio::time::timeout(node.config.response_timeout, sending).await;
    let outcome = outcome.unwrap_or(Err(Trouble::TimedOut));
    match &outcome {
        Err(Trouble::TimedOut) => {
            lane.clear();
            node.suspect();
        }
        Err(Trouble::Broken) => node.suspicion.notify_one(),
        _ => {}
    }
    match outcome {
        Ok((values, durable)) => {
            let mut values = values.into_iter();
            for (job, length) in jobs.into_iter().zip(lengths) {
                let own = values.by_ref().take(length).collect();
                // Nobody is waiting any more: nobody was told that it is done.
                let _ = job.answer.send(Ok((own, durable)));
            }
        }
        Err(trouble) => {
            for job in jobs {
                let _ = job.answer.send(Err(trouble.clone()));
            }
        }
    }
}

/// The scripts' answers, and whether enough replicas have what they wrote.
async fn batch(
    node: &Arc<Node>,
    lane: &Arc<Lane>,
    mut pipeline: Pipeline,
) -> Result<(Vec<Value>, bool), Trouble> {
    let replicas = node.config.replicas_to_wait();
    if replicas > 0 {
        let timeout = node.wait_timeout().as_millis();
        let timeout = u64::try_from(timeout).unwrap_or(u64::MAX).max(1);
        pipeline.cmd("WAIT").arg(replicas).arg(timeout);
    }
    let mut values = loop {
        let held = lane.connection(node).await?;
        match lane::send_all(&held, &pipeline).await {
            Ok(values) => break values,
            Err(sent) => {
                lane.discard(&held);
                match sent.trouble(node) {
                    // On a new connection everything goes again, WAIT too. Ends: connecting fails, or works.
                    Trouble::NotSent => {}
                    trouble => return Err(trouble),
                }
            }
        }
    };
    if replicas == 0 {
        return Ok((values, true));
    }
    // A primary that has just become a replica answers WAIT with an error.
    let reached = match values.pop() {
        Some(Value::Int(reached)) => u32::try_from(reached).unwrap_or(0),
        _ => 0,
    };
    let durable = reached >= replicas;
    if durable {
        if node.shortfalls.swap(0, Ordering::Relaxed) >= 3 {
            tracing::info!(server = %node.address, "enough replicas acknowledge endings again");
        }
    } else if node.shortfalls.fetch_add(1, Ordering::Relaxed) == 2 {
        tracing::warn!(
            server = %node.address,
            replicas,
            reached,
            "too few replicas acknowledge endings: they are applied, but reported as not durable"
        );
    }
    Ok((values, durable))
}
