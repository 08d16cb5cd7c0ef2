//! The Xet storage: takes xorbs, in which clients put chunks, and shards, which say of which chunks a file is made; gives files
//! back as chunks that are not compressed.

use std::sync::Arc;

use serde_json::{Value, json};
use xet_core_structures::metadata_shard::file_structs::MDBFileInfoView;
use xet_core_structures::metadata_shard::streaming_shard::MDBMinimalShard;
use xet_core_structures::xorb_object::deserialize_chunk;

use super::answer::{json_response, ranged, sha256};
use super::state::State;
use crate::http::{Request, Response};

/// Bytes of a chunk, and chunks of a xorb, of what this storage sends.
const CHUNK: usize = 1 << 16;
const CHUNKS: usize = 256;

impl State {
    /// What the storage answers. It knows its own tokens, and signs the addresses of xorbs.
    pub(super) fn xet(&mut self, request: &Request) -> Response {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let token = request.headers.get("authorization").map(String::as_str);
        let may_write = token == Some("Bearer xet-write");
        if let ["xorb", oid, n] = parts[..] {
            return match token {
                Some(_) => Response::new(400, "Only one auth mechanism allowed"),
                None => {
                    self.xorb(oid, n.parse().unwrap()).map_or_else(no_such_key, |it| ranged(request, &it))
                }
            };
        }
        match (request.method.as_str(), &parts[..]) {
            _ if token != Some("Bearer xet-read") && !may_write => Response::new(401, "no token"),
            ("GET", ["v1", "reconstructions", oid]) => self.reconstruction(request, oid),
            // No chunk is known from elsewhere. Newer calls than these are not offered, and clients do without.
            ("POST", ["v1", "xorbs", "default", hash]) if may_write => {
                let new = self.xorbs.insert((*hash).to_owned(), request.body.clone()).is_none();
                json_response(&json!({ "was_inserted": new }))
            }
            ("POST", ["v1", "shards"]) if may_write => self.shard(&request.body),
            _ => no_such_key(),
        }
    }

    /// Assembles the files of a shard, which are then objects as if git-LFS had brought them.
    fn shard(&mut self, mut shard: &[u8]) -> Response {
        let Ok(shard) = MDBMinimalShard::from_reader(&mut shard, true, false) else {
            return Response::new(400, "not a shard");
        };
        for file in (0..shard.num_files()).filter_map(|n| shard.file(n)) {
            let Some(bytes) = self.assemble(file) else { return Response::new(400, "chunks are missing") };
            self.objects.insert(sha256(&bytes), Arc::new(bytes));
        }
        json_response(&json!({ "result": 1 }))
    }

    fn assemble(&self, file: &MDBFileInfoView) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for entry in (0..file.num_entries()).map(|n| file.entry(n)) {
            let mut xorb = self.xorbs.get(&entry.xorb_hash.hex())?.as_slice();
            for n in 0..entry.chunk_index_end {
                let (chunk, ..) = deserialize_chunk(&mut xorb).ok()?;
                if n >= entry.chunk_index_start {
                    bytes.extend(chunk);
                }
            }
        }
        Some(bytes)
    }

    /// Of which xorbs the file is made, or the part of it that was asked for.
    fn reconstruction(&self, request: &Request, oid: &str) -> Response {
        let Some(bytes) = self.objects.get(oid) else { return no_such_key() };
        let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
        let (start, last) = range.and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
        let start: usize = start.parse().unwrap();
        let end = last.parse().map_or(bytes.len(), |last: usize| bytes.len().min(last.saturating_add(1)));
        if start >= end {
            return Response::new(416, "");
        }
        let (mut terms, mut fetch_info) = (Vec::new(), json!({}));
        for n in start / (CHUNK * CHUNKS)..end.div_ceil(CHUNK * CHUNKS) {
            let xorb = &bytes[n * CHUNK * CHUNKS..bytes.len().min((n + 1) * CHUNK * CHUNKS)];
            let hash = sha256(format!("{oid} {n}").as_bytes());
            let range = json!({ "start": 0, "end": xorb.len().div_ceil(CHUNK) });
            terms.push(json!({ "hash": hash, "unpacked_length": xorb.len(), "range": range }));
            let last = xorb.len() + 8 * xorb.len().div_ceil(CHUNK) - 1;
            let url = format!("{}/xorb/{oid}/{n}?signature=s3cr3t", self.xet_url);
            fetch_info[hash] =
                json!([{ "range": range, "url": url, "url_range": { "start": 0, "end": last } }]);
        }
        json_response(&json!({
            "offset_into_first_range": start % (CHUNK * CHUNKS),
            "terms": Value::from(terms),
            "fetch_info": fetch_info,
        }))
    }

    /// Chunks of the file, each behind its header: version, length, how it is compressed, length.
    fn xorb(&self, oid: &str, n: usize) -> Option<Vec<u8>> {
        let bytes = self.objects.get(oid)?.chunks(CHUNK * CHUNKS).nth(n)?;
        let chunk = |chunk: &[u8]| {
            let length = (chunk.len() as u32).to_le_bytes();
            [&[0], &length[..3], &[0], &length[..3], chunk].concat()
        };
        Some(bytes.chunks(CHUNK).flat_map(chunk).collect())
    }
}

fn no_such_key() -> Response {
    Response::new(404, "NoSuchKey")
}
