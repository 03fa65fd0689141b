//! The settings of a stage's routes: how many requests each takes (AWS `CloudFormation` User Guide,
//! "`AWS::ApiGatewayV2::Stage` `RouteSettings`").

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_yaml_ng::Value;

use super::intrinsics::{optional_mapping, scalar};
use super::loader::{Loader, check_keys};
use crate::throttling::Throttle;

/// What a region's account is given (API Gateway Developer Guide, "Amazon API Gateway quotas"): it stands for the
/// one of rate and burst that is not set.
const ACCOUNT_RATE: f64 = 10_000.0;
const ACCOUNT_BURST: u32 = 5_000;

/// The settings of all routes and of single ones.
#[derive(Debug, Default)]
pub(super) struct RouteSettings {
    default: Limits,
    routes: BTreeMap<String, Limits>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Limits {
    rate: Option<f64>,
    burst: Option<u32>,
}

impl RouteSettings {
    /// The throttle of a route, which has a bucket of its own even by the settings of all.
    pub(super) fn throttle(&self, route_key: &str) -> Option<Throttle> {
        let own = self.routes.get(route_key).copied().unwrap_or_default();
        let (rate, burst) = (own.rate.or(self.default.rate), own.burst.or(self.default.burst));
        (rate.is_some() || burst.is_some())
            .then(|| Throttle { rate: rate.unwrap_or(ACCOUNT_RATE), burst: burst.unwrap_or(ACCOUNT_BURST) })
    }

    /// Refuses settings of a route that does not exist, as API Gateway does.
    pub(super) fn check_routes(&self, exists: impl Fn(&str) -> bool) -> Result<()> {
        for key in self.routes.keys() {
            ensure!(exists(key), "RouteSettings: the API has no route {key}");
        }
        Ok(())
    }
}

impl Loader<'_> {
    /// `DefaultRouteSettings` and `RouteSettings` of a stage, or of an API that makes one.
    pub(super) fn route_settings(&self, properties: &Value) -> Result<RouteSettings> {
        let of = |key: &str| properties.get(key).map(|value| self.resolver.resolve(value)).transpose();
        let default = of("DefaultRouteSettings").context("DefaultRouteSettings")?.unwrap_or_default();
        let mut settings = RouteSettings {
            default: self.limits(&default, "DefaultRouteSettings")?,
            ..RouteSettings::default()
        };
        let routes = of("RouteSettings").context("RouteSettings")?;
        for (key, own) in optional_mapping(routes.as_ref(), "RouteSettings")? {
            let key = scalar(key).context("RouteSettings")?;
            let limits = self.limits(own, &format!("RouteSettings.{key}"))?;
            settings.routes.insert(key, limits);
        }
        Ok(settings)
    }

    fn limits(&self, settings: &Value, what: &str) -> Result<Limits> {
        check_keys(
            settings,
            what,
            &["ThrottlingRateLimit", "ThrottlingBurstLimit"],
            &["DetailedMetricsEnabled", "LoggingLevel", "DataTraceEnabled"],
        )?;
        let rate = match self.property(settings, "ThrottlingRateLimit").with_context(|| what.to_owned())? {
            None => None,
            Some(text) => {
                let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
                Some(rate.with_context(|| {
                    format!("{what}.ThrottlingRateLimit: {text} is no number of requests per second")
                })?)
            }
        };
        let burst =
            match self.property(settings, "ThrottlingBurstLimit").with_context(|| what.to_owned())? {
                None => None,
                Some(text) => Some(text.parse().ok().with_context(|| {
                    format!("{what}.ThrottlingBurstLimit: {text} is no number of requests")
                })?),
            };
        Ok(Limits { rate, burst })
    }
}

#[cfg(test)]
mod tests {
    use crate::template::testing::{assert_changes_refused, parse};
    use crate::throttling::Throttle;

    const TEMPLATE: &str = "
Resources:
  Http:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefaultRouteSettings: {ThrottlingBurstLimit: 20, DetailedMetricsEnabled: true}
      RouteSettings: {GET /items: {ThrottlingRateLimit: 0.5, ThrottlingBurstLimit: 1}, $default: {ThrottlingRateLimit: 7}}
  Ws:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.type
      Routes: {$connect: {FunctionArn: !GetAtt Items.Arn}, send: {FunctionArn: !GetAtt Items.Arn}}
      RouteSettings: {send: {ThrottlingRateLimit: 3, ThrottlingBurstLimit: 4, LoggingLevel: INFO, DataTraceEnabled: true}}
  Items:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: items}}
    Properties:
      Events:
        List: {Type: HttpApi, Properties: {ApiId: !Ref Http, Method: get, Path: /items}}
        Rest: {Type: HttpApi, Properties: {ApiId: !Ref Http}}
";

    #[test]
    fn a_route_is_throttled_by_its_own_settings_or_else_by_those_of_all() {
        let template = parse(TEMPLATE).unwrap();

        let http = template.http_api.unwrap();
        let throttle = |key: &str| http.routes.iter().find(|route| route.key() == key).unwrap().throttle;
        assert_eq!(throttle("GET /items"), Some(Throttle { rate: 0.5, burst: 1 }));
        assert_eq!(throttle("$default"), Some(Throttle { rate: 7.0, burst: 20 }));
        let websocket = template.websocket_api.unwrap();
        assert_eq!(websocket.routes["send"].throttle, Some(Throttle { rate: 3.0, burst: 4 }));
        assert_eq!(websocket.routes["$connect"].throttle, None);
    }

    #[test]
    fn settings_that_mean_nothing_are_refused_by_name() {
        assert_changes_refused(
            TEMPLATE,
            &[
                ("GET /items: {", "GET /item: {", "no route GET /item"),
                ("send: {ThrottlingRateLimit", "sent: {ThrottlingRateLimit", "no route sent"),
                (
                    "ThrottlingBurstLimit: 20",
                    "ThrottlingBurstLimit: -1",
                    "DefaultRouteSettings.ThrottlingBurstLimit",
                ),
                (
                    "ThrottlingRateLimit: 0.5",
                    "ThrottlingRateLimit: inf",
                    "RouteSettings.GET /items.ThrottlingRateLimit",
                ),
                ("ThrottlingRateLimit: 0.5", "ThrottlingRateLimit: [1]", "ThrottlingRateLimit"),
                ("ThrottlingRateLimit: 0.5", "RateLimit: 1", "RateLimit"),
                ("DefaultRouteSettings: {", "DefaultRouteSettings: 5 #{", "DefaultRouteSettings"),
            ],
        );
    }
}
