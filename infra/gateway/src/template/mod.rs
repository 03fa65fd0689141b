//! The SAM template: resolves its intrinsic functions and turns it into the functions and routes to serve.
//!
//! What the gateway cannot reproduce and would change behaviour is refused by name, so a template that
//! loads behaves here as it does on AWS. Environment variables stay unresolved until they are asked for,
//! because a parameter without a value only matters when nothing overrides the variable that uses it.

mod authorizers;
mod background;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod fuzz;
mod globals;
mod intrinsics;
mod left_out;
mod loader;
mod nested;
mod route_settings;
#[cfg(test)]
mod testing;
mod triggers;
mod websocket;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_yaml_ng::Value;

pub(crate) use authorizers::{
    HttpAuthorizer, HttpAuthorizerKind, IdentitySource, JwtConfiguration, LambdaConfiguration,
    RouteAuthorization, WebSocketAuthorizer,
};
use intrinsics::Resolver;
pub(crate) use intrinsics::{PUBLISHED_VERSION, function_arn};
use loader::Loader;

use crate::throttling::Throttle;

/// The account of every ARN and request context.
pub(crate) const ACCOUNT_ID: &str = "123456789012";

/// Where the AWS SDKs look for another address of a service than the region's own: Lambda, and SES.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_SESV2"];

/// The same for `@connections`.
const MANAGEMENT_ENDPOINT: &str = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI";

const URL_SUFFIX: &str = "amazonaws.com";
const IMPLICIT_HTTP_API: &str = "ServerlessHttpApi";

/// What a template asks the gateway to serve.
#[derive(Debug)]
pub(crate) struct Template {
    /// The functions, in the order of the template.
    pub(crate) functions: Vec<Function>,
    /// The HTTP API, if the template has one.
    pub(crate) http_api: Option<HttpApi>,
    /// The WebSocket API, if the template has one.
    pub(crate) websocket_api: Option<WebSocketApi>,
    /// What the operator should know of it.
    pub(crate) notes: Vec<String>,
    resolver: Resolver,
}

/// One `AWS::Serverless::Function`.
#[derive(Debug)]
pub(crate) struct Function {
    /// The logical id, used as the function's name.
    pub(crate) name: String,
    /// The binary named by `Metadata.BuildProperties.Binary`, or else the folder of `CodeUri`.
    pub(crate) binary: String,
    /// The longest a single invocation may take.
    pub(crate) timeout: Duration,
    /// The handler, which says nothing to most binaries.
    pub(crate) handler: String,
    /// The configured memory in megabytes.
    pub(crate) memory_size: u32,
    /// The processor it is made for.
    pub(crate) architecture: Architecture,
    /// How its asynchronous invocations are tried.
    pub(crate) asynchronous: AsynchronousConfig,
    /// What runs it by the clock; disabled schedules are left out.
    pub(crate) schedules: Vec<Schedule>,
    variables: BTreeMap<String, Value>,
    reserved_concurrency: Option<usize>,
    /// The alias that it publishes.
    pub(crate) alias: Option<String>,
}

impl Function {
    /// Whether the template gives it a variable.
    pub(crate) fn declares(&self, variable: &str) -> bool {
        self.variables.contains_key(variable)
    }

    /// How many processes it may have at most, of as many as any function may have.
    pub(crate) fn concurrency(&self, most: usize) -> usize {
        self.reserved_concurrency.map_or(most, |reserved| reserved.min(most))
    }
}

/// The processor that a function is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// `arm64`
    Arm,
    /// `x86_64`, unless the template says otherwise.
    X86,
}

/// `EventInvokeConfig` of a function.
#[derive(Debug, Clone)]
pub(crate) struct AsynchronousConfig {
    /// How often a failed event is tried again.
    pub(crate) retries: usize,
    /// The age at which an event is discarded.
    pub(crate) longest_age: Duration,
    /// Where AWS would deliver what is known of a discarded event.
    pub(crate) on_failure: Option<String>,
}

/// One event of type `Schedule` or `ScheduleV2`.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// The event's name in the template.
    pub(crate) event: String,
    /// The name of the rule or the schedule.
    pub(crate) name: String,
    /// The interval.
    pub(crate) every: Duration,
    /// What the function is sent.
    pub(crate) input: ScheduledInput,
}

