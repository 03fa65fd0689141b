//! Stories: what users do and what comes of it, end to end through the gateway and unmodified functions.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod accounts;
mod administration;
mod authorization;
mod big_rooms;
mod bites;
mod changes;
mod channels;
mod checked;
mod cluster;
mod connections;
mod conversations;
mod crash;
mod erasure;
mod gateway;
mod graphql;
mod health;
mod history;
mod hostile_tokens;
mod logs;
mod mail;
mod maintenance;
mod messaging;
mod metrics;
mod oauth;
mod people;
mod promises;
mod reading;
mod round_trips;
mod search;
mod sessions;
mod signing_out;
mod slow;
mod telling;
mod throttle;
mod traces;
