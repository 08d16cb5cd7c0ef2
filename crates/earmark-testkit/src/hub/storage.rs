//! The storage that large files come from and go to.

use std::sync::Arc;

use super::answer::{body_json, ranged, sha256};
use super::state::State;
use crate::http::{Request, Response};

impl State {
    /// What the storage answers: it knows no tokens, as its addresses are signed.
    pub(super) fn storage(&mut self, request: &Request) -> Response {
        if request.headers.contains_key("authorization") {
            return Response::new(400, "Only one auth mechanism allowed");
        }
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut keep = |oid: &str, bytes: Vec<u8>| {
            if sha256(&bytes) != oid {
                return Response::new(400, "BadDigest");
            }
            self.objects.insert(oid.to_owned(), Arc::new(bytes));
            Response::new(200, "{}").header("Content-Type", "application/json")
        };
        match (request.method.as_str(), &parts[..]) {
            ("GET" | "HEAD", ["blob", oid]) => match self.objects.get(*oid) {
                Some(bytes) => ranged(request, bytes).header("ETag", format!("\"storage-{}\"", &oid[..8])),
                None => Response::new(404, "NoSuchKey"),
            },
            ("PUT", ["upload", oid]) => keep(oid, request.body.clone()),
            ("PUT", ["part", oid, n]) => {
                self.parts.insert(((*oid).to_owned(), n.parse().unwrap()), request.body.clone());
                Response::new(200, "").header("ETag", format!("\"part-{n}\""))
            }
            ("POST", ["complete", oid]) => {
                let Ok(asked) = body_json(request) else { return Response::new(400, "no JSON") };
                let mut bytes = Vec::new();
                for part in asked["parts"].as_array().into_iter().flatten() {
                    let n = part["partNumber"].as_u64().unwrap_or(0) as usize;
                    if part["etag"] != format!("\"part-{n}\"") {
                        return Response::new(400, "InvalidPart");
                    }
                    bytes.extend(self.parts.remove(&((*oid).to_owned(), n)).unwrap_or_default());
                }
                keep(oid, bytes)
            }
            _ => Response::new(404, "NoSuchKey"),
        }
    }
}
