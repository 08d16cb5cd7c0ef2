//! Bodies of answers, read up to a limit.

use reqwest::blocking::Response;

use crate::error::ErrorKind;
use crate::http::address::redacted;
use crate::http::client::Http;
use crate::http::rate::RateMeter;
use crate::http::retry::Failure;

/// How much of an error page is read for its message.
const MAX_MESSAGE: usize = 64 << 10;

impl Http {
    /// The whole body, if it has at most `limit` bytes.
    pub(crate) fn read_body(&self, mut response: Response, limit: u64) -> Result<Vec<u8>, Failure> {
        let too_large = |response: &Response| {
            let what = format!("the answer for {}", redacted(response.url()));
            Failure::from(ErrorKind::TooLarge { what, limit })
        };
        let expected = response.content_length();
        if expected.is_some_and(|length| length > limit) {
            return Err(too_large(&response));
        }
        let (mut body, mut buffer) = (Vec::new(), vec![0; 1 << 14]);
        let mut meter = RateMeter::new(self.timeouts.min_rate);
        loop {
            match meter.read(&mut response, &mut buffer) {
                Ok(0) => return Ok(body),
                Ok(n) if body.len() as u64 + n as u64 > limit => return Err(too_large(&response)),
                Ok(n) => body.extend_from_slice(&buffer[..n]),
                Err(source) => {
                    return Err(Failure::of_body(response.url(), body.len() as u64, expected, source));
                }
            }
        }
    }

    /// The start of an error page's body; empty if it cannot be read.
    pub(crate) fn read_start(&self, mut response: Response) -> Vec<u8> {
        let (mut start, mut filled) = (vec![0; MAX_MESSAGE], 0);
        let mut meter = RateMeter::new(self.timeouts.min_rate);
        while filled < start.len() {
            match meter.read(&mut response, &mut start[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(_) => return Vec::new(),
            }
        }
        start.truncate(filled);
        start
    }
}
