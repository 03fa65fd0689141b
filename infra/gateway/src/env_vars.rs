//! The file of `--env-vars`, which is that of `sam local`: values for variables that the template declares (SAM
//! Developer Guide, "Locally invoke Lambda functions with AWS SAM").
//!
//! A value for one function wins over one for all, and both over the gateway's own environment, as in the SAM CLI.
//! What would change nothing, because no function has that name or declares that variable, is refused.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::template::{Function, Template};

/// What the SAM CLI calls the values for all functions.
const ALL: &str = "Parameters";

/// Values for the functions' variables.
#[derive(Debug, Default)]
pub(crate) struct EnvVars {
    /// By the functions' logical ids.
    own: HashMap<String, BTreeMap<String, String>>,
    all: BTreeMap<String, String>,
}

impl EnvVars {
    /// Reads the file.
    pub(crate) fn read(path: &Path, template: &Template) -> Result<Self> {
        let name = || format!("--env-vars {}", path.display());
        let text = std::fs::read_to_string(path).with_context(name)?;
        Self::parse(&text, template).with_context(name)
    }

    fn parse(text: &str, template: &Template) -> Result<Self> {
        let file: Map<String, Value> = serde_json::from_str(text).context("not a JSON object")?;
        let mut env_vars = Self::default();
        for (name, values) in &file {
            let values = variables(values).with_context(|| name.clone())?;
            if name == ALL {
                for variable in values.keys() {
                    let declared = template.functions.iter().any(|function| function.declares(variable));
                    ensure!(declared, "{ALL}: no function of the template declares the variable {variable}");
                }
                env_vars.all = values;
                continue;
            }
            let index = template.find_function(name).with_context(|| {
                format!("the template has no function {name}; {ALL} is for all functions")
            })?;
            let function = &template.functions[index];
            for variable in values.keys() {
                ensure!(
                    function.declares(variable),
                    "{name}: the template declares no variable {variable} for it"
                );
            }
            let known = env_vars.own.insert(function.name.clone(), values);
            ensure!(known.is_none(), "{name}: the same function is there by its binary and its logical id");
        }
        Ok(env_vars)
    }

    /// The value that the file gives a function's variable.
    pub(crate) fn value(&self, function: &Function, name: &str) -> Option<String> {
        let own = self.own.get(&function.name).and_then(|values| values.get(name));
        own.or_else(|| self.all.get(name)).cloned()
    }
}

fn variables(values: &Value) -> Result<BTreeMap<String, String>> {
    let values = values.as_object().context("must be an object of variables and their values")?;
    let text = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            _ => bail!("{name} must be a string, a number, true or false"),
        };
        ensure!(!value.contains('\0'), "{name} holds a NUL, which no environment can");
        Ok((name.clone(), value))
    };
    values.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Choices;

    const TEMPLATE: &str = "
Resources:
  One:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: first}}
    Properties: {Environment: {Variables: {LEVEL: info, SIZE: 1}}}
  Two:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: second}}
    Properties: {Environment: {Variables: {LEVEL: info}}}
";

    fn template() -> Template {
        Template::parse(TEMPLATE, "us-east-1", &Choices::default()).unwrap()
    }

    #[test]
    fn a_functions_own_value_wins_over_the_one_for_all() {
        let template = template();
        let text = r#"{"One": {"LEVEL": "debug", "SIZE": 7}, "Parameters": {"LEVEL": true}}"#;

        let env_vars = EnvVars::parse(text, &template).unwrap();

        let value = |function: usize, name: &str| env_vars.value(&template.functions[function], name);
        assert_eq!(value(0, "LEVEL").as_deref(), Some("debug"));
        assert_eq!(value(0, "SIZE").as_deref(), Some("7"));
        assert_eq!(value(1, "LEVEL").as_deref(), Some("true"));
        assert_eq!(value(1, "SIZE"), None);
    }

    #[test]
    fn a_function_is_also_found_by_its_binary() {
        let template = template();

        let env_vars = EnvVars::parse(r#"{"second": {"LEVEL": "warn"}}"#, &template).unwrap();

        assert_eq!(env_vars.value(&template.functions[1], "LEVEL").as_deref(), Some("warn"));
    }

    #[test]
    fn what_would_change_nothing_is_refused_by_name() {
        for (text, named) in [
            (r#"{"Three": {"LEVEL": "x"}}"#, "no function Three"),
            (r#"{"Two": {"SIZE": "1"}}"#, "declares no variable SIZE"),
            (r#"{"Parameters": {"LEVLE": "1"}}"#, "LEVLE"),
            (r#"{"One": {"LEVEL": null}}"#, "LEVEL must be"),
            (r#"{"One": {"LEVEL": ["a"]}}"#, "LEVEL must be"),
            (r#"{"One": {"LEVEL": "a\u0000"}}"#, "NUL"),
            (r#"{"One": "LEVEL"}"#, "One: must be an object"),
            (r#"{"One": {}, "first": {}}"#, "the same function"),
            ("[]", "not a JSON object"),
            ("", "not a JSON object"),
        ] {
            let error = format!("{:#}", EnvVars::parse(text, &template()).unwrap_err());

            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
