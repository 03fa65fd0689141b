//! Intrinsic functions, in their short and their long form (AWS `CloudFormation` User Guide, "Intrinsic
//! function reference"), and the values of parameters and resources they refer to.
//!
//! Resolving never guesses: a name, an attribute or a function without a local value is an error.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_yaml_ng::{Mapping, Value};

use super::globals::GLOBALS;
use super::websocket::route_logical_id;
use super::{ACCOUNT_ID, IMPLICIT_HTTP_API, URL_SUFFIX};

const FUNCTION: &str = "AWS::Serverless::Function";

/// The property by which a function publishes a version and an alias of it.
const ALIAS: &str = "AutoPublishAlias";

/// The version of all functions that publish any.
pub(crate) const PUBLISHED_VERSION: &str = "1";

/// How deep a value is resolved, conditions that it refers to included: what no stack overflows at, and enough for
/// a hundred conditions each of which is the opposite of the next.
const DEEPEST: usize = 300;

/// The values a template's expressions refer to.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) region: String,
    parameters: HashMap<String, Option<Value>>,
    resources: HashMap<String, String>,
    /// The names of `AWS::ApiGatewayV2::Stage` resources, which a `Ref` to one gives.
    stages: HashMap<String, Value>,
    /// The aliases that functions publish.
    aliases: HashMap<String, Value>,
    conditions: HashMap<String, Value>,
    /// What is known of conditions: whether they hold, or that this is being found out.
    known: RefCell<HashMap<String, Option<bool>>>,
    /// Whether the name of a stage is being resolved.
    in_stage: Cell<bool>,
    /// How deep the value stands that is being resolved.
    depth: Cell<usize>,
    mappings: Value,
}

impl Resolver {
    pub(super) fn new(document: &Value, region: &str, overrides: &HashMap<String, String>) -> Result<Self> {
        let mut parameters = HashMap::new();
        for (name, parameter) in optional_mapping(document.get("Parameters"), "Parameters")? {
            let name = name.as_str().context("a parameter's name is not text")?;
            let given = overrides.get(name).map(|value| Value::String(value.clone()));
            let kind = parameter.get("Type").and_then(Value::as_str).unwrap_or("String");
            // The default is where the value is kept, and nothing can be asked for it.
            let is_kept_elsewhere = kind.starts_with("AWS::SSM::Parameter::Value");
            let default = parameter.get("Default").filter(|_| !is_kept_elsewhere);
            let value = given.or_else(|| default.cloned());
            let is_list = kind == "CommaDelimitedList" || kind.starts_with("List<");
            let value =
                value.map(|value| if is_list { split_list(&value) } else { Ok(value) }).transpose()?;
            if let (Some(value), Some(Value::Sequence(allowed))) = (&value, parameter.get("AllowedValues")) {
                let value = scalar(value)?;
                let allowed: Vec<String> = allowed.iter().map(scalar).collect::<Result<_>>()?;
                ensure!(
                    allowed.contains(&value),
                    "parameter {name} is {value}, which is none of {}",
                    allowed.join(", ")
                );
            }
            parameters.insert(name.to_owned(), value);
        }
        for name in overrides.keys() {
            ensure!(parameters.contains_key(name), "the template has no parameter {name} to override");
        }
        let (mut resources, mut stages, mut aliases) = (HashMap::new(), HashMap::new(), HashMap::new());
        let alias_of_all = document.get(GLOBALS).and_then(|globals| globals.get("Function")?.get(ALIAS));
        for (id, resource) in mapping(document.get("Resources"), "Resources")? {
            let (Some(id), Some(kind)) = (id.as_str(), resource.get("Type").and_then(Value::as_str)) else {
                continue;
            };
            resources.insert(id.to_owned(), kind.to_owned());
            let stage = resource.get("Properties").and_then(|properties| properties.get("StageName"));
            if let ("AWS::ApiGatewayV2::Stage", Some(stage)) = (kind, stage) {
                stages.insert(id.to_owned(), stage.clone());
            }
            if kind == FUNCTION {
                let own = resource.get("Properties").and_then(|properties| properties.get(ALIAS));
                aliases.extend(own.or(alias_of_all).map(|alias| (id.to_owned(), alias.clone())));
            }
            if kind == "AWS::Serverless::WebSocketApi" {
                let routes = resource.get("Properties").and_then(|properties| properties.get("Routes"));
                for key in optional_mapping(routes, "Routes")?.keys().filter_map(|key| key.as_str()) {
                    resources.insert(route_logical_id(id, key), "AWS::ApiGatewayV2::Route".to_owned());
                }
            }
        }
        let conditions = optional_mapping(document.get("Conditions"), "Conditions")?
            .iter()
            .filter_map(|(name, condition)| Some((name.as_str()?.to_owned(), condition.clone())))
            .collect();
        let mappings = document.get("Mappings").cloned().unwrap_or_default();
        Ok(Self {
            region: region.to_owned(),
            parameters,
            resources,
            stages,
            aliases,
            conditions,
            known: RefCell::default(),
            in_stage: Cell::new(false),
            depth: Cell::new(0),
            mappings,
        })
    }