/// What a schedule sends.
#[derive(Debug)]
pub(crate) enum ScheduledInput {
    /// The input that the template gives.
    Given(Bytes),
    /// The event of an `EventBridge` rule.
    Rule,
    /// The event of the `EventBridge` Scheduler.
    Scheduler,
}

/// One `AWS::Serverless::HttpApi` and the routes that the functions' events add to it.
#[derive(Debug)]
pub(crate) struct HttpApi {
    /// The API id, which is also the logical id in lower case.
    pub(crate) id: String,
    /// The stage, `$default` or a path segment.
    pub(crate) stage: String,
    /// The stage's variables, by name.
    pub(crate) stage_variables: StageVariables,
    /// Answers to browsers of other origins, if configured.
    pub(crate) cors: Option<Cors>,
    /// The authorizers that routes may have.
    pub(crate) authorizers: Vec<HttpAuthorizer>,
    /// The authorizer of routes that name none, an index into `authorizers`.
    default_authorizer: Option<usize>,
    /// The routes, in no particular order.
    pub(crate) routes: Vec<HttpRoute>,
}

/// The variables of a stage.
pub(crate) type StageVariables = BTreeMap<String, String>;

/// One route of the HTTP API.
#[derive(Debug, Clone)]
pub(crate) struct HttpRoute {
    /// The method in upper case, or `ANY`.
    pub(crate) method: String,
    /// The path, or `$default`.
    pub(crate) path: String,
    /// Index into [`Template::functions`].
    pub(crate) function: usize,
    /// The longest the client waits for the function.
    pub(crate) integration_timeout: Duration,
    /// What a request needs before the function sees it.
    pub(crate) authorization: Option<RouteAuthorization>,
    /// How many requests it takes.
    pub(crate) throttle: Option<Throttle>,
}

impl HttpRoute {
    /// The route's key, for example `GET /items/{id}`.
    pub(crate) fn key(&self) -> String {
        if self.path == "$default" { self.path.clone() } else { format!("{} {}", self.method, self.path) }
    }
}

/// `CorsConfiguration` of the HTTP API.
#[derive(Debug, Default, Clone)]
pub(crate) struct Cors {
    /// Allowed origins; `*`, `http://*` and `https://*` are patterns.
    pub(crate) allow_origins: Vec<String>,
    /// Allowed methods.
    pub(crate) allow_methods: Vec<String>,
    /// Allowed request headers.
    pub(crate) allow_headers: Vec<String>,
    /// Response headers scripts may read.
    pub(crate) expose_headers: Vec<String>,
    /// How long a preflight may be cached, in seconds.
    pub(crate) max_age: Option<u64>,
    /// Whether credentials may be sent.
    pub(crate) allow_credentials: bool,
}

/// One `AWS::Serverless::WebSocketApi`.
#[derive(Debug)]
pub(crate) struct WebSocketApi {
    /// The API id, which is also the logical id in lower case.
    pub(crate) id: String,
    /// The stage, which is also the path clients connect to.
    pub(crate) stage: String,
    /// The stage's variables, by name.
    pub(crate) stage_variables: StageVariables,
    /// What a handshake needs before `$connect` sees it.
    pub(crate) authorizer: Option<WebSocketAuthorizer>,
    /// The expression that selects a route from a message.
    pub(crate) route_selection_expression: String,
    /// The routes by their key.
    pub(crate) routes: HashMap<String, WebSocketRoute>,
}

/// One route of the WebSocket API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WebSocketRoute {
    /// Index into [`Template::functions`].
    pub(crate) function: usize,
    /// The longest API Gateway waits for the function.
    pub(crate) integration_timeout: Duration,
    /// Whether the function's body is sent back to the connection.
    pub(crate) two_way: bool,
    /// How many events it takes.
    pub(crate) throttle: Option<Throttle>,
}

/// Where the project's own APIs are reached on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalAddresses {
    /// The port of the HTTP and the WebSocket API.
    pub(crate) port: u16,
    /// The port of the management API.
    pub(crate) console_port: u16,
}

impl LocalAddresses {
    fn console_url(self) -> String {
        format!("http://127.0.0.1:{}", self.console_port)
    }
}

/// What one run makes of a template.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    /// Values that replace the defaults of parameters.
    pub(crate) overrides: HashMap<String, String>,
    /// Resources, and events or properties of resources or of `Globals`, that are not there.
    pub(crate) left_out: Vec<String>,
    /// The folder of the template, below which those of nested stacks are.
    pub(crate) folder: PathBuf,
}

