//! Files from anywhere on the web: sounds that people name by their address.

use std::io::{self, Read};

use reqwest::Url;
use reqwest::blocking::Response;

use crate::error::{Error, ErrorKind, Subject};
use crate::hub::Hub;
use crate::transport::off_runtime;

/// What is behind an address, as it comes; made by [`Hub::open_url`].
///
/// A body that ends before the length its server promised is an error of the kind [`io::ErrorKind::UnexpectedEof`].
#[derive(Debug)]
pub struct Body {
    response: Response,
    received: u64,
    expected: Option<u64>,
}

impl Body {
    /// How many bytes the server promised, if it did.
    pub fn len_hint(&self) -> Option<u64> {
        self.expected
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let cut = |received, expected: Option<u64>| {
            let of = expected.map(|bytes| format!(" of {bytes}")).unwrap_or_default();
            let what = format!("the connection was cut after {received}{of} bytes: try again");
            io::Error::new(io::ErrorKind::UnexpectedEof, what)
        };
        match self.response.read(buffer) {
            Ok(read) => {
                self.received += read as u64;
                let short =
                    read == 0 && !buffer.is_empty() && self.expected.is_some_and(|all| self.received < all);
                if short { Err(cut(self.received, self.expected)) } else { Ok(read) }
            }
            Err(_) => Err(cut(self.received, self.expected)),
        }
    }
}

impl Hub {
    /// Asks for an `http` or `https` address, and hands the answer out as it comes. Nothing is cached, and no token is sent:
    /// the address may lead anywhere.
    ///
    /// # Errors
    /// [`ErrorKind::Offline`] when offline; an address that is none, no answer, or a status other than success.
    pub fn open_url(&self, url: &str) -> Result<Body, Error> {
        self.try_open_url(url).map_err(|kind| Error::new(Subject::Address(shown(url)), kind))
    }

    fn try_open_url(&self, url: &str) -> Result<Body, ErrorKind> {
        let Some(transport) = &self.transport else { return Err(ErrorKind::OfflineAddress) };
        let url =
            Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url =
            url.ok_or(ErrorKind::Name { what: "web address", why: "it must look like https://host/file" })?;
        let response = off_runtime(|| transport.get_anywhere(&url))?;
        Ok(Body { expected: response.content_length(), response, received: 0 })
    }
}

/// The address as errors show it: without what may be a password or a signature.
fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            let (_, _) = (url.set_username(""), url.set_password(None));
            if url.query().is_some() {
                url.set_query(Some("…"));
            }
            url.to_string().replace("?%E2%80%A6", "?…")
        }
        Err(_) => url.chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        assert_eq!(shown("https://me:secret@host/a.wav?signature=abc"), "https://host/a.wav?…");
        assert_eq!(shown("http://host/a.wav"), "http://host/a.wav");
    }
}
