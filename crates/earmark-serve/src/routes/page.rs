//! The page, which is part of the program: `dist/` is the build of `web/`.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;
use crate::security::page_policy;
use crate::token::token;

const INDEX: &str = include_str!("../../dist/index.html");

/// Each file of the page beside its index: address, content type, bytes.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("/main.js", "text/javascript; charset=utf-8", include_bytes!("../../dist/main.js")),
    ("/main.css", "text/css; charset=utf-8", include_bytes!("../../dist/main.css")),
    (
        "/recorder.worklet.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../dist/recorder.worklet.js"),
    ),
    ("/icon.svg", "image/svg+xml", include_bytes!("../../dist/icon.svg")),
    (
        "/wavesurfer.LICENSE.txt",
        "text/plain; charset=utf-8",
        include_bytes!("../../dist/wavesurfer.LICENSE.txt"),
    ),
];

pub(crate) fn router() -> Router<Arc<App>> {
    let serve = |router: Router<Arc<App>>,
                 (path, kind, bytes): (&'static str, &'static str, &'static [u8])| {
        router.route(path, get(async move || ([(header::CONTENT_TYPE, kind), NEW_EACH_TIME], bytes)))
    };
    FILES.into_iter().fold(Router::new().route("/", get(index)), serve)
}

/// A new program has a new page.
const NEW_EACH_TIME: (HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");

async fn index() -> impl IntoResponse {
    let nonce = token();
    let page = INDEX.replace("__NONCE__", &nonce);
    let policy = (header::CONTENT_SECURITY_POLICY, page_policy(&nonce));
    let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned());
    ([policy, kind, (header::CACHE_CONTROL, "no-store".to_owned())], page)
}
