//! What the stores hold: for stories about what is nowhere any more, and for faults that lose or age what Redis knows.

use redis::{AsyncCommands as _, aio::MultiplexedConnection};

use crate::{Conversation, Stack, User};

/// The keys of a Redis database in whose values a text stands.
const FIND: &str = "
local read = {
  string = function(key) return {redis.call('GET', key)} end,
  hash = function(key) return redis.call('HGETALL', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1) end,
  stream = function(key)
    local all = {}
    for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
      for _, part in ipairs(entry[2]) do all[#all + 1] = part end
    end
    return all
  end,
}
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  for _, part in ipairs(read[redis.call('TYPE', key).ok](key)) do
    if part:find(ARGV[1], 1, true) then
      found[#found + 1] = key
      break
    end
  end
end
return found";

/// A copy of all that a stack's Redis held at one moment.
#[derive(Debug)]
pub struct RedisCopy(Vec<(String, Vec<u8>, i64)>);

impl Stack {
    /// A connection to this stack's Redis database, for faults.
    pub async fn redis(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.redis_url.as_str()).expect("a stack has a Redis URL");
        client.get_multiplexed_async_connection().await.expect("Redis must accept connections")
    }

    /// The key of something that Redis knows of a conversation.
    pub async fn redis_key(&self, conversation: &Conversation, name: &str) -> String {
        let pattern = format!("*:conversation:{}:{name}", conversation.id);
        let keys: Vec<String> = self.redis().await.keys(&pattern).await.expect("Redis must answer");
        keys.into_iter().next().unwrap_or_else(|| panic!("Redis has no {pattern}"))
    }

    /// The keys in this stack's Redis database in whose values a text stands.
    pub async fn redis_keys_with(&self, text: &str) -> Vec<String> {
        let mut redis = self.redis().await;
        redis::Script::new(FIND).arg(text).invoke_async(&mut redis).await.expect("Redis must answer")
    }

    /// The tables of this stack's Postgres in whose rows a text stands.
    pub async fn postgres_tables_with(&self, text: &str) -> Vec<String> {
        let postgres = self.postgres_connection(None).await;
        let tables = "select table_name::text from information_schema.tables
            where table_schema = 'public' and table_type = 'BASE TABLE'";
        let mut found = Vec::new();
        for row in postgres.query(tables, &[]).await.expect("Postgres must answer") {
            let table: String = row.get(0);
            let search = format!("select exists (select from {table} t where position($1 in t::text) > 0)");
            let row = postgres.query_one(&search, &[&text]).await.expect("Postgres must answer");
            if row.get(0) {
                found.push(table);
            }
        }
        found
    }

    /// Makes Redis forget all but the newest entries of a conversation's stream, as happens when it grows too long.
    pub async fn trim_stream(&self, conversation: &Conversation, keep: u64) {
        let key = self.redis_key(conversation, "stream").await;
        let mut trim = redis::cmd("XTRIM");
        trim.arg(key).arg("MAXLEN").arg("=").arg(keep);
        let () = trim.query_async(&mut self.redis().await).await.expect("Redis must answer");
    }

    /// Makes Redis forget a conversation, as an eviction would.
    pub async fn evict(&self, conversation: &Conversation) {
        let mut redis = self.redis().await;
        let pattern = format!("*:conversation:{}:*", conversation.id);
        let keys: Vec<String> = redis.keys(pattern).await.expect("Redis must answer");
        let () = redis.del(keys).await.expect("Redis must answer");
    }

    /// How many connections Redis counts as somebody's.
    pub async fn connections_of(&self, user: &User) -> usize {
        let mut redis = self.redis().await;
        let pattern = format!("*:user:{}:connections", user.id);
        let keys: Vec<String> = redis.keys(pattern).await.expect("Redis must answer");
        match keys.first() {
            Some(key) => redis.hlen(key).await.expect("Redis must answer"),
            None => 0,
        }
    }

    /// Copies all that this stack's Redis database holds.
    pub async fn copy_redis(&self) -> RedisCopy {
        let mut redis = self.redis().await;
        let all = "local all = {}
            for _, key in ipairs(redis.call('KEYS', '*')) do
              all[#all + 1] = {key, redis.call('DUMP', key), redis.call('PTTL', key)}
            end
            return all";
        let all = redis::Script::new(all).invoke_async(&mut redis).await;
        RedisCopy(all.expect("Redis must answer"))
    }

    /// Puts a copy in place of all that this stack's Redis database holds, as a failover to a late replica would.
    pub async fn rewind_redis(&self, RedisCopy(all): &RedisCopy) {
        let mut redis = self.redis().await;
        let rewind = "redis.call('FLUSHDB')
            for i = 1, #ARGV, 3 do
              redis.call('RESTORE', ARGV[i], math.max(ARGV[i + 2], 0), ARGV[i + 1])
            end";
        let rewind = redis::Script::new(rewind);
        let mut invocation = rewind.prepare_invoke();
        for (key, value, life) in all {
            invocation.arg(key).arg(value.as_slice()).arg(*life);
        }
        let () = invocation.invoke_async(&mut redis).await.expect("Redis must answer");
    }
}
