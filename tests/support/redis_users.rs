//! Users of Redis who may do what the stack's template grants the functions, and no more.

use std::fs;

use redis::cmd;
use reqwest::Url;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::Settings;

const TEMPLATE: &str = "infra/stacks/stores.yaml";
const FEW_RIGHTS: &str = "few_rights";
const BY_TOKEN: &str = "by_token";

/// What the functions' user may do: the `AccessString` of the template.
pub(crate) fn rights() -> Vec<String> {
    let path = Settings::get().template_file.with_file_name(TEMPLATE);
    let template = fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let rights: Vec<_> =
        template.lines().filter_map(|line| line.trim().strip_prefix("AccessString: on ")).collect();
    // Another user is the default one, who is off.
    let [rights] = rights.as_slice() else {
        panic!("{TEMPLATE} has one AccessString that is on: {rights:?}")
    };
    rights.split_whitespace().map(str::to_owned).collect()
}

/// `REDIS_URL`, still without a number, of a user of the stories' Redis with these rights.
pub(crate) async fn url_of_few_rights() -> Url {
    static PASSWORD: OnceCell<String> = OnceCell::const_new();
    let password = PASSWORD.get_or_init(async || {
        let password = Uuid::new_v4().simple().to_string();
        make(FEW_RIGHTS, &format!(">{password}")).await;
        password
    });
    let password = password.await;
    let mut url = Settings::get().redis_url.clone();
    let set = url.set_username(FEW_RIGHTS).and_then(|()| url.set_password(Some(password)));
    set.expect("a URL of Redis has a host");
    url
}

/// The same at a door, of a user who is let in by whatever password.
pub async fn url_at_door(port: u16) -> Url {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(|| make(BY_TOKEN, "nopass")).await;
    Url::parse(&format!("rediss://{BY_TOKEN}@localhost:{port}")).expect("a URL")
}

async fn make(user: &str, password: &str) {
    let client = redis::Client::open(Settings::get().redis_url.as_str()).expect("a URL of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis accepts connections");
    let mut order = cmd("ACL");
    order.arg("SETUSER").arg(user).arg("on").arg(password).arg(rights());
    // A stack of the stories has a database of its own, by its number; a cluster knows none.
    order.arg("+select");
    let () = order.query_async(&mut connection).await.expect("Redis takes the rights");
}
