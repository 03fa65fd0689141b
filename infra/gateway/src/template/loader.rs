//! Turning a template's resources into functions and routes.
//!
//! Each resource and each property is either used, known to mean nothing on one machine, or refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_yaml_ng::Value;

use super::globals::GLOBALS;
use super::intrinsics::{Resolver, label, mapping, optional_mapping, scalar};
use super::{
    Architecture, Cors, Function, HttpApi, HttpRoute, IMPLICIT_HTTP_API, StageVariables, WebSocketApi,
    nested, triggers,
};

/// The variables that Lambda sets and lets no function set (Lambda Developer Guide, "Using AWS Lambda environment
/// variables").
const RESERVED_VARIABLES: [&str; 18] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// The methods of an HTTP API's routes (API Gateway Developer Guide, "Create routes for HTTP APIs").
const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Where the properties of a resource stand.
pub(super) const PROPERTIES: &str = "Properties";

/// Collects what the resources say; functions come first, because routes point at them.
pub(super) struct Loader<'a> {
    pub(super) resolver: &'a Resolver,
    pub(super) globals: &'a Value,
    resources: Vec<(&'a str, &'a str, &'a Value)>,
    pub(super) functions: Vec<Function>,
    pub(super) http_api: Option<HttpApi>,
    pub(super) websocket_api: Option<WebSocketApi>,
    /// What the operator should know, though nothing is wrong with it.
    pub(super) notes: Vec<String>,
}

impl<'a> Loader<'a> {
    /// Loads a whole template.
    pub(super) fn load(
        resolver: &'a Resolver,
        document: &'a Value,
        globals: &'a Value,
        folder: &Path,
    ) -> Result<Self> {
        check_transforms(document)?;
        check_keys(globals, GLOBALS, &["Function", "HttpApi", "WebSocketApi"], &[])?;
        let mut loader = Self::new(resolver, document, globals, folder)?;
        loader.load_functions()?;
        loader.load_websocket_api()?;
        Ok(loader)
    }

    fn new(resolver: &'a Resolver, document: &'a Value, globals: &'a Value, folder: &Path) -> Result<Self> {
        let resources = resources(resolver, document)?;
        for (id, kind, resource) in &resources {
            if *kind == nested::STACK {
                nested::check(resolver, id, resource, folder)?;
            } else {
                triggers::check(resolver, id, kind, resource)?;
            }
        }
        Ok(Self {
            resolver,
            globals,
            resources,
            functions: Vec::new(),
            http_api: None,
            websocket_api: None,
            notes: Vec::new(),
        })
    }

    pub(super) fn of_type(&self, wanted: &str) -> Vec<(&'a str, &'a Value)> {
        self.resources
            .iter()
            .filter(|(_, kind, _)| *kind == wanted)
            .map(|(id, _, resource)| (*id, *resource))
            .collect()
    }

    fn load_functions(&mut self) -> Result<()> {
        let apis = self.of_type("AWS::Serverless::HttpApi");
        ensure!(
            apis.len() <= 1,
            "the gateway serves one AWS::Serverless::HttpApi, the template has {}",
            apis.len()
        );
        if let Some((id, resource)) = apis.first() {
            self.http_api = Some(self.http_api(id, resource).with_context(|| (*id).to_owned())?);
        }
        for (id, resource) in self.of_type("AWS::Serverless::Function") {
            self.load_function(id, resource).with_context(|| id.to_owned())?;
        }
        self.throttle_http_routes(apis.first().copied())
    }

    fn throttle_http_routes(&mut self, api: Option<(&str, &Value)>) -> Result<()> {
        let (id, resource) = api.unwrap_or((IMPLICIT_HTTP_API, &Value::Null));
        let Some(mut api) = self.http_api.take() else { return Ok(()) };
        let settings =
            self.route_settings(&self.properties(resource, "HttpApi")).with_context(|| id.to_owned())?;
        for route in &mut api.routes {
            route.throttle = settings.throttle(&route.key());
        }
        settings
            .check_routes(|key| api.routes.iter().any(|route| route.key() == key))
            .with_context(|| id.to_owned())?;
        self.http_api = Some(api);
        Ok(())
    }

