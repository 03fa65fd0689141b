//! `conversations`: start, list, show, rename, delete; participants; what is read, muted, archived; presence.

mod routes;

pub use routes::routes;
