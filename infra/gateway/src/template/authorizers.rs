//! The authorizers of both APIs, as SAM writes them: `Auth` of an HTTP API, of its events and of a WebSocket API
//! (SAM Developer Guide, "`HttpApiAuth`", "`OAuth2Authorizer`", "`LambdaAuthorizer`", "`HttpApiFunctionAuth`").
//!
//! An authorizer that API Gateway may not invoke answers 500 there, so it is refused here.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_yaml_ng::Value;
use url::{Host, Url};

use super::intrinsics::{label, optional_mapping, scalar};
use super::loader::{Loader, check_keys};
use super::{HttpApi, StageVariables};

/// API Gateway Developer Guide, "Quotas for configuring and running an HTTP API".
const LONGEST_TTL: u64 = 3600;

/// The variables of `$context` that identity sources of an HTTP API may name here.
const HTTP_CONTEXT: [&str; 14] = [
    "accountId",
    "apiId",
    "domainName",
    "domainPrefix",
    "httpMethod",
    "identity.sourceIp",
    "identity.userAgent",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "routeKey",
    "stage",
];

/// Those of a WebSocket API, which are fields of the request context under their own names.
const WEBSOCKET_CONTEXT: [&str; 13] = [
    "apiId",
    "connectedAt",
    "connectionId",
    "domainName",
    "eventType",
    "extendedRequestId",
    "identity.sourceIp",
    "identity.userAgent",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "routeKey",
    "stage",
];

/// Where a request tells who makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdentitySource {
    /// A header.
    Header(String),
    /// A parameter of the query.
    Query(String),
    /// A variable of the stage.
    StageVariable(String),
    /// A variable of the request's context.
    Context(String),
}

/// One authorizer of the HTTP API.
#[derive(Debug)]
pub(crate) struct HttpAuthorizer {
    /// Its name in the template.
    pub(crate) name: String,
    /// The scopes of routes that name none.
    scopes: Vec<String>,
    /// What it does.
    pub(crate) kind: HttpAuthorizerKind,
}

/// What an authorizer of the HTTP API does.
#[derive(Debug)]
pub(crate) enum HttpAuthorizerKind {
    /// Checks a JSON Web Token.
    Jwt(JwtConfiguration),
    /// Asks a function.
    Lambda(LambdaConfiguration),
}

/// Which tokens are good.
#[derive(Debug, Clone)]
pub(crate) struct JwtConfiguration {
    /// Whose tokens.
    pub(crate) issuer: String,
    /// For whom they must be made out, one of these.
    pub(crate) audience: Vec<String>,
    /// Where the token is.
    pub(crate) source: IdentitySource,
}

/// Which function is asked.
#[derive(Debug, Clone)]
pub(crate) struct LambdaConfiguration {
    /// Index into [`super::Template::functions`].
    pub(crate) function: usize,
    /// Whether it answers yes or no instead of a policy.
    pub(crate) simple: bool,
    /// What a request must have before it is asked.
    pub(crate) identity: Vec<IdentitySource>,
    /// How long its answer to the same identity counts; zero is not at all.
    pub(crate) ttl: Duration,
}

/// What a request to a route of the HTTP API needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteAuthorization {
    /// Index into [`HttpApi::authorizers`].
    pub(crate) authorizer: usize,
    /// The scopes of which a token must have one.
    pub(crate) scopes: Vec<String>,
}

/// The `REQUEST` authorizer of a WebSocket API.
#[derive(Debug)]
pub(crate) struct WebSocketAuthorizer {
    /// Its name.
    pub(crate) name: String,
    /// Index into [`super::Template::functions`].
    pub(crate) function: usize,
    /// What a handshake must have before it is asked.
    pub(crate) identity: Vec<IdentitySource>,
}

