//! The WebSocket API: SAM's `AWS::Serverless::WebSocketApi` or an `AWS::ApiGatewayV2::Api` with its stage, and the
//! routes that either is given as resources of their own, whose keys may be any text (AWS `CloudFormation` User
//! Guide, "Amazon API Gateway V2 resource type reference").

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_yaml_ng::Value;

use super::intrinsics::{optional_mapping, scalar};
use super::loader::{Loader, PROPERTIES, check_keys};
use super::{StageVariables, WebSocketApi, WebSocketAuthorizer, WebSocketRoute};

const SERVERLESS: &str = "AWS::Serverless::WebSocketApi";
const API: &str = "AWS::ApiGatewayV2::Api";
const STAGE: &str = "AWS::ApiGatewayV2::Stage";
const DEPLOYMENT: &str = "AWS::ApiGatewayV2::Deployment";
const ROUTE: &str = "AWS::ApiGatewayV2::Route";
const INTEGRATION: &str = "AWS::ApiGatewayV2::Integration";
const AUTHORIZER: &str = "AWS::ApiGatewayV2::Authorizer";
const ROUTE_RESPONSE: &str = "AWS::ApiGatewayV2::RouteResponse";

/// The resources that make up a WebSocket API without SAM's own.
pub(super) const PLAIN_RESOURCES: [&str; 7] =
    [API, STAGE, DEPLOYMENT, ROUTE, INTEGRATION, AUTHORIZER, ROUTE_RESPONSE];

/// The route keys that API Gateway itself invokes.
const RESERVED: [&str; 3] = ["$connect", "$disconnect", "$default"];

