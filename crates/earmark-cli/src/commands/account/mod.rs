//! The account on the Hub whose token is kept.

pub(crate) mod login;
pub(crate) mod whoami;
pub(crate) mod logout;
