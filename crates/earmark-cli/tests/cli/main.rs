//! The command as people and scripts use it: the binary runs, and its exit code, streams and files are looked at. One binary for
//! all of it, which is linked once.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]

mod work_dir; // Read first: where the command runs, and what is left of a run.

mod help; // Texts, word for word.
mod exit_codes;
mod commands;
mod models;
mod languages;
mod families;
mod numbers;
mod vectors; // Embeddings,
mod hidden_states; // of any layer, and frames,
mod probe; // and what is fitted on them.
mod data;
mod stats;
mod runs;
mod fitting;
mod sweep;
mod run_records;
mod learning; // What a run learns, beside one class a clip.
mod evaluations;
mod planted_models; // Models that know the sounds of planted datasets,
mod published_evaluations; // and the scores that they get.
mod calibration;
mod cache;
mod formats;
mod folders;
mod clip;
#[cfg(unix)]
mod jobs;
#[cfg(unix)]
mod streams;
#[cfg(unix)]
mod served; // A server that runs,
#[cfg(unix)]
mod serve; // what it answers,
#[cfg(unix)]
mod serve_api; // programs above all,
#[cfg(unix)]
mod serve_page; // what its page asks for,
#[cfg(unix)]
mod watched; // and what it withstands:
#[cfg(unix)]
mod serve_hostile;
#[cfg(unix)]
mod serve_connections;
#[cfg(unix)]
mod serve_load;
#[cfg(unix)]
mod serve_end;
mod push;
