//! Headers and query parameters of a handshake, which its events tell once with one value and once with all.

use serde::{Serialize, Serializer};

/// Names with all their values, in the order and the case the client sent.
#[derive(Debug, Default)]
pub(crate) struct NamedValues(Vec<(String, Vec<String>)>);

impl NamedValues {
    /// Adds one value to a name.
    pub(crate) fn add(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, values)) => values.push(value),
            None => self.0.push((name, vec![value])),
        }
    }

    /// Replaces a name's values.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.0.push((name.to_owned(), vec![value]));
    }

    /// The parameters of a query.
    pub(crate) fn of_query(query: &str) -> Self {
        let mut parameters: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match parameters.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value.into_owned()),
                None => parameters.push((name.into_owned(), vec![value.into_owned()])),
            }
        }
        Self(parameters)
    }

    /// A name's last value; the name is compared with its case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, values) = self.0.iter().find(|(known, _)| known == name)?;
        values.last().map(String::as_str)
    }

    /// Leaves names out.
    pub(crate) fn without(&self, left_out: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| !left_out(name)).cloned().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One value per name, the last one.
pub(super) struct FirstOf<'a>(pub(super) &'a NamedValues);

impl Serialize for FirstOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, values)| (name, values.last())))
    }
}

/// All values of each name.
pub(super) struct AllOf<'a>(pub(super) &'a NamedValues);

impl Serialize for AllOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, values)| (name, values)))
    }
}
