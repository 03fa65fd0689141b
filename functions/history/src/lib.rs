//! `history`: page through the messages of a conversation, search, and send over HTTP.

mod routes;

pub use routes::routes;
