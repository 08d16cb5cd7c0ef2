//! Who may ask, from which page, and what a browser may do with the answer.

mod access; // The token or the password,
mod origin; // the page that a browser's request comes from,
mod headers; // and what every answer tells the browser.

pub(crate) use access::check as check_access;
pub(crate) use headers::{add as add_headers, page_policy};
pub(crate) use origin::check as check_origin;