impl Loader<'_> {
    /// Loads the WebSocket API with all its parts.
    pub(super) fn load_websocket_api(&mut self) -> Result<()> {
        let mut apis = self.of_type(SERVERLESS);
        let plain = self.of_type(API);
        let is_plain = !plain.is_empty();
        apis.extend(plain);
        ensure!(apis.len() <= 1, "the gateway serves one WebSocket API, the template has {}", apis.len());
        let Some((id, resource)) = apis.first() else {
            return match PLAIN_RESOURCES.iter().find_map(|kind| self.of_type(kind).first().map(|it| it.0)) {
                Some(part) => bail!("{part} belongs to no WebSocket API of the template"),
                None => Ok(()),
            };
        };
        let api = if is_plain { self.plain_api(id, resource) } else { self.serverless_api(id, resource) };
        let mut api = api.with_context(|| (*id).to_owned())?;
        self.add_plain_routes(id, &mut api)?;
        let properties = if is_plain {
            self.of_type(STAGE)
                .first()
                .and_then(|(_, stage)| stage.get("Properties"))
                .cloned()
                .unwrap_or_default()
        } else {
            self.properties(resource, "WebSocketApi")
        };
        let settings = self.route_settings(&properties).with_context(|| (*id).to_owned())?;
        settings.check_routes(|key| api.routes.contains_key(key)).with_context(|| (*id).to_owned())?;
        for (key, route) in &mut api.routes {
            route.throttle = settings.throttle(key);
        }
        ensure!(!api.routes.is_empty(), "{id} has no routes");
        ensure!(
            api.authorizer.is_none() || api.routes.contains_key("$connect"),
            "{id}: an authorizer needs a route $connect"
        );
        self.note_one_way(id, &properties, &api)?;
        self.websocket_api = Some(api);
        Ok(())
    }

    /// Notes the routes that select a response and have none, which API Gateway takes without a word.
    fn note_one_way(&mut self, id: &str, properties: &Value, api: &WebSocketApi) -> Result<()> {
        let mut selecting = Vec::new();
        for (key, route) in optional_mapping(properties.get("Routes"), "Routes")? {
            if self.selects_response(route)? {
                selecting.push(scalar(key)?);
            }
        }
        for (_, resource) in self.of_type(ROUTE) {
            let properties = resource.get("Properties").cloned().unwrap_or_default();
            if self.selects_response(&properties)? {
                selecting.extend(self.property(&properties, "RouteKey")?);
            }
        }
        for key in selecting.iter().filter(|key| api.routes.get(*key).is_some_and(|route| !route.two_way)) {
            self.notes.push(format!(
                "{id}: the route {key} is one-way: it has a RouteResponseSelectionExpression, but no {ROUTE_RESPONSE}"
            ));
        }
        Ok(())
    }

    fn serverless_api(&self, id: &str, resource: &Value) -> Result<WebSocketApi> {
        let properties = self.checked_properties(
            id,
            resource,
            "WebSocketApi",
            &[
                "RouteSelectionExpression",
                "Routes",
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
                "IpAddressType",
            ],
        )?;
        let stage_variables = self.stage_variables(&properties)?;
        let two_way = self.routes_with_response(id)?;
        let mut routes: HashMap<String, WebSocketRoute> = HashMap::new();
        for (key, route) in optional_mapping(properties.get("Routes"), "Routes")? {
            let key = key.as_str().context("a route key is not text")?;
            let has_response = two_way.contains(&route_logical_id(id, key));
            let route = self
                .serverless_route(route, &stage_variables, has_response)
                .with_context(|| format!("route {key}"))?;
            ensure!(
                RESERVED.contains(&key)
                    || (!key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric())),
                "route key {key} must be alphanumeric in {SERVERLESS}; an {ROUTE} may have any"
            );
            let same = routes.keys().any(|other| route_logical_id(id, other) == route_logical_id(id, key));
            ensure!(!same, "route key {key} differs from another by its case only");
            routes.insert(key.to_owned(), route);
        }
        let authorizer = self.websocket_auth(id, &properties, &stage_variables).context("Auth")?;
        let stage = self.property(&properties, "StageName")?.unwrap_or_else(|| "default".to_owned());
        self.api(id, &properties, stage, stage_variables, authorizer, routes)
    }

    fn serverless_route(
        &self,
        route: &Value,
        variables: &StageVariables,
        has_response: bool,
    ) -> Result<WebSocketRoute> {
        check_keys(
            route,
            "the route",
            &["FunctionArn", "IntegrationTimeout", "RouteResponseSelectionExpression"],
            &["OperationName"],
        )?;
        let arn = self.property(route, "FunctionArn")?.context("FunctionArn is required")?;
        Ok(WebSocketRoute {
            function: self.function_at(&expand(&arn, variables)?).context("FunctionArn")?,
            integration_timeout: self.integration_timeout(route, "IntegrationTimeout")?,
            two_way: self.selects_response(route)? && has_response,
            throttle: None,
        })
    }

    fn plain_api(&self, id: &str, resource: &Value) -> Result<WebSocketApi> {
        let properties = resource.get("Properties").cloned().unwrap_or_default();
        check_keys(
            &properties,
            PROPERTIES,
            &["ProtocolType", "RouteSelectionExpression"],
            &["Name", "Description", "Tags", "IpAddressType"],
        )?;
        let protocol = self.property(&properties, "ProtocolType")?.unwrap_or_default();
        ensure!(protocol == "WEBSOCKET", "an {API} is served with ProtocolType WEBSOCKET only");
        let stages = self.of_type(STAGE);
        let [(stage_id, stage)] = stages.as_slice() else {
            bail!("the gateway serves one {STAGE}, the template has {}", stages.len());
        };
        let of_stage = stage.get("Properties").cloned().unwrap_or_default();
        let context = || format!("stage {stage_id}");
        check_keys(
            &of_stage,
            stage_id,
            &["ApiId", "StageName", "StageVariables", "DefaultRouteSettings", "RouteSettings"],
            &["AutoDeploy", "DeploymentId", "Description", "Tags", "AccessLogSettings"],
        )?;
        self.check_api(id, &of_stage).with_context(context)?;
        let name =
            self.property(&of_stage, "StageName")?.context("StageName is required").with_context(context)?;
        let variables = self.stage_variables(&of_stage).with_context(context)?;
        self.api(id, &properties, name, variables, None, HashMap::new())
    }

    fn api(
        &self,
        id: &str,
        properties: &Value,
        stage: String,
        stage_variables: StageVariables,
        authorizer: Option<WebSocketAuthorizer>,
        routes: HashMap<String, WebSocketRoute>,
    ) -> Result<WebSocketApi> {
        ensure!(stage != "$default", "a WebSocket API has no stage $default");
        let expression = self
            .property(properties, "RouteSelectionExpression")?
            .context("RouteSelectionExpression is required")?;
        check_expression(&expression)?;
        Ok(WebSocketApi {
            id: id.to_ascii_lowercase(),
            stage,
            stage_variables,
            authorizer,
            route_selection_expression: expression,
            routes,
        })
    }

    /// Adds the routes that are resources of their own, with the authorizer that `$connect` may name.
    fn add_plain_routes(&self, id: &str, api: &mut WebSocketApi) -> Result<()> {
        for kind in [DEPLOYMENT, INTEGRATION, AUTHORIZER] {
            for (part, resource) in self.of_type(kind) {
                let properties = resource.get("Properties").cloned().unwrap_or_default();
                self.check_api(id, &properties).with_context(|| part.to_owned())?;
            }
        }
        let two_way = self.routes_with_response(id)?;
        let mut known: Vec<String> = api.routes.keys().map(|key| route_logical_id(id, key)).collect();
        known.extend(self.of_type(ROUTE).iter().map(|(route, _)| (*route).to_owned()));
        if let Some(other) = two_way.iter().find(|route| !known.contains(route)) {
            bail!("{other}, the RouteId of an {ROUTE_RESPONSE}, is no route of {id}");
        }
        for (route_id, resource) in self.of_type(ROUTE) {
            let properties = resource.get("Properties").cloned().unwrap_or_default();
            let has_response = two_way.iter().any(|route| route == route_id);
            self.plain_route(id, api, &properties, has_response).with_context(|| route_id.to_owned())?;
        }
        Ok(())
    }

    fn plain_route(
        &self,
        id: &str,
        api: &mut WebSocketApi,
        properties: &Value,
        has_response: bool,
    ) -> Result<()> {
        check_keys(
            properties,
            PROPERTIES,
            &[
                "ApiId",
                "RouteKey",
                "Target",
                "AuthorizationType",
                "AuthorizerId",
                "RouteResponseSelectionExpression",
            ],
            &["OperationName"],
        )?;
        self.check_api(id, properties)?;
        let key = self.property(properties, "RouteKey")?.context("RouteKey is required")?;
        ensure!(
            RESERVED.contains(&key.as_str()) || !(key.is_empty() || key.starts_with('$')),
            "{key} is no route key"
        );
        let target = self.property(properties, "Target")?.context("Target is required")?;
        let integration = target.strip_prefix("integrations/").unwrap_or_default();
        let (function, integration_timeout) = self
            .integration(integration, &api.stage_variables)
            .with_context(|| format!("Target {target}"))?;
        match self.property(properties, "AuthorizationType")?.as_deref() {
            None | Some("NONE") => {}
            Some("CUSTOM") => {
                ensure!(key == "$connect", "only the route $connect may have an authorizer");
                ensure!(api.authorizer.is_none(), "the API has an authorizer already");
                let authorizer =
                    self.property(properties, "AuthorizerId")?.context("AuthorizerId is required")?;
                api.authorizer = Some(
                    self.plain_authorizer(&authorizer, &api.stage_variables)
                        .with_context(|| format!("AuthorizerId {authorizer}"))?,
                );
            }
            Some(other) => bail!("the AuthorizationType {other} is not emulated for a WebSocket API"),
        }
        let two_way = self.selects_response(properties)? && has_response;
        let route = WebSocketRoute { function, integration_timeout, two_way, throttle: None };
        ensure!(api.routes.insert(key.clone(), route).is_none(), "another route has the key {key} already");
        Ok(())
    }

    /// The function of an integration, and how long it may take.
    fn integration(&self, id: &str, variables: &StageVariables) -> Result<(usize, Duration)> {
        let properties = self.resource(INTEGRATION, id)?;
        check_keys(
            &properties,
            id,
            &["ApiId", "IntegrationType", "IntegrationUri", "TimeoutInMillis", "CredentialsArn"],
            &["IntegrationMethod", "Description", "ConnectionType"],
        )?;
        let kind = self.property(&properties, "IntegrationType")?.unwrap_or_default();
        ensure!(kind == "AWS_PROXY", "{id}: the IntegrationType {kind} is not emulated, only AWS_PROXY");
        let uri = self.property(&properties, "IntegrationUri")?.context("IntegrationUri is required")?;
        let function =
            self.invocable(&uri, variables, &properties, "CredentialsArn").context("IntegrationUri")?;
        Ok((function, self.integration_timeout(&properties, "TimeoutInMillis")?))
    }

    fn plain_authorizer(&self, id: &str, variables: &StageVariables) -> Result<WebSocketAuthorizer> {
        let properties = self.resource(AUTHORIZER, id)?;
        check_keys(
            &properties,
            id,
            &[
                "ApiId",
                "AuthorizerType",
                "AuthorizerUri",
                "AuthorizerCredentialsArn",
                "IdentitySource",
                "Name",
            ],
            &[],
        )?;
        let kind = self.property(&properties, "AuthorizerType")?.unwrap_or_default();
        ensure!(kind == "REQUEST", "{id}: a WebSocket API has authorizers of type REQUEST only");
        let uri = self.property(&properties, "AuthorizerUri")?.context("AuthorizerUri is required")?;
        Ok(WebSocketAuthorizer {
            name: self.property(&properties, "Name")?.unwrap_or_else(|| id.to_owned()),
            function: self
                .invocable(&uri, variables, &properties, "AuthorizerCredentialsArn")
                .context("AuthorizerUri")?,
            identity: self.websocket_identity(&properties, variables)?,
        })
    }

    /// The function of a URI, which API Gateway must be let invoke: SAM sees to that only for its own routes.
    fn invocable(
        &self,
        uri: &str,
        variables: &StageVariables,
        properties: &Value,
        credentials: &str,
    ) -> Result<usize> {
        let function = self.function_at(&expand(uri, variables)?)?;
        ensure!(
            self.property(properties, credentials)?.is_some() || self.is_permitted(function),
            "API Gateway may not invoke the function: set {credentials}, or add an AWS::Lambda::Permission"
        );
        Ok(function)
    }

    fn resource(&self, kind: &str, id: &str) -> Result<Value> {
        let found = self.of_type(kind).into_iter().find(|(other, _)| *other == id);
        let (_, resource) = found.with_context(|| format!("{id} is no {kind} of this template"))?;
        Ok(resource.get("Properties").cloned().unwrap_or_default())
    }

    fn check_api(&self, api: &str, properties: &Value) -> Result<()> {
        let target = self.property(properties, "ApiId")?;
        ensure!(target == Some(api.to_ascii_lowercase()), "ApiId must be a !Ref to {api}");
        Ok(())
    }

    fn integration_timeout(&self, of: &Value, key: &str) -> Result<Duration> {
        let timeout = self.number(of, key)?.unwrap_or(29_000);
        ensure!((50..=29_000).contains(&timeout), "{key} must be 50 to 29000");
        Ok(Duration::from_millis(timeout))
    }

    fn selects_response(&self, route: &Value) -> Result<bool> {
        match self.property(route, "RouteResponseSelectionExpression")?.as_deref() {
            None => Ok(false),
            Some("$default") => Ok(true),
            Some(other) => bail!("RouteResponseSelectionExpression must be $default, not {other}"),
        }
    }

    /// The logical ids of the routes that an `AWS::ApiGatewayV2::RouteResponse` points at.
    fn routes_with_response(&self, api: &str) -> Result<Vec<String>> {
        let mut routes = Vec::new();
        for (id, resource) in self.of_type(ROUTE_RESPONSE) {
            let properties = resource.get("Properties").cloned().unwrap_or_default();
            check_keys(
                &properties,
                id,
                &["ApiId", "RouteId", "RouteResponseKey"],
                &["ModelSelectionExpression"],
            )?;
            self.check_api(api, &properties).with_context(|| id.to_owned())?;
            let key = self.property(&properties, "RouteResponseKey")?;
            ensure!(key.as_deref() == Some("$default"), "{id}: RouteResponseKey must be $default");
            let route = self.property(&properties, "RouteId")?;
            routes.push(route.with_context(|| format!("{id}: RouteId is required"))?);
        }
        Ok(routes)
    }
}

