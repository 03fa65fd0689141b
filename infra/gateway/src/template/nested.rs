//! Nested stacks: their templates are read to find that they hold nothing which the gateway would have to serve.
//! Networks, stores and alarms are as a rule such, and what refers to their outputs is given otherwise here.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_yaml_ng::Value;

use super::intrinsics::{Resolver, optional_mapping};
use super::loader::{PROPERTIES, resources};
use super::triggers;
use super::websocket::PLAIN_RESOURCES;

pub(super) const STACK: &str = "AWS::CloudFormation::Stack";

/// Refuses a nested stack that is not in a file here, or that serves or invokes something.
pub(super) fn check(resolver: &Resolver, id: &str, stack: &Value, folder: &Path) -> Result<()> {
    check_file(resolver, stack, folder).with_context(|| {
        format!("{id}: leave it out by --leave-out {id}, or by a Condition that is false here")
    })
}

fn check_file(resolver: &Resolver, stack: &Value, folder: &Path) -> Result<()> {
    let properties = stack.get(PROPERTIES).cloned().unwrap_or_default();
    let url = properties.get("TemplateURL").context("TemplateURL is required")?;
    let url = resolver.text(url).context("TemplateURL")?.unwrap_or_default();
    ensure!(!url.contains("://"), "TemplateURL: {url} is not a file of this machine");
    let text = fs::read_to_string(folder.join(&url)).with_context(|| format!("TemplateURL: {url}"))?;
    let document: Value =
        serde_yaml_ng::from_str(&text).with_context(|| format!("{url} is not valid YAML"))?;
    let mut given = HashMap::new();
    for (name, value) in optional_mapping(properties.get("Parameters"), "Parameters")? {
        // What comes from other stacks has no value here, and matters only where a condition asks for it.
        if let (Some(name), Ok(Some(value))) = (name.as_str(), resolver.text(value)) {
            given.insert(name.to_owned(), value);
        }
    }
    let nested = Resolver::new(&document, &resolver.region, &given).with_context(|| url.clone())?;
    for (inner, kind, resource) in resources(&nested, &document).with_context(|| url.clone())? {
        let serves =
            kind.starts_with("AWS::Serverless::") || PLAIN_RESOURCES.contains(&kind) || kind == STACK;
        ensure!(!serves, "{url}: {inner}: what is of type {kind} must stand in the template itself");
        if let Some(refusal) = triggers::refusal(&nested, kind, resource).with_context(|| url.clone())? {
            bail!("{url}: {inner}: {}", refusal.why);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{env, fs, process};

    use crate::template::{Choices, Template};

    /// A folder with a nested template, which goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, nested: &str) -> Self {
            let folder = env::temp_dir().join(format!("nested-{}-{name}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("nested.yaml"), nested).unwrap();
            Self(folder)
        }

        fn parse(&self, url: &str) -> anyhow::Result<Template> {
            let text = format!(
                "
Parameters: {{Size: {{Type: String, Default: small}}}}
Resources:
  Other: {{Type: AWS::SQS::Queue}}
  Stack:
    Type: AWS::CloudFormation::Stack
    Properties: {{TemplateURL: {url}, Parameters: {{Size: !Ref Size, Known: !GetAtt Other.Unknown}}}}
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {{BuildProperties: {{Binary: probe}}}}
    Properties: {{Environment: {{Variables: {{URL: !GetAtt Stack.Outputs.Url}}}}}}
"
            );
            Template::parse(&text, "us-east-1", &Choices { folder: self.0.clone(), ..Choices::default() })
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_nested_stack_that_serves_nothing_is_allowed_and_its_outputs_are_for_others_to_give() {
        let nested = "
Parameters: {Size: {Type: String}, Known: {Type: String}}
Conditions: {IsLarge: !Equals [!Ref Size, large]}
Resources:
  Network: {Type: AWS::EC2::VPC}
  Domain: {Type: AWS::ApiGatewayV2::DomainName}
  Rule: {Type: AWS::Events::Rule, Condition: IsLarge}
";
        let template = Folder::with("allowed", nested).parse("nested.yaml").unwrap();

        let local = crate::template::LocalAddresses { port: 1, console_port: 2 };
        let environment = |given: Option<&str>| {
            template.environment(&template.functions[0], local, |_| given.map(str::to_owned))
        };
        assert_eq!(environment(Some("there")).unwrap()["URL"], "there");
        let error = format!("{:#}", environment(None).unwrap_err());
        assert!(error.contains("URL") && error.contains("Outputs.Url"), "{error}");
    }

    #[test]
    fn a_nested_stack_that_serves_or_invokes_something_is_refused_by_its_name() {
        for (name, resource, said) in [
            ("function", "Type: AWS::Serverless::Function", "AWS::Serverless::Function"),
            ("route", "Type: AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Route"),
            ("rule", "Type: AWS::Events::Rule", "AWS::Events::Rule"),
            ("stack", "Type: AWS::CloudFormation::Stack", "AWS::CloudFormation::Stack"),
            ("custom", "Type: Custom::Seed, Properties: {ServiceToken: x}", "ServiceToken"),
        ] {
            let parameters = "Parameters: {Size: {Type: String}, Known: {Type: String}}";
            let folder = Folder::with(name, &format!("{parameters}\nResources: {{Inner: {{{resource}}}}}"));

            let error = format!("{:#}", folder.parse("nested.yaml").unwrap_err());

            for expected in ["--leave-out Stack", "nested.yaml: Inner", said] {
                assert!(error.contains(expected), "{expected} is not in: {error}");
            }
        }
    }

    #[test]
    fn a_nested_stack_that_cannot_be_read_is_refused() {
        let folder = Folder::with("unread", "Resources: {");
        for (url, said) in [
            ("https://example.com/nested.yaml", "not a file of this machine"),
            ("missing.yaml", "missing.yaml"),
            ("nested.yaml", "not valid YAML"),
        ] {
            let error = format!("{:#}", folder.parse(url).unwrap_err());

            assert!(error.contains(said) && error.contains("--leave-out Stack"), "{error}");
        }
    }
}
