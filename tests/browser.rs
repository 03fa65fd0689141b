//! What people see and do in a browser: each story is told by the file of its name in `tests/browser`.

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
