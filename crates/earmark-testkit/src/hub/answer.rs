//! Parts of answers, and the hashes in them.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::http::{Request, Response};

/// The bytes, or the part that was asked for.
pub(super) fn ranged(request: &Request, bytes: &[u8]) -> Response {
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((start, last)) = range.and_then(|range| range.split_once('-')) else {
        return Response::new(200, bytes).header("Accept-Ranges", "bytes");
    };
    let start: usize = start.parse().unwrap_or(0);
    let last = last.parse().unwrap_or(usize::MAX).min(bytes.len().saturating_sub(1));
    if start >= bytes.len() {
        return Response::new(416, "").header("Content-Range", format!("bytes */{}", bytes.len()));
    }
    let range = format!("bytes {start}-{last}/{}", bytes.len());
    Response::new(206, &bytes[start..=last]).header("Content-Range", range)
}

pub(super) fn json_response(body: &Value) -> Response {
    Response::new(200, body.to_string()).header("Content-Type", "application/json")
}

pub(super) fn error(status: u16, code: &'static str, message: &str) -> Response {
    let response = Response { status, ..json_response(&json!({ "error": message })) };
    let response = response.header("X-Error-Message", message);
    if code.is_empty() { response } else { response.header("X-Error-Code", code) }
}

pub(super) fn body_json(request: &Request) -> Result<Value, Response> {
    serde_json::from_slice(&request.body).map_err(|_| error(400, "", "the body is no JSON"))
}

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What git calls a file of these bytes.
pub fn git_oid(bytes: &[u8]) -> String {
    sha1(&[format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat())
}

pub(super) fn sha1(bytes: &[u8]) -> String {
    hex(&<sha1::Sha1 as sha1::Digest>::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
