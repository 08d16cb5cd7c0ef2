//! A page of another site must not reach the server through a visitor's browser: neither by a request across sites, nor by a
//! name that it lets point to this machine (DNS rebinding).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::error::Refusal;

/// Lets requests pass that name a host of this server, and come from its own page or from no page at all.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match verdict(request.headers(), request.uri().authority(), &app.options.hosts) {
        Ok(()) => next.run(request).await,
        Err(why) => Refusal::new(StatusCode::FORBIDDEN, why).into_response(),
    }
}

fn verdict(headers: &HeaderMap, uri: Option<&Authority>, hosts: &[String]) -> Result<(), &'static str> {
    // Where there are two, or bytes that are no text, others may read another one than we do.
    let text = |name: HeaderName| match headers.get_all(name).iter().collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [value] => value.to_str().map(Some).map_err(|_| "the header `Host` or `Origin` is no text"),
        _ => Err("the header `Host` or `Origin` is there twice"),
    };
    let named = text(header::HOST)?;
    let host: Option<Authority> = uri.cloned().or_else(|| named?.parse().ok());
    let host = host.ok_or("the request names no host")?;
    if !is_ours(host.host(), hosts) {
        return Err("this server is not known by that name");
    }
    let Some(origin) = text(header::ORIGIN)? else { return Ok(()) };
    let from = origin.split_once("://").map(|(_, authority)| authority);
    match from == Some(host.as_str()) {
        true => Ok(()),
        false => Err("pages of other sites may not ask this server"),
    }
}

/// An address in digits cannot be rebound, `localhost` is this machine, and other names are those that the server was told.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let digits = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || digits.parse::<IpAddr>().is_ok()
        || hosts.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(host: &str, origin: Option<&str>) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        verdict(&headers, None, &["demo.example".to_owned()])
    }

    #[test]
    fn only_names_of_this_server_and_its_own_pages_pass() {
        for host in
            ["localhost:7860", "127.0.0.1:7860", "[::1]:7860", "192.168.1.7", "demo.example", "DEMO.example"]
        {
            assert_eq!(asked(host, None), Ok(()), "{host}");
            assert_eq!(asked(host, Some(&format!("http://{host}"))), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "demo.example.evil"]
        {
            assert!(asked(host, None).is_err(), "{host}");
        }
        for origin in ["http://evil.example", "http://localhost:7861", "null", "http://127.0.0.1:7860"] {
            assert!(asked("localhost:7860", Some(origin)).is_err(), "{origin}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        headers.insert(header::ORIGIN, HeaderValue::from_bytes(b"http://\xffevil.example").unwrap());
        assert!(verdict(&headers, None, &[]).is_err());
        headers.remove(header::ORIGIN);
        assert!(verdict(&headers, None, &[]).is_ok());
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(verdict(&headers, None, &[]).is_err());
    }
}
