//! What the tests of the template reader share.

use anyhow::Result;

use super::{Choices, Template};

/// Reads a template whose parameters are not overridden.
pub(super) fn parse(text: &str) -> Result<Template> {
    Template::parse(text, "us-east-1", &Choices::default())
}

/// Holds each change of a template, from what to what, against what its refusal must name.
pub(super) fn assert_changes_refused(template: &str, changes: &[(&str, &str, &str)]) {
    for (from, to, named) in changes {
        assert!(template.contains(from), "{from}");

        let error = format!("{:#}", parse(&template.replace(from, to)).unwrap_err());

        assert!(error.contains(named), "{to}: {error}");
    }
}
