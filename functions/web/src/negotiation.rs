//! What a client takes, and what it has already (RFC 9110 §12.5.3 and §13.1.2).

use axum::http::{HeaderMap, HeaderName, header};

/// How a body may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// As headers name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// The one of these, given from the best to the worst, that the client likes most; none if it would rather have none.
pub(crate) fn preferred(headers: &HeaderMap, there: impl Iterator<Item = Encoding>) -> Option<Encoding> {
    let weights: Vec<_> = listed(headers, header::ACCEPT_ENCODING).map(weighted).collect();
    let weight = |name: &str| {
        let of = |name: &str| weights.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        of(name).or_else(|| of("*")).map(|(_, weight)| *weight)
    };
    // Not compressed it is taken by all who do not say otherwise, and liked least.
    let (mut liked, mut most) = (None, weight("identity").unwrap_or(0).max(1));
    for encoding in there {
        let weight = weight(encoding.name()).unwrap_or(0);
        if weight > 0 && (weight > most || liked.is_none() && weight >= most) {
            (liked, most) = (Some(encoding), weight);
        }
    }
    liked
}

/// Whether the client has the file of this tag.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    listed(headers, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// A name and its weight, in thousandths. One that cannot be read counts as none.
fn weighted(item: &str) -> (&str, u16) {
    let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
    let weight = parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
    });
    (name.trim(), weight.unwrap_or(1000))
}

/// `0` to `1` with at most three digits behind the point.
fn thousandths(text: &str) -> u16 {
    let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{behind:0<3}");
    match (whole, digits.parse::<u16>()) {
        ("0", Ok(weight)) if digits.len() == 3 => weight,
        ("1", Ok(0)) => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_encoding_is_the_one_that_the_client_likes_most() {
        use Encoding::{Brotli, Gzip};
        for (accepted, expected) in [
            ("br, gzip", Some(Brotli)),
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
            ("gzip;q=0.5, br;q=0.50", Some(Brotli)),
            ("br;q=0, gzip", Some(Gzip)),
            ("br;q=0.000, gzip;q=0", None),
            ("*", Some(Brotli)),
            ("*;q=0, gzip", Some(Gzip)),
            ("br;q=0, *", Some(Gzip)),
            ("identity, br;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.8", Some(Gzip)),
            ("identity;q=0", None),
            ("deflate, zstd", None),
            ("br; q = 0.3", Some(Brotli)),
            ("br;q=2", None),
            ("br;q=0.1234", None),
            ("", None),
        ] {
            let headers = with(&header::ACCEPT_ENCODING, &[accepted]);
            assert_eq!(preferred(&headers, [Brotli, Gzip].into_iter()), expected, "{accepted}");
        }
        let twice = with(&header::ACCEPT_ENCODING, &["deflate", "gzip"]);
        assert_eq!(preferred(&twice, [Brotli, Gzip].into_iter()), Some(Gzip));
        assert_eq!(preferred(&with(&header::ACCEPT_ENCODING, &["br"]), [Gzip].into_iter()), None);
        assert_eq!(preferred(&HeaderMap::new(), [Brotli, Gzip].into_iter()), None);
    }

    #[test]
    fn a_tag_is_known_alone_in_a_list_or_by_anything() {
        for known in ["\"a\"", "\"b\", \"a\"", "W/\"a\"", "*"] {
            assert!(is_known(&with(&header::IF_NONE_MATCH, &[known]), "\"a\""), "{known}");
        }
        for other in ["\"b\"", "a", ""] {
            assert!(!is_known(&with(&header::IF_NONE_MATCH, &[other]), "\"a\""), "{other}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
