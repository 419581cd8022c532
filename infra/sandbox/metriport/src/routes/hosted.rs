//! The hosted pages, the stand-in for `auth.ias.metriport.com`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form as FormBody, Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::add;
use crate::app::App;
use crate::hosted::{Form, Hosted};
use crate::operation::Operation;

type Fields = FormBody<HashMap<String, String>>;

pub(super) fn mount(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = add(router, Operation::ShowIdentityPage, show_identity);
    let router = add(router, Operation::SubmitIdentityPage, submit_identity);
    let router = add(router, Operation::ShowChallengePage, show_challenge);
    add(router, Operation::SubmitChallengePage, submit_challenge)
}

async fn show_identity(State(app): State<Arc<App>>, Path(token): Path<String>) -> Hosted {
    app.act(|world, now| world.identity_page(now, &token))
}

async fn submit_identity(State(app): State<Arc<App>>, Path(token): Path<String>, fields: Fields) -> Hosted {
    let form = Form::read(&fields);
    app.act(|world, now| world.identity_answer(now, &token, &form))
}

async fn show_challenge(State(app): State<Arc<App>>, Path(token): Path<String>) -> Hosted {
    app.act(|world, now| world.challenge_page(now, &token))
}

async fn submit_challenge(State(app): State<Arc<App>>, Path(token): Path<String>, fields: Fields) -> Hosted {
    let form = Form::read(&fields);
    app.act(|world, now| world.challenge_answer(now, &token, &form))
}

/// These headers keep hosted pages out of caches and frames, and their URLs out of referrers. The policy has no
/// `form-action`, because browsers apply it also to the redirect after the form.
const SAFE_HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
];

impl IntoResponse for Hosted {
    fn into_response(self) -> Response {
        match self {
            Self::Leave(place) => (StatusCode::SEE_OTHER, SAFE_HEADERS, [(header::LOCATION, place)]).into_response(),
            Self::Show { status, html } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                (status, SAFE_HEADERS, Html(html)).into_response()
            }
        }
    }
}
