//! HTTP as this crate speaks it, with any server: clients, redirects, retries, minimum rates.

pub(crate) mod address;
pub(crate) mod redirect;
pub(crate) mod rate;
pub(crate) mod timeouts;
pub(crate) mod retry;
pub(crate) mod client;
pub(crate) mod body;
