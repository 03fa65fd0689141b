//! Throttles on a real Redis: who is let in, and who takes a place.

use futures_util::future::join_all;

use super::*;
use crate::ids::ConnectionId;
use crate::presence::{self, Frame};
use crate::testing::app;

fn policy(name: &'static str, windows: &[(u32, u64)]) -> Policy {
    let window = |&(count, seconds)| Window { count, length: Duration::from_secs(seconds) };
    Policy { name, windows: windows.iter().map(window).collect() }
}

/// The name of the throttle that refuses, and its wait; `None` when none does.
async fn ask(app: &App, admission: Admission) -> Option<(&'static str, Duration)> {
    match admission.pass(app).await {
        Ok(()) => None,
        Err(Error::Throttled { policy, retry_after, .. }) => Some((policy, retry_after)),
        Err(error) => panic!("{error:?}"),
    }
}

fn request() -> Admission {
    Admission::of(&uuid::Uuid::now_v7().to_string())
}

#[tokio::test]
async fn of_racing_requests_as_many_pass_as_the_tightest_window_holds() {
    let app = app().await;
    let (user, policy) = (UserId::generate(), policy("user", &[(7, 60), (5, 3600)]));

    let asked = join_all((0..50).map(|_| ask(&app, request().and(&policy, Who::User(user))))).await;

    assert_eq!(asked.iter().filter(|refused| refused.is_none()).count(), 5);
    let longest = Duration::from_hours(1);
    assert!(asked.into_iter().flatten().all(|(_, wait)| wait <= longest && wait > longest / 2));
}

#[tokio::test]
async fn a_request_that_is_delivered_twice_is_paid_once() {
    let app = app().await;
    let (user, policy) = (UserId::generate(), policy("user", &[(2, 60)]));
    let twice = Admission::of("twice").and(&policy, Who::User(user));

    let asked = join_all((0..10).map(|_| ask(&app, twice.clone()))).await;
    let second = ask(&app, request().and(&policy, Who::User(user))).await;
    let third = ask(&app, request().and(&policy, Who::User(user))).await;

    assert!(asked.iter().all(Option::is_none) && second.is_none());
    assert_eq!(third.map(|(name, _)| name), Some("user"));
}

#[tokio::test]
async fn a_refused_request_takes_no_place_in_any_window_and_hears_the_longest_wait() {
    let app = app().await;
    let user = UserId::generate();
    let (wide, minute, hour) =
        (policy("wide", &[(3, 60)]), policy("minute", &[(1, 60)]), policy("hour", &[(1, 3600)]));
    let all = || {
        let who = Who::User(user);
        request().and(&wide, who).and(&minute, who).and(&hour, who)
    };
    assert_eq!(ask(&app, all()).await, None);

    for _ in 0..10 {
        let (name, wait) = ask(&app, all()).await.expect("a refusal");
        assert!(name == "hour" && wait > Duration::from_mins(1));
    }

    for _ in 0..2 {
        assert_eq!(ask(&app, request().and(&wide, Who::User(user))).await, None, "two places are left");
    }
    assert!(ask(&app, request().and(&wide, Who::User(user))).await.is_some());
}

#[tokio::test]
async fn a_place_that_a_repeat_has_taken_is_not_given_back() {
    let app = app().await;
    let (who, other) = (Who::User(UserId::generate()), Who::User(UserId::generate()));
    let (wide, narrow) = (policy("wide", &[(1, 60)]), policy("narrow", &[(1, 60)]));
    assert_eq!(ask(&app, request().and(&narrow, other)).await, None);
    let twice = Admission::of("twice").and(&wide, who);
    let refused = twice.clone().and(&narrow, other);

    // Its first delivery was let in by one and not by the other; before it gives that back, the second one is let in.
    let verdicts = refused.verdicts(app.redis.wave(refused.calls()).await.expect("Redis")).expect("replies");
    assert_eq!(ask(&app, twice).await, None);
    assert!(settle(&app, verdicts).await.is_err());

    assert!(ask(&app, request().and(&wide, who)).await.is_some());
}

#[tokio::test]
async fn an_account_is_counted_from_wherever_and_under_whatever_name_it_is_claimed() {
    let app = app().await;
    let login = policy("login", &[(3, 60)]);
    let (account, name) = (UserId::generate(), format!("Nobody{}@Mail.Example", UserId::generate()));
    let (lower, upper) = (name.to_lowercase(), name.to_uppercase());
    let from = async |last: u8, account| {
        let address = format!("192.0.2.{last}-{}", UserId::generate());
        ask(&app, request().and(&login, Who::Address(&address)).and(&login, account)).await
    };

    for names in [[Who::User(account); 4], [&name, &lower, &upper, &name].map(|name| Who::Claim(name))] {
        let mut asked = Vec::new();
        for (last, account) in (1..).zip(names) {
            asked.push(from(last, account).await.map(|(name, _)| name));
        }
        assert_eq!(asked, [None, None, None, Some("login")]);
    }
    assert_eq!(from(9, Who::User(UserId::generate())).await, None, "another account has a count of its own");
}

#[tokio::test]
async fn a_network_of_ip_version_6_is_one_address() {
    let app = app().await;
    let anonymous = policy("anonymous", &[(1, 60)]);
    let [a, b, c] = [(); 3].map(|()| rand::random::<u16>());
    let from = async |network: u16, host: u16| {
        let address = format!("2001:db8:{a:x}:{network:x}::{host:x}");
        ask(&app, request().and(&anonymous, Who::Address(&address))).await
    };

    assert_eq!(from(b, 1).await, None);
    assert!(from(b, 2).await.is_some());
    assert_eq!(from(b ^ 1, c).await, None);
}

#[tokio::test]
async fn a_command_that_asks_twice_is_counted_once_and_a_refused_one_reads_nothing() {
    let app = app().await;
    let commands = policy("commands", &[(20, 60)]);
    let connection = ConnectionId(uuid::Uuid::now_v7().to_string());
    let record = Call::command("HSET").arg(crate::redis::keys::connection(&connection)).arg(&["user", "ann"]);
    app.redis.call::<()>(record).await.expect("Redis");
    let command = async |number: u8| {
        let request_id = format!("request {number}");
        let frame = Frame { connection: &connection, request_id: &request_id };
        let reply = app.redis.call(presence::seen(&commands, frame, Some("user"))).await.expect("Redis");
        let (verdict, user) = presence::heard(&commands, reply).expect("a reply");
        (refusal(&[verdict]).is_none(), decode::<Option<String>>(user).expect("text"))
    };

    let asked = join_all((0..60).map(|number| command(number % 30))).await;

    let passed = asked.iter().filter(|(passed, _)| *passed).count();
    assert_eq!(passed, 40, "20 commands, each of which asked twice");
    let read = |(passed, user): &(bool, Option<String>)| {
        *passed == user.as_deref().is_some_and(|user| user == "ann")
    };
    assert!(asked.iter().all(read), "{asked:?}");
}

#[test]
fn what_is_off_is_not_asked() {
    let nothing = request().and(&policy("user", &[]), Who::Address("192.0.2.1"));

    assert!(nothing.calls().is_empty());
}
