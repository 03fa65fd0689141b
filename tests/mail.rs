//! Mails: verifying an address and setting a new password by the links in them.

use std::{fs, time::Duration};

use futures_util::future::join_all;
use reqwest::{Method, header};
use serde_json::{Value, json};
use support::{Answer, Handshake, PATIENCE, Stack, StackOptions, TestChat, User, page_of};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const VERIFY: &str = "/api/v1/auth/verify-email";
const RESEND: &str = "/api/v1/auth/resend-verification";
const RESET: &str = "/api/v1/auth/password-reset";
const CONFIRM: &str = "/api/v1/auth/password-reset/confirm";
const SIGNUP: &str = "/api/v1/auth/signup";
const NEW_PASSWORD: &str = "Something-Else-9";

/// A token of the right form that nobody was mailed.
fn foreign_token() -> String {
    "x".repeat(43)
}

fn new_account() -> Value {
    json!({
        "email": format!("new_{}@example.com", &Uuid::new_v4().simple().to_string()[..16]),
        "first_name": "Nora",
        "last_name": "New",
        "password": "Quite-Secret-4-you",
    })
}

async fn verify(chat: &TestChat, token: &str) -> Answer {
    chat.post(VERIFY, json!({"token": token})).await
}

async fn confirm(chat: &TestChat, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password, "password_confirm": password});
    chat.post(CONFIRM, body).await
}

/// Asks for a mail that lets somebody set a new password, and gives the token in it.
async fn reset_token(chat: &TestChat, user: &User) -> String {
    chat.post(RESET, json!({"email": user.email})).await.expect(202);
    chat.mail_to(&user.email, RESET, 1).await.token()
}

/// Lets all tokens of somebody expire.
async fn expire_tokens(chat: &TestChat, user: &User) {
    let sql = "update one_time_tokens set expires_at = now() - interval '1 second' where user_id = $1";
    let user = Uuid::parse_str(&user.id).unwrap();
    let changed = chat.stack.postgres_connection(None).await.execute(sql, &[&user]).await.unwrap();
    assert!(changed > 0);
}

#[tokio::test]
async fn the_link_in_the_mail_of_a_signup_verifies_the_address_by_a_click_on_its_page() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let mail = chat.mail_to(&alice.email, VERIFY, 1).await;
    assert_eq!(mail.to, std::slice::from_ref(&alice.email));
    assert_eq!(mail.from, "Chat <chat@example.com>");
    // A scanner that opens the link changes nothing, however often.
    let page = chat.open_page(&mail.link()).await;
    assert_eq!(chat.open_page(&mail.link()).await.len(), page.len());
    assert_eq!(alice.profile().await["email_verified"], false);
    let answer = chat.post_form(&mail.link(), &page, &[]).await;

    assert_eq!(answer.status, 200);
    assert!(page_of(answer).contains("is verified"));
    assert_eq!(alice.profile().await["email_verified"], true);
    let again = chat.post_form(&mail.link(), &page, &[]).await;
    assert_eq!(again.status, 200);
    assert!(page_of(again).contains("is verified"));
}

#[tokio::test]
async fn verifying_twice_by_one_token_is_harmless() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let token = chat.mail_to(&alice.email, VERIFY, 1).await.token();

    verify(&chat, &token).await.expect(204);
    verify(&chat, &token).await.expect(204);

    assert_eq!(alice.profile().await["email_verified"], true);
}

#[tokio::test]
async fn a_token_for_verifying_that_is_bad_is_refused_and_verifies_nobody() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let token = chat.mail_to(&alice.email, VERIFY, 1).await.token();
    let reset = reset_token(&chat, &alice).await;

    for bad in [foreign_token(), String::new(), "\0".to_owned(), format!("{token}x"), reset] {
        verify(&chat, &bad).await.expect_invalid("token");
    }
    chat.post(VERIFY, json!({})).await.expect_invalid("token");
    chat.post(VERIFY, json!({"token": 7})).await.expect_invalid("token");
    expire_tokens(&chat, &alice).await;
    verify(&chat, &token).await.expect_invalid("token");

    assert_eq!(alice.profile().await["email_verified"], false);
}