    fn load_function(&mut self, id: &str, resource: &Value) -> Result<()> {
        let properties = self.checked_properties(
            id,
            resource,
            "Function",
            &[
                "Timeout",
                "MemorySize",
                "Architectures",
                "Environment",
                "Events",
                "EventInvokeConfig",
                "ReservedConcurrentExecutions",
            ],
            &[
                "Runtime",
                "Handler",
                "CodeUri",
                "Policies",
                "Role",
                "RolePath",
                "Tags",
                "PropagateTags",
                "Description",
                "FunctionName",
                "VpcConfig",
                "LoggingConfig",
                "Tracing",
                "EphemeralStorage",
                "KmsKeyArn",
                "PermissionsBoundary",
                "AutoPublishAlias",
                "AutoPublishAliasAllProperties",
                "AutoPublishCodeSha256",
                "DeploymentPreference",
                "RecursiveLoop",
                "VersionDescription",
                "RuntimeManagementConfig",
                "ProvisionedConcurrencyConfig",
                "PackageType",
            ],
        )?;
        self.check_runtime(&properties)?;
        let binary = self.binary(resource, &properties)?;
        let timeout = self.number(&properties, "Timeout")?.unwrap_or(3);
        ensure!((1..=900).contains(&timeout), "Properties.Timeout must be 1 to 900");
        let index = self.functions.len();
        let reserved = self.number(&properties, "ReservedConcurrentExecutions")?;
        ensure!(
            reserved != Some(0),
            "Properties.ReservedConcurrentExecutions: 0 lets a function never run; leave it out by --leave-out \
             {id}.ReservedConcurrentExecutions"
        );
        self.functions.push(Function {
            name: id.to_owned(),
            binary,
            timeout: Duration::from_secs(timeout),
            handler: self.property(&properties, "Handler")?.unwrap_or_default(),
            memory_size: self.memory_size(&properties)?,
            architecture: self.architecture(&properties)?,
            asynchronous: self.asynchronous_config(&properties)?,
            schedules: Vec::new(),
            variables: self.variables(&properties)?,
            reserved_concurrency: reserved.map(|reserved| usize::try_from(reserved).unwrap_or(usize::MAX)),
            alias: self.resolver.alias(id)?,
        });
        if let Some(events) = properties.get("Events") {
            for (name, event) in mapping(Some(events), "Events")? {
                let context = || format!("event {}", label(name));
                check_keys(event, &format!("Properties.Events.{}", label(name)), &["Type", PROPERTIES], &[])?;
                if let Some("Schedule" | "ScheduleV2") = event.get("Type").and_then(Value::as_str) {
                    let schedule = self.schedule(id, &scalar(name)?, event).with_context(context)?;
                    self.functions[index].schedules.extend(schedule);
                    continue;
                }
                let mut api = match self.http_api.take() {
                    Some(api) => api,
                    None => self.http_api(IMPLICIT_HTTP_API, &Value::Null)?,
                };
                let kind = event.get("Type").and_then(Value::as_str).unwrap_or_default();
                ensure!(
                    kind == "HttpApi",
                    "Properties.Events.{0}: events of type {kind} do not come here, only HttpApi, Schedule and \
                     ScheduleV2{1}; leave it out by --leave-out {id}.{0}",
                    label(name),
                    hint(kind)
                );
                let route = self.http_route(&api, event, index).with_context(context)?;
                ensure!(
                    !api.routes.iter().any(|other| other.method == route.method && other.path == route.path),
                    "another function has the route {} {} already",
                    route.method,
                    route.path
                );
                api.routes.push(route);
                self.http_api = Some(api);
            }
        }
        Ok(())
    }

    /// In megabytes.
    fn memory_size(&self, properties: &Value) -> Result<u32> {
        let size = self.number(properties, "MemorySize")?.unwrap_or(128);
        let size = u32::try_from(size).ok().filter(|size| (128..=10_240).contains(size));
        size.context("Properties.MemorySize must be 128 to 10240")
    }

    /// The variables of a function, whose values stay unresolved.
    fn variables(&self, properties: &Value) -> Result<BTreeMap<String, Value>> {
        let Some(environment) = properties.get("Environment") else { return Ok(BTreeMap::new()) };
        let environment = self.resolver.chosen(environment).context("Properties.Environment")?;
        check_keys(environment, "Properties.Environment", &["Variables"], &[])?;
        let Some(variables) = environment.get("Variables") else { return Ok(BTreeMap::new()) };
        let what = "Properties.Environment.Variables";
        let variables = self.resolver.chosen(variables).context(what)?;
        optional_mapping(Some(variables), what)?
            .iter()
            .map(|(name, value)| Ok((variable(name)?, value.clone())))
            .collect::<Result<_>>()
            .context(what)
    }

