//! Resources that would serve, trigger or route something which the gateway then would not.

use anyhow::{Result, bail};
use serde_yaml_ng::Value;

use super::intrinsics::Resolver;
use super::loader::{PROPERTIES, hint};
use super::websocket::PLAIN_RESOURCES;

/// Types of resources with the property by which they invoke a function, and the value that says so if not every
/// one does (AWS `CloudFormation` User Guide, "AWS resource and property types reference").
const TRIGGERS: [(&str, &str, Option<&str>); 13] = [
    ("AWS::AppSync::DataSource", "Type", Some("AWS_LAMBDA")),
    ("AWS::CloudFormation::CustomResource", "ServiceToken", None),
    ("AWS::CloudFormation::Macro", "FunctionName", None),
    ("AWS::CloudFront::Distribution", "DistributionConfig.CacheBehaviors.LambdaFunctionAssociations", None),
    (
        "AWS::CloudFront::Distribution",
        "DistributionConfig.DefaultCacheBehavior.LambdaFunctionAssociations",
        None,
    ),
    ("AWS::Cognito::UserPool", "LambdaConfig", None),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetType", Some("lambda")),
    ("AWS::S3::Bucket", "NotificationConfiguration.LambdaConfigurations", None),
    ("AWS::SES::ReceiptRule", "Rule.Actions.LambdaAction", None),
    ("AWS::SNS::Subscription", "Protocol", Some("lambda")),
    ("AWS::SNS::Topic", "Subscription.Protocol", Some("lambda")),
    ("AWS::SecretsManager::RotationSchedule", "RotationLambdaARN", None),
    ("AWS::VpcLattice::TargetGroup", "Type", Some("LAMBDA")),
];

/// Resources of the refused services that only lead to what is served, or only log it.
const AROUND: [&str; 3] =
    ["AWS::ApiGateway::Account", "AWS::ApiGatewayV2::ApiMapping", "AWS::ApiGatewayV2::DomainName"];

/// Refuses a resource that would invoke something here, with the name to leave it out by.
pub(super) fn check(resolver: &Resolver, id: &str, kind: &str, resource: &Value) -> Result<()> {
    let Some(refusal) = refusal(resolver, kind, resource)? else { return Ok(()) };
    let name = refusal.property.map_or_else(|| id.to_owned(), |property| format!("{id}.{property}"));
    bail!("{id}: {}; leave it out by --leave-out {name}, or by a Condition that is false here", refusal.why)
}

/// Why a resource is refused.
pub(super) struct Refusal {
    pub(super) why: String,
    /// The property that can go alone, because it only names functions.
    property: Option<&'static str>,
}

/// Whether a resource would serve or invoke something which here it does not.
pub(super) fn refusal(resolver: &Resolver, kind: &str, resource: &Value) -> Result<Option<Refusal>> {
    if is_refused(kind) {
        let why = format!("resources of type {kind} are not served here{}", hint(kind));
        return Ok(Some(Refusal { why, property: None }));
    }
    let kind = if kind.starts_with("Custom::") { "AWS::CloudFormation::CustomResource" } else { kind };
    let Some(properties) = resource.get(PROPERTIES) else { return Ok(None) };
    for (_, path, wanted) in TRIGGERS.iter().filter(|(other, ..)| *other == kind) {
        if !is_there(resolver, properties, path, *wanted)? {
            continue;
        }
        let wants = wanted.map(|wanted| format!(": {wanted}")).unwrap_or_default();
        let why = format!("{PROPERTIES}.{path}{wants}: no function is invoked by this here");
        let property = path.split('.').next().filter(|_| wanted.is_none() && *path != "ServiceToken");
        return Ok(Some(Refusal { why, property }));
    }
    Ok(None)
}

/// Whether there is anything at a path through maps and lists, or the wanted value.
fn is_there(resolver: &Resolver, at: &Value, path: &str, wanted: Option<&str>) -> Result<bool> {
    let at = resolver.chosen(at)?;
    if let Value::Sequence(items) = at
        && !path.is_empty()
    {
        return items
            .iter()
            .try_fold(false, |found, item| Ok(found || is_there(resolver, item, path, wanted)?));
    }
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    if !key.is_empty() {
        return at.get(key).map_or(Ok(false), |value| is_there(resolver, value, rest, wanted));
    }
    Ok(match wanted {
        Some(wanted) => resolver.text(at)?.is_some_and(|text| text == wanted),
        None => match at {
            Value::Null => false,
            Value::Sequence(items) => !items.is_empty(),
            Value::Mapping(entries) => !entries.is_empty(),
            _ => true,
        },
    })
}