#[tokio::test]
async fn the_page_of_a_bad_link_says_so_when_its_button_is_pressed() {
    let chat = TestChat::start().await;

    for path in ["x".repeat(43), "%ff".to_owned(), "a%2Fb".to_owned()] {
        let passwords = [("password", NEW_PASSWORD), ("password_confirm", NEW_PASSWORD)];
        for (path, fields) in [(format!("{VERIFY}/{path}"), &[][..]), (format!("{RESET}/{path}"), &passwords)]
        {
            let page = chat.open_page(&path).await;
            let answer = chat.post_form(&path, &page, fields).await;

            assert_eq!(answer.status, 422, "{path}");
            assert!(page_of(answer).contains("is not valid"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_verification_mail_is_sent_again_to_whoever_asks_and_is_not_verified_yet() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let first = chat.mail_to(&alice.email, VERIFY, 1).await.token();

    alice.post(RESEND, json!({})).await.expect(202);
    let second = chat.mail_to(&alice.email, VERIFY, 2).await.token();
    chat.post(RESEND, json!({"email": alice.email.to_uppercase()})).await.expect(202);
    let third = chat.mail_to(&alice.email, VERIFY, 3).await.token();

    assert!(first != second && second != third);
    verify(&chat, &second).await.expect(204);
    verify(&chat, &third).await.expect(204);
}

#[tokio::test]
async fn whoever_is_verified_or_unknown_is_accepted_all_the_same_and_mailed_nothing() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let alice = chat.user("alice").await;
    verify(&chat, &chat.mail_to(&alice.email, VERIFY, 1).await.token()).await.expect(204);
    // What one job takes: an event may be delivered more than once.
    let of_one = chat.stack.settled_invocations("mail").await;
    assert!(of_one >= 1);

    alice.post(RESEND, json!({})).await.expect(202);
    let asked = [(RESEND, "nobody@example.com"), (RESEND, &alice.email), (RESET, "nobody@example.com")];
    for (path, email) in asked {
        chat.post(path, json!({"email": email})).await.expect(202);
    }

    // As many jobs as requests: what is known of an address makes no difference before the answer.
    assert_eq!(chat.stack.settled_invocations("mail").await, (1 + 4) * of_one);
    assert_eq!(chat.inbox_of(&alice.email).await.len(), 1);
    assert!(chat.inbox_of("nobody@example.com").await.is_empty());
}

#[tokio::test]
async fn an_address_that_is_none_is_named_as_is_a_missing_one() {
    let chat = TestChat::start().await;

    for body in [json!({}), json!({"email": "nobody"}), json!({"email": 7}), json!({"email": "a\0@b.co"})] {
        chat.post(RESET, body.clone()).await.expect_invalid("email");
        chat.post(RESEND, body).await.expect_invalid("email");
    }
    chat.call(Method::POST, RESEND, Some("not a token"), None).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn one_person_is_mailed_only_so_often_in_an_hour() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let alice = chat.user("alice").await;

    for _ in 0..15 {
        chat.post(RESET, json!({"email": alice.email})).await.expect(202);
        chat.stack.settled_invocations("mail").await;
    }

    let mails = chat.inbox_of(&alice.email).await;
    assert_eq!(mails.iter().filter(|mail| mail.link().contains(RESET)).count(), 10);
}

#[tokio::test]
async fn the_link_in_a_mail_sets_a_new_password_by_the_form_of_its_page_and_signs_out_everywhere() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut open = alice.connect().await;
    chat.post(RESET, json!({"email": alice.email})).await.expect(202);
    let link = chat.mail_to(&alice.email, RESET, 1).await.link();

    let page = chat.open_page(&link).await;
    let weak = [("password", "weak"), ("password_confirm", "weak")];
    let refused = chat.post_form(&link, &page, &weak).await;
    assert_eq!(refused.status, 422);
    let page = page_of(refused);
    assert!(page.contains("at least 10 characters"), "{page}");
    let different = [("password", NEW_PASSWORD), ("password_confirm", "Other-Than-That-1")];
    let page = page_of(chat.post_form(&link, &page, &different).await);
    assert!(page.contains("The second password must be the same"), "{page}");
    let fields = [("password", NEW_PASSWORD), ("password_confirm", NEW_PASSWORD)];
    let answer = chat.post_form(&link, &page, &fields).await;

    assert_eq!(answer.status, 200);
    assert!(page_of(answer).contains("is set"));
    assert_eq!(open.closed().await, 1000);
    assert_eq!(chat.connect(Handshake::new().bearer(&alice.access_token)).await.err(), Some(401));
    chat.refresh(&alice.refresh_token).await.expect_error(401, "unauthenticated");
    chat.log_in("email", &alice.email, &alice.password).await.expect_error(401, "unauthenticated");
    let signed_in = chat.log_in("email", &alice.email, NEW_PASSWORD).await.expect(200);
    assert_eq!(signed_in["user"]["email_verified"], true);
    let again = chat.post_form(&link, &page, &fields).await;
    assert_eq!(again.status, 422);
    assert!(page_of(again).contains("This link is not valid"));
}

#[tokio::test]
async fn nobody_stays_signed_in_by_the_old_password_however_their_sign_ins_race_the_new_one() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let token = reset_token(&chat, &alice).await;

    let signing_in = join_all((0..4).map(async |_| alice.sign_in_until_refused().await));
    let setting = async {
        // So that all of them are under way.
        chat.log_in("email", &alice.email, &alice.password).await.expect(200);
        confirm(&chat, &token, NEW_PASSWORD).await.expect(204);
    };
    let (signed_in, ()) = tokio::join!(signing_in, setting);

    let signed_in: Vec<_> = signed_in.into_iter().flatten().collect();
    assert!(!signed_in.is_empty());
    for refresh_token in signed_in {
        chat.refresh(&refresh_token).await.expect_error(401, "unauthenticated");
    }
}

#[tokio::test]
async fn the_other_tokens_for_a_new_password_are_void_once_one_is_used() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let first = reset_token(&chat, &alice).await;
    chat.post(RESET, json!({"email": alice.email})).await.expect(202);
    let second = chat.mail_to(&alice.email, RESET, 2).await.token();

    confirm(&chat, &first, NEW_PASSWORD).await.expect(204);

    for used in [&first, &second] {
        confirm(&chat, used, "Yet-Another-One-7").await.expect_invalid("token");
    }
    chat.log_in("email", &alice.email, NEW_PASSWORD).await.expect(200);
}

