//! What many fields ask for one by one, read in one statement.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use shared::accounts::{self, Seen};
use shared::ids::UserId;
use shared::{App, Error};

use crate::objects::User;

/// People, as far as the reader may see them.
pub(crate) struct People {
    pub(crate) app: App,
    pub(crate) reader: UserId,
}

impl Loader<UserId> for People {
    type Value = User;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>, Arc<Error>> {
        let found = accounts::list_people(&self.app, self.reader, ids).await?;
        Ok(found.into_iter().map(|person| (Seen::id(&person), person.into())).collect())
    }
}