impl Template {
    /// Parses a template.
    pub(crate) fn parse(text: &str, region: &str, choices: &Choices) -> Result<Self> {
        let document: Value = serde_yaml_ng::from_str(text).context("not valid YAML")?;
        Self::read(&document, region, choices)
    }

    /// The same of a document.
    fn read(document: &Value, region: &str, choices: &Choices) -> Result<Self> {
        let resolver = Resolver::new(document, region, &choices.overrides)?;
        let document = &left_out::leave_out(document, &choices.left_out)?;
        let globals = document.get("Globals").cloned().unwrap_or_default();
        let loader = Loader::load(&resolver, document, &globals, &choices.folder)?;
        let Loader { functions, http_api, websocket_api, notes, .. } = loader;
        Ok(Self { functions, http_api, websocket_api, notes, resolver })
    }

    /// The declared environment of one function, with the project's own addresses made local; `given` wins
    /// over what the template says. The addresses of Lambda and of SES are in it even if they are not declared.
    pub(crate) fn environment(
        &self,
        function: &Function,
        local: LocalAddresses,
        given: impl Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, String>> {
        let mut environment = BTreeMap::new();
        for (name, value) in &function.variables {
            let value = match given(name) {
                Some(value) => Some(value),
                None => self.resolver.text(value).and_then(without_dynamic_reference).with_context(|| {
                    format!(
                        "environment variable {name} of {} (set it, or override the parameter)",
                        function.name
                    )
                })?,
            };
            if let Some(value) = value {
                environment.insert(name.clone(), self.localise(&value, local));
            }
        }
        for name in ENDPOINTS {
            environment.entry(name.to_owned()).or_insert_with(|| local.console_url());
        }
        if let Some(api) = &self.websocket_api {
            let management = || format!("{}/{}", local.console_url(), api.stage);
            environment.entry(MANAGEMENT_ENDPOINT.to_owned()).or_insert_with(management);
        }
        Ok(environment)
    }

    /// The region of every ARN.
    pub(crate) fn region(&self) -> &str {
        &self.resolver.region
    }

    /// Finds a function by its logical id or its binary.
    pub(crate) fn find_function(&self, name: &str) -> Option<usize> {
        self.functions.iter().position(|function| function.name == name || function.binary == name)
    }

    fn localise(&self, value: &str, local: LocalAddresses) -> String {
        let region = &self.resolver.region;
        let mut value = value
            .replace(&format!("https://lambda.{region}.{URL_SUFFIX}"), &local.console_url())
            .replace(&format!("https://email.{region}.{URL_SUFFIX}"), &local.console_url());
        let host = |id: &str| format!("{id}.execute-api.{region}.{URL_SUFFIX}");
        if let Some(api) = &self.websocket_api {
            let host = host(&api.id);
            value = value
                .replace(&format!("wss://{host}"), &format!("ws://127.0.0.1:{}", local.port))
                .replace(&format!("https://{host}"), &local.console_url());
        }
        if let Some(api) = &self.http_api {
            value = value
                .replace(&format!("https://{}", host(&api.id)), &format!("http://127.0.0.1:{}", local.port));
        }
        value
    }
}

/// Refuses what AWS would fetch from Parameter Store or Secrets Manager.
fn without_dynamic_reference(value: Option<String>) -> Result<Option<String>> {
    if let Some(value) = &value {
        ensure!(!value.contains("{{resolve:"), "{value} is not resolved here");
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::websocket::route_logical_id;
    use super::*;

    const LOCAL: LocalAddresses = LocalAddresses { port: 8080, console_port: 8081 };

    const CHAT: &str = r#"
Parameters:
  Origins: {Type: CommaDelimitedList, Default: ""}
  Stage: {Type: String, Default: production}
  Secret: {Type: String}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
Globals:
  Function:
    Timeout: 15
    Environment: {Variables: {STAGE: !Ref Stage, LEVEL: info}}
Resources:
  HttpApi:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: {AllowOrigins: !Ref Origins, MaxAge: 600}
  Ws:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: ws
      RouteSelectionExpression: $request.body.type
      Routes:
        $connect: {FunctionArn: !GetAtt Chat.Arn}
        $default: {FunctionArn: !GetAtt Chat.Arn, RouteResponseSelectionExpression: $default, IntegrationTimeout: 1000}
        sendMessage: {FunctionArn: !GetAtt Chat.Arn, RouteResponseSelectionExpression: $default}
  Response:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: {ApiId: !Ref Ws, RouteId: !Ref WsDefaultRoute, RouteResponseKey: $default}
  Policy: {Type: AWS::IAM::ManagedPolicy, Properties: {}}
  Chat:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: chat}}
    Properties:
      MemorySize: 512
      Environment:
        Variables:
          LEVEL: debug
          SECRET: !Ref Secret
          ORIGINS: !Join [",", !Ref Origins]
          SOCKET: !Sub wss://${Ws}.execute-api.${AWS::Region}.${AWS::URLSuffix}/ws
          POST: {"Fn::Sub": "https://${Ws}.execute-api.${AWS::Region}.amazonaws.com/ws"}
          SITE: !Sub ["https://${Api}.execute-api.${AWS::Region}.amazonaws.com", {Api: !Ref HttpApi}]
          KIND: !If [IsProduction, !Select [1, [a, b]], !Ref AWS::NoValue]
          LITERAL: !Sub "${!keep}"
      Events:
        Item: {Type: HttpApi, Properties: {ApiId: !Ref HttpApi, Method: get, Path: "/items/{id}"}}
"#;

