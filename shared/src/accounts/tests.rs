//! Sessions on a real database: who may go on with which refresh token.

use futures_util::future::join_all;
use time::{Duration, OffsetDateTime};

use super::queries::{self, Rotation};
use super::{Device, forget_sessions, require_live_session};
use crate::ids::SessionId;
use crate::postgres::Type;
use crate::testing::{app, user};
use crate::tokens::{Identity, Secret};
use crate::{App, Error};

const GRACE: f64 = 10.0;

async fn session(app: &App, token: &Secret) -> Identity {
    let identity = Identity { user: user(app, "ann").await, session: SessionId::generate() };
    let inserted = insert(app, identity, token, None).await;
    assert!(inserted);
    identity
}

async fn insert(app: &App, identity: Identity, token: &Secret, hash: Option<&str>) -> bool {
    let new = queries::NewSession {
        identity,
        device: &Device::default(),
        refresh_token: Some(token),
        client: None,
        expires_at: OffsetDateTime::now_utc() + Duration::days(1),
    };
    queries::insert_session(&app.postgres, &new, hash).await.expect("an answer").is_some()
}

async fn rotate(app: &App, token: &Secret, successor: &Secret, grace: f64) -> Rotation {
    let rotated = queries::rotate_refresh_token(&app.postgres, token, successor, grace, 3600.0, None);
    rotated.await.expect("an outcome")
}

#[tokio::test]
async fn racing_refreshes_of_one_token_all_stay_in_one_session() {
    let (app, token) = (app().await, Secret::draw());
    let identity = session(&app, &token).await;

    let successors: Vec<_> = (0..50).map(|_| Secret::draw()).collect();
    let outcomes = join_all(successors.iter().map(|successor| rotate(&app, &token, successor, GRACE))).await;

    for outcome in outcomes {
        assert!(matches!(outcome, Rotation::Rotated { identity: whose, .. } if whose == identity));
    }
    assert!(require_live_session(&app, identity.session).await.is_ok());
}

#[tokio::test]
async fn a_token_used_again_after_the_grace_ends_its_session() {
    let (app, token, successor) = (app().await, Secret::draw(), Secret::draw());
    let identity = session(&app, &token).await;

    rotate(&app, &token, &successor, GRACE).await;
    let reused = rotate(&app, &token, &Secret::draw(), 0.0).await;
    let after = rotate(&app, &successor, &Secret::draw(), GRACE).await;

    assert!(matches!(reused, Rotation::Ended(whose) if whose == identity));
    assert!(matches!(after, Rotation::Ended(_)));
    assert!(matches!(require_live_session(&app, identity.session).await, Err(Error::Unauthenticated(_))));
}

#[tokio::test]
async fn a_late_repeat_does_not_lock_out_who_went_on_already() {
    let (app, token, successor) = (app().await, Secret::draw(), Secret::draw());
    let identity = session(&app, &token).await;

    rotate(&app, &token, &successor, GRACE).await;
    rotate(&app, &successor, &Secret::draw(), GRACE).await;
    let repeated = rotate(&app, &token, &Secret::draw(), GRACE).await;

    assert!(matches!(repeated, Rotation::Rotated { identity: whose, .. } if whose == identity));
}

#[tokio::test]
async fn a_session_is_forgotten_once_it_ended_long_ago() {
    let app = app().await;
    let tokens = [(); 3].map(|()| Secret::draw());
    let [live, ended, revoked] = [0, 1, 2].map(|place| &tokens[place]);
    let user = user(&app, "ann").await;
    let sessions = [(); 3].map(|()| SessionId::generate());
    for (session, token) in sessions.into_iter().zip(&tokens) {
        assert!(insert(&app, Identity { user, session }, token, None).await);
    }
    let changes =
        [(1, "expires_at = now() - interval '2 days'"), (2, "revoked_at = now() - interval '2 days'")];
    for (place, change) in changes {
        let sql = format!("update sessions set {change} where id = $1");
        app.postgres.query(&sql, &[(&sessions[place].0, Type::UUID)]).await.expect("an update");
    }

    forget_sessions(&app, OffsetDateTime::now_utc() - Duration::days(3)).await.expect("nothing to forget");
    let early = [live, ended, revoked].map(async |token| rotate(&app, token, &Secret::draw(), GRACE).await);
    let early = join_all(early).await;
    forget_sessions(&app, OffsetDateTime::now_utc() - Duration::days(1)).await.expect("two to forget");
    let late =
        join_all([live, ended, revoked].map(async |token| rotate(&app, token, &Secret::draw(), GRACE).await))
            .await;

    assert!(matches!(early[..], [Rotation::Rotated { .. }, Rotation::Ended(_), Rotation::Ended(_)]));
    assert!(matches!(late[..], [Rotation::Rotated { .. }, Rotation::Refused, Rotation::Refused]));
}

#[tokio::test]
async fn a_session_does_not_begin_with_a_password_that_was_replaced_meanwhile() {
    let app = app().await;
    let identity = Identity { user: user(&app, "ann").await, session: SessionId::generate() };
    let token = Secret::draw();

    // The hash of everybody in these tests is a dash.
    assert!(!insert(&app, identity, &token, Some("replaced")).await);
    assert!(require_live_session(&app, identity.session).await.is_err());
    assert!(insert(&app, identity, &token, Some("-")).await);
    assert!(require_live_session(&app, identity.session).await.is_ok());
}

#[tokio::test]
async fn a_token_that_nobody_was_given_is_refused() {
    let app = app().await;

    let outcome = rotate(&app, &Secret::draw(), &Secret::draw(), GRACE).await;

    assert!(matches!(outcome, Rotation::Refused));
}
