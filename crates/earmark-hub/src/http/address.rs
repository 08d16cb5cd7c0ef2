//! Addresses and headers as text.

use reqwest::Url;
use reqwest::header::HeaderMap;

/// Scheme, host and port of an address.
pub(crate) fn origin(url: &Url) -> String {
    match url.host_str() {
        Some(host) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}", url.scheme(), host.chars().take(255).collect::<String>())
        }
        None => format!("{}:", url.scheme()),
    }
}

/// An address without what may be a password or a signature, at most some 300 characters.
pub(crate) fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    let (_, _) = (url.set_username(""), url.set_password(None));
    let query = if url.query().is_some() { "?…" } else { "" };
    url.set_query(None);
    url.set_fragment(None);
    let text = url.to_string();
    if text.len() > 300 { format!("{}…", text.chars().take(300).collect::<String>()) } else { text + query }
}

/// A header's value, if it is text.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets_and_short() {
        let show = |url: &str| redacted(&Url::parse(url).unwrap());
        assert_eq!(show("https://me:secret@host:8/a?signature=s3cr3t#x"), "https://host:8/a?…");
        assert!(show(&format!("https://host/{}", "é".repeat(5000))).len() < 400);
        assert_eq!(origin(&Url::parse("https://me:secret@host:8/a?b").unwrap()), "https://host:8");
        assert_eq!(origin(&Url::parse("http://[::1]:9/").unwrap()), "http://[::1]:9");
        assert_eq!(origin(&Url::parse("file:///etc/passwd").unwrap()), "file:");
    }
}
