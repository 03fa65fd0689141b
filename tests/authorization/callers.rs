//! Those who ask, and what they ask about.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use support::tokens::{self, Forgery};
use support::{Conversation, Message, TestChat, User};

use super::Row;

/// Somebody who asks, in the order of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Nobody,
    Expired,
    Forged,
    Foreign,
    Disabled,
    Stranger,
    Removed,
    Member,
    Admin,
    Global,
}

impl Caller {
    pub(super) const ALL: [Self; 10] = [
        Self::Nobody,
        Self::Expired,
        Self::Forged,
        Self::Foreign,
        Self::Disabled,
        Self::Stranger,
        Self::Removed,
        Self::Member,
        Self::Admin,
        Self::Global,
    ];

    /// The token that is shown for an account.
    pub(super) fn token(self, account: &User) -> Option<String> {
        let token = account.access_token.as_str();
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Some(match self {
            Self::Nobody => return None,
            Self::Expired => Forgery::of(token).claims(|claims| claims["exp"] = json!(now() - 60)).signed(),
            Self::Forged => tokens::forged(token),
            Self::Foreign => Forgery::of(token).claims(|claims| claims["aud"] = json!("another")).signed(),
            _ => token.to_owned(),
        })
    }
}

/// All who ask in one part of the table.
pub(super) struct Cast {
    pub(super) chat: TestChat,
    disabled: User,
    stranger: User,
    removed: User,
    pub(super) member: User,
    pub(super) admin: User,
    pub(super) global: User,
    /// In every conversation, and what things are done to.
    pub(super) bystander: User,
    /// In no conversation.
    pub(super) outsider: User,
}

/// A conversation of the cast, and a message that its member sent there.
pub(super) struct Scene {
    pub(super) conversation: Conversation,
    pub(super) message: Message,
}

impl Cast {
    pub(super) async fn gather(chat: &TestChat) -> Self {
        let (global, disabled) = tokio::join!(chat.admin("global"), chat.admin("disabled"));
        let names = ["stranger", "removed", "member", "admin", "bystander", "outsider"];
        let [stranger, removed, member, admin, bystander, outsider] = chat.users(names).await;
        let cast = Self {
            chat: chat.clone(),
            disabled,
            stranger,
            removed,
            member,
            admin,
            global,
            bystander,
            outsider,
        };
        cast.disable(&cast.disabled).await;
        cast
    }

    pub(super) async fn disable(&self, user: &User) {
        let path = format!("/api/v1/admin/users/{}", user.id);
        self.global.patch(&path, json!({"disabled": true})).await.expect(200);
    }

    /// Whose account a caller has or, with a bad token, says they have.
    pub(super) fn account(&self, caller: Caller, row: &Row) -> &User {
        match caller {
            Caller::Nobody => &self.bystander,
            Caller::Expired | Caller::Forged | Caller::Foreign if row.path.starts_with("/api/v1/admin") => {
                &self.global
            }
            Caller::Expired | Caller::Forged | Caller::Foreign | Caller::Admin => &self.admin,
            Caller::Disabled => &self.disabled,
            Caller::Stranger => &self.stranger,
            Caller::Removed => &self.removed,
            Caller::Member => &self.member,
            Caller::Global => &self.global,
        }
    }

    /// Somebody like a caller, for what nobody does twice; in no conversation.
    pub(super) async fn newcomer_like(&self, caller: Caller) -> User {
        match caller {
            Caller::Global => self.chat.admin("global").await,
            Caller::Disabled => {
                let disabled = self.chat.admin("disabled").await;
                self.disable(&disabled).await;
                disabled
            }
            _ => self.chat.user("newcomer").await,
        }
    }

    /// What a row is about, if it is about a conversation.
    pub(super) async fn scene(&self, row: &Row) -> Option<Scene> {
        if !["FIELD", "FRAME"].contains(&row.method) && !row.path.contains("/conversations/{id}") {
            return None;
        }
        let others = [&self.member, &self.removed, &self.bystander];
        let conversation = self.admin.start_conversation_with(others).await;
        let disabled = json!({"user_id": self.disabled.id, "role": "admin"});
        self.admin.post(&conversation.path("/participants"), disabled).await.expect(201);
        self.admin.remove(&conversation, &self.removed).await.expect(204);
        let message = self.member.send(&conversation, "said by a member").await;
        Some(Scene { conversation, message })
    }
}
