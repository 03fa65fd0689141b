//! Any document is a template or is refused: no panic, no endless loop, no overflow of the stack.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_yaml_ng::value::{Tag, TaggedValue};
use serde_yaml_ng::{Mapping, Value};

use super::{Choices, LocalAddresses, Template};
use crate::fuzzing::fuzz;

/// Templates that load, as they are.
const REAL: [&str; 5] = [
    include_str!("../../../../template.yaml"),
    include_str!("../../examples/parcels/template.yaml"),
    include_str!("../../tests/emulation/template.yaml"),
    include_str!("../../tests/emulation/authorizers.yaml"),
    include_str!("../../tests/emulation/throttled.yaml"),
];

/// What one document may take; a thousand times what it does.
const LONGEST: Duration = Duration::from_secs(10);

const INTRINSICS: [&str; 14] = [
    "Ref",
    "GetAtt",
    "Sub",
    "Join",
    "Select",
    "Split",
    "FindInMap",
    "If",
    "Equals",
    "And",
    "Or",
    "Not",
    "Condition",
    "ImportValue",
];

const NAMES: [&str; 30] = [
    "A",
    "B",
    "C",
    "Fn",
    "Http",
    "Ws",
    "Stage",
    "A.Arn",
    "Fn.Arn",
    "Ws.ApiEndpoint",
    "AWS::Region",
    "AWS::NoValue",
    "$connect",
    "$default",
    "send",
    "$request.body.type",
    "${A}",
    "${Fn.Arn}",
    "${!x}",
    "${",
    "integrations/Int",
    "rate(1 minute)",
    "cron(0 8 * * ? *)",
    "GET",
    "/items/{id}",
    "0",
    "1",
    "true",
    "REQUEST",
    "WEBSOCKET",
];

const KEYS: [&str; 48] = [
    "Type",
    "Default",
    "AllowedValues",
    "Properties",
    "Metadata",
    "BuildProperties",
    "Binary",
    "Condition",
    "Events",
    "Environment",
    "Variables",
    "Timeout",
    "MemorySize",
    "EventInvokeConfig",
    "MaximumRetryAttempts",
    "DestinationConfig",
    "OnFailure",
    "Destination",
    "Auth",
    "Authorizers",
    "Authorizer",
    "DefaultAuthorizer",
    "FunctionArn",
    "Identity",
    "Headers",
    "JwtConfiguration",
    "issuer",
    "audience",
    "IdentitySource",
    "CorsConfiguration",
    "AllowOrigins",
    "StageName",
    "StageVariables",
    "DefaultRouteSettings",
    "RouteSettings",
    "ThrottlingRateLimit",
    "Routes",
    "$connect",
    "send",
    "RouteSelectionExpression",
    "ApiId",
    "Method",
    "Path",
    "RouteKey",
    "Target",
    "Schedule",
    "Input",
    "FunctionName",
];

/// Types of resources, and properties that each may have.
const TYPES: [(&str, &[&str]); 11] = [
    (
        "AWS::Serverless::Function",
        &[
            "Timeout",
            "MemorySize",
            "Environment",
            "Events",
            "EventInvokeConfig",
            "Runtime",
            "CodeUri",
            "Handler",
            "FunctionName",
        ],
    ),
    (
        "AWS::Serverless::HttpApi",
        &[
            "CorsConfiguration",
            "StageName",
            "StageVariables",
            "Auth",
            "DefaultRouteSettings",
            "RouteSettings",
        ],
    ),
    (
        "AWS::Serverless::WebSocketApi",
        &[
            "RouteSelectionExpression",
            "Routes",
            "StageName",
            "StageVariables",
            "Auth",
            "DefaultRouteSettings",
            "RouteSettings",
        ],
    ),
    ("AWS::ApiGatewayV2::Api", &["ProtocolType", "RouteSelectionExpression"]),
    ("AWS::ApiGatewayV2::Stage", &["ApiId", "StageName", "StageVariables", "RouteSettings"]),
    ("AWS::ApiGatewayV2::Route", &["ApiId", "RouteKey", "Target", "AuthorizationType", "AuthorizerId"]),
    ("AWS::ApiGatewayV2::Integration", &["ApiId", "IntegrationType", "IntegrationUri", "TimeoutInMillis"]),
    ("AWS::ApiGatewayV2::RouteResponse", &["ApiId", "RouteId", "RouteResponseKey"]),
    ("AWS::Lambda::Permission", &["FunctionName", "Action", "Principal"]),
    ("AWS::SQS::Queue", &[]),
    ("AWS::Serverless::Api", &["StageName"]),
];

