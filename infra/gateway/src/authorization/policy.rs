//! The IAM policies that Lambda authorizers return (API Gateway Developer Guide, "Output from an API Gateway
//! Lambda authorizer").
//!
//! What is not understood is an error and never an allowance: conditions and negated elements are not evaluated
//! here.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy(Vec<Statement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    effect: Effect,
    actions: Vec<String>,
    resources: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    // First, because any value is one.
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    statement: OneOrMany<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wire {
    effect: Effect,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
    #[serde(default, rename = "Sid")]
    _sid: IgnoredAny,
}

impl Policy {
    /// Reads a policy document.
    pub(super) fn read(document: &Value) -> Result<Self, String> {
        let invalid = |error: serde_json::Error| format!("invalid policyDocument: {error}");
        let document = Document::deserialize(document).map_err(invalid)?;
        let read = |statement: Value| {
            let wire = Wire::deserialize(statement).map_err(invalid)?;
            Ok(Statement {
                effect: wire.effect,
                actions: wire.action.into_vec(),
                resources: wire.resource.into_vec(),
            })
        };
        document.statement.into_vec().into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the policy allows a resource to be invoked: something must allow it, and nothing deny it.
    pub(super) fn allows(&self, arn: &str) -> bool {
        let effects = || {
            let applies = |statement: &&Statement| {
                let invokes = |action: &String| matches(&action.to_ascii_lowercase(), "execute-api:invoke");
                statement.actions.iter().any(invokes)
                    && statement.resources.iter().any(|resource| matches(resource, arn))
            };
            self.0.iter().filter(applies).map(|statement| statement.effect)
        };
        effects().any(|effect| effect == Effect::Allow) && effects().all(|effect| effect == Effect::Allow)
    }
}

/// Whether a pattern with `*` for any text and `?` for any character is a text.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where to go on if the last star must take one character more.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((last, taken)) = star else { return false };
                star = Some((last, taken + 1));
                at = last + 1;
                from = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fuzzing::fuzz;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:api/stage/GET/items/7";

    fn policy(statements: &Value) -> Policy {
        Policy::read(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap()
    }

    fn statement(effect: &str, resource: &str) -> Value {
        json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource})
    }

    #[test]
    fn a_pattern_is_matched_by_stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a*b*c", "axxbyybzc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a", "ab", false),
            ("ab", "a", false),
            ("*/GET/*", ARN, true),
            ("*/POST/*", ARN, false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    /// The same by trying everything.
    fn matches_slowly(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            (['*', rest @ ..], text) => (0..=text.len()).any(|taken| matches_slowly(rest, &text[taken..])),
            ([c, rest @ ..], [first, others @ ..]) => {
                (*c == '?' || c == first) && matches_slowly(rest, others)
            }
            _ => false,
        }
    }

    #[test]
    fn fuzz_patterns_match_what_trying_everything_matches() {
        let inputs = ("[ab*?]{0,8}", "[ab]{0,10}", proptest::prelude::any::<String>());
        fuzz("templates: patterns of policies", 10, &inputs, |(pattern, text, other)| {
            for text in [text, other] {
                let slowly: (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
                assert_eq!(
                    matches(&pattern, &text),
                    matches_slowly(&slowly.0, &slowly.1),
                    "{pattern} {text}"
                );
            }
        });
    }

    #[test]
    fn fuzz_policies_are_read_or_refused_and_never_allow_what_is_denied() {
        use proptest::prelude::*;
        let text = || {
            prop_oneof![
                Just("*".to_owned()),
                Just(ARN.to_owned()),
                Just("execute-api:Invoke".to_owned()),
                any::<String>()
            ]
        };
        let one_or_many = move || {
            prop_oneof![
                text().prop_map(Value::from),
                proptest::collection::vec(text(), 0..3).prop_map(Value::from),
                Just(Value::Null)
            ]
        };
        let effect = prop_oneof![Just("Allow"), Just("Deny"), Just("deny")];
        let one = (effect, one_or_many(), one_or_many()).prop_map(
            |(effect, action, resource)| json!({"Effect": effect, "Action": action, "Resource": resource}),
        );
        let inputs = proptest::collection::vec(one, 0..4);
        fuzz("templates: policies", 5, &inputs, |statements| {
            let read = Policy::read(&json!({"Statement": statements}));

            let denies_all = json!({"Effect": "Deny", "Action": "*", "Resource": "*"});
            let Ok(policy) = read else { return };
            let allows = statements.iter().any(|statement| statement["Effect"] == "Allow");
            assert!(allows || !policy.allows(ARN));
            let with_denial = [statements, vec![denies_all]].concat();
            assert!(!Policy::read(&json!({"Statement": with_denial})).unwrap().allows(ARN));
        });
    }

    #[test]
    fn something_must_allow_and_nothing_deny() {
        assert!(policy(&json!([statement("Allow", ARN)])).allows(ARN));
        assert!(policy(&statement("Allow", "*")).allows(ARN));
        assert!(!policy(&json!([])).allows(ARN));
        assert!(!policy(&json!([statement("Deny", "*")])).allows(ARN));
        assert!(!policy(&json!([statement("Allow", "*"), statement("Deny", ARN)])).allows(ARN));
        assert!(policy(&json!([statement("Allow", "*"), statement("Deny", "other")])).allows(ARN));
        assert!(!policy(&json!([statement("Allow", "arn:*/stage/GET/items")])).allows(ARN));
    }

    #[test]
    fn an_action_is_compared_without_its_case_and_may_be_a_pattern() {
        let of = |action: Value| {
            policy(&json!({"Effect": "Allow", "Action": action, "Resource": [ARN]})).allows(ARN)
        };

        assert!(of(json!("execute-api:*")) && of(json!("*")) && of(json!(["s3:Get", "Execute-API:invoke"])));
        assert!(!of(json!("execute-api:ManageConnections")));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for statement in [
            json!({"Effect": "Maybe", "Action": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "*"}),
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}),
            json!({"Effect": "Allow", "NotAction": "x", "Resource": "*"}),
        ] {
            assert!(Policy::read(&json!({"Statement": [statement]})).is_err(), "{statement}");
        }
        assert!(Policy::read(&json!({})).is_err());
    }
}
