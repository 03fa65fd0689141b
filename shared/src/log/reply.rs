//! Replies of scripts: a tag, and what follows it by the script's contract.

use redis::Value;

use super::unexpected;
use crate::Result;
use crate::ids::UserId;
use crate::redis::decode;

/// A script's reply: a tag and what follows it.
pub(super) struct Reply {
    pub(super) tag: String,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    pub(super) fn of(value: Value) -> Result<Self> {
        let values: Vec<Value> = decode(value)?;
        let mut rest = values.into_iter();
        let tag = decode(rest.next().unwrap_or_default())?;
        Ok(Self { tag, rest })
    }

    pub(super) fn next<T: redis::FromRedisValue>(&mut self) -> Result<T> {
        decode(self.rest.next().unwrap_or_default())
    }

    /// All that is left.
    pub(super) fn rest<T: redis::FromRedisValue>(&mut self) -> Result<Vec<T>> {
        self.rest.by_ref().map(decode).collect()
    }

    pub(super) fn user(&mut self) -> Result<UserId> {
        let text: String = self.next()?;
        text.parse().map_err(|_| unexpected("a user id that is none"))
    }
}
