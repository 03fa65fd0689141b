//! The fields of GraphQL, each asked for alone.

use serde_json::json;
use support::User;
use uuid::Uuid;

use super::callers::{Caller, Cast, Scene};

impl Cast {
    /// Asks for a field: 200, or the status that the code of its error has elsewhere.
    pub(super) async fn field(&self, field: &str, caller: Caller, account: &User, scene: &Scene) -> String {
        let request = self.chat.request(reqwest::Method::POST, "/graphql", caller.token(account).as_deref());
        let body = json!({"query": self.document(field, scene)});
        let answer = self.chat.answer_to(request.json(&body)).await.expect(200);
        let refused = answer["data"][field].is_null();
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        assert_eq!(refused, code.is_some(), "{field}: {answer}");
        match code {
            None => "200",
            Some("unauthenticated") => "401",
            Some("forbidden") => "403",
            Some("not_found") => "404",
            Some(other) => other,
        }
        .to_owned()
    }

    /// A good document with this field.
    fn document(&self, field: &str, Scene { conversation, .. }: &Scene) -> String {
        let chat = &conversation.id;
        match field {
            "me" => "{ me { id } }".to_owned(),
            "users" => "{ users { nodes { email } } }".to_owned(),
            "chats" => "{ chats { nodes { id } } }".to_owned(),
            "chat" => format!("{{ chat(id: \"{chat}\") {{ id }} }}"),
            "messages" => format!("{{ messages(chatId: \"{chat}\") {{ nodes {{ content }} }} }}"),
            "createChat" => {
                let name = &Uuid::new_v4().simple().to_string()[..20];
                format!("mutation {{ createChat(name: \"{name}\") {{ id }} }}")
            }
            "assignUserToChat" => {
                let user = &self.outsider.id;
                format!("mutation {{ assignUserToChat(userId: \"{user}\", chatId: \"{chat}\") {{ role }} }}")
            }
            "sendMessage" => {
                format!("mutation {{ sendMessage(chatId: \"{chat}\", content: \"something\") {{ id }} }}")
            }
            unknown => panic!("no document is known of the field {unknown}"),
        }
    }
}
