//! The names of conversations.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::Result;

/// A conversation's name: 1 to 100 characters. Of a channel 2 to 50 of a-z, 0-9 and -.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(as = ConversationName, min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim();
        let valid = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err("must have 1 to 100 characters, none of them a control character")
        }
    }
}

/// A channel's name: 2 to 50 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelName(String);

impl ChannelName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl TryFrom<String> for ChannelName {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (2..=50).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err("of a channel must have 2 to 50 characters, each of them a-z, 0-9 or -")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_name_is_short_and_plain() {
        for good in ["ab", "release-2", "--", &"x".repeat(50)] {
            assert!(ChannelName::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a", "News", "two words", "ümlaut", "a_b", "nul\u{0}", " ab", &"x".repeat(51)] {
            assert!(ChannelName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