impl Loader<'_> {
    /// `Auth` of an HTTP API: its authorizers, and which of them is the default.
    pub(super) fn http_authorizers(
        &self,
        properties: &Value,
        stage_variables: &StageVariables,
    ) -> Result<(Vec<HttpAuthorizer>, Option<usize>)> {
        let auth = properties.get("Auth").cloned().unwrap_or_default();
        // IAM authorization is refused with the route that asks for it.
        check_keys(&auth, "Auth", &["Authorizers", "DefaultAuthorizer"], &["EnableIamAuthorizer"])?;
        let mut authorizers = Vec::new();
        for (name, authorizer) in optional_mapping(auth.get("Authorizers"), "Authorizers")? {
            let name = scalar(name)?;
            let authorizer = self
                .http_authorizer(&name, authorizer, stage_variables)
                .with_context(|| format!("authorizer {name}"))?;
            authorizers.push(authorizer);
        }
        let default = match self.property(&auth, "DefaultAuthorizer")? {
            None => None,
            Some(name) => Some(find(&authorizers, &name).context("DefaultAuthorizer")?),
        };
        Ok((authorizers, default))
    }

    fn http_authorizer(
        &self,
        name: &str,
        authorizer: &Value,
        stage_variables: &StageVariables,
    ) -> Result<HttpAuthorizer> {
        let is_jwt = authorizer.get("JwtConfiguration").is_some();
        let (kind, scopes) = if is_jwt {
            check_keys(
                authorizer,
                name,
                &["AuthorizationScopes", "IdentitySource", "JwtConfiguration"],
                &[],
            )?;
            (HttpAuthorizerKind::Jwt(self.jwt(authorizer)?), self.list(authorizer, "AuthorizationScopes")?)
        } else {
            check_keys(
                authorizer,
                name,
                &[
                    "AuthorizerPayloadFormatVersion",
                    "EnableFunctionDefaultPermissions",
                    "EnableSimpleResponses",
                    "FunctionArn",
                    "FunctionInvokeRole",
                    "Identity",
                ],
                &[],
            )?;
            (HttpAuthorizerKind::Lambda(self.lambda(authorizer, stage_variables)?), Vec::new())
        };
        Ok(HttpAuthorizer { name: name.to_owned(), scopes, kind })
    }

    fn jwt(&self, authorizer: &Value) -> Result<JwtConfiguration> {
        // SAM takes these keys in any case.
        let mut configuration = serde_yaml_ng::Mapping::new();
        for (key, value) in optional_mapping(authorizer.get("JwtConfiguration"), "JwtConfiguration")? {
            configuration.insert(scalar(key)?.to_lowercase().into(), value.clone());
        }
        let configuration = Value::Mapping(configuration);
        check_keys(&configuration, "JwtConfiguration", &["issuer", "audience"], &[])?;
        let issuer =
            self.property(&configuration, "issuer")?.context("JwtConfiguration.issuer is required")?;
        let url = Url::parse(&issuer).with_context(|| format!("issuer {issuer} is no URL"))?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        ensure!(
            url.scheme() == "https" || (url.scheme() == "http" && is_here),
            "issuer {issuer} must be https, or http on this machine"
        );
        let audience = self.list(&configuration, "audience")?;
        ensure!(!audience.is_empty(), "JwtConfiguration.audience is required");
        let source = self
            .property(authorizer, "IdentitySource")?
            .context("IdentitySource is required with JwtConfiguration")?;
        let found = http_source(&source)?;
        ensure!(
            matches!(found, IdentitySource::Header(_) | IdentitySource::Query(_)),
            "IdentitySource {source}: a token is in a header or in the query"
        );
        Ok(JwtConfiguration { issuer, audience, source: found })
    }

    fn lambda(&self, authorizer: &Value, stage_variables: &StageVariables) -> Result<LambdaConfiguration> {
        let arn = self.property(authorizer, "FunctionArn")?.context("FunctionArn is required")?;
        let function = self.function_at(&arn).context("FunctionArn")?;
        let version = self
            .property(authorizer, "AuthorizerPayloadFormatVersion")?
            .context("AuthorizerPayloadFormatVersion is required")?;
        ensure!(
            version == "2.0" || version == "2",
            "AuthorizerPayloadFormatVersion {version} is not emulated, only 2.0"
        );
        let role = self.property(authorizer, "FunctionInvokeRole")?.filter(|role| role != "NONE");
        let permitted = self.flag(authorizer, "EnableFunctionDefaultPermissions")?;
        ensure!(
            permitted || role.is_some() || self.is_permitted(function),
            "API Gateway may not invoke the function: set EnableFunctionDefaultPermissions or FunctionInvokeRole, \
             or add an AWS::Lambda::Permission"
        );
        let identity = authorizer.get("Identity").cloned().unwrap_or_default();
        check_keys(
            &identity,
            "Identity",
            &["Context", "Headers", "QueryStrings", "ReauthorizeEvery", "StageVariables"],
            &[],
        )?;
        let mut sources = Vec::new();
        for (prefix, key) in [
            ("$request.header.", "Headers"),
            ("$request.querystring.", "QueryStrings"),
            ("$stageVariables.", "StageVariables"),
            ("$context.", "Context"),
        ] {
            for name in self.list(&identity, key)? {
                sources.push(http_source(&format!("{prefix}{name}"))?);
            }
        }
        check_stage_variables(&sources, stage_variables)?;
        let ttl = self.number(&identity, "ReauthorizeEvery")?.unwrap_or(0);
        ensure!(ttl <= LONGEST_TTL, "ReauthorizeEvery must be 0 to {LONGEST_TTL}");
        ensure!(ttl == 0 || !sources.is_empty(), "ReauthorizeEvery needs an identity source to cache by");
        Ok(LambdaConfiguration {
            function,
            simple: self.flag(authorizer, "EnableSimpleResponses")?,
            identity: sources,
            ttl: Duration::from_secs(ttl),
        })
    }

    /// `Auth` of an event of the HTTP API, or the API's default.
    pub(super) fn route_authorization(
        &self,
        api: &HttpApi,
        properties: &Value,
    ) -> Result<Option<RouteAuthorization>> {
        let auth = properties.get("Auth").cloned().unwrap_or_default();
        check_keys(&auth, "Auth", &["Authorizer", "AuthorizationScopes"], &[])?;
        let authorizer = match self.property(&auth, "Authorizer")?.as_deref() {
            None => api.default_authorizer,
            Some("NONE") => {
                ensure!(
                    api.default_authorizer.is_some(),
                    "Authorizer NONE has a meaning only where the API has a DefaultAuthorizer"
                );
                None
            }
            Some("AWS_IAM") => bail!("the authorizer AWS_IAM is not emulated"),
            Some(name) => Some(find(&api.authorizers, name).context("Auth.Authorizer")?),
        };
        let own_scopes = self.list(&auth, "AuthorizationScopes")?;
        let Some(index) = authorizer else {
            ensure!(own_scopes.is_empty(), "AuthorizationScopes need an authorizer");
            return Ok(None);
        };
        let authorizer = &api.authorizers[index];
        ensure!(
            own_scopes.is_empty() || matches!(authorizer.kind, HttpAuthorizerKind::Jwt(_)),
            "AuthorizationScopes need a JWT authorizer, which {} is not",
            authorizer.name
        );
        let scopes =
            if auth.get("AuthorizationScopes").is_some() { own_scopes } else { authorizer.scopes.clone() };
        Ok(Some(RouteAuthorization { authorizer: index, scopes }))
    }

    /// `Auth` of a WebSocket API.
    pub(super) fn websocket_auth(
        &self,
        api: &str,
        properties: &Value,
        stage_variables: &StageVariables,
    ) -> Result<Option<WebSocketAuthorizer>> {
        let Some(auth) = properties.get("Auth").filter(|auth| !auth.is_null()) else { return Ok(None) };
        check_keys(auth, "Auth", &["AuthType", "AuthArn", "IdentitySource"], &["InvokeRole", "Name"])?;
        match self.property(auth, "AuthType")?.as_deref() {
            Some("NONE") => return Ok(None),
            Some("CUSTOM") => {}
            Some("AWS_IAM") => bail!("the AuthType AWS_IAM is not emulated"),
            Some(other) => bail!("AuthType must be NONE or CUSTOM, not {other}"),
            None => bail!("AuthType is required"),
        }
        let arn = self.property(auth, "AuthArn")?.context("AuthArn is required")?;
        Ok(Some(WebSocketAuthorizer {
            name: self.property(auth, "Name")?.unwrap_or_else(|| format!("{api}ConnectAuthorizer")),
            function: self.function_at(&arn).context("AuthArn")?,
            identity: self.websocket_identity(auth, stage_variables)?,
        }))
    }

    /// `IdentitySource` of an authorizer of a WebSocket API.
    pub(super) fn websocket_identity(
        &self,
        of: &Value,
        stage_variables: &StageVariables,
    ) -> Result<Vec<IdentitySource>> {
        let sources = self.list(of, "IdentitySource")?;
        let sources: Vec<_> = sources.iter().map(|text| websocket_source(text)).collect::<Result<_>>()?;
        check_stage_variables(&sources, stage_variables)?;
        Ok(sources)
    }
}