    fn chat() -> Template {
        Template::parse(CHAT, "us-east-1", &Choices::default()).unwrap()
    }

    fn refusal(text: &str) -> String {
        format!("{:#}", Template::parse(text, "us-east-1", &Choices::default()).unwrap_err())
    }

    #[test]
    fn an_alias_and_a_version_are_those_that_a_function_publishes() {
        let published = |alias: &str| {
            format!(
                "
Globals: {{Function: {{{alias}}}}}
Resources:
  Worker: {{Type: AWS::Serverless::Function, Metadata: {{BuildProperties: {{Binary: worker}}}}}}
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {{BuildProperties: {{Binary: probe}}}}
    Properties:
      AutoPublishAlias: now
      Environment: {{Variables: {{IT: !Ref Worker.Alias, VERSION: !Ref Worker.Version, IN: !Sub '${{Worker.Alias}}!'}}}}
"
            )
        };
        let template =
            Template::parse(&published("AutoPublishAlias: live"), "us-east-1", &Choices::default());
        let template = template.unwrap();

        let environment = template.environment(&template.functions[1], LOCAL, |_| None).unwrap();

        let arn = "arn:aws:lambda:us-east-1:123456789012:function:Worker";
        assert_eq!(environment["IT"], format!("{arn}:live"));
        assert_eq!(environment["VERSION"], format!("{arn}:1"));
        assert_eq!(environment["IN"], format!("{arn}:live!"));
        let aliases: Vec<_> = template.functions.iter().map(|function| function.alias.as_deref()).collect();
        assert_eq!(aliases, [Some("live"), Some("now")]);

        let template = Template::parse(&published(""), "us-east-1", &Choices::default()).unwrap();
        let error = template.environment(&template.functions[1], LOCAL, |_| None).unwrap_err();
        assert!(format!("{error:#}").contains("Worker has no AutoPublishAlias"), "{error:#}");
    }

    #[test]
    fn globals_are_merged_into_each_function() {
        let template = chat();

        let environment = template.environment(&template.functions[0], LOCAL, |name| {
            (name == "SECRET").then(|| "given".to_owned())
        });

        let environment = environment.unwrap();
        assert_eq!(template.functions[0].timeout, Duration::from_secs(15));
        assert_eq!(template.functions[0].memory_size, 512);
        assert_eq!(template.functions[0].architecture, Architecture::X86);
        assert_eq!(environment["STAGE"], "production");
        assert_eq!(environment["LEVEL"], "debug");
    }

    #[test]
    fn the_projects_own_addresses_become_local() {
        let template = chat();

        let environment = template.environment(&template.functions[0], LOCAL, |name| {
            (name == "SECRET").then(|| "given".to_owned())
        });

        let environment = environment.unwrap();
        assert_eq!(environment["SOCKET"], "ws://127.0.0.1:8080/ws");
        assert_eq!(environment["POST"], "http://127.0.0.1:8081/ws");
        assert_eq!(environment["SITE"], "http://127.0.0.1:8080");
        assert_eq!(environment["ORIGINS"], "");
        assert_eq!(environment["KIND"], "b");
        assert_eq!(environment["LITERAL"], "${keep}");
    }

