//! Proves the promises of the message log from what clients wrote down.
//!
//! Clients keep to the public client rule while connections drop, people come and go and, if asked for, things break.
//! When all is quiet again the [`judge()`] holds their records against Postgres and the history over HTTP.

mod account;
mod churn;
mod client;
pub mod faults;
mod frames;
mod judge;
mod record;
mod report;
mod run;
mod truth;
mod view;

pub use client::Habits;
pub use judge::{Promise, Violation, judge};
pub use record::Records;
pub use report::Report;
pub use run::{Meter, Plan, Run};
pub use truth::Truth;