fn find(authorizers: &[HttpAuthorizer], name: &str) -> Result<usize> {
    let position = authorizers.iter().position(|authorizer| authorizer.name == name);
    position.with_context(|| format!("the API has no authorizer {name}"))
}

/// An identity source as HTTP APIs write it.
fn http_source(text: &str) -> Result<IdentitySource> {
    let source = if let Some(name) = text.strip_prefix("$request.header.") {
        IdentitySource::Header(name.to_owned())
    } else if let Some(name) = text.strip_prefix("$request.querystring.") {
        IdentitySource::Query(name.to_owned())
    } else if let Some(name) = text.strip_prefix("$stageVariables.") {
        IdentitySource::StageVariable(name.to_owned())
    } else if let Some(name) = text.strip_prefix("$context.") {
        ensure!(HTTP_CONTEXT.contains(&name), "the identity source {text} is not emulated");
        IdentitySource::Context(name.to_owned())
    } else {
        bail!("{text} is no identity source of an HTTP API, such as $request.header.Authorization")
    };
    Ok(source)
}

/// An identity source as WebSocket APIs write it.
fn websocket_source(text: &str) -> Result<IdentitySource> {
    let source = if let Some(name) = text.strip_prefix("route.request.header.") {
        IdentitySource::Header(name.to_owned())
    } else if let Some(name) = text.strip_prefix("route.request.querystring.") {
        IdentitySource::Query(name.to_owned())
    } else if let Some(name) = text.strip_prefix("stageVariables.") {
        IdentitySource::StageVariable(name.to_owned())
    } else if let Some(name) = text.strip_prefix("context.") {
        ensure!(WEBSOCKET_CONTEXT.contains(&name), "the identity source {text} is not emulated");
        IdentitySource::Context(name.to_owned())
    } else {
        bail!(
            "{} is no identity source of a WebSocket API, such as route.request.querystring.token",
            label(&Value::from(text))
        )
    };
    Ok(source)
}

