//! Fetches files from the Hugging Face Hub into the cache Python's `huggingface_hub` uses, and verifies them; reads parts of
//! files where they lie; pushes.
//!
//! ```no_run
//! use earmark_hub::{Hub, Repo};
//!
//! let hub = Hub::from_env()?;
//! let model = hub.fetch_model(&Repo::model("ntu-spml/distilhubert")?)?;
//! assert!(model.folder().join("config.json").exists());
//! println!("{}", model.commit()); // `main` moves, a commit does not
//! # Ok::<(), earmark_hub::Error>(())
//! ```
//!
//! A path that comes back names a file of the promised length, and for a large (LFS) file of the promised
//! SHA-256. An error page, a cut connection or a wrong checksum never reaches the cache. Files that are
//! already cached were verified when they came; they are not hashed again, but while online their length is
//! compared with the Hub's.
//!
//! Offline ([`HubBuilder::offline`], or `HF_HUB_OFFLINE=1`) there is no HTTP client at all, so no socket can
//! open.
//!
//! It does not know what a model is (`earmark-models`) or which files a dataset has (`earmark-data`).
#![forbid(unsafe_code)]

mod cache;
mod error;
mod fetch;
mod hub;
mod list;
mod open;
mod push;
mod repo; // Read first: what a repository, a revision and a file are called.
mod transport;
mod upload;
mod web;

pub use error::{Error, ErrorKind, Missing, Subject};
pub use fetch::Snapshot;
pub use hub::{Hub, HubBuilder, Progress};
pub use list::RemoteFile;
pub use open::{HubFile, HubRead};
pub use push::{Account, Push, Pushed};
pub use repo::{Repo, RepoId, RepoKind, Revision};
pub use web::{Body, WebFile};
