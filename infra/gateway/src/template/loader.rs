//! Turning a template's resources into functions and routes.
//!
//! Each resource and each property is either used, known to mean nothing on one machine, or refused.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_yaml_ng::Value;

use super::intrinsics::{Resolver, label, mapping, scalar};
use super::{Cors, Function, HttpApi, HttpRoute, IMPLICIT_HTTP_API, WebSocketApi, WebSocketRoute};

/// Collects what the resources say; functions come first, because routes point at them.
pub(super) struct Loader<'a> {
    resolver: &'a Resolver,
    globals: &'a Value,
    resources: Vec<(&'a str, &'a str, &'a Value)>,
    pub(super) functions: Vec<Function>,
    pub(super) http_api: Option<HttpApi>,
    pub(super) websocket_api: Option<WebSocketApi>,
}

impl<'a> Loader<'a> {
    /// Loads a whole template.
    pub(super) fn load(resolver: &'a Resolver, document: &'a Value, globals: &'a Value) -> Result<Self> {
        check_keys(globals, "Globals", &["Function", "HttpApi", "WebSocketApi"], &[])?;
        let mut loader = Self::new(resolver, document, globals)?;
        loader.load_functions()?;
        loader.load_websocket_api()?;
        Ok(loader)
    }

    fn new(resolver: &'a Resolver, document: &'a Value, globals: &'a Value) -> Result<Self> {
        let mut resources = Vec::new();
        for (id, resource) in mapping(document.get("Resources"), "Resources")? {
            let id = id.as_str().ok_or_else(|| anyhow!("a logical id is not text"))?;
            if let Some(condition) = resource.get("Condition").and_then(Value::as_str)
                && !resolver.condition(condition)?
            {
                continue;
            }
            let kind =
                resource.get("Type").and_then(Value::as_str).with_context(|| format!("{id} has no Type"))?;
            ensure!(!is_refused(kind), "{id}: the gateway does not serve resources of type {kind}");
            resources.push((id, kind, resource));
        }
        Ok(Self { resolver, globals, resources, functions: Vec::new(), http_api: None, websocket_api: None })
    }

    fn of_type(&self, wanted: &str) -> Vec<(&'a str, &'a Value)> {
        self.resources
            .iter()
            .filter(|(_, kind, _)| *kind == wanted)
            .map(|(id, _, resource)| (*id, *resource))
            .collect()
    }

    fn properties(&self, resource: &Value, globals: &str) -> Value {
        let own = resource.get("Properties").cloned().unwrap_or_default();
        match self.globals.get(globals) {
            Some(globals) => merge(globals.clone(), own),
            None => own,
        }
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
        Ok(())
    }

    fn load_function(&mut self, id: &str, resource: &Value) -> Result<()> {
        let properties = self.properties(resource, "Function");
        check_keys(
            &properties,
            "Properties",
            &["Timeout", "MemorySize", "Environment", "Events", "EventInvokeConfig"],
            &[
                "Runtime",
                "Handler",
                "CodeUri",
                "Architectures",
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
                "DeploymentPreference",
                "RuntimeManagementConfig",
                "ProvisionedConcurrencyConfig",
                "ReservedConcurrentExecutions",
                "PackageType",
            ],
        )?;
        let binary = resource
            .get("Metadata")
            .and_then(|metadata| metadata.get("BuildProperties")?.get("Binary")?.as_str())
            .context("Metadata.BuildProperties.Binary must name the binary")?
            .to_owned();
        let index = self.functions.len();
        let variables =
            match properties.get("Environment").and_then(|environment| environment.get("Variables")) {
                None => BTreeMap::new(),
                variables => mapping(variables, "Environment.Variables")?
                    .iter()
                    .filter_map(|(name, value)| Some((name.as_str()?.to_owned(), value.clone())))
                    .collect(),
            };
        self.functions.push(Function {
            name: id.to_owned(),
            binary,
            timeout: Duration::from_secs(self.number(&properties, "Timeout")?.unwrap_or(3)),
            memory_size: self.number(&properties, "MemorySize")?.map_or(Ok(128), u32::try_from)?,
            asynchronous: self.asynchronous_config(&properties)?,
            schedules: Vec::new(),
            variables,
        });
        if let Some(events) = properties.get("Events") {
            for (name, event) in mapping(Some(events), "Events")? {
                let context = || format!("event {}", label(name));
                if let Some("Schedule" | "ScheduleV2") = event.get("Type").and_then(Value::as_str) {
                    let schedule = self.schedule(id, &scalar(name)?, event).with_context(context)?;
                    self.functions[index].schedules.extend(schedule);
                    continue;
                }
                let route = self.http_route(event, index).with_context(context)?;
                let api = self.http_api.get_or_insert_with(|| HttpApi {
                    id: IMPLICIT_HTTP_API.to_ascii_lowercase(),
                    stage: "$default".to_owned(),
                    cors: None,
                    routes: Vec::new(),
                });
                ensure!(
                    !api.routes.iter().any(|other| other.method == route.method && other.path == route.path),
                    "another function has the route {} {} already",
                    route.method,
                    route.path
                );
                api.routes.push(route);
            }
        }
        Ok(())
    }

