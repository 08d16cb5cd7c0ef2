#![doc = include_str!("../README.md")]
#![allow(rustdoc::bare_urls, reason = "the README quotes messages as they are printed")]
#![forbid(unsafe_code)]

// Names and errors, which everything else uses.
mod repo;
mod commit;
mod error;
mod parse;
mod progress;
mod partial;
// Settings.
mod token;
mod config;
mod hub;
// Talking to a server.
mod http;
mod api;
// What a user asks for.
mod cache;
mod download;
mod ranges;
mod push;
mod xet;
mod web;

pub use api::tree::RemoteFile;
pub use config::HubBuilder;
pub use download::snapshot::Snapshot;
pub use error::{Error, ErrorKind, Missing, Subject};
pub use hub::Hub;
pub use progress::Progress;
pub use push::account::Account;
pub use push::request::{Push, Pushed};
pub use ranges::file::{HubFile, HubRead};
pub use repo::{Repo, RepoId, RepoKind, Revision};
pub use web::address::redacted;
pub use web::body::Body;
pub use web::file::WebFile;
