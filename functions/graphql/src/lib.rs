//! `graphql`: the queries and mutations of `schema.graphql`, over the same operations as the routes of the HTTP API.

mod asked;
mod errors;
mod graphiql;
mod limits;
mod loaders;
mod mutation;
mod objects;
mod query;
mod routes;
mod schema;

pub use crate::routes::routes;
