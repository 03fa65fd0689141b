//! Stories: what users do and what comes of it, end to end through the gateway and unmodified functions.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod accounts;
mod big_rooms;
mod bites;
mod changes;
mod channels;
mod checked;
mod cluster;
mod connections;
mod conversations;
mod crash;
mod gateway;
mod history;
mod mail;
mod maintenance;
mod messaging;
mod promises;
mod reading;
mod round_trips;
mod search;
mod signing_out;
mod slow;
mod telling;
mod throttle;
