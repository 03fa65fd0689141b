//! Operations on a real Postgres that other operations will call.

use super::*;
use crate::testing::{app, user};

async fn channel(app: &App, creator: UserId, name: &str, others: Vec<UserId>) -> Result<Conversation> {
    let new = NewConversation {
        kind: NewKind::Channel,
        name: Some(Name::try_from(name.to_owned()).expect("a name")),
        participant_ids: others,
        participant_emails: Vec::new(),
    };
    start(app, creator, new).await
}

async fn admin(app: &App, name: &str) -> UserId {
    let id = user(app, name).await;
    let sql = "update users set role = 'admin' where id = $1";
    app.postgres.query(sql, &[(&id.0, crate::postgres::Type::UUID)]).await.expect("an admin");
    id
}

#[tokio::test]
async fn of_several_channel_names_those_one_takes_part_in_are_found() {
    let app = app().await;
    let (root, ann) = (admin(&app, "root").await, user(&app, "ann").await);
    let open = channel(&app, root, "open", vec![ann]).await.expect("a channel");
    let closed = channel(&app, root, "closed", Vec::new()).await.expect("a channel");
    let names = ["open", "closed", "none-such", "No Name", "nul\0"].map(str::to_owned);

    let of_ann = find_channels(&app, ann, &names).await.expect("channels");
    let of_root = find_channels(&app, root, &names).await.expect("channels");

    assert_eq!(of_ann, HashMap::from([("open".to_owned(), open.id)]));
    assert_eq!(of_root, HashMap::from([("open".to_owned(), open.id), ("closed".to_owned(), closed.id)]));
    assert!(find_channels(&app, ann, &[]).await.expect("none").is_empty());
}

#[tokio::test]
async fn a_disabled_admin_starts_no_channel() {
    let app = app().await;
    let root = admin(&app, "root").await;
    let sql = "update users set disabled_at = now() where id = $1";
    app.postgres.query(sql, &[(&root.0, crate::postgres::Type::UUID)]).await.expect("a disabled admin");

    assert!(matches!(channel(&app, root, "open", Vec::new()).await, Err(Error::Forbidden(_))));
}
