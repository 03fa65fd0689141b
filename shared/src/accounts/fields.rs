//! The values an account is made of. One that exists is valid: the only way in is `TryFrom`, and serde uses it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! text_value {
    ($($(#[$meta:meta])* $name:ident: $check:ident)*) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        $(#[$meta])*
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                let text = text.trim();
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    )*};
}

text_value! {
    /// An e-mail address. Whether it reaches anybody, only a mail can tell.
    #[schema(format = Email, max_length = 254, pattern = r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")]
    Email: check_email
    /// What a user is called in searches: 3 to 30 of `A-Z a-z 0-9 _ . -`.
    #[schema(min_length = 3, max_length = 30, pattern = "^[A-Za-z0-9_.-]+$")]
    Username: check_username
    /// A first or last name: 1 to 50 characters.
    #[schema(min_length = 1, max_length = 50, pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
    PersonName: check_person_name
}

/// The part of an address before the `@` and the one after it have the lengths of RFC 5321, section 4.5.3.1.
fn check_email(text: &str) -> Result<(), &'static str> {
    const PROBLEM: &str = "must be an e-mail address";
    let (local, domain) = text.rsplit_once('@').ok_or(PROBLEM)?;
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let valid = text.len() <= 254
        && (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
        && domain.contains('.')
        && domain.split('.').all(label);
    if valid { Ok(()) } else { Err(PROBLEM) }
}

fn check_username(text: &str) -> Result<(), &'static str> {
    let valid = (3..=30).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if valid { Ok(()) } else { Err("must have 3 to 30 letters, digits or _ . -") }
}

fn check_person_name(text: &str) -> Result<(), &'static str> {
    let valid = (1..=50).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if valid { Ok(()) } else { Err("must have 1 to 50 characters, none of them a control character") }
}

impl Username {
    /// One made from an address; `suffix` tells it from others made from alike ones.
    pub fn from_email(email: &Email, suffix: &str) -> Self {
        let local = email.0.split('@').next().unwrap_or_default();
        let mut name: String =
            local.chars().filter(|c| c.is_ascii_alphanumeric() || "_.-".contains(*c)).collect();
        name.truncate(30 - suffix.len());
        name.push_str(suffix);
        while name.len() < 3 {
            name.push('_');
        }
        Self(name)
    }
}

/// Passwords that are guessed first although they have all kinds of characters: the commonest words with the
/// commonest endings, in lower case, one a line.
const COMMON_PASSWORDS: &str = include_str!("common_passwords.txt");

/// A password that is to be set: with an upper-case and a lower-case letter, a digit and a special character; not a common
/// one, and not the account's address or username.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(format = Password, min_length = 10, max_length = 128)]
pub struct NewPassword(String);

impl NewPassword {
    /// The text, for the hash.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it gives away nothing that everybody knows of the account.
    pub fn differs_from(&self, known: &str) -> bool {
        !self.0.eq_ignore_ascii_case(known)
    }
}

impl TryFrom<String> for NewPassword {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let length = text.chars().count();
        if length < 10 {
            return Err("must have at least 10 characters");
        }
        if length > 128 {
            return Err("must have at most 128 characters");
        }
        let has = |class: fn(char) -> bool| text.chars().any(class);
        let special = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        if !(has(char::is_uppercase) && has(char::is_lowercase) && has(char::is_numeric) && has(special)) {
            return Err("must have an upper-case and a lower-case letter, a digit and a special character");
        }
        let lower = text.to_lowercase();
        if COMMON_PASSWORDS.lines().any(|common| common == lower) {
            return Err("must not be a common password");
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword")
    }
}

/// A password that is to be checked.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(format = Password)]
pub struct TypedPassword(String);

impl TypedPassword {
    /// The text, for the check.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for TypedPassword {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for TypedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedPassword")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for good in ["a@b.co", "first.last+tag@mail.example.org", "ü@müller.example"] {
            assert!(Email::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "", "a", "a@b", "@b.co", "a@", "a b@c.de", "a@b..co", ".a@b.co", "a@-b.co", "a@b.co\0", "a@@b.co",
        ] {
            assert!(Email::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_needs_length_and_four_kinds_of_characters() {
        assert!(NewPassword::try_from("Correct-Horse-1".to_owned()).is_ok());
        for bad in ["Short-1a", "no-upper-case-1", "NO-LOWER-CASE-1", "No-Digit-Here", "NoSpecial123"] {
            assert!(NewPassword::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(NewPassword::try_from(format!("Aa1-{}", "x".repeat(125))).is_err());
        assert!(NewPassword::try_from("P@ssw0rd123".to_owned()).is_err());
    }

    #[test]
    fn a_username_can_be_made_from_any_address() {
        let from = |email: &str, suffix| {
            Username::from_email(&Email::try_from(email.to_owned()).expect("an address"), suffix).0
        };

        assert_eq!(from("ada.lovelace@mail.example", ""), "ada.lovelace");
        assert_eq!(from("ü@mail.example", ""), "___");
        assert_eq!(
            from(&format!("{}@mail.example", "x".repeat(60)), "-1234"),
            format!("{}-1234", "x".repeat(25))
        );
    }
}