#[tokio::test]
async fn of_racing_uses_of_tokens_for_a_new_password_one_wins() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let first = reset_token(&chat, &alice).await;
    chat.post(RESET, json!({"email": alice.email})).await.expect(202);
    let second = chat.mail_to(&alice.email, RESET, 2).await.token();
    let passwords: Vec<_> = (0..6).map(|number| format!("Racing-Password-{number}")).collect();

    let uses = passwords.iter().zip([&first, &second].into_iter().cycle());
    let answers = join_all(uses.map(|(password, token)| confirm(&chat, token, password))).await;

    let won: Vec<_> = answers.iter().map(|answer| answer.status == 204).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{answers:?}");
    for (password, won) in passwords.iter().zip(won) {
        let status = chat.log_in("email", &alice.email, password).await.status;
        assert_eq!(status, if won { 200 } else { 401 }, "{password}");
    }
}

#[tokio::test]
async fn a_bad_new_password_is_named_and_leaves_the_token_usable() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let token = reset_token(&chat, &alice).await;

    let own = json!({"token": token, "password": alice.email, "password_confirm": alice.email});
    chat.post(CONFIRM, own).await.expect_invalid("password");
    confirm(&chat, &token, "too-weak").await.expect_invalid("password");
    confirm(&chat, &token, "Password1!").await.expect_invalid("password");
    let mut body = json!({"token": token, "password": NEW_PASSWORD, "password_confirm": "Other-Than-That-1"});
    chat.post(CONFIRM, body.clone()).await.expect_invalid("password_confirm");
    for field in ["token", "password", "password_confirm"] {
        let mut without = body.clone();
        without.as_object_mut().unwrap().remove(field);
        chat.post(CONFIRM, without).await.expect_invalid(field);
    }

    chat.log_in("email", &alice.email, &alice.password).await.expect(200);
    body["password_confirm"] = json!(NEW_PASSWORD);
    chat.post(CONFIRM, body).await.expect(204);
}

#[tokio::test]
async fn a_token_for_a_new_password_that_is_bad_sets_none() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let verification = chat.mail_to(&alice.email, VERIFY, 1).await.token();
    let token = reset_token(&chat, &alice).await;
    expire_tokens(&chat, &alice).await;

    for bad in [foreign_token(), String::new(), verification, token] {
        confirm(&chat, &bad, NEW_PASSWORD).await.expect_invalid("token");
    }

    chat.log_in("email", &alice.email, &alice.password).await.expect(200);
    alice.profile().await;
}