fn text(texts: &'static [&'static str]) -> impl Strategy<Value = Value> + Clone {
    select(texts).prop_map(|text| Value::String(text.to_owned()))
}

fn map(pairs: Vec<(String, Value)>) -> Value {
    Value::Mapping(pairs.into_iter().map(|(key, value)| (Value::String(key), value)).collect::<Mapping>())
}

fn intrinsic(name: &str, is_short: bool, argument: Value) -> Value {
    if is_short {
        return Value::Tagged(Box::new(TaggedValue { tag: Tag::new(name), value: argument }));
    }
    let long = if ["Ref", "Condition"].contains(&name) { name.to_owned() } else { format!("Fn::{name}") };
    map(vec![(long, argument)])
}

/// A value as a template may hold it anywhere.
fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        6 => text(&NAMES),
        1 => any::<String>().prop_map(Value::String),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 0..4).prop_map(Value::Sequence),
            2 => vec((select(&KEYS[..]).prop_map(str::to_owned), inner.clone()), 0..5).prop_map(map),
            3 => (select(&INTRINSICS[..]), any::<bool>(), inner.clone())
                .prop_map(|(name, is_short, argument)| intrinsic(name, is_short, argument)),
            2 => (select(&INTRINSICS[..]), any::<bool>(), vec(inner, 0..4))
                .prop_map(|(name, is_short, arguments)| intrinsic(name, is_short, Value::Sequence(arguments))),
        ]
    })
    .boxed()
}

/// A whole document, whose names refer to each other in all directions.
fn document() -> impl Strategy<Value = Value> {
    let name = || select(vec!["A", "B", "C", "Fn", "Http", "Ws", "Stage", "Int"]).prop_map(str::to_owned);
    let section = move || vec((name(), value()), 0..4).prop_map(map);
    let resource = (select(&TYPES[..]), any::<bool>()).prop_flat_map(|((kind, keys), has_binary)| {
        let key =
            prop_oneof![12 => select(if keys.is_empty() { &KEYS } else { keys }), 1 => select(&KEYS[..])];
        vec((key.prop_map(str::to_owned), value()), 0..4).prop_map(move |properties| {
            let kind = Value::String(kind.to_owned());
            let mut pairs = vec![("Type".to_owned(), kind), ("Properties".to_owned(), map(properties))];
            if has_binary {
                let binary = map(vec![("Binary".to_owned(), Value::String("probe".to_owned()))]);
                pairs.push(("Metadata".to_owned(), map(vec![("BuildProperties".to_owned(), binary)])));
            }
            map(pairs)
        })
    });
    let globals =
        vec((select(vec!["Function", "HttpApi", "WebSocketApi"]).prop_map(str::to_owned), value()), 0..2)
            .prop_map(map);
    (section(), section(), section(), globals, vec((name(), prop_oneof![30 => resource, 1 => value()]), 0..5))
        .prop_map(|(parameters, conditions, mappings, globals, resources)| {
            map(vec![
                ("Parameters".to_owned(), parameters),
                ("Conditions".to_owned(), conditions),
                ("Mappings".to_owned(), mappings),
                ("Globals".to_owned(), globals),
                ("Resources".to_owned(), map(resources)),
            ])
        })
}

