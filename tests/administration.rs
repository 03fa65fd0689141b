//! What global admins do, and that nobody else does.

use reqwest::Method;
use serde_json::{Value, json};
use support::{Handshake, StackOptions, TestChat, User};

const USERS: &str = "/api/v1/admin/users";

fn user_path(user: &User, rest: &str) -> String {
    format!("{USERS}/{}{rest}", user.id)
}

async fn audit(admin: &User) -> Vec<Value> {
    admin.get("/api/v1/admin/audit").await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_disabled_user_is_shut_out_at_once_and_let_in_again() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let bob = chat.user("bob").await;
    let mut connection = bob.connect().await;

    let disabled = root.patch(&user_path(&bob, ""), json!({"disabled": true})).await.expect(200);

    assert_eq!((&disabled["id"], &disabled["disabled"]), (&json!(bob.id), &json!(true)));
    assert_eq!(connection.closed().await, 1000);
    let handshake = Handshake::new().bearer(&bob.access_token);
    assert_eq!(chat.connect(handshake).await.err(), Some(403));
    chat.refresh(&bob.refresh_token).await.expect_error(401, "unauthenticated");
    chat.log_in("email", &bob.email, &bob.password).await.expect_error(403, "forbidden");
    root.patch(&user_path(&bob, ""), json!({"disabled": true})).await.expect(200);

    let enabled = root.patch(&user_path(&bob, ""), json!({"disabled": false})).await.expect(200);

    assert_eq!(enabled["disabled"], false);
    bob.signed_in_again().await.connect().await.ping().await;
    let of_bob: Vec<_> =
        audit(&root).await.into_iter().filter(|deed| deed["target"] == json!(bob.id)).collect();
    let actions: Vec<_> = of_bob.iter().map(|deed| deed["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["user.enabled", "user.disabled"], "newest first, and nothing where nothing changed");
    assert!(of_bob.iter().all(|deed| deed["actor_id"] == json!(root.id)));
}

#[tokio::test]
async fn whoever_is_made_an_admin_is_one_with_the_token_they_have_and_no_more_when_demoted() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let bob = chat.user("bob").await;
    bob.get(USERS).await.expect_error(403, "forbidden");

    let promoted = root.patch(&user_path(&bob, ""), json!({"role": "admin"})).await.expect(200);
    assert_eq!(promoted["role"], "admin");
    bob.get(USERS).await.expect(200);

    root.patch(&user_path(&bob, ""), json!({"role": "user"})).await.expect(200);
    bob.get(USERS).await.expect_error(403, "forbidden");
    let roles = audit(&root).await.into_iter().find(|deed| deed["target"] == json!(bob.id)).unwrap();
    assert_eq!(roles["details"], json!({"from": "admin", "to": "user"}));
}

#[tokio::test]
async fn the_last_admin_can_be_neither_demoted_nor_disabled_also_when_two_race() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let [root, ann] = [chat.admin("root").await, chat.admin("ann").await];

    let (of_ann, of_root) = (user_path(&ann, ""), user_path(&root, ""));
    let demotion = json!({"role": "user"});
    let (one, other) =
        tokio::join!(root.patch(&of_ann, demotion.clone()), ann.patch(&of_root, demotion.clone()));

    let mut statuses = [one.status, other.status];
    let last = if statuses[0] == 200 { &root } else { &ann };
    statuses.sort_unstable();
    // Whoever comes second is no admin any more.
    assert_eq!(statuses, [200, 403]);
    last.patch(&user_path(last, ""), json!({"role": "user"})).await.expect_conflict("role");
    last.patch(&user_path(last, ""), json!({"disabled": true})).await.expect_conflict("disabled");
    last.get(USERS).await.expect(200);
}

#[tokio::test]
async fn an_admin_sees_and_ends_the_sessions_of_a_user() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let bob = chat.user("bob").await;
    let mut connection = bob.connect().await;
    let path = user_path(&bob, "/sessions");

    let listed = root.get(&path).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["current"], false);

    root.delete(&path).await.expect(204);

    assert_eq!(connection.closed().await, 1000);
    chat.refresh(&bob.refresh_token).await.expect_error(401, "unauthenticated");
    assert_eq!(root.get(&path).await.expect(200)["items"], json!([]));
    root.get(&format!("{path}?cursor=nonsense")).await.expect_invalid("cursor");
    let deed = audit(&root).await.into_iter().find(|deed| deed["target"] == json!(bob.id)).unwrap();
    assert_eq!((&deed["action"], &deed["details"]), (&json!("user.signed_out"), &json!({"sessions": 1})));
    root.delete(&path).await.expect(204);
    bob.signed_in_again().await;
}

#[tokio::test]
async fn bad_input_to_administration_names_the_field() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let bob = chat.user("bob").await;
    let of_bob = user_path(&bob, "");
    let change = |body| root.patch(&of_bob, body);

    for list in ["users", "conversations", "audit"] {
        for (field, query) in [("limit", "limit=0"), ("limit", "limit=many"), ("cursor", "cursor=nonsense")] {
            root.get(&format!("/api/v1/admin/{list}?{query}")).await.expect_invalid(field);
        }
    }
    change(json!({"role": "boss"})).await.expect_invalid("role");
    change(json!({"disabled": "yes"})).await.expect_invalid("disabled");
    root.delete("/api/v1/admin/conversations/nonsense").await.expect_error(404, "not_found");

    assert_eq!(change(json!({})).await.expect(200), bob.profile().await, "nothing is asked for");
}