#[tokio::test]
async fn where_verification_is_required_nobody_signs_in_before_it() {
    let required = StackOptions { email_verification: "required", ..StackOptions::default() };
    let chat = TestChat::alone(required).await;
    let account = new_account();
    let email = account["email"].as_str().unwrap();
    let password = account["password"].as_str().unwrap();

    let signed_up = chat.post(SIGNUP, account.clone()).await.expect(201);
    assert_eq!(signed_up.as_object().unwrap().keys().collect::<Vec<_>>(), ["user"]);
    assert_eq!(signed_up["user"]["email_verified"], false);
    chat.log_in("email", email, password).await.expect_error(403, "email_not_verified");
    chat.log_in("email", email, "Not-The-Password-1").await.expect_error(401, "unauthenticated");
    let token = chat.mail_to(email, VERIFY, 1).await.token();
    verify(&chat, &token).await.expect(204);

    let signed_in = chat.log_in("email", email, password).await.expect(200);
    assert_eq!(signed_in["user"]["email_verified"], true);
}

#[tokio::test]
async fn where_verification_is_required_a_new_password_is_proof_enough() {
    let required = StackOptions { email_verification: "required", ..StackOptions::default() };
    let chat = TestChat::alone(required).await;
    let account = new_account();
    let email = account["email"].as_str().unwrap();
    chat.post(SIGNUP, account.clone()).await.expect(201);

    chat.post(RESET, json!({"email": email})).await.expect(202);
    let token = chat.mail_to(email, RESET, 1).await.token();
    confirm(&chat, &token, NEW_PASSWORD).await.expect(204);

    chat.log_in("email", email, NEW_PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_signup_succeeds_though_no_mail_can_be_written() {
    let stand_ins = vec![("mail", "exit 1".to_owned())];
    let chat = TestChat::alone(StackOptions { stand_ins, ..StackOptions::default() }).await;

    let alice = chat.user("alice").await;

    assert_eq!(alice.profile().await["email_verified"], false);
    assert!(chat.inbox_of(&alice.email).await.is_empty());
}

#[tokio::test]
async fn a_mail_that_could_not_be_written_is_written_later() {
    let gateway_args = vec!["--async-retry-wait".to_owned(), "0.2".to_owned()];
    let broken = "alter table one_time_tokens rename to one_time_tokens_away";
    let repaired = "alter table one_time_tokens_away rename to one_time_tokens";
    let chat = TestChat::alone(StackOptions { gateway_args, ..StackOptions::default() }).await;
    let postgres = chat.stack.postgres_connection(None).await;
    postgres.execute(broken, &[]).await.unwrap();

    let alice = chat.user("alice").await;
    let deadline = Instant::now() + PATIENCE;
    while chat.stack.finished_invocations("mail").await == 0 {
        assert!(Instant::now() < deadline, "no attempt was made");
        sleep(Duration::from_millis(2)).await;
    }
    postgres.execute(repaired, &[]).await.unwrap();

    let token = chat.mail_to(&alice.email, VERIFY, 1).await.token();
    verify(&chat, &token).await.expect(204);
}

#[tokio::test]
async fn a_killed_mail_function_fails_no_signup_and_the_mail_still_comes() {
    let gateway_args = vec!["--async-retry-wait".to_owned(), "0.1".to_owned()];
    let options = StackOptions { gateway_args, concurrency: 1, ..StackOptions::default() };
    let chat = TestChat::alone(options).await;

    for name in ["alice", "bob", "carol"] {
        for process in chat.stack.processes("mail").await {
            Stack::kill(&process);
        }
        let user = chat.user(name).await;

        assert_eq!(user.profile().await["email_verified"], false);
        chat.mail_to(&user.email, VERIFY, 1).await;
    }
}

#[tokio::test]
async fn a_mail_that_ses_refuses_fails_no_signup_and_is_logged_without_its_address() {
    let gateway_args = vec!["--async-retry-wait".to_owned(), "0.05".to_owned()];
    let options = StackOptions { mail_from: "chat@no domain", gateway_args, ..StackOptions::default() };
    let chat = TestChat::alone(options).await;

    let alice = chat.user("alice").await;

    let refused =
        |logs: &[String]| logs.iter().any(|log| log.contains("SES did not take a mail: status Some(400)"));
    wait_for_logs(&chat, refused).await;
    // Once and twice more; then the mail is given up.
    let given_up = |logs: &[String]| {
        logs.iter().any(|log| log.contains(r#""condition":"RetriesExhausted","attempts":3"#))
    };
    wait_for_logs(&chat, given_up).await;
    assert!(chat.inbox_of(&alice.email).await.is_empty());
    assert!(logs_of(&chat).iter().all(|log| !log.contains(&alice.email)));
}

#[tokio::test]
async fn an_address_that_ses_does_not_take_fails_no_signup() {
    let chat = TestChat::start().await;
    let mut account = new_account();
    account["email"] = json!(format!("ü{}", account["email"].as_str().unwrap()));
    account["username"] = json!(format!("u{}", &Uuid::new_v4().simple().to_string()[..16]));

    chat.post(SIGNUP, account).await.expect(201);
}

#[tokio::test]
async fn a_mail_to_an_international_domain_is_addressed_in_ascii() {
    let chat = TestChat::start().await;
    let mut account = new_account();
    let local = account["email"].as_str().unwrap().split('@').next().unwrap().to_owned();
    account["email"] = json!(format!("{local}@müller.example"));

    chat.post(SIGNUP, account).await.expect(201);

    chat.mail_to(&format!("{local}@xn--mller-kva.example"), VERIFY, 1).await;
}

#[tokio::test]
async fn a_name_is_never_mailed_and_neither_token_nor_address_is_logged_or_kept() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let mut account = new_account();
    account["first_name"] = json!("Click evil.example");
    let email = account["email"].as_str().unwrap().to_owned();
    chat.post(SIGNUP, account).await.expect(201);

    let mail = chat.mail_to(&email, VERIFY, 1).await;
    let page = chat.open_page(&mail.link()).await;
    assert_eq!(chat.post_form(&mail.link(), &page, &[]).await.status, 200);
    chat.stack.settled_invocations("mail").await;

    assert!(!(mail.text.clone() + &mail.html + &mail.subject).contains("evil.example"));
    assert!(chat.stack.postgres_tables_with(&mail.token()).await.is_empty());
    let posted = |logs: &[String]| logs.iter().any(|log| log.contains("POST /api/v1/auth/verify-email/…"));
    wait_for_logs(&chat, posted).await;
    for log in logs_of(&chat) {
        assert!(!log.contains(&mail.token()) && !log.contains(&email), "{log}");
    }
}

/// Logs are written in the background.
async fn wait_for_logs(chat: &TestChat, complete: impl Fn(&[String]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !complete(&logs_of(chat)) {
        assert!(Instant::now() < deadline, "what is awaited is not logged");
        sleep(Duration::from_millis(20)).await;
    }
}

fn logs_of(chat: &TestChat) -> Vec<String> {
    let files = fs::read_dir(chat.stack.logs()).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[tokio::test]
async fn the_inbox_shows_the_mail_and_refuses_foreign_hosts_and_origins() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    chat.mail_to(&alice.email, VERIFY, 1).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    for path in ["/inbox", "/inbox.json"] {
        let own = http.get(chat.stack.console(path)).send().await.unwrap();
        assert_eq!(own.status(), 200);
        assert!(own.text().await.unwrap().contains(&alice.email), "{path}");
        for (name, value) in [(header::HOST, "evil.example"), (header::ORIGIN, "http://evil.example")] {
            let foreign = http.get(chat.stack.console(path)).header(name, value).send().await.unwrap();
            assert_eq!(foreign.status(), 403);
        }
    }
    let page = http.get(chat.stack.console("/inbox")).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert!(page.text().await.unwrap().contains("sandbox=\"allow-popups"));
}

#[tokio::test]
async fn ses_is_refused_without_a_signature() {
    let chat = TestChat::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = || http.post(chat.stack.console("/v2/email/outbound-emails")).json(&json!({}));
    let signed = |service: &str| {
        format!("AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/{service}/aws4_request, Signature=x")
    };

    let unsigned = send().send().await.unwrap();
    let for_another = send().header(header::AUTHORIZATION, signed("lambda")).send().await.unwrap();
    let bad = send().header(header::AUTHORIZATION, signed("ses")).send().await.unwrap();

    assert_eq!(unsigned.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
    assert_eq!(for_another.headers()["x-amzn-errortype"], "SignatureDoesNotMatchException");
    assert_eq!(
        (unsigned.status().as_u16(), for_another.status().as_u16(), bad.status().as_u16()),
        (403, 403, 400)
    );
}
