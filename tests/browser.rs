//! What people see and do in a browser, and what the client does without one: each story is told by the file of its name in
//! `tests/browser`.

use support::{Stack, StackOptions, tell};
use tokio::sync::OnceCell;

/// The stack that these stories share.
async fn stack() -> &'static Stack {
    static SHARED: OnceCell<Stack> = OnceCell::const_new();
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    SHARED.get_or_init(async || Stack::start(options.clone()).await).await
}

#[tokio::test]
async fn two_people_chat_in_two_browsers() {
    tell(stack().await, "two_people").await;
}

#[tokio::test]
async fn who_was_offline_sees_exactly_the_right_room_and_what_was_written_meanwhile_is_sent_once() {
    tell(stack().await, "offline").await;
}

#[tokio::test]
async fn hostile_text_and_names_are_shown_as_text() {
    tell(stack().await, "hostile").await;
}

#[tokio::test]
async fn the_keyboard_alone_leads_from_sign_up_to_the_first_message() {
    tell(stack().await, "keyboard").await;
}

#[tokio::test]
async fn a_send_that_fails_says_why_and_is_sent_once_by_a_retry() {
    let options = StackOptions { throttle_messages: "2/8".to_owned(), ..StackOptions::default() };
    tell(&Stack::start(options).await, "failing").await;
}

#[tokio::test]
async fn mailed_links_verify_and_reset_and_sessions_are_ended_from_the_settings() {
    tell(stack().await, "account").await;
}

#[tokio::test]
async fn people_come_to_a_group_get_roles_are_removed_and_leave() {
    tell(stack().await, "group").await;
}

#[tokio::test]
async fn a_long_room_is_read_back_to_its_beginning_and_searched() {
    tell(stack().await, "long_room").await;
}

#[tokio::test]
async fn admins_look_after_people_conversations_and_programs_and_nobody_else_does() {
    tell(stack().await, "admin").await;
}

#[tokio::test]
async fn axe_finds_nothing_on_any_page_in_either_theme() {
    tell(stack().await, "accessible").await;
}

#[tokio::test]
async fn the_first_load_is_small_and_the_second_asks_only_for_what_is_not_kept() {
    tell(stack().await, "first_load").await;
}

#[tokio::test]
async fn the_client_module_misses_nothing_and_sends_once_over_a_network_that_is_cut() {
    tell(stack().await, "client_module").await;
}