    /// The one architecture of a function; it only matters for what the function would cost.
    fn architecture(&self, properties: &Value) -> Result<Architecture> {
        match self.list(properties, "Architectures")?.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] | ["x86_64"] => Ok(Architecture::X86),
            ["arm64"] => Ok(Architecture::Arm),
            _ => bail!("Properties.Architectures must be [arm64] or [x86_64]"),
        }
    }

    /// Refuses what is no binary that asks the Runtime API for its events.
    fn check_runtime(&self, properties: &Value) -> Result<()> {
        let runtime = self.property(properties, "Runtime")?;
        let package = self.property(properties, "PackageType")?;
        ensure!(
            package.is_none_or(|package| package == "Zip"),
            "Properties.PackageType: container images are not run here, only binaries of provided.al2023 and \
             provided.al2"
        );
        ensure!(
            runtime.as_ref().is_none_or(|runtime| runtime.starts_with("provided")),
            "Properties.Runtime: {} is not run here, only binaries of provided.al2023 and provided.al2",
            runtime.unwrap_or_default()
        );
        Ok(())
    }

    /// The name of a function's binary. `cargo lambda` builds the one of the folder if none is named, and a package
    /// is as a rule in a folder of its name.
    fn binary(&self, resource: &Value, properties: &Value) -> Result<String> {
        let named = resource
            .get("Metadata")
            .and_then(|metadata| metadata.get("BuildProperties")?.get("Binary")?.as_str())
            .map(str::to_owned);
        let binary = match named {
            Some(binary) => Some(binary),
            None => self.property(properties, "CodeUri")?.and_then(|code| {
                let folder = code.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
                (!folder.starts_with('.') && !folder.is_empty() && !code.contains("://")).then_some(folder)
            }),
        };
        let binary = binary.context(
            "Metadata.BuildProperties.Binary must name the binary in --functions-dir, for example \
             `Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: hello}}`",
        )?;
        ensure!(!binary.contains('\0'), "Metadata.BuildProperties.Binary holds a NUL");
        Ok(binary)
    }

    fn http_route(&self, http_api: &HttpApi, event: &Value, function: usize) -> Result<HttpRoute> {
        let properties = event.get("Properties").cloned().unwrap_or_default();
        check_keys(
            &properties,
            "the event's Properties",
            &["ApiId", "Method", "Path", "TimeoutInMillis", "PayloadFormatVersion", "Auth"],
            &[],
        )?;
        match self.property(&properties, "ApiId")? {
            Some(api) => {
                ensure!(
                    http_api.id == api,
                    "ApiId must be a !Ref to the template's AWS::Serverless::HttpApi"
                );
            }
            None => ensure!(
                http_api.id == IMPLICIT_HTTP_API.to_ascii_lowercase(),
                "without an ApiId the route is one of another API, {IMPLICIT_HTTP_API}, and the gateway serves one: \
                 ApiId must be a !Ref to the template's AWS::Serverless::HttpApi"
            ),
        }
        let format = self.property(&properties, "PayloadFormatVersion")?;
        ensure!(format.is_none_or(|format| format == "2.0"), "only payload format 2.0 is emulated");
        let timeout = self.number(&properties, "TimeoutInMillis")?.unwrap_or(30_000);
        ensure!((50..=30_000).contains(&timeout), "TimeoutInMillis must be 50 to 30000");
        let path = self.property(&properties, "Path")?.unwrap_or_else(|| "$default".to_owned());
        ensure!(path == "$default" || path.starts_with('/'), "Path {path} does not begin with a slash");
        let method =
            self.property(&properties, "Method")?.map_or_else(|| "ANY".to_owned(), |method| any(&method));
        ensure!(METHODS.contains(&method.as_str()), "Method {method} is none of {}", METHODS.join(", "));
        Ok(HttpRoute {
            method,
            path,
            function,
            integration_timeout: Duration::from_millis(timeout),
            authorization: self.route_authorization(http_api, &properties)?,
            throttle: None,
        })
    }

    fn http_api(&self, id: &str, resource: &Value) -> Result<HttpApi> {
        let properties = self.checked_properties(
            id,
            resource,
            "HttpApi",
            &[
                "CorsConfiguration",
                "StageName",
                "StageVariables",
                "Auth",
                "DefaultRouteSettings",
                "RouteSettings",
            ],
            &[
                "Name",
                "Description",
                "Tags",
                "PropagateTags",
                "AccessLogSettings",
                "Domain",
                "DisableExecuteApiEndpoint",
                "FailOnWarnings",
            ],
        )?;
        let cors = match properties.get("CorsConfiguration") {
            None => None,
            Some(configuration) => self.cors(&self.resolver.resolve(configuration)?)?,
        };
        let stage_variables = self.stage_variables(&properties)?;
        let (authorizers, default_authorizer) =
            self.http_authorizers(&properties, &stage_variables).context("Auth")?;
        Ok(HttpApi {
            id: id.to_ascii_lowercase(),
            stage: self.property(&properties, "StageName")?.unwrap_or_else(|| "$default".to_owned()),
            stage_variables,
            cors,
            authorizers,
            default_authorizer,
            routes: Vec::new(),
        })
    }

    /// `StageVariables`, held to what API Gateway takes (API Gateway Developer Guide, "Use stage variables
    /// for HTTP APIs").
    pub(super) fn stage_variables(&self, properties: &Value) -> Result<StageVariables> {
        let mut variables = StageVariables::new();
        for (name, value) in optional_mapping(properties.get("StageVariables"), "StageVariables")? {
            let name = scalar(name)?;
            let Some(value) = self.resolver.text(value).with_context(|| format!("StageVariables.{name}"))?
            else {
                continue;
            };
            let names = |c: char| c.is_ascii_alphanumeric() || c == '_';
            ensure!(
                !name.is_empty() && name.chars().all(names),
                "StageVariables: the name {name} is not alphanumeric"
            );
            let values = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
            ensure!(
                value.chars().all(values),
                "StageVariables.{name} holds a character other than letters, digits and -._~:/?#&=,"
            );
            variables.insert(name, value);
        }
        Ok(variables)
    }

    /// The function that an ARN or an integration's URI names, an index into the template's functions.
    pub(super) fn function_at(&self, arn: &str) -> Result<usize> {
        let name = match arn.split_once(":function:") {
            Some((_, rest)) => rest.split(['/', ':']).next().unwrap_or_default(),
            None => arn,
        };
        let is_it = |(id, resource): &(&str, &Value)| {
            let own = resource.get("Properties").and_then(|properties| properties.get("FunctionName"));
            *id == name
                || own.is_some_and(|own| self.resolver.text(own).ok().flatten().as_deref() == Some(name))
        };
        // The functions are loaded in this order.
        self.of_type("AWS::Serverless::Function")
            .iter()
            .position(is_it)
            .with_context(|| format!("{arn} is no function of this template"))
    }

    /// Whether a resource lets API Gateway invoke a function (AWS `CloudFormation` User Guide, "`AWS::Lambda::Permission`").
    pub(super) fn is_permitted(&self, function: usize) -> bool {
        self.of_type("AWS::Lambda::Permission").iter().any(|(_, resource)| {
            let text = |key: &str| {
                let value = resource.get(PROPERTIES)?.get(key)?;
                self.resolver.text(value).ok().flatten()
            };
            let is = |key: &str, values: &[&str]| text(key).is_some_and(|text| values.contains(&&*text));
            is("Principal", &["apigateway.amazonaws.com", "*"])
                && is("Action", &["lambda:InvokeFunction", "lambda:*", "*"])
                && text("FunctionName")
                    .is_some_and(|name| self.function_at(&name).is_ok_and(|other| other == function))
        })
    }

    fn cors(&self, configuration: &Value) -> Result<Option<Cors>> {
        if let Some(all) = configuration.as_bool() {
            let any = || vec!["*".to_owned()];
            return Ok(all.then(|| Cors {
                allow_origins: any(),
                allow_methods: any(),
                allow_headers: any(),
                ..Cors::default()
            }));
        }
        check_keys(
            configuration,
            "CorsConfiguration",
            &["AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders", "MaxAge", "AllowCredentials"],
            &[],
        )?;
        let list = |key: &str| self.list(configuration, key);
        let allow_credentials = self.property(configuration, "AllowCredentials")?.as_deref() == Some("true");
        let allow_origins = list("AllowOrigins")?;
        ensure!(
            !(allow_credentials && allow_origins.iter().any(|origin| origin == "*")),
            "AllowCredentials forbids the origin *"
        );
        Ok(Some(Cors {
            allow_origins,
            allow_methods: list("AllowMethods")?,
            allow_headers: list("AllowHeaders")?,
            expose_headers: list("ExposeHeaders")?,
            max_age: self.number(configuration, "MaxAge")?,
            allow_credentials,
        }))
    }

    pub(super) fn property(&self, of: &Value, key: &str) -> Result<Option<String>> {
        of.get(key).map_or(Ok(None), |value| self.resolver.text(value).with_context(|| key.to_owned()))
    }

    /// A property that is true or false; false if it is missing.
    pub(super) fn flag(&self, of: &Value, key: &str) -> Result<bool> {
        match self.property(of, key)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => bail!("{key} must be true or false, not {other}"),
        }
    }

    pub(super) fn number(&self, of: &Value, key: &str) -> Result<Option<u64>> {
        self.property(of, key)?
            .map(|text| text.parse().with_context(|| format!("{key}: {text} is not a whole number")))
            .transpose()
    }

    pub(super) fn list(&self, of: &Value, key: &str) -> Result<Vec<String>> {
        let Some(value) = of.get(key) else { return Ok(Vec::new()) };
        match self.resolver.resolve(value)? {
            Value::Sequence(items) => {
                items.iter().map(|item| scalar(item).with_context(|| key.to_owned())).collect()
            }
            other => bail!("{key} must be a list, not {}", label(&other)),
        }
    }
}

