//! What a run leaves out of a template: resources, and single events or properties of them or of `Globals`, which
//! only the deployment needs. References to them keep their values.

use anyhow::{Context, Result, ensure};
use serde_yaml_ng::{Mapping, Value};

use super::globals::GLOBALS;

/// A document without what is named, as `Resource`, as `Resource.Name` for its event or its property, as
/// `Globals.Section` or as `Globals.Section.Property`.
pub(super) fn leave_out(document: &Value, names: &[String]) -> Result<Value> {
    let mut document = document.clone();
    for name in names {
        let missing = || format!("--leave-out {name}: the template has nothing of that name");
        if let Some(part) = name.strip_prefix("Globals.") {
            let globals = map_at(&mut document, GLOBALS).with_context(missing)?;
            let left_out = match part.split_once('.') {
                None => globals.remove(part),
                Some((section, property)) => {
                    let section = globals.get_mut(section).and_then(Value::as_mapping_mut);
                    section.and_then(|section| section.remove(property))
                }
            };
            ensure!(left_out.is_some(), missing());
            continue;
        }
        let resources = map_at(&mut document, "Resources").context("Resources must be a map")?;
        let (id, part) = name.split_once('.').map_or((name.as_str(), None), |(id, part)| (id, Some(part)));
        let Some(part) = part else {
            ensure!(resources.remove(id).is_some(), missing());
            continue;
        };
        let resource = resources.get_mut(id).with_context(missing)?;
        let properties = map_at(resource, "Properties").with_context(missing)?;
        let property = properties.remove(part);
        let events = properties.get_mut("Events").and_then(Value::as_mapping_mut);
        let event = events.and_then(|events| events.remove(part));
        ensure!(property.is_some() || event.is_some(), missing());
    }
    Ok(document)
}

fn map_at<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Mapping> {
    value.get_mut(key)?.as_mapping_mut()
}

#[cfg(test)]
mod tests {
    use crate::template::{Choices, Template};

    const TEMPLATE: &str = "
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Rest: {Type: AWS::Serverless::Api, Properties: {StageName: prod}}
  Worker:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: worker}}
    Properties:
      Layers: [!Ref Rest]
      Environment: {Variables: {API: !Ref Rest}}
      Events:
        Jobs: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
        Home: {Type: HttpApi, Properties: {Method: get, Path: /}}
";

    fn parse(left_out: &[&str]) -> anyhow::Result<Template> {
        let left_out = left_out.iter().map(|name| (*name).to_owned()).collect();
        Template::parse(TEMPLATE, "us-east-1", &Choices { left_out, ..Choices::default() })
    }

    #[test]
    fn what_is_not_served_can_be_left_out_by_name() {
        let template = parse(&["Rest", "Worker.Layers", "Worker.Jobs"]).unwrap();

        assert_eq!(template.http_api.as_ref().unwrap().routes.len(), 1);
        let local = crate::template::LocalAddresses { port: 1, console_port: 2 };
        let environment = template.environment(&template.functions[0], local, |_| None).unwrap();
        assert_eq!(environment["API"], "Rest");
    }

    #[test]
    fn what_is_not_left_out_is_refused_with_the_name_to_leave_it_out_by() {
        for (left_out, named) in [
            (&[][..], "--leave-out Rest"),
            (&["Rest"], "--leave-out Worker.Layers"),
            (&["Rest", "Worker.Layers"], "--leave-out Worker.Jobs"),
        ] {
            let error = format!("{:#}", parse(left_out).unwrap_err());

            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn what_globals_bring_is_refused_with_the_name_to_leave_it_out_by() {
        let text = format!("Globals: {{Api: {{Cors: x}}, Function: {{Layers: [x], Timeout: 9}}}}{TEMPLATE}");
        let parse = |left_out: &[&str]| {
            let left_out = left_out.iter().map(|name| (*name).to_owned()).collect();
            Template::parse(&text, "us-east-1", &Choices { left_out, ..Choices::default() })
        };
        let mut left_out = vec!["Rest", "Worker.Jobs"];
        for named in [&["Globals.Api"][..], &["Worker.Layers", "Globals.Function.Layers"]] {
            let error = format!("{:#}", parse(&left_out).unwrap_err());

            let expected = format!("--leave-out {}", named.join(" "));
            assert!(error.ends_with(&expected), "{expected} is not at the end of: {error}");
            left_out.extend(named);
        }
        assert_eq!(parse(&left_out).unwrap().functions[0].timeout.as_secs(), 9);
    }

    #[test]
    fn a_name_that_is_not_there_is_refused() {
        for name in
            ["Nothing", "Worker.Nothing", "Queue.Jobs", "", "Worker.", "Globals.Api", "Globals.Api.Cors"]
        {
            let error = format!("{:#}", parse(&["Rest", name]).unwrap_err());

            assert!(error.contains(&format!("--leave-out {name}: ")), "{error}");
        }
    }
}