    fn http_route(&self, event: &Value, function: usize) -> Result<HttpRoute> {
        let kind = event.get("Type").and_then(Value::as_str).unwrap_or_default();
        ensure!(
            kind == "HttpApi",
            "the gateway serves events of type HttpApi, Schedule and ScheduleV2, not {kind}"
        );
        let properties = event.get("Properties").cloned().unwrap_or_default();
        check_keys(
            &properties,
            "Properties",
            &["ApiId", "Method", "Path", "TimeoutInMillis", "PayloadFormatVersion"],
            &[],
        )?;
        if let Some(api) = self.property(&properties, "ApiId")? {
            let known = self.http_api.as_ref().map(|api| api.id.as_str());
            ensure!(
                known == Some(api.as_str()),
                "ApiId must be a !Ref to the template's AWS::Serverless::HttpApi"
            );
        }
        let format = self.property(&properties, "PayloadFormatVersion")?;
        ensure!(format.is_none_or(|format| format == "2.0"), "only payload format 2.0 is emulated");
        let timeout = self.number(&properties, "TimeoutInMillis")?.unwrap_or(30_000);
        ensure!((50..=30_000).contains(&timeout), "TimeoutInMillis must be 50 to 30000");
        let path = self.property(&properties, "Path")?.unwrap_or_else(|| "$default".to_owned());
        ensure!(path == "$default" || path.starts_with('/'), "Path {path} does not begin with a slash");
        Ok(HttpRoute {
            method: self
                .property(&properties, "Method")?
                .map_or_else(|| "ANY".to_owned(), |method| any(&method)),
            path,
            function,
            integration_timeout: Duration::from_millis(timeout),
        })
    }

