//! The connection to one server: opened on first use, and again whenever it breaks.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ConnectionInfo, Pipeline, RedisResult, Value};

/// One server.
#[derive(Clone)]
pub(super) struct Server(ConnectionManager);

impl Server {
    /// The server at an address; nothing is opened yet.
    pub(super) fn at(info: ConnectionInfo) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(2))
            .set_max_delay(Duration::from_millis(50));
        Ok(Self(ConnectionManager::new_lazy_with_config(Client::open(info)?, config)?))
    }

    /// Runs commands in order and returns their replies, errors of single commands among them.
    ///
    /// Nothing is sent twice: when the connection breaks, what was under way is open.
    pub(super) async fn ask<'a>(
        &self,
        commands: impl IntoIterator<Item = &'a Cmd>,
    ) -> RedisResult<Vec<Value>> {
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command.clone());
        }
        self.0.clone().send_packed_commands(&pipeline, 0, pipeline.len()).await
    }
}
