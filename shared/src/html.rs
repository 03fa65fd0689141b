//! HTML: text that stands in it.

/// Text as it stands in HTML, between tags or as the value of an attribute.
pub fn escape(text: &str) -> String {
    let replaced = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    replaced.replace('"', "&quot;").replace('\'', "&#39;")
}