/// The logical id that SAM gives a WebSocket route: the key capitalised, the rest of it in lower case.
pub(super) fn route_logical_id(api: &str, key: &str) -> String {
    let key = key.trim_start_matches('$').to_lowercase();
    let mut letters = key.chars();
    let capital: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{api}{capital}{}Route", letters.as_str())
}

/// Puts the values of stage variables into an integration's URI (API Gateway Developer Guide, "Use stage
/// variables").
fn expand(text: &str, variables: &StageVariables) -> Result<String> {
    const OPEN: &str = "${stageVariables.";
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (name, tail) =
            after.split_once('}').with_context(|| format!("{text} has an unclosed variable"))?;
        expanded.push_str(before);
        expanded.push_str(variables.get(name).with_context(|| format!("the stage has no variable {name}"))?);
        rest = tail;
    }
    Ok(expanded + rest)
}

/// Refuses variables that no message has: a route is selected by its body alone.
fn check_expression(expression: &str) -> Result<()> {
    let is_body = |name: &str| name == "request.body" || name.starts_with("request.body.");
    let fits = if expression.contains("${") {
        let variables = expression.split("${").skip(1);
        variables.map(|rest| rest.split_once('}')).all(|it| it.is_some_and(|(name, _)| is_body(name)))
    } else {
        expression.strip_prefix('$').is_none_or(is_body)
    };
    ensure!(
        fits,
        "RouteSelectionExpression {expression} is not emulated, only $request.body… and ${{request.body…}}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::IdentitySource;
    use crate::template::testing::{assert_changes_refused, parse};

    const PLAIN: &str = "
Resources:
  Chat: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: chat, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.op}}
  Live:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Chat, StageName: live, AutoDeploy: true, StageVariables: {handler: room-handler}}
  Guarded:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Chat
      Name: guarded
      AuthorizerType: REQUEST
      AuthorizerUri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Guard.Arn}/invocations
      IdentitySource: [route.request.header.X-Key, context.identity.sourceIp]
  Rooms:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Chat
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${!stageVariables.handler}/invocations
      TimeoutInMillis: 2000
  Connect:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Chat, RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: !Ref Guarded, Target: !Sub 'integrations/${Rooms}'}
  Join:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Chat, RouteKey: room/join, RouteResponseSelectionExpression: $default, Target: !Join [/, [integrations, !Ref Rooms]]}
  Leave:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Chat, RouteKey: room_leave, Target: !Sub 'integrations/${Rooms}'}
  Answer: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref Chat, RouteId: !Ref Join, RouteResponseKey: $default}}
  Room:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: room}}
    Properties: {FunctionName: room-handler, Environment: {Variables: {URL: !Sub 'wss://${Chat}.execute-api.${AWS::Region}.amazonaws.com/${Live}'}}}
  Guard:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: guard}}
  MayGuard: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Guard, Action: lambda:InvokeFunction, Principal: apigateway.amazonaws.com}}
  MayRoom: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !GetAtt Room.Arn, Action: 'lambda:*', Principal: '*'}}