/// A variable that the stage does not have would refuse every request.
fn check_stage_variables(sources: &[IdentitySource], variables: &StageVariables) -> Result<()> {
    for source in sources {
        if let IdentitySource::StageVariable(name) = source {
            ensure!(
                variables.contains_key(name),
                "the stage has no variable {name}, which is an identity source"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::testing::{assert_changes_refused, parse};

    const API: &str = "
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      StageVariables: {tenant: acme}
      Auth:
        DefaultAuthorizer: Tokens
        Authorizers:
          Tokens:
            JwtConfiguration: {Issuer: https://id.example.com/, audience: [app, web]}
            IdentitySource: $request.header.Authorization
            AuthorizationScopes: [read]
          Asked:
            FunctionArn: !GetAtt Guard.Arn
            AuthorizerPayloadFormatVersion: '2.0'
            EnableFunctionDefaultPermissions: true
            EnableSimpleResponses: true
            Identity:
              Headers: [X-Key]
              QueryStrings: [k]
              StageVariables: [tenant]
              Context: [routeKey]
              ReauthorizeEvery: 30
  Ws:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.do
      Auth: {AuthType: CUSTOM, AuthArn: !GetAtt Guard.Arn, IdentitySource: [route.request.querystring.token]}
      Routes:
        $connect: {FunctionArn: !GetAtt Main.Arn}
  Main:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: main}}
    Properties:
      Events:
        Plain: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /plain}}
        Write: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /write, Auth: {AuthorizationScopes: [write]}}}
        Asked: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /asked, Auth: {Authorizer: Asked}}}
        Open: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /open, Auth: {Authorizer: NONE}}}
  Guard:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: guard}}
