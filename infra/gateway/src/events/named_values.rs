//! Headers and query parameters of a handshake, which its events tell once with one value and once with all.

use serde::{Serialize, Serializer};

/// Names with all their values, in the order and the case the client sent.
#[derive(Debug, Default)]
pub(crate) struct NamedValues {
    values: Vec<(String, Vec<String>)>,
    /// Whether the case of some names is a guess.
    is_case_guessed: bool,
}

impl NamedValues {
    /// Lets names be compared without their case from now on, because that is not what the client sent.
    pub(crate) fn guess_case(&mut self) {
        self.is_case_guessed = true;
    }

    /// Adds one value to a name.
    pub(crate) fn add(&mut self, name: String, value: String) {
        match self.values.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, values)) => values.push(value),
            None => self.values.push((name, vec![value])),
        }
    }

    /// Replaces a name's values.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.values.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.values.push((name.to_owned(), vec![value]));
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
        Self { values: parameters, is_case_guessed: false }
    }

    /// A name's last value; the name is compared with its case, if that is known.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let is_it = |known: &str| known == name || (self.is_case_guessed && known.eq_ignore_ascii_case(name));
        let (_, values) = self.values.iter().find(|(known, _)| is_it(known))?;
        values.last().map(String::as_str)
    }

    /// Leaves names out.
    pub(crate) fn without(&self, left_out: impl Fn(&str) -> bool) -> Self {
        let values = self.values.iter().filter(|(name, _)| !left_out(name)).cloned().collect();
        Self { values, ..*self }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// One value per name, the last one.
pub(super) struct FirstOf<'a>(pub(super) &'a NamedValues);

impl Serialize for FirstOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.values.iter().map(|(name, values)| (name, values.last())))
    }
}

/// All values of each name.
pub(super) struct AllOf<'a>(pub(super) &'a NamedValues);

impl Serialize for AllOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.values.iter().map(|(name, values)| (name, values)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_with_its_case_and_without_it_where_that_is_a_guess() {
        let mut headers = NamedValues::default();
        headers.add("X-Depot-Key".to_owned(), "1".to_owned());
        assert_eq!((headers.get("X-Depot-Key"), headers.get("x-depot-KEY")), (Some("1"), None));

        headers.guess_case();

        assert_eq!(headers.get("x-depot-KEY"), Some("1"));
        assert_eq!(headers.without(|_| false).get("x-depot-KEY"), Some("1"));
        assert_eq!(headers.get("x-depot"), None);
    }
}