/// The resources that are there, with their logical ids and types.
pub(super) fn resources<'a>(
    resolver: &Resolver,
    document: &'a Value,
) -> Result<Vec<(&'a str, &'a str, &'a Value)>> {
    let mut resources = Vec::new();
    for (id, resource) in mapping(document.get("Resources"), "Resources")? {
        let id = id.as_str().ok_or_else(|| anyhow!("a logical id is not text"))?;
        if let Some(condition) = resource.get("Condition") {
            let Value::String(condition) = condition else {
                bail!("{id}: Condition must be the name of one, not {}", label(condition))
            };
            if !resolver.condition(condition)? {
                continue;
            }
        }
        ensure!(!id.starts_with("Fn::"), "Resources: the intrinsic function {id} is not emulated");
        let kind =
            resource.get("Type").and_then(Value::as_str).with_context(|| format!("{id} has no Type"))?;
        resources.push((id, kind, resource));
    }
    Ok(resources)
}

/// What to use instead of something that is refused, as the rest of a sentence.
pub(super) fn hint(refused: &str) -> &'static str {
    match refused {
        "Api" | "AWS::Serverless::Api" => {
            " (not REST APIs, but AWS::Serverless::HttpApi and its event HttpApi)"
        }
        "AWS::Lambda::Function" => " (but AWS::Serverless::Function)",
        "AWS::Serverless::Application" => {
            " (but AWS::CloudFormation::Stack, of resources without a meaning here)"
        }
        "FunctionUrlConfig" => "; an event of type HttpApi gives the function a URL",
        "Layers" => "; a binary holds what it needs",
        "InlineCode" | "ImageUri" | "ImageConfig" => "; only binaries are run",
        "DeadLetterQueue" => "; EventInvokeConfig.DestinationConfig.OnFailure is",
        "DefinitionUri" | "DefinitionBody" => "; routes are read from the functions' events",
        _ => "",
    }
}

