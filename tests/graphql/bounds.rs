//! How much may be asked for, and what is no GraphQL.

use reqwest::Method;
use serde_json::{Value, json};
use support::{StackOptions, TestChat, User};

use super::post;

/// The code and the sentence by which a document is refused as a whole.
async fn refused(user: &User, document: &str) -> (String, String) {
    let answer = post(user, document, json!({})).await;
    assert_eq!(answer["data"], Value::Null, "nothing of it is done: {answer}");
    let errors = answer["errors"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&errors[0]["extensions"]["code"]), text(&errors[0]["message"]))
}

#[tokio::test]
async fn what_is_no_document_of_the_schema_is_refused_with_a_code() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    for (document, code) in [
        ("", "malformed"),
        ("{ me { id }", "malformed"),
        ("fragment f on User { id }", "malformed"),
        ("{ me { id } } { me { id } }", "malformed"),
        ("{ nothing }", "invalid"),
        ("{ me }", "invalid"),
        ("{ me { id { deeper } } }", "invalid"),
        ("{ me { ...missing } }", "invalid"),
        ("{ chat { id } }", "invalid"),
        ("{ chat(id: {a: 1}) { id } }", "invalid"),
        ("query ($id: ID!) { chat(id: $id) { id } }", "invalid"),
        ("query ($first: String) { chats(first: $first) { nodes { id } } }", "invalid"),
        ("{ chats(first: 99999999999) { nodes { id } } }", "invalid"),
        ("query a { me { id } } query b { me { id } }", "invalid"),
        ("subscription { me { id } }", "invalid"),
        ("{ me @unknown { id } }", "invalid"),
        ("{ me @skip(if: true) @skip(if: true) { id } }", "invalid"),
        ("{ me { id } ...f } fragment f on Query { ...f }", "invalid"),
    ] {
        assert_eq!(refused(&alice, document).await.0, code, "{document}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_as_a_request_is_a_problem_as_everywhere() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let raw = async |body: String| {
        let request = chat.request(Method::POST, "/graphql", Some(&alice.access_token));
        chat.answer_to(request.header("content-type", "application/json").body(body)).await
    };

    raw("{".to_owned()).await.expect_error(400, "malformed");
    raw("[]".to_owned()).await.expect_invalid(".");
    raw(json!([{"query": "{ me { id } }"}]).to_string()).await.expect_invalid(".");
    raw("{}".to_owned()).await.expect_invalid("query");
    raw(json!({"query": 5}).to_string()).await.expect_invalid("query");
    raw(json!({"query": "{ me { id } }", "variables": [1]}).to_string()).await.expect_invalid("variables");
    raw(json!({"query": "{ me { id } }", "operationName": 1}).to_string())
        .await
        .expect_invalid("operationName");
    raw(json!({"query": " ".repeat(64 * 1024)}).to_string()).await.expect_error(413, "too_large");
}

#[tokio::test]
async fn what_asks_for_too_much_is_refused_and_no_alias_or_fragment_gets_round_it() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let room = alice.start_conversation_with([]).await;
    let id = &room.id;
    let many = |field: &str, count: usize| {
        let fields: Vec<_> = (0..count).map(|number| format!("f{number}: {field}")).collect();
        fields.join(" ")
    };
    let page = format!(
        "messages(chatId: \"{id}\", first: 100) {{ nodes {{ content reactions {{ emoji userIds }} }} }}"
    );

    for document in [
        format!("{{ {} }}", many("me { id }", 40)),
        format!("{{ {} }}", many(&page, 4)),
        format!(
            "{{ {} }}",
            many("...f", 1).replace("f0: ", "") + " } fragment f on Query { " + &many(&page, 4)
        ),
        format!(
            "mutation {{ {} }}",
            many(&format!("sendMessage(chatId: \"{id}\", content: \"x\") {{ id }}"), 40)
        ),
        format!("{{ me {{ {} }} }}", many("id", 1001)),
    ] {
        let (code, message) = refused(&alice, &document).await;
        assert_eq!(code, "invalid", "{document}: {message}");
        assert!(message.contains("too complex") || message.contains("1000 fields"), "{document}: {message}");
    }
    let usual = post(&alice, &format!("{{ {page} me {{ id }} }}"), json!({})).await;
    assert_eq!(usual["errors"], Value::Null, "a whole page is not too much");
    assert!(alice.history(&room).await.is_empty());
}

#[tokio::test]
async fn the_number_of_a_variable_counts_like_one_in_the_document() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let document = "query ($n: Int) { a: chats(first: $n) { nodes { ...f } } b: chats(first: $n) { nodes { ...f } } }
        fragment f on Chat { id name participants { userId userName userEmail role } lastMessage { content metadata } }";

    let few = post(&alice, document, json!({"n": 1})).await;
    let many = post(&alice, document, json!({"n": 100})).await;

    assert_eq!(few["errors"], Value::Null);
    assert_eq!(many["errors"][0]["message"], "Query is too complex.", "{many}");
    assert_eq!(many["errors"][0]["extensions"]["code"], "invalid");
}

#[tokio::test]
async fn documents_and_variables_that_are_nested_deep_are_refused_and_harm_nobody() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let deep = 15_000;

    for document in [
        "{ me ".repeat(5000),
        format!("{}{}", "{a".repeat(deep), "}".repeat(deep)),
        format!("{{ a(b: {}{}) }}", "[".repeat(deep), "]".repeat(deep)),
        format!("{{ __type(name: \"User\") {}{} }}", "{ ofType ".repeat(20), "}".repeat(20)),
    ] {
        let (code, message) = refused(&alice, &document).await;
        assert_eq!(code, "invalid", "{message}");
        assert!(message.contains("nested too deep"), "{message}");
    }
    let variables = format!("{{\"a\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    let body = format!("{{\"query\": \"{{ me {{ id }} }}\", \"variables\": {variables}}}");
    let request = chat.request(Method::POST, "/graphql", Some(&alice.access_token));
    chat.answer_to(request.body(body)).await.expect_error(400, "malformed");

    assert_eq!(post(&alice, "{ me { id } }", json!({})).await["data"]["me"]["id"], alice.id.as_str());
}

#[tokio::test]
async fn the_schema_is_told_in_development() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let document = "{ __schema { queryType { name } mutationType { fields { name args { name } } } }
        __type(name: \"User\") { fields { name type { kind ofType { name } } } } }";

    let told = post(&alice, document, json!({})).await;

    assert_eq!(told["errors"], Value::Null, "{told}");
    assert_eq!(told["data"]["__schema"]["queryType"]["name"], "Query");
    assert_eq!(told["data"]["__type"]["fields"][0]["name"], "id");
}

#[tokio::test]
async fn in_production_neither_the_schema_nor_the_page_is_there() {
    let chat = TestChat::alone(StackOptions { environment: "production", ..StackOptions::default() }).await;
    let alice = chat.user("alice").await;

    for document in [
        "{ __schema { queryType { name } } }",
        "{ me { id } a: __type(name: \"User\") { name } }",
        "{ ...f } fragment f on Query { __schema { queryType { name } } }",
    ] {
        assert_eq!(refused(&alice, document).await.0, "forbidden", "{document}");
    }
    chat.get("/graphql").await.expect_error(404, "not_found");
    assert_eq!(post(&alice, "{ me { __typename } }", json!({})).await["data"]["me"]["__typename"], "User");
}
