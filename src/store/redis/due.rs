//! The due list of a cell, page by page. Its order is that of the times at which something is due: a live session
//! only ever moves to a later one, so that who reads on never misses it, on whichever server the list is by now.

use redis::Value;

use super::keys::Cell;
use super::link::Call;
use super::{Shared, number, reply, scripts};
use crate::session::names::NamespaceName;
use crate::session::time::Time;
use crate::store::{Answer, StoreError};

/// What is in a due list, and when it is due.
pub(super) type Member = (Vec<u8>, Time);

impl Shared {
    /// Members behind one, which need not be there any more; or the first.
    pub(super) async fn due_behind(
        &self,
        name: &NamespaceName,
        cell: Cell,
        behind: Option<&Member>,
        most: usize,
    ) -> Answer<Vec<Member>> {
        let Some((member, at)) = behind else {
            let last = i64::try_from(most).unwrap_or(i64::MAX) - 1;
            return self.due_at_ranks(name, cell, 0, last).await;
        };
        let page = Call {
            script: &scripts::DUE,
            keys: vec![self.keys.cell(name, cell).due()],
            args: vec![number(at.as_millis()), member.clone(), number(most)],
            absent: None,
        };
        read(self.link.call(&page).await?)
    }

    /// When the last is due.
    pub(super) async fn last_due(&self, name: &NamespaceName, cell: Cell) -> Answer<Option<Time>> {
        let last = self.due_at_ranks(name, cell, -1, -1).await?;
        Ok(last.last().map(|(_, at)| *at))
    }

    async fn due_at_ranks(
        &self,
        name: &NamespaceName,
        cell: Cell,
        first: i64,
        last: i64,
    ) -> Answer<Vec<Member>> {
        let key = self.keys.cell(name, cell).due();
        let mut range = redis::cmd("ZRANGE");
        range.arg(&key).arg(first).arg(last).arg("WITHSCORES");
        read(self.link.command(&key, range).await?)
    }
}

fn read(value: Value) -> Answer<Vec<Member>> {
    let Value::Array(values) = value else {
        return Err(reply::malformed());
    };
    let (pairs, _) = values.as_chunks::<2>();
    let members = pairs.iter().map(|pair| match pair {
        [Value::BulkString(member), score] => {
            let score = read_score(score).ok_or_else(reply::malformed)?;
            Ok((member.clone(), score))
        }
        _ => Err(reply::malformed()),
    });
    members.collect::<Result<_, StoreError>>()
}

fn read_score(value: &Value) -> Option<Time> {
    let score = match value {
        Value::Double(score) => *score,
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse::<f64>().ok()?,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
    Some(Time::from_millis(score as i64))
}
