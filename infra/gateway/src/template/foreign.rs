//! Templates of other projects: what they have that is not served is refused where it stands, with what to do.

use super::testing::parse;

/// A function with properties of its own, and other resources.
fn with(properties: &str, resources: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {{BuildMethod: rust-cargolambda, BuildProperties: {{Binary: probe}}}}
    Properties: {{Handler: bootstrap, {properties}}}
  {resources}
"
    )
}

fn event(event: &str) -> String {
    with(&format!("Events: {{It: {event}}}"), "")
}

/// Holds a refusal against what it must say.
fn assert_refused(text: &str, expected: &[&str]) {
    let error = format!("{:#}", parse(text).unwrap_err());

    for expected in expected {
        assert!(error.contains(expected), "{expected} is not in: {error}");
    }
}

#[test]
fn what_is_not_served_is_refused_where_it_stands_with_what_to_do() {
    let bare = |resource: &str| format!("Resources: {{Fn: {{Type: AWS::Serverless::Function, {resource}}}}}");
    for (text, expected) in [
        (
            event("{Type: Api, Properties: {Path: /x, Method: get}}"),
            &["Fn: ", "Properties.Events.It", "Api", "HttpApi", "--leave-out Fn.It"][..],
        ),
        (
            event("{Type: SQS, Properties: {Queue: x}}"),
            &["Fn: ", "Properties.Events.It", "SQS", "--leave-out Fn.It"],
        ),
        (event("{Type: S3}"), &["Properties.Events.It", "S3"]),
        (event("{Type: EventBridgeRule}"), &["Properties.Events.It", "EventBridgeRule"]),
        (
            event("{Type: ScheduleV2, Properties: {ScheduleExpression: cron(0 8 * * ? *)}}"),
            &["event It", "cron", "rate"],
        ),
        (
            event("{Type: HttpApi, Properties: {Path: /x, Method: get, PayloadFormatVersion: '1.0'}}"),
            &["event It", "payload format 2.0"],
        ),
        (with("FunctionUrlConfig: {AuthType: NONE}", ""), &["Fn: Properties.FunctionUrlConfig", "HttpApi"]),
        (with("Layers: [x]", ""), &["Fn: Properties.Layers", "--leave-out Fn.Layers"]),
        (with("SnapStart: {ApplyOn: None}", ""), &["Fn: Properties.SnapStart"]),
        (with("DeadLetterQueue: {Type: SQS}", ""), &["Fn: Properties.DeadLetterQueue", "OnFailure"]),
        (with("FileSystemConfigs: []", ""), &["Fn: Properties.FileSystemConfigs"]),
        (with("InlineCode: x", ""), &["Fn: Properties.InlineCode", "binaries"]),
        (with("Runtime: python3.13", ""), &["Fn: Properties.Runtime", "python3.13", "provided.al2023"]),
        (with("PackageType: Image", ""), &["Fn: Properties.PackageType", "container images"]),
        (
            with("Environment: {Variables: {AWS_REGION: x}}", ""),
            &["Properties.Environment.Variables", "AWS_REGION is reserved"],
        ),
        (
            with("Environment: {Variables: {a-b: x}}", ""),
            &["Properties.Environment.Variables", "a-b is no name"],
        ),
        (with("Timeout: 18446744073709551615", ""), &["Fn: Properties.Timeout must be"]),
        (with("Timeout: 0", ""), &["Properties.Timeout must be"]),
        (with("MemorySize: 64", ""), &["Properties.MemorySize must be"]),
        (
            event("{Type: Schedule, Properties: {Schedule: rate(99999999999 days)}}"),
            &["event It", "rate(99999999999 days)"],
        ),
        (
            bare("Properties: {Runtime: provided.al2023, CodeUri: .}"),
            &["Fn: Metadata.BuildProperties.Binary"],
        ),
        (
            with("", "Rest: {Type: AWS::Serverless::Api}"),
            &["Rest: ", "AWS::Serverless::Api", "AWS::Serverless::HttpApi", "--leave-out Rest"],
        ),
        (
            with("", "Plain: {Type: AWS::Lambda::Function}"),
            &["Plain: ", "AWS::Lambda::Function", "AWS::Serverless::Function"],
        ),
        (with("", "Steps: {Type: AWS::Serverless::StateMachine}"), &["Steps: ", "--leave-out Steps"]),
        (with("", "Nested: {Type: AWS::CloudFormation::Stack}"), &["Nested: ", "TemplateURL"]),
        (
            with("", "Nested: {Type: AWS::Serverless::Application}"),
            &["Nested: ", "AWS::CloudFormation::Stack"],
        ),
        (
            with("", "Http: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionUri: x}}"),
            &["Http: Properties.DefinitionUri", "events"],
        ),
        (with("", "'Fn::ForEach::X': [A, [b], {}]"), &["Fn::ForEach::X"]),
        (
            with("", "A: {Type: AWS::Serverless::HttpApi}\n  B: {Type: AWS::Serverless::HttpApi}"),
            &["one AWS::Serverless::HttpApi", "2"],
        ),
        (
            with("", "").replace("Resources:", "Globals: {Api: {Cors: x}}\nResources:"),
            &["Globals.Api", "--leave-out Globals.Api"],
        ),
        (
            with("", "").replace("Transform: ", "Transform: [AWS::LanguageExtensions] #"),
            &["Transform", "AWS::LanguageExtensions"],
        ),
        (String::new(), &["Resources must be a map"]),
        ("a: b: c".to_owned(), &["not valid YAML", "line 1"]),
    ] {
        assert_refused(&text, expected);
    }
}