/// Refuses macros other than SAM's: what they make of the template is not known here.
fn check_transforms(document: &Value) -> Result<()> {
    let transforms = match document.get("Transform") {
        None => return Ok(()),
        Some(Value::Sequence(transforms)) => transforms.as_slice(),
        Some(transform) => std::slice::from_ref(transform),
    };
    for transform in transforms {
        let is_sam = transform.as_str() == Some("AWS::Serverless-2016-10-31");
        ensure!(is_sam, "Transform: {} is not emulated, only AWS::Serverless-2016-10-31", label(transform));
    }
    Ok(())
}

/// The name of a variable that Lambda lets a function have (Lambda Developer Guide, "Using AWS Lambda environment
/// variables").
fn variable(name: &Value) -> Result<String> {
    let name = scalar(name)?;
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    ensure!(
        name.len() >= 2 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letters),
        "{name} is no name of a variable: two or more letters, digits and _, a letter first"
    );
    ensure!(!RESERVED_VARIABLES.contains(&name.as_str()), "{name} is reserved: Lambda sets it");
    Ok(name)
}

pub(super) fn check_keys(
    of: &Value,
    what: &str,
    used: &[&str],
    without_local_meaning: &[&str],
) -> Result<()> {
    if of.is_null() {
        return Ok(());
    }
    for key in mapping(Some(of), what)?.keys() {
        let key = key.as_str().unwrap_or_default();
        ensure!(
            used.contains(&key) || without_local_meaning.contains(&key),
            "{what}.{key} is not emulated{}{}",
            hint(key),
            // Whose else they are is said around it.
            match what {
                PROPERTIES => format!("; leave it out by --leave-out RESOURCE.{key}"),
                GLOBALS => format!("; leave it out by --leave-out {GLOBALS}.{key}"),
                _ => String::new(),
            }
        );
    }
    Ok(())
}

fn any(method: &str) -> String {
    match method.to_ascii_uppercase() {
        method if method == "*" || method == "X-AMAZON-APIGATEWAY-ANY-METHOD" => "ANY".to_owned(),
        method => method,
    }
}