/// Reads a document, and what its functions are given.
fn check(read: impl FnOnce(&Choices) -> anyhow::Result<Template>) {
    let begun = Instant::now();
    let local = LocalAddresses { port: 8080, console_port: 8081 };
    match read(&Choices::default()) {
        Ok(template) => {
            for function in &template.functions {
                let waits = function.schedules.iter().map(|schedule| schedule.every);
                for wait in waits.chain([function.timeout, function.asynchronous.longest_age]) {
                    assert!(wait.as_secs() < 200 * 365 * 24 * 60 * 60, "no clock counts {wait:?}");
                }
                // It may name what has no value, which is an error, too.
                if let Err(error) = template.environment(function, local, |_| None) {
                    assert!(!format!("{error:#}").is_empty());
                }
            }
        }
        Err(error) => assert!(!format!("{error:#}").is_empty()),
    }
    assert!(begun.elapsed() < LONGEST, "it took {:?}", begun.elapsed());
}

#[test]
fn a_document_of_what_templates_are_made_of_is_a_template_or_is_refused() {
    fuzz("templates: documents", 25, &document(), |document| {
        check(|choices| Template::read(&document, "us-east-1", choices));
    });
}

#[derive(Debug, Clone)]
enum Change {
    Remove,
    Replace(Value),
    /// By what stands elsewhere in the template.
    Copy(Index),
    Double,
    IntoList,
    IntoMap(&'static str),
    IntoIntrinsic(&'static str, bool),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Remove),
        value().prop_map(Change::Replace),
        any::<Index>().prop_map(Change::Copy),
        Just(Change::Double),
        Just(Change::IntoList),
        select(&KEYS[..]).prop_map(Change::IntoMap),
        (select(&INTRINSICS[..]), any::<bool>())
            .prop_map(|(name, is_short)| Change::IntoIntrinsic(name, is_short)),
    ]
}

fn children(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Sequence(items) => items.iter_mut().collect(),
        Value::Mapping(entries) => entries.iter_mut().map(|(_, value)| value).collect(),
        Value::Tagged(tagged) => vec![&mut tagged.value],
        _ => Vec::new(),
    }
}

fn size(value: &mut Value) -> usize {
    1 + children(value).into_iter().map(size).sum::<usize>()
}

/// The node of a number, counted from the root as 0.
fn node<'a>(value: &'a mut Value, number: &mut usize) -> Option<&'a mut Value> {
    if *number == 0 {
        return Some(value);
    }
    *number -= 1;
    children(value).into_iter().find_map(|child| node(child, number))
}

fn apply(document: &mut Value, at: Index, change: &Change) {
    let size = size(document);
    let copied = match change {
        Change::Copy(from) => node(document, &mut from.index(size)).cloned(),
        _ => None,
    };
    let Some(target) = node(document, &mut at.index(size)) else { return };
    let before = std::mem::take(target);
    *target = match change {
        Change::Remove => Value::Null,
        Change::Replace(value) => value.clone(),
        Change::Copy(_) => copied.unwrap_or_default(),
        Change::Double => Value::Sequence(vec![before.clone(), before]),
        Change::IntoList => Value::Sequence(vec![before]),
        Change::IntoMap(key) => map(vec![((*key).to_owned(), before)]),
        Change::IntoIntrinsic(name, is_short) => intrinsic(name, *is_short, before),
    };
}

#[test]
fn a_real_template_with_some_of_it_changed_is_a_template_or_is_refused() {
    let documents: Vec<Value> = REAL.iter().map(|text| serde_yaml_ng::from_str(text).unwrap()).collect();
    // Mostly one change, because what comes after a refusal is not read.
    let few = prop_oneof![4 => 1..2_usize, 1 => 2..4_usize];
    let changes = few.prop_flat_map(|few| vec((any::<Index>(), change()), few));
    let inputs = (0..REAL.len(), changes);
    fuzz("templates: changes to real ones", 40, &inputs, |(number, changes)| {
        let mut document = documents[number].clone();
        for (at, change) in &changes {
            apply(&mut document, *at, change);
        }

        check(|choices| Template::read(&document, "us-east-1", choices));
    });
}