";

    #[test]
    fn an_api_is_put_together_from_resources_of_their_own() {
        let template = parse(PLAIN).unwrap();

        let local = crate::template::LocalAddresses { port: 1, console_port: 2 };
        let environment = template.environment(&template.functions[0], local, |_| None).unwrap();
        assert_eq!(environment["URL"], "ws://127.0.0.1:1/live");
        let api = template.websocket_api.unwrap();
        assert_eq!((api.id.as_str(), api.stage.as_str()), ("chat", "live"));
        assert_eq!(api.routes.len(), 3);
        assert!(api.routes["room/join"].two_way && !api.routes["room_leave"].two_way);
        assert_eq!(api.routes["$connect"].integration_timeout, Duration::from_secs(2));
        assert!(api.routes.values().all(|route| route.function == 0));
        let authorizer = api.authorizer.unwrap();
        assert_eq!((authorizer.name.as_str(), authorizer.function), ("guarded", 1));
        assert_eq!(
            authorizer.identity,
            [
                IdentitySource::Header("X-Key".to_owned()),
                IdentitySource::Context("identity.sourceIp".to_owned())
            ]
        );
    }

    #[test]
    fn what_a_websocket_api_cannot_have_is_refused_by_name() {
        assert_changes_refused(
            PLAIN,
            &[
                ("ProtocolType: WEBSOCKET", "ProtocolType: HTTP", "WEBSOCKET"),
                ("handler: room-handler", "other: room-handler", "no variable handler"),
                ("handler: room-handler", "handler: nobody", "no function"),
                ("$request.body.op", "$request.header.op", "RouteSelectionExpression"),
                ("$request.body.op", "'${request.body.op}-${stageVariables.x}'", "RouteSelectionExpression"),
                ("IntegrationType: AWS_PROXY", "IntegrationType: MOCK", "MOCK"),
                ("AuthorizerType: REQUEST", "AuthorizerType: JWT", "REQUEST"),
                (
                    "AuthorizerType: REQUEST",
                    "AuthorizerResultTtlInSeconds: 5",
                    "AuthorizerResultTtlInSeconds",
                ),
                (
                    "RouteKey: $connect, AuthorizationType: CUSTOM",
                    "RouteKey: $connect, AuthorizationType: AWS_IAM",
                    "AWS_IAM",
                ),
                (
                    "RouteKey: $connect, AuthorizationType: CUSTOM",
                    "RouteKey: start, AuthorizationType: CUSTOM",
                    "$connect",
                ),
                ("RouteKey: room_leave", "RouteKey: room/join", "already"),
                ("RouteKey: room_leave", "RouteKey: $leave", "no route key"),
                (
                    "RouteResponseSelectionExpression: $default",
                    "RouteResponseSelectionExpression: x",
                    "must be $default",
                ),
                ("FunctionName: !Ref Guard", "FunctionName: Elsewhere", "may not invoke"),
                ("FunctionName: !GetAtt Room.Arn", "FunctionName: Elsewhere", "may not invoke"),
                ("Principal: apigateway.amazonaws.com", "Principal: s3.amazonaws.com", "may not invoke"),
                ("Action: lambda:InvokeFunction", "Action: lambda:GetFunction", "may not invoke"),
                ("Action: lambda:InvokeFunction, ", "", "may not invoke"),
                ("RouteId: !Ref Join", "RouteId: !Ref Rooms", "Rooms, the RouteId of"),
                ("RouteId: !Ref Join, ", "", "RouteId is required"),
                (
                    "Answer: {Type: AWS::ApiGatewayV2::RouteResponse,",
                    "Answer: {Type: AWS::ApiGatewayV2::Model,",
                    "Model",
                ),
            ],
        );
    }

    #[test]
    fn a_route_that_selects_a_response_and_has_none_is_noted() {
        assert_eq!(parse(PLAIN).unwrap().notes, [""; 0]);
        let answer = "RouteKey: room_leave, RouteResponseSelectionExpression: $default";

        let template = parse(&PLAIN.replace("RouteKey: room_leave", answer)).unwrap();

        let [note] = &template.notes[..] else { panic!("{:?}", template.notes) };
        assert!(note.starts_with("Chat: the route room_leave is one-way"), "{note}");
        assert!(!template.websocket_api.unwrap().routes["room_leave"].two_way);
    }

    #[test]
    fn stage_variables_are_put_into_a_uri_wherever_they_stand() {
        let variables =
            StageVariables::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);

        assert_eq!(expand("x${stageVariables.a}y${stageVariables.b}", &variables).unwrap(), "x1y2");
        assert_eq!(expand("plain", &variables).unwrap(), "plain");
        assert!(expand("${stageVariables.c}", &variables).is_err());
        assert!(expand("${stageVariables.a", &variables).is_err());
    }
}