    #[test]
    fn a_parameter_without_a_value_is_named_with_the_variable_that_needs_it() {
        let template = chat();

        let error = template.environment(&template.functions[0], LOCAL, |_| None).unwrap_err();

        let error = format!("{error:#}");
        assert!(error.contains("SECRET") && error.contains("parameter Secret has no value"), "{error}");
    }

    #[test]
    fn overrides_replace_defaults_and_must_name_a_parameter() {
        let overriding = |name: &str, value: &str| {
            let overrides = HashMap::from([(name.to_owned(), value.to_owned())]);
            Template::parse(CHAT, "us-east-1", &Choices { overrides, ..Choices::default() })
        };
        let template = overriding("Origins", "https://a.example, https://b.example").unwrap();
        assert_eq!(
            template.http_api.unwrap().cors.unwrap().allow_origins,
            ["https://a.example", "https://b.example"]
        );

        assert!(overriding("Orgins", "").is_err());
    }

    #[test]
    fn a_route_is_two_way_only_with_an_expression_and_a_route_response() {
        let template = chat();

        let routes = template.websocket_api.unwrap().routes;
        assert!(routes["$default"].two_way);
        assert!(!routes["sendMessage"].two_way);
        assert!(!routes["$connect"].two_way);
        assert_eq!(routes["$default"].integration_timeout, Duration::from_secs(1));
        assert_eq!(routes["$connect"].integration_timeout, Duration::from_secs(29));
        assert_eq!(route_logical_id("Ws", "sendMessage"), "WsSendmessageRoute");
    }

    #[test]
    fn another_event_type_is_refused_by_name() {
        let text = CHAT.replace("Item: {Type: HttpApi,", "Item: {Type: SQS,");

        assert!(refusal(&text).contains("SQS"));
    }

    /// The template with other events and properties of its function.
    fn with(events: &str, property: &str) -> String {
        CHAT.replace("      Events:\n", &format!("      Events:\n        {events}\n"))
            .replace("MemorySize: 512", &format!("MemorySize: 512\n      {property}"))
    }

    fn loaded(text: &str) -> Template {
        Template::parse(text, "us-east-1", &Choices::default()).unwrap()
    }

    #[test]
    fn a_value_that_cloudformation_would_fetch_is_refused_unless_it_is_given() {
        let template = loaded(&CHAT.replace("LEVEL: debug", "LEVEL: 'x{{resolve:ssm:/level}}'"));
        let environment = |level: Option<&str>| {
            template.environment(&template.functions[0], LOCAL, |name| match name {
                "LEVEL" => level.map(str::to_owned),
                _ => Some("given".to_owned()),
            })
        };

        let refusal = format!("{:#}", environment(None).unwrap_err());
        assert!(refusal.contains("LEVEL") && refusal.contains("{{resolve:ssm:/level}}"), "{refusal}");
        assert_eq!(environment(Some("info")).unwrap()["LEVEL"], "info");
    }

    #[test]
    fn the_addresses_of_lambda_and_ses_are_the_gateways_declared_or_not() {
        let declared = CHAT.replace(
            "LEVEL: debug",
            concat!(
                "AWS_ENDPOINT_URL_LAMBDA: !Sub https://lambda.${AWS::Region}.${AWS::URLSuffix}\n          ",
                "AWS_ENDPOINT_URL_SESV2: !Sub https://email.${AWS::Region}.${AWS::URLSuffix}",
            ),
        );
        for text in [CHAT, &declared] {
            let template = loaded(text);
            let environment = template
                .environment(&template.functions[0], LOCAL, |name| {
                    (name == "SECRET").then(|| "given".to_owned())
                })
                .unwrap();
            assert_eq!(environment["AWS_ENDPOINT_URL_LAMBDA"], "http://127.0.0.1:8081");
            assert_eq!(environment["AWS_ENDPOINT_URL_SESV2"], "http://127.0.0.1:8081");
        }
    }

    #[test]
    fn a_function_has_one_architecture() {
        let of = |architectures: &str| {
            with(
                "Off: {Type: HttpApi, Properties: {ApiId: !Ref HttpApi}}",
                &format!("Architectures: {architectures}"),
            )
        };

        assert_eq!(loaded(&of("[arm64]")).functions[0].architecture, Architecture::Arm);
        assert_eq!(loaded(&of("[x86_64]")).functions[0].architecture, Architecture::X86);
        assert!(refusal(&of("[arm64, x86_64]")).contains("Architectures must be [arm64] or [x86_64]"));
    }