fn is_refused(kind: &str) -> bool {
    if PLAIN_RESOURCES.contains(&kind) || AROUND.contains(&kind) {
        return false;
    }
    let serves = ["AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::Scheduler::", "AWS::Pipes::"];
    let exactly = [
        "AWS::Lambda::Function",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Url",
        "AWS::Events::Rule",
        "AWS::IoT::TopicRule",
        "AWS::Logs::SubscriptionFilter",
        "AWS::StepFunctions::StateMachine",
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

#[cfg(test)]
mod tests {
    use crate::template::{Choices, Template};

    fn parse(resource: &str, left_out: &[&str]) -> anyhow::Result<Template> {
        let text = format!(
            "Parameters: {{How: {{Type: String, Default: lambda}}}}
Conditions: {{No: !Equals [a, b]}}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {{BuildProperties: {{Binary: probe}}}}
  It: {{{resource}}}
"
        );
        let left_out = left_out.iter().map(|name| (*name).to_owned()).collect();
        Template::parse(&text, "us-east-1", &Choices { left_out, ..Choices::default() })
    }

    #[test]
    fn what_invokes_a_function_is_refused_by_the_property_that_says_so() {
        for (resource, property, left_out) in [
            (
                "Type: AWS::SNS::Subscription, Properties: {Protocol: lambda, Endpoint: !GetAtt Fn.Arn}",
                "Protocol",
                "It",
            ),
            ("Type: AWS::SNS::Subscription, Properties: {Protocol: !Ref How}", "Protocol", "It"),
            (
                "Type: AWS::SNS::Topic, Properties: {Subscription: [{Protocol: sqs}, {Protocol: lambda}]}",
                "Subscription.Protocol",
                "It",
            ),
            (
                "Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: {LambdaConfigurations: [{Function: x}]}}",
                "NotificationConfiguration.LambdaConfigurations",
                "It.NotificationConfiguration",
            ),
            (
                "Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: !If [No, {}, {LambdaConfigurations: [x]}]}",
                "NotificationConfiguration.LambdaConfigurations",
                "It.NotificationConfiguration",
            ),
            (
                "Type: AWS::Cognito::UserPool, Properties: {LambdaConfig: {PreSignUp: !GetAtt Fn.Arn}}",
                "LambdaConfig",
                "It.LambdaConfig",
            ),
            ("Type: Custom::Seed, Properties: {ServiceToken: !GetAtt Fn.Arn}", "ServiceToken", "It"),
            (
                "Type: AWS::CloudFormation::CustomResource, Properties: {ServiceToken: !GetAtt Fn.Arn}",
                "ServiceToken",
                "It",
            ),
            ("Type: AWS::AppSync::DataSource, Properties: {Type: AWS_LAMBDA}", "Type", "It"),
            (
                "Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {TargetType: lambda}",
                "TargetType",
                "It",
            ),
            (
                "Type: AWS::SES::ReceiptRule, Properties: {Rule: {Actions: [{LambdaAction: {FunctionArn: x}}]}}",
                "Rule.Actions.LambdaAction",
                "It.Rule",
            ),
        ] {
            let error = format!("{:#}", parse(resource, &[]).unwrap_err());

            for expected in [format!("It: Properties.{property}"), format!("--leave-out {left_out},")] {
                assert!(error.contains(&expected), "{expected} is not in: {error}");
            }
            parse(resource, &[left_out]).unwrap();
        }
    }

    #[test]
    fn what_invokes_nothing_is_allowed() {
        for resource in [
            "Type: AWS::SNS::Subscription, Properties: {Protocol: sqs}",
            "Type: AWS::SNS::Topic, Properties: {Subscription: [{Protocol: https}]}",
            "Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: {QueueConfigurations: [x]}}",
            "Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: !If [No, {LambdaConfigurations: [x]}, {}]}",
            "Type: AWS::Cognito::UserPool, Properties: {LambdaConfig: !Ref AWS::NoValue}",
            "Type: AWS::AppSync::DataSource, Properties: {Type: NONE}",
            "Type: AWS::ElasticLoadBalancingV2::TargetGroup",
        ] {
            parse(resource, &[]).unwrap();
        }
    }
}