#[test]
fn any_text_is_a_template_or_is_refused() {
    let piece = prop_oneof![
        select(&KEYS[..]).prop_map(|key| format!("{key}: ")),
        select(&NAMES[..]).prop_map(str::to_owned),
        select(vec![
            "\n", "\n  ", "\n    ", "- ", "{", "}", "[", "]", ", ", ": ", "!Ref ", "!Sub ", "&a ", "*a ",
            "|", ">", "\"", "'", "\t", "#", "<<: "
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let pieces = vec(piece, 0..30).prop_map(|pieces| pieces.concat());
    let nested = (1..400_usize, select(vec!["[", "{a: ", "- ", "!Ref ", "!Sub [", "{Fn::Not: ["]))
        .prop_map(|(depth, open)| format!("Resources: {}", open.repeat(depth)));
    // A line of a real template removed, or put somewhere else.
    let moved = (1..REAL.len(), any::<Index>(), any::<Index>(), any::<bool>()).prop_map(
        |(number, from, to, is_removed)| {
            let mut lines: Vec<&str> = REAL[number].lines().collect();
            let line = lines.remove(from.index(lines.len()));
            if !is_removed {
                lines.insert(to.index(lines.len()), line);
            }
            lines.join("\n")
        },
    );
    let inputs = prop_oneof![12 => pieces, 2 => nested, 1 => moved];
    fuzz("templates: text", 20, &inputs, |text| {
        check(|choices| Template::parse(&text, "us-east-1", choices));
    });
}

#[test]
fn conditions_and_stages_that_refer_to_themselves_are_refused_by_name() {
    for (document, named) in [
        (
            "Conditions: {A: !Condition A}\nResources: {Q: {Type: AWS::SQS::Queue, Condition: A}}",
            "condition A refers to itself",
        ),
        (
            "Conditions: {A: !Not [!Condition B], B: {Fn::And: [{Condition: A}, !Equals [1, 1]]}}\nResources: {Q: {Type: AWS::SQS::Queue, Condition: A}}",
            "condition A refers to itself",
        ),
        (
            "Resources: {S: {Type: AWS::ApiGatewayV2::Stage, Properties: {StageName: !Sub 'x${T}'}}, T: {Type: AWS::ApiGatewayV2::Stage, Properties: {StageName: !Ref S}}, \
             F: {Type: AWS::Serverless::Function, Metadata: {BuildProperties: {Binary: f}}, Properties: {Timeout: !Ref S}}}",
            "refers to the stage",
        ),
    ] {
        let error = Template::parse(document, "us-east-1", &Choices::default()).unwrap_err();

        assert!(format!("{error:#}").contains(named), "{error:#}");
    }
}

#[test]
fn conditions_that_ask_for_each_other_twice_are_found_out_in_no_time() {
    let mut document =
        "Resources: {Q: {Type: AWS::SQS::Queue, Condition: C0}}\nConditions:\n  C60: !Equals [1, 1]\n"
            .to_owned();
    for number in 0..60 {
        let next = number + 1;
        writeln!(document, "  C{number}: !And [!Condition C{next}, !Condition C{next}]").unwrap();
    }

    check(|choices| Template::parse(&document, "us-east-1", choices));
}

#[test]
fn a_long_chain_of_conditions_is_refused_and_a_short_one_is_not() {
    let chain = |length: usize, next: &dyn Fn(usize) -> String| {
        let mut document = format!(
            "Resources: {{Q: {{Type: AWS::SQS::Queue, Condition: C0}}}}\nConditions:\n  C{length}: !Equals [1, 1]\n"
        );
        for number in 0..length {
            writeln!(document, "  C{number}: {}", next(number + 1)).unwrap();
        }
        Template::parse(&document, "us-east-1", &Choices::default())
    };
    let forms: [&dyn Fn(usize) -> String; 3] = [
        &|next| format!("!Not [{{Condition: C{next}}}]"),
        &|next| format!("!And [!Condition C{next}, !Equals [1, 1]]"),
        &|next| format!("!If [C{next}, !Equals [1, 1], !Equals [1, 2]]"),
    ];
    for next in forms {
        chain(90, next).unwrap();
        let error = chain(4_000, next).unwrap_err();

        assert!(format!("{error:#}").contains("more than 300 deep"));
    }
}
