use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::access::Access;
use crate::app::App;
use crate::error::Refusal;

/// Lets requests pass that may; `/healthz` is for everybody.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let access = &app.options.access;
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if request.uri().path() == "/healthz" || access.allows(header) {
        return next.run(request).await;
    }
    let mut response =
        Refusal::new(StatusCode::UNAUTHORIZED, "this server asks for a token or a password").into_response();
    let challenge = match access {
        Access::Password { .. } => "Basic realm=\"earmark\", charset=\"UTF-8\"",
        _ => "Bearer",
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