#[test]
fn what_would_mean_nothing_here_is_refused_where_it_stands() {
    for (text, expected) in [
        (
            with("Environment: {Variable: {FOO: bar}}", ""),
            &["Fn: Properties.Environment.Variable is not emulated"][..],
        ),
        (with("Environment: !Sub x", ""), &["Fn: Properties.Environment must be a map"]),
        (
            with("Environment: {Variables: !Sub x}", ""),
            &["Fn: Properties.Environment.Variables must be a map"],
        ),
        (with("ReservedConcurrentExecutions: 0", ""), &["ReservedConcurrentExecutions", "never run"]),
        (
            with("", "Q: {Type: AWS::SQS::Queue, Condition: !Equals [1, 2]}"),
            &["Q: Condition must be the name"],
        ),
        (
            event("{Type: HttpApi, Method: GET, Properties: {Path: /x}}"),
            &["Fn: Properties.Events.It.Method is not emulated"],
        ),
        (
            event("{Type: HttpApi, Properties: {Path: /x, Method: GET POST}}"),
            &["event It", "Method GET POST is none of ANY"],
        ),
        (
            event("{Type: HttpApi, Properties: {Path: /x, Method: get}}")
                + "  Http: {Type: AWS::Serverless::HttpApi}\n",
            &["event It", "another API, ServerlessHttpApi", "ApiId"],
        ),
    ] {
        assert_refused(&text, expected);
    }
}

#[test]
fn variables_are_those_of_the_environment_that_a_condition_chooses() {
    let given = |environment: &str| {
        let text = with(&format!("Environment: {environment}"), "")
            .replace("Resources:", "Conditions: {Yes: !Equals [1, 1], No: !Equals [1, 2]}\nResources:");
        let template = parse(&text).unwrap();
        let local = super::LocalAddresses { port: 1, console_port: 2 };
        template.environment(&template.functions[0], local, |_| None).unwrap().get("FOO").cloned()
    };
    for environment in [
        "{Variables: {FOO: bar}}",
        "!If [Yes, {Variables: {FOO: bar}}, !Ref AWS::NoValue]",
        "{'Fn::If': [No, {Ref: AWS::NoValue}, {Variables: {FOO: bar}}]}",
        "{Variables: !If [Yes, {FOO: !If [Yes, bar, baz]}, {}]}",
        "!If [No, {}, !If [Yes, {Variables: {FOO: bar}}, {}]]",
    ] {
        assert_eq!(given(environment).as_deref(), Some("bar"), "{environment}");
    }
    for environment in ["{}", "!If [No, {Variables: {FOO: bar}}, !Ref AWS::NoValue]", "!Ref AWS::NoValue"] {
        assert_eq!(given(environment), None, "{environment}");
    }
}

#[test]
fn reserved_concurrency_bounds_the_processes() {
    let concurrency = |properties: &str| parse(&with(properties, "")).unwrap().functions[0].concurrency(4);

    assert_eq!(concurrency(""), 4);
    assert_eq!(concurrency("ReservedConcurrentExecutions: 1"), 1);
    assert_eq!(concurrency("ReservedConcurrentExecutions: 50"), 4);
}

#[test]
fn a_function_that_names_no_binary_has_that_of_its_folder() {
    for (code, binary) in [("./functions/hello", "hello"), ("rust_app/", "rust_app"), ("hello", "hello")] {
        let text = with(&format!("CodeUri: {code}"), "").replace("Metadata:", "Other:");

        assert_eq!(parse(&text).unwrap().functions[0].binary, binary, "{code}");
    }
    for code in [".", "../", "s3://bucket/code"] {
        let text = with(&format!("CodeUri: {code}"), "").replace("Metadata:", "Other:");

        assert!(format!("{:#}", parse(&text).unwrap_err()).contains("BuildProperties.Binary"), "{code}");
    }
}

#[test]
fn the_name_of_a_kept_parameter_is_not_taken_for_its_value() {
    let text = with("Environment: {Variables: {KEPT: !Ref Kept}}", "").replace(
        "Resources:",
        "Parameters: {Kept: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /a/b}}\nResources:",
    );
    let template = parse(&text).unwrap();
    let local = super::LocalAddresses { port: 1, console_port: 2 };

    let error = template.environment(&template.functions[0], local, |_| None).unwrap_err();

    assert!(format!("{error:#}").contains("parameter Kept has no value"), "{error:#}");
}
