//! `auth`: sign up, sign in, refresh, sign out, one's own profile and sessions, tickets for WebSockets, and what mails lead
//! to; OAuth; finding people; and what admins do.

mod administration;
mod oauth;
mod oauth_clients;
mod oauth_forms;
mod pages;
mod people;
mod recovery;
mod routes;

pub use routes::routes;
