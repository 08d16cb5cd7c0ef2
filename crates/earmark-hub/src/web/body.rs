use std::io::{self, Read};

use reqwest::blocking::Response;

use crate::error::ErrorKind;
use crate::http::rate::RateMeter;
use crate::http::retry::Failure;

/// The body of an answer, read as it arrives; made by [`Hub::open_url`](crate::Hub::open_url).
///
/// A body that ends before its announced length is an error of the kind [`io::ErrorKind::UnexpectedEof`], one that comes more
/// slowly than [`HubBuilder::min_rate`](crate::HubBuilder::min_rate) of [`io::ErrorKind::TimedOut`]. It may be endless: the
/// caller has to bound it.
#[derive(Debug)]
pub struct Body {
    pub(crate) response: Response,
    pub(crate) meter: RateMeter,
    pub(crate) received: u64,
    pub(crate) expected: Option<u64>,
}

impl Body {
    /// The announced length, if there is one.
    pub fn len_hint(&self) -> Option<u64> {
        self.expected
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = |body: &Body, error| {
            Failure::of_body(body.response.url(), body.received, body.expected, error).kind
        };
        match self.meter.read(&mut self.response, buffer) {
            Ok(0) if !buffer.is_empty() && self.expected.is_some_and(|all| self.received < all) => {
                let kind = broken(self, io::ErrorKind::UnexpectedEof.into());
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, kind))
            }
            Ok(read) => {
                self.received += read as u64;
                Ok(read)
            }
            Err(error) => {
                let kind = broken(self, error);
                let slow = matches!(kind, ErrorKind::TooSlow { .. });
                Err(io::Error::new(
                    if slow { io::ErrorKind::TimedOut } else { io::ErrorKind::UnexpectedEof },
                    kind,
                ))
            }
        }
    }
}