    fn http_api(&self, id: &str, resource: &Value) -> Result<HttpApi> {
        let properties = self.properties(resource, "HttpApi");
        check_keys(
            &properties,
            "Properties",
            &["CorsConfiguration", "StageName"],
            &[
                "Name",
                "Description",
                "Tags",
                "PropagateTags",
                "AccessLogSettings",
                "Domain",
                "FailOnWarnings",
            ],
        )?;
        let cors = match properties.get("CorsConfiguration") {
            None => None,
            Some(configuration) => self.cors(&self.resolver.resolve(configuration)?)?,
        };
        Ok(HttpApi {
            id: id.to_ascii_lowercase(),
            stage: self.property(&properties, "StageName")?.unwrap_or_else(|| "$default".to_owned()),
            cors,
            routes: Vec::new(),
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

    fn load_websocket_api(&mut self) -> Result<()> {
        let apis = self.of_type("AWS::Serverless::WebSocketApi");
        ensure!(
            apis.len() <= 1,
            "the gateway serves one AWS::Serverless::WebSocketApi, the template has {}",
            apis.len()
        );
        let Some((id, resource)) = apis.first() else {
            ensure!(
                self.of_type("AWS::ApiGatewayV2::RouteResponse").is_empty(),
                "an AWS::ApiGatewayV2::RouteResponse without an AWS::Serverless::WebSocketApi"
            );
            return Ok(());
        };
        let api = self.websocket_api(id, resource).with_context(|| (*id).to_owned())?;
        self.websocket_api = Some(api);
        Ok(())
    }

    fn websocket_api(&self, id: &str, resource: &Value) -> Result<WebSocketApi> {
        let properties = self.properties(resource, "WebSocketApi");
        check_keys(
            &properties,
            "Properties",
            &["RouteSelectionExpression", "Routes", "StageName"],
            &["Name", "Description", "Tags", "PropagateTags", "AccessLogSettings", "Domain", "IpAddressType"],
        )?;
        let two_way = self.two_way_routes(id)?;
        let mut routes = HashMap::new();
        for (key, route) in mapping(properties.get("Routes"), "Routes")? {
            let key = key.as_str().context("a route key is not text")?;
            let has_response = two_way.iter().any(|route| *route == route_logical_id(id, key));
            let route = self.websocket_route(route, has_response).with_context(|| format!("route {key}"))?;
            ensure!(
                key.starts_with('$') || key.chars().all(|c| c.is_ascii_alphanumeric()),
                "route key {key} must be alphanumeric"
            );
            routes.insert(key.to_owned(), route);
        }
        let stage = self.property(&properties, "StageName")?.unwrap_or_else(|| "default".to_owned());
        ensure!(stage != "$default", "a WebSocket API has no stage $default");
        let expression = self
            .property(&properties, "RouteSelectionExpression")?
            .context("RouteSelectionExpression is required")?;
        Ok(WebSocketApi {
            id: id.to_ascii_lowercase(),
            stage,
            route_selection_expression: expression,
            routes,
        })
    }

    fn websocket_route(&self, route: &Value, has_response: bool) -> Result<WebSocketRoute> {
        check_keys(
            route,
            "the route",
            &["FunctionArn", "IntegrationTimeout", "RouteResponseSelectionExpression"],
            &["OperationName"],
        )?;
        let arn = self.property(route, "FunctionArn")?.context("FunctionArn is required")?;
        let name = arn.rsplit(':').next().unwrap_or_default();
        let function = self
            .functions
            .iter()
            .position(|function| function.name == name)
            .with_context(|| format!("FunctionArn {arn} is no function of this template"))?;
        let timeout = self.number(route, "IntegrationTimeout")?.unwrap_or(29_000);
        ensure!((50..=29_000).contains(&timeout), "IntegrationTimeout must be 50 to 29000");
        let selects_response = self.property(route, "RouteResponseSelectionExpression")?.is_some();
        Ok(WebSocketRoute {
            function,
            integration_timeout: Duration::from_millis(timeout),
            two_way: selects_response && has_response,
        })
    }

    /// The logical ids of the routes that an `AWS::ApiGatewayV2::RouteResponse` points at.
    fn two_way_routes(&self, api: &str) -> Result<Vec<String>> {
        let mut routes = Vec::new();
        for (id, resource) in self.of_type("AWS::ApiGatewayV2::RouteResponse") {
            let properties = resource.get("Properties").cloned().unwrap_or_default();
            check_keys(
                &properties,
                id,
                &["ApiId", "RouteId", "RouteResponseKey"],
                &["ModelSelectionExpression"],
            )?;
            let target = self.property(&properties, "ApiId")?;
            ensure!(target == Some(api.to_ascii_lowercase()), "{id}: ApiId must be a !Ref to {api}");
            let key = self.property(&properties, "RouteResponseKey")?;
            ensure!(key.as_deref() == Some("$default"), "{id}: RouteResponseKey must be $default");
            routes.extend(self.property(&properties, "RouteId")?);
        }
        Ok(routes)
    }

    pub(super) fn property(&self, of: &Value, key: &str) -> Result<Option<String>> {
        of.get(key).map_or(Ok(None), |value| self.resolver.text(value).with_context(|| key.to_owned()))
    }

    pub(super) fn number(&self, of: &Value, key: &str) -> Result<Option<u64>> {
        self.property(of, key)?
            .map(|text| text.parse().with_context(|| format!("{key}: {text} is not a whole number")))
            .transpose()
    }

    fn list(&self, of: &Value, key: &str) -> Result<Vec<String>> {
        let Some(value) = of.get(key) else { return Ok(Vec::new()) };
        match self.resolver.resolve(value)? {
            Value::Sequence(items) => {
                items.iter().map(|item| scalar(item).with_context(|| key.to_owned())).collect()
            }
            other => bail!("{key} must be a list, not {}", label(&other)),
        }
    }
}

/// The logical id that SAM gives a WebSocket route: the key capitalised, the rest of it in lower case.
pub(super) fn route_logical_id(api: &str, key: &str) -> String {
    let key = key.trim_start_matches('$').to_lowercase();
    let mut letters = key.chars();
    let capital: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{api}{capital}{}Route", letters.as_str())
}

/// Resource types that would serve, trigger or route something which the gateway then would not.
fn is_refused(kind: &str) -> bool {
    if kind == "AWS::ApiGatewayV2::RouteResponse" {
        return false;
    }
    let serves = ["AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::Scheduler::", "AWS::Pipes::"];
    let exactly = [
        "AWS::Lambda::Function",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Url",
        "AWS::Events::Rule",
    ];
    let serverless = [
        "AWS::Serverless::Function",
        "AWS::Serverless::HttpApi",
        "AWS::Serverless::WebSocketApi",
        "AWS::Serverless::SimpleTable",
    ];
    serves.iter().any(|prefix| kind.starts_with(prefix))
        || exactly.contains(&kind)
        || (kind.starts_with("AWS::Serverless::") && !serverless.contains(&kind))
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
            "{what}: the gateway does not emulate {key}"
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

fn merge(globals: Value, own: Value) -> Value {
    match (globals, own) {
        (Value::Mapping(mut merged), Value::Mapping(own)) => {
            for (key, value) in own {
                let value = match merged.remove(&key) {
                    Some(global) => merge(global, value),
                    None => value,
                };
                merged.insert(key, value);
            }
            Value::Mapping(merged)
        }
        (globals, Value::Null) => globals,
        (_, own) => own,
    }
}
