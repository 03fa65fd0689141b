//! An ordinary GraphQL client, made from the schema file and from the documents beside this.

use std::collections::HashMap;

use graphql_client::{Error, GraphQLQuery, Response};
use serde_json::Value;
use support::User;

type DateTime = String;
#[expect(clippy::upper_case_acronyms, reason = "the schema calls it so")]
type JSON = Value;

macro_rules! operations {
    ($($name:ident)*) => {$(
        #[derive(GraphQLQuery)]
        #[graphql(
            schema_path = "../functions/graphql/schema.graphql",
            query_path = "graphql/operations.graphql",
            response_derives = "Debug, Clone, PartialEq",
            variables_derives = "Clone, Default"
        )]
        pub(super) struct $name;
    )*};
}

operations! { Me Users Chats Chat Messages CreateChat AssignUserToChat SendMessage }

/// Asks, and gives what is answered.
pub(super) async fn ask<Q: GraphQLQuery>(user: &User, variables: Q::Variables) -> Response<Q::ResponseData> {
    let body = serde_json::to_value(Q::build_query(variables)).unwrap();
    let answer = user.post("/graphql", body).await.expect(200);
    serde_json::from_value(answer.clone()).unwrap_or_else(|err| panic!("{err}: {answer}"))
}

/// Asks for what must be answered.
pub(super) async fn data<Q: GraphQLQuery>(user: &User, variables: Q::Variables) -> Q::ResponseData {
    let Response { data, errors, .. } = ask::<Q>(user, variables).await;
    assert!(errors.is_none(), "{errors:?}");
    data.expect("what has no errors has data")
}

/// Asks for what must be refused with this code alone, and gives what else is said of it.
pub(super) async fn refusal<Q: GraphQLQuery>(
    user: &User,
    variables: Q::Variables,
    code: &str,
) -> HashMap<String, Value> {
    let errors = ask::<Q>(user, variables).await.errors.unwrap_or_default();
    let [Error { message, path: Some(_), extensions: Some(extensions), .. }] = errors.as_slice() else {
        panic!("one error, of one field: {errors:?}")
    };
    assert_eq!(extensions["code"], code, "{message}");
    extensions.clone()
}

/// Asks for what must be refused because of this argument.
pub(super) async fn refused_argument<Q: GraphQLQuery>(
    user: &User,
    variables: Q::Variables,
    code: &str,
    argument: &str,
) {
    let extensions = refusal::<Q>(user, variables, code).await;
    assert_eq!(extensions["errors"][0]["field"], argument, "{extensions:?}");
    assert!(extensions["errors"][0]["message"].is_string(), "{extensions:?}");
}