    #[test]
    fn schedules_are_read_from_both_types_of_event() {
        let text = with(
            concat!(
                "Sweep: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}\n        ",
                "Count: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(2 hours), Name: count, ",
                "Input: '{\"limit\":5}'}}\n        ",
                "Off: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: false}}\n        ",
                "OffToo: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), State: DISABLED}}",
            ),
            "Timeout: 15",
        );

        let template = loaded(&text);

        let [sweep, count] = template.functions[0].schedules.as_slice() else {
            panic!("{:?}", template.functions[0].schedules)
        };
        assert_eq!((sweep.event.as_str(), sweep.name.as_str()), ("Sweep", "ChatSweep"));
        assert_eq!(sweep.every, Duration::from_mins(1));
        assert!(matches!(sweep.input, ScheduledInput::Rule));
        assert_eq!((count.event.as_str(), count.name.as_str()), ("Count", "count"));
        assert_eq!(count.every, Duration::from_hours(2));
        assert!(matches!(&count.input, ScheduledInput::Given(input) if input == r#"{"limit":5}"#));
    }

    #[test]
    fn a_schedule_that_cannot_be_kept_is_refused_by_name() {
        for (properties, named) in [
            ("Type: Schedule, Properties: {Schedule: cron(0 8 * * ? *)}", "cron"),
            ("Type: Schedule, Properties: {}", "Schedule is required"),
            ("Type: Schedule, Properties: {Schedule: rate(1 minute), Input: nothing}", "Input"),
            ("Type: Schedule, Properties: {Schedule: rate(1 minute), State: PAUSED}", "State"),
            ("Type: Schedule, Properties: {Schedule: rate(1 minute), Enabled: maybe}", "Enabled"),
            ("Type: ScheduleV2, Properties: {ScheduleExpression: at(2030-01-01T00:00:00)}", "at("),
            ("Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), StartDate: x}", "StartDate"),
            (
                "Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), FlexibleTimeWindow: {Mode: FLEXIBLE}}",
                "FlexibleTimeWindow",
            ),
            (
                "Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), Input: '\"<aws.scheduler.attempt-number>\"'}",
                "<aws.scheduler",
            ),
        ] {
            let error = refusal(&with(&format!("Sweep: {{{properties}}}"), "Timeout: 15"));
            assert!(error.contains("Sweep") && error.contains(named), "{error}");
        }
    }

    #[test]
    fn how_asynchronous_invocations_are_tried_is_read_with_lambdas_defaults() {
        let template = chat();
        let default = &template.functions[0].asynchronous;
        assert_eq!((default.retries, default.longest_age), (2, Duration::from_hours(6)));
        assert_eq!(default.on_failure, None);

        let text = with(
            "Home: {Type: HttpApi, Properties: {ApiId: !Ref HttpApi, Method: get, Path: /}}",
            "EventInvokeConfig: {MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 60, \
             DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Failed.Arn}}}",
        )
        .replace("Resources:", "Resources:\n  Failed: {Type: AWS::SQS::Queue}");
        let template = loaded(&text);
        let config = &template.functions[0].asynchronous;
        assert_eq!((config.retries, config.longest_age), (1, Duration::from_mins(1)));
        assert_eq!(config.on_failure.as_deref(), Some("arn:aws:sqs:us-east-1:123456789012:Failed"));
    }

    #[test]
    fn a_setting_of_asynchronous_invocations_that_cannot_be_kept_is_refused_by_name() {
        for (config, named) in [
            ("MaximumRetryAttempts: 3", "MaximumRetryAttempts"),
            ("MaximumEventAgeInSeconds: 59", "MaximumEventAgeInSeconds"),
            ("DestinationConfig: {OnSuccess: {Type: SQS}}", "OnSuccess"),
        ] {
            let text = with(
                "Home: {Type: HttpApi, Properties: {ApiId: !Ref HttpApi, Method: get, Path: /}}",
                &format!("EventInvokeConfig: {{{config}}}"),
            );
            assert!(refusal(&text).contains(named), "{}", refusal(&text));
        }
    }

    #[test]
    fn a_resource_that_would_serve_requests_is_refused_by_name() {
        let text = CHAT.replace("AWS::IAM::ManagedPolicy", "AWS::Serverless::Api");

        assert!(refusal(&text).contains("AWS::Serverless::Api"));
    }
}