";

    #[test]
    fn routes_get_their_own_authorizer_or_the_default() {
        let api = parse(API).unwrap().http_api.unwrap();

        let of = |path: &str| {
            let route = api.routes.iter().find(|route| route.path == path).unwrap();
            route.authorization.clone().map(|it| (api.authorizers[it.authorizer].name.clone(), it.scopes))
        };
        assert_eq!(of("/plain"), Some(("Tokens".to_owned(), vec!["read".to_owned()])));
        assert_eq!(of("/write"), Some(("Tokens".to_owned(), vec!["write".to_owned()])));
        assert_eq!(of("/asked"), Some(("Asked".to_owned(), Vec::new())));
        assert_eq!(of("/open"), None);
    }

    #[test]
    fn both_kinds_of_authorizers_are_read() {
        let template = parse(API).unwrap();

        let api = template.http_api.unwrap();
        let HttpAuthorizerKind::Jwt(jwt) = &api.authorizers[0].kind else { panic!("{api:?}") };
        assert_eq!((jwt.issuer.as_str(), jwt.audience.len()), ("https://id.example.com/", 2));
        assert_eq!(jwt.source, IdentitySource::Header("Authorization".to_owned()));
        let HttpAuthorizerKind::Lambda(lambda) = &api.authorizers[1].kind else { panic!("{api:?}") };
        assert_eq!((lambda.function, lambda.simple, lambda.ttl.as_secs()), (1, true, 30));
        assert_eq!(
            lambda.identity,
            [
                IdentitySource::Header("X-Key".to_owned()),
                IdentitySource::Query("k".to_owned()),
                IdentitySource::StageVariable("tenant".to_owned()),
                IdentitySource::Context("routeKey".to_owned()),
            ]
        );
        let authorizer = template.websocket_api.unwrap().authorizer.unwrap();
        assert_eq!((authorizer.function, authorizer.name.as_str()), (1, "WsConnectAuthorizer"));
        assert_eq!(authorizer.identity, [IdentitySource::Query("token".to_owned())]);
    }

    #[test]
    fn an_implicit_api_has_the_authorizers_of_the_globals() {
        let text = "
Globals:
  HttpApi:
    Auth:
      DefaultAuthorizer: Tokens
      Authorizers:
        Tokens:
          JwtConfiguration: {issuer: https://id.example.com, audience: [app]}
          IdentitySource: $request.querystring.token
Resources:
  Main:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: main}}
    Properties: {Events: {Any: {Type: HttpApi}}}
";

        let api = parse(text).unwrap().http_api.unwrap();

        assert_eq!(
            api.routes[0].authorization,
            Some(RouteAuthorization { authorizer: 0, scopes: Vec::new() })
        );
    }

    #[test]
    fn a_permission_of_its_own_is_as_good_as_the_default_one() {
        let text =
            API.replace("EnableFunctionDefaultPermissions: true", "EnableFunctionDefaultPermissions: false");
        assert!(parse(&text).is_err());

        let permission = "
  May:
    Type: AWS::Lambda::Permission
    Properties: {Action: 'lambda:InvokeFunction', FunctionName: !Ref Guard, Principal: apigateway.amazonaws.com}
";
        assert!(parse(&(text + permission)).is_ok());
    }

    #[test]
    fn what_cannot_be_authorized_alike_is_refused_by_name() {
        assert_changes_refused(
            API,
            &[
                ("DefaultAuthorizer: Tokens", "DefaultAuthorizer: Token", "no authorizer Token"),
                ("Authorizer: NONE", "Authorizer: AWS_IAM", "AWS_IAM"),
                ("Authorizer: Asked", "Authorizer: Absent", "no authorizer Absent"),
                ("Authorizer: Asked}", "Authorizer: Asked, AuthorizationScopes: [x]}", "JWT authorizer"),
                ("Version: '2.0'", "Version: '1.0'", "AuthorizerPayloadFormatVersion 1.0"),
                (
                    "EnableFunctionDefaultPermissions: true",
                    "EnableSimpleResponse: true",
                    "EnableSimpleResponse",
                ),
                ("EnableFunctionDefaultPermissions: true", "FunctionInvokeRole: NONE", "may not invoke"),
                ("ReauthorizeEvery: 30", "ReauthorizeEvery: 3601", "ReauthorizeEvery"),
                ("StageVariables: [tenant]", "StageVariables: [owner]", "no variable owner"),
                ("Context: [routeKey]", "Context: [integrationStatus]", "$context.integrationStatus"),
                ("https://id.example.com/", "http://id.example.com/", "must be https"),
                ("audience: [app, web]", "audience: []", "audience"),
                (
                    "IdentitySource: $request.header.Authorization",
                    "IdentitySource: $context.path",
                    "$context.path",
                ),
                ("AuthType: CUSTOM", "AuthType: AWS_IAM", "AWS_IAM"),
                (
                    "route.request.querystring.token",
                    "$request.querystring.token",
                    "$request.querystring.token",
                ),
                ("$connect:", "$default:", "$connect"),
                ("tenant: acme", "tenant: 'a b'", "StageVariables.tenant"),
            ],
        );
    }

    #[test]
    fn none_without_a_default_is_refused_as_sam_does() {
        let text = API
            .replace("        DefaultAuthorizer: Tokens\n", "")
            .replace(", Auth: {AuthorizationScopes: [write]}", "");

        let error = format!("{:#}", parse(&text).unwrap_err());

        assert!(error.contains("DefaultAuthorizer") && error.contains("event Open"), "{error}");
    }
}
