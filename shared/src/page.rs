//! Bounded lists: how long a page is, where it starts, where the next one does.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::__dev::ComposeSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, ToSchema};

use crate::{Error, Result};

/// One page of a list and where the next one starts, if there is one.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// What to pass on for the next page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page from up to `limit + 1` items read: the one too many says that there is a next page.
    pub fn of(mut items: Vec<T>, limit: Limit, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = items.len() > limit.get();
        items.truncate(limit.get());
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}

impl<T: ToSchema> ComposeSchema for Page<T> {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        let items = ArrayBuilder::new()
            .description(Some("In the list's order."))
            .items(Ref::from_schema_name(T::name()));
        let next = ObjectBuilder::new()
            .description(Some("What to pass on for the next page; null if there is none."))
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let page = ObjectBuilder::new().property("items", items).property("next", next);
        page.required("items").required("next").into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into(), T::schema()));
        T::schemas(schemas);
    }
}

/// How many items a page holds: 1 to 100, 50 by default.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "i64")]
#[schema(value_type = i64, minimum = 1, maximum = 100, default = 50)]
pub struct Limit(u16);

impl Limit {
    /// The number.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }

    /// One more, to learn whether there is a next page.
    pub fn and_one(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<i64> for Limit {
    type Error = &'static str;
    fn try_from(limit: i64) -> Result<Self, Self::Error> {
        u16::try_from(limit)
            .ok()
            .filter(|n| (1..=100).contains(n))
            .map(Self)
            .ok_or("must be between 1 and 100")
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Listing {
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// How many items at most.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
}

/// Writes the sort key of a page's last item as an opaque cursor.
pub fn encode_cursor(key: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD
        .encode(serde_json::to_vec(key).expect("a sort key is plain data, which always serialises"))
}

/// Reads a cursor back.
pub fn decode_cursor<T: DeserializeOwned>(cursor: &str) -> Result<T> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    // No sort key has a null character, which Postgres' text cannot hold.
    let bytes = bytes.filter(|bytes| !bytes.windows(6).any(|part| part == b"\\u0000"));
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(made_up)
}

/// A time as a part of a cursor's sort key: microseconds, as exact as Postgres'.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(i64);

impl Micros {
    /// From a time that Postgres gave.
    pub fn of(at: OffsetDateTime) -> Self {
        Self(at.unix_timestamp() * 1_000_000 + i64::from(at.microsecond()))
    }

    /// The time; one that was made up may be none that Postgres knows.
    pub fn time(self) -> Result<OffsetDateTime> {
        if self.0 < 0 {
            return Err(made_up());
        }
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000).map_err(|_| made_up())
    }
}

fn made_up() -> Error {
    Error::invalid("cursor", "must be the `next` of an earlier page")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_with_one_item_too_many_has_a_next_page() {
        let two = Limit(2);

        assert_eq!(Page::of(vec![1, 2, 3], two, ToString::to_string).next.as_deref(), Some("2"));
        assert_eq!(Page::of(vec![1, 2], two, ToString::to_string).next, None);
    }

    #[test]
    fn a_cursor_that_was_made_up_is_refused() {
        assert!(decode_cursor::<(i64, String)>("bm9uc2Vuc2U").is_err());
        assert!(decode_cursor::<(i64, String)>("***").is_err());
    }
}