    /// Resolves to text, or to nothing where the template says `AWS::NoValue`.
    pub(super) fn text(&self, value: &Value) -> Result<Option<String>> {
        match self.resolve(value)? {
            Value::Null => Ok(None),
            value => scalar(&value).map(Some),
        }
    }

    pub(super) fn resolve(&self, value: &Value) -> Result<Value> {
        let depth = self.depth.get();
        ensure!(depth < DEEPEST, "values and conditions are nested more than {DEEPEST} deep");
        self.depth.set(depth + 1);
        let resolved = self.resolve_here(value);
        self.depth.set(depth);
        resolved
    }

    /// The value that conditions choose, itself unresolved; nothing where they choose `AWS::NoValue`.
    pub(super) fn chosen<'a>(&self, mut value: &'a Value) -> Result<&'a Value> {
        loop {
            let called = match value {
                Value::Tagged(tagged) => Some((tagged.tag.to_string(), &tagged.value)),
                Value::Mapping(entries) => {
                    long_form(entries).map(|(name, argument)| (name.to_owned(), argument))
                }
                _ => None,
            };
            match called {
                Some((name, argument)) if name.trim_start_matches('!') == "If" => {
                    value = self.branch(argument)?;
                }
                Some((name, argument))
                    if name.trim_start_matches('!') == "Ref" && argument.as_str() == Some("AWS::NoValue") =>
                {
                    return Ok(&Value::Null);
                }
                _ => return Ok(value),
            }
        }
    }

    fn branch<'a>(&self, argument: &'a Value) -> Result<&'a Value> {
        let [condition, yes, no] = sequence(argument, "If")? else {
            bail!("If takes a condition and two values")
        };
        let chosen = self.condition(condition.as_str().context("If takes a condition's name")?)?;
        Ok(if chosen { yes } else { no })
    }

    fn resolve_here(&self, value: &Value) -> Result<Value> {
        match value {
            Value::Tagged(tagged) => {
                let tag = tagged.tag.to_string();
                self.intrinsic(tag.trim_start_matches('!'), &tagged.value)
            }
            Value::Mapping(entries) => {
                if let Some((name, argument)) = long_form(entries) {
                    return self.intrinsic(name, argument);
                }
                let mut resolved = Mapping::new();
                for (key, value) in entries {
                    match self.resolve(value)? {
                        Value::Null => {}
                        value => _ = resolved.insert(key.clone(), value),
                    }
                }
                Ok(Value::Mapping(resolved))
            }
            Value::Sequence(items) => {
                let items: Vec<Value> = items.iter().map(|item| self.resolve(item)).collect::<Result<_>>()?;
                Ok(Value::Sequence(items.into_iter().filter(|item| !item.is_null()).collect()))
            }
            plain => Ok(plain.clone()),
        }
    }

    fn intrinsic(&self, name: &str, argument: &Value) -> Result<Value> {
        match name {
            "Ref" => self.reference(argument.as_str().context("Ref takes a name")?),
            "GetAtt" => self.attribute(argument).map(Value::String),
            "Sub" => self.substitute(argument).map(Value::String),
            "Join" => {
                let (separator, items) = self.pair(argument, "Join")?;
                let items = sequence(&items, "Join")?.iter().map(scalar).collect::<Result<Vec<_>>>()?;
                Ok(Value::String(items.join(&scalar(&separator)?)))
            }
            "Select" => {
                let (index, items) = self.pair(argument, "Select")?;
                let index: usize = scalar(&index)?.parse().context("Select takes an index")?;
                sequence(&items, "Select")?
                    .get(index)
                    .cloned()
                    .with_context(|| format!("Select has no item {index}"))
            }
            "Split" => {
                let (separator, text) = self.pair(argument, "Split")?;
                let (separator, text) = (scalar(&separator)?, scalar(&text)?);
                Ok(Value::Sequence(
                    text.split(&separator).map(|part| Value::String(part.to_owned())).collect(),
                ))
            }
            "FindInMap" => {
                let keys = self.resolve(argument)?;
                let mut found = &self.mappings;
                for key in sequence(&keys, "FindInMap")? {
                    let key = scalar(key)?;
                    found = found.get(key.as_str()).with_context(|| format!("FindInMap has no {key}"))?;
                }
                Ok(found.clone())
            }
            "If" => self.resolve(self.branch(argument)?),
            "Equals" | "And" | "Or" | "Not" | "Condition" => self.test(name, argument).map(Value::Bool),
            other => bail!("the intrinsic function {other} is not emulated"),
        }
    }

    fn reference(&self, name: &str) -> Result<Value> {
        let text = match name {
            "AWS::Region" => self.region.clone(),
            "AWS::URLSuffix" => URL_SUFFIX.to_owned(),
            "AWS::AccountId" => ACCOUNT_ID.to_owned(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::StackName" => "local".to_owned(),
            "AWS::StackId" => format!("arn:aws:cloudformation:{}:{ACCOUNT_ID}:stack/local/1", self.region),
            "AWS::NoValue" => return Ok(Value::Null),
            name => {
                if let Some(value) = self.parameters.get(name) {
                    return value.clone().ok_or_else(|| {
                        anyhow!("parameter {name} has no value; give one by --parameter-overrides {name}=…")
                    });
                }
                if let Some((function, "Alias" | "Version")) = name.split_once('.') {
                    return self.published(function, name).map(Value::String);
                }
                if let Some(stage) = self.stages.get(name) {
                    ensure!(
                        !self.in_stage.replace(true),
                        "the StageName of a stage refers to the stage {name}"
                    );
                    let stage = self.resolve(stage);
                    self.in_stage.set(false);
                    return stage;
                }
                match self.resources.get(name).map(String::as_str) {
                    Some(kind) if is_api(kind) => name.to_ascii_lowercase(),
                    Some(_) => name.to_owned(),
                    None if name == IMPLICIT_HTTP_API => name.to_ascii_lowercase(),
                    None => bail!("nothing is named {name}"),
                }
            }
        };
        Ok(Value::String(text))
    }

    /// The alias that a function publishes.
    pub(super) fn alias(&self, function: &str) -> Result<Option<String>> {
        self.aliases.get(function).map_or(Ok(None), |alias| self.text(alias).context(ALIAS))
    }

    /// What SAM makes of `Function.Alias` and `Function.Version` (SAM Developer Guide, "Referencing generated resources").
    fn published(&self, function: &str, name: &str) -> Result<String> {
        let kind = self.resources.get(function).with_context(|| format!("nothing is named {function}"))?;
        ensure!(kind == FUNCTION, "{name}: {function} ({kind}) has no versions");
        let alias = self.alias(function)?.with_context(|| format!("{name}: {function} has no {ALIAS}"))?;
        let qualifier = if name.ends_with(".Alias") { &alias } else { PUBLISHED_VERSION };
        Ok(format!("{}:{qualifier}", function_arn(&self.region, function)))
    }

    fn attribute(&self, argument: &Value) -> Result<String> {
        let path = match argument {
            Value::Sequence(parts) => parts.iter().map(scalar).collect::<Result<Vec<_>>>()?.join("."),
            other => scalar(other)?,
        };
        let (resource, attribute) =
            path.split_once('.').with_context(|| format!("GetAtt {path} names no attribute"))?;
        match (self.resources.get(resource).map(String::as_str), attribute) {
            (Some(FUNCTION), "Arn") => Ok(function_arn(&self.region, resource)),
            (Some("AWS::SQS::Queue"), "Arn") => {
                Ok(format!("arn:aws:sqs:{}:{ACCOUNT_ID}:{resource}", self.region))
            }
            (Some(kind), "ApiEndpoint") if is_api(kind) => {
                let scheme = if kind == "AWS::Serverless::HttpApi" { "https" } else { "wss" };
                let id = resource.to_ascii_lowercase();
                Ok(format!("{scheme}://{id}.execute-api.{}.{URL_SUFFIX}", self.region))
            }
            (Some(kind), _) => bail!("the attribute {attribute} of {resource} ({kind}) has no local value"),
            (None, _) => bail!("nothing is named {resource}"),
        }
    }

    fn substitute(&self, argument: &Value) -> Result<String> {
        let (template, own) = match argument {
            Value::Sequence(parts) => match parts.as_slice() {
                [template, own] => (scalar(template)?, self.resolve(own)?),
                _ => bail!("Sub takes a text and a map"),
            },
            template => (scalar(template)?, Value::Null),
        };
        let mut text = String::with_capacity(template.len());
        let mut rest = template.as_str();
        while let Some(start) = rest.find("${") {
            let (before, variable) = rest.split_at(start);
            text.push_str(before);
            let end =
                variable.find('}').with_context(|| format!("Sub has an unclosed variable in {template}"))?;
            let name = variable[2..end].trim();
            rest = &variable[end + 1..];
            if let Some(literal) = name.strip_prefix('!') {
                text.extend(["${", literal, "}"]);
            } else if let Some(value) = own.get(name) {
                text.push_str(&scalar(value)?);
            } else if name.contains('.') && !name.ends_with(".Alias") && !name.ends_with(".Version") {
                text.push_str(&self.attribute(&Value::String(name.to_owned()))?);
            } else {
                text.push_str(&scalar(&self.reference(name)?)?);
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    /// Whether a condition holds; each is found out once, because conditions refer to conditions.
    pub(super) fn condition(&self, name: &str) -> Result<bool> {
        let condition = self.conditions.get(name).with_context(|| format!("no condition is named {name}"))?;
        let known = self.known.borrow().get(name).copied();
        match known {
            Some(Some(holds)) => return Ok(holds),
            Some(None) => bail!("condition {name} refers to itself"),
            None => _ = self.known.borrow_mut().insert(name.to_owned(), None),
        }
        let resolved = self.resolve(condition).with_context(|| format!("condition {name}"));
        self.known.borrow_mut().remove(name);
        match resolved? {
            Value::Bool(holds) => {
                self.known.borrow_mut().insert(name.to_owned(), Some(holds));
                Ok(holds)
            }
            other => bail!("condition {name} is {}, which is neither true nor false", label(&other)),
        }
    }

    fn test(&self, name: &str, argument: &Value) -> Result<bool> {
        if name == "Condition" {
            return self.condition(argument.as_str().context("Condition takes a name")?);
        }
        let arguments = self.resolve(argument)?;
        let arguments = sequence(&arguments, name)?;
        if name == "Equals" {
            let [left, right] = arguments else { bail!("Equals takes two values") };
            return Ok(scalar(left)? == scalar(right)?);
        }
        let mut truths =
            arguments.iter().map(|argument| argument.as_bool().context("a condition is no truth value"));
        match name {
            "And" => truths.try_fold(true, |all, holds| Ok(all && holds?)),
            "Or" => truths.try_fold(false, |any, holds| Ok(any || holds?)),
            _ => truths.next().context("Not takes a condition")?.map(|holds| !holds),
        }
    }

    fn pair(&self, argument: &Value, name: &str) -> Result<(Value, Value)> {
        match sequence(argument, name)? {
            [first, second] => Ok((self.resolve(first)?, self.resolve(second)?)),
            _ => bail!("{name} takes two arguments"),
        }
    }
}

/// Whether a `Ref` to a resource gives an API's id.
fn is_api(kind: &str) -> bool {
    ["AWS::Serverless::HttpApi", "AWS::Serverless::WebSocketApi", "AWS::ApiGatewayV2::Api"].contains(&kind)
}

/// The ARN under which a function is invoked.
pub(crate) fn function_arn(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name}")
}

/// The intrinsic function that a map of one entry is, and its argument.
pub(super) fn long_form(entries: &Mapping) -> Option<(&str, &Value)> {
    let (key, argument) = entries.iter().next().filter(|_| entries.len() == 1)?;
    match key.as_str()? {
        name @ ("Ref" | "Condition") => Some((name, argument)),
        name => name.strip_prefix("Fn::").map(|name| (name, argument)),
    }
}

/// `CloudFormation` makes an empty list of an empty `CommaDelimitedList`.
fn split_list(value: &Value) -> Result<Value> {
    let text = scalar(value)?;
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(Value::Sequence(items.map(|item| Value::String(item.to_owned())).collect()))
}

pub(super) fn scalar(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        other => bail!("{} is no plain value", label(other)),
    }
}

pub(super) fn label(value: &Value) -> String {
    serde_yaml_ng::to_string(value).unwrap_or_default().trim().to_owned()
}

fn sequence<'a>(value: &'a Value, what: &str) -> Result<&'a [Value]> {
    value.as_sequence().map(Vec::as_slice).with_context(|| format!("{what} takes a list"))
}

pub(super) fn mapping<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a Mapping> {
    // A tag would otherwise be overlooked.
    let untagged = value.filter(|value| !matches!(value, Value::Tagged(_)));
    untagged.and_then(Value::as_mapping).with_context(|| format!("{what} must be a map"))
}

pub(super) fn optional_mapping<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a Mapping> {
    static EMPTY: std::sync::OnceLock<Mapping> = std::sync::OnceLock::new();
    match value {
        None | Some(Value::Null) => Ok(EMPTY.get_or_init(Mapping::new)),
        some => mapping(some, what),
    }
}