#[tokio::test]
async fn an_admin_deletes_any_conversation_and_those_in_it_hear_of_it() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    alice.send(&conversation, "a text that no admin sees").await;
    let mut connection = bob.connect_to(&conversation).await;
    let path = format!("/api/v1/admin/conversations/{}", conversation.id);
    let listed = root.get("/api/v1/admin/conversations?limit=100").await.expect(200);
    let shown = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == json!(conversation.id));
    let shown = shown.unwrap();
    assert_eq!((&shown["kind"], &shown["participant_count"]), (&json!("direct"), &json!(2)));
    assert!(!listed.to_string().contains("no admin sees"));

    root.delete(&path).await.expect(204);

    assert_eq!(
        connection.next_event_of("conversation.deleted").await["conversation_id"],
        json!(conversation.id)
    );
    alice.get(&conversation.path("")).await.expect_error(404, "not_found");
    root.delete(&path).await.expect_error(404, "not_found");
    let again = alice.direct_with(&bob).await;
    assert_ne!(again, conversation, "the two may start anew");
    let deed = audit(&root).await.into_iter().find(|deed| deed["target"] == json!(conversation.id)).unwrap();
    assert_eq!((&deed["action"], &deed["actor_id"]), (&json!("conversation.deleted"), &json!(root.id)));
}

#[tokio::test]
async fn users_are_listed_searched_and_counted() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let root = chat.admin("root").await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    alice.direct_with(&bob).await;

    let all = root.get(&format!("{USERS}?limit=2")).await.expect(200);
    let rest =
        root.get(&format!("{USERS}?limit=2&cursor={}", all["next"].as_str().unwrap())).await.expect(200);
    let found = root.get(&format!("{USERS}?search={}", bob.username)).await.expect(200);
    let figures = root.get("/api/v1/admin/stats").await.expect(200);

    assert_eq!(all["items"].as_array().unwrap().len() + rest["items"].as_array().unwrap().len(), 3);
    assert_eq!(found["items"], json!([bob.profile().await]));
    let seen = root.get(&format!("/api/v1/users/{}", bob.id)).await.expect(200);
    assert_eq!(seen, bob.profile().await);
    assert_eq!(
        (&figures["users"], &figures["admins"], &figures["disabled_users"]),
        (&json!(3), &json!(1), &json!(0))
    );
    assert_eq!(figures["conversations"], json!({"direct": 1, "group": 0, "channel": 0}));
    assert!(figures["sessions"].as_i64().unwrap() >= 3);
}

#[tokio::test]
async fn nobody_else_reaches_any_of_it() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let bob = chat.user("bob").await;
    let routes = [
        (Method::GET, USERS.to_owned()),
        (Method::PATCH, user_path(&root, "")),
        (Method::GET, user_path(&root, "/sessions")),
        (Method::DELETE, user_path(&root, "/sessions")),
        (Method::GET, "/api/v1/admin/conversations".to_owned()),
        (Method::DELETE, "/api/v1/admin/conversations/01890a5d-ac96-774b-bcce-b302099a8057".to_owned()),
        (Method::GET, "/api/v1/admin/audit".to_owned()),
        (Method::GET, "/api/v1/admin/stats".to_owned()),
    ];

    for (method, path) in routes {
        let body = (method == Method::PATCH).then(|| json!({"disabled": true}));
        let call = |token| chat.call(method.clone(), &path, token, body.clone());
        call(None).await.expect_error(401, "unauthenticated");
        call(Some(bob.access_token.as_str())).await.expect_error(403, "forbidden");
    }
    root.patch(&format!("{USERS}/nonsense"), json!({"role": "user"})).await.expect_error(404, "not_found");
    let nobody = format!("{USERS}/01890a5d-ac96-774b-bcce-b302099a8057");
    root.patch(&nobody, json!({"role": "user"})).await.expect_error(404, "not_found");
    root.get(&format!("{nobody}/sessions")).await.expect_error(404, "not_found");
    root.delete(&format!("{nobody}/sessions")).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn the_operator_makes_the_first_admin_with_a_password_or_of_an_account_there_is() {
    let chat = TestChat::start().await;
    let bob = chat.user("bob").await;
    let email = format!("root-{}", bob.email);
    let appoint = async |event: Value| chat.stack.invoke_with("migrate", json!({"admin": event})).await;

    assert_eq!(appoint(json!({"email": email})).await, json!({"admin": "password_required"}));
    let weak = appoint(json!({"email": email, "password": "weak"})).await;
    assert_eq!(weak["errors"][0]["field"], "password");
    let nobody = appoint(json!({"email": "nobody"})).await;
    assert_eq!(nobody["errors"][0]["field"], "email");
    let made = json!({"email": email, "password": "Correct-Horse-1"});
    assert_eq!(appoint(made.clone()).await, json!({"admin": "created"}));
    assert_eq!(appoint(made).await, json!({"admin": "unchanged"}));
    let unverified = json!({"email": bob.email, "unverified": true});
    assert_eq!(
        appoint(json!({"email": bob.email})).await,
        json!({"admin": "unverified"}),
        "bob's or a squatter's"
    );
    assert_eq!(appoint(unverified.clone()).await, json!({"admin": "promoted"}));

    let signed_in = chat.log_in("email", &email, "Correct-Horse-1").await.expect(200);
    assert_eq!(signed_in["user"]["role"], "admin");
    assert_eq!(signed_in["user"]["email_verified"], true);
    bob.get(USERS).await.expect(200);
}
