//! Bytes on their way to the storage that the Hub names: whereto they may go, and how slowly.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use tokio::runtime::{self, Runtime};

use crate::error::ErrorKind;
use crate::hub::Progress;
use crate::transport::{Again, Failure, Rate, SLOWEST, Transport, USER_AGENT, origin, plain_headers};

/// What may still lie in the buffers of this machine when all of a body was handed over.
const BUFFERED: u64 = 4 << 20;

/// Whether a file may be sent to `address`: by https to a host of the internet, or to the endpoint's own host no less
/// securely than the endpoint is spoken to. Says which rule it breaks.
///
/// The Hub's answer decides where a file goes, so the answer of one that was taken over must not lead it into the machine's
/// own network or out onto it in the clear.
pub(crate) fn check_address(endpoint: &Url, address: &Url) -> Result<(), &'static str> {
    let secure = match address.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("which is no web address"),
    };
    if address.host() == endpoint.host() && (secure || endpoint.scheme() == "http") {
        Ok(())
    } else if !secure {
        Err("which is neither https nor the Hub's own host")
    } else if is_private(address) && !is_private(endpoint) {
        Err("which is on a private network, and the Hub is not")
    } else {
        Ok(())
    }
}

/// Whether the address names a host that only this machine or its network knows.
fn is_private(address: &Url) -> bool {
    let Some(host) = address.host_str() else { return true };
    let private_v4 = |ip: Ipv4Addr| {
        let [a, b, ..] = ip.octets();
        ip.is_loopback()
            || ip.is_private()
            || ip.is_link_local()
            || ip.is_broadcast()
            || a == 0
            || (a == 100 && (64..128).contains(&b)) // shared by carriers, RFC 6598
    };
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(ip)) => private_v4(ip),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.to_ipv4_mapped().is_some_and(private_v4)
        }
        Err(_) => {
            let host = host.trim_end_matches('.');
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

/// Sends to addresses outside the Hub, without the token and without following redirects.
///
/// By reqwest's async client: its blocking one cannot give up on a request whose other side takes nothing.
pub(crate) struct Uploader {
    runtime: Runtime,
    client: Client,
    timeout: Duration,
    rate: Rate,
}

/// What the storage answered; its body says nothing that is used.
pub(crate) struct Taken {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl Uploader {
    pub(crate) fn new(transport: &Transport) -> Result<Uploader, ErrorKind> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| ErrorKind::Client(error);
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(plain_headers())
            .connect_timeout(transport.timeout.min(Duration::from_secs(10)))
            .redirect(Policy::none())
            .build();
        Ok(Uploader {
            runtime: runtime.map_err(|e| failed(e.into()))?,
            client: client.map_err(|e| failed(e.into()))?,
            timeout: transport.timeout,
            rate: transport.rate,
        })
    }

    /// Sends a part of a file; `file` is its name in the repository.
    pub(crate) fn put(
        &self,
        url: &Url,
        headers: &HeaderMap,
        part: Part,
        file: &str,
    ) -> Result<Taken, Failure> {
        let (moved, length) = (Arc::clone(&part.moved), part.left);
        let request = self.client.put(url.clone()).headers(headers.clone()).body(reqwest::Body::wrap(part));
        self.send(request, url, &moved, length, file)
    }

    /// Sends what is said about a file.
    pub(crate) fn post(
        &self,
        url: &Url,
        headers: &HeaderMap,
        body: String,
        file: &str,
    ) -> Result<Taken, Failure> {
        let length = body.len() as u64;
        let request = self.client.post(url.clone()).headers(headers.clone()).body(body);
        self.send(request, url, &AtomicU64::new(length), length, file)
    }

    /// `moved` counts the bytes that were handed over, of `length`.
    fn send(
        &self,
        request: RequestBuilder,
        url: &Url,
        moved: &AtomicU64,
        length: u64,
        file: &str,
    ) -> Result<Taken, Failure> {
        let cut = |source: Box<dyn std::error::Error + Send + Sync>| {
            let kind = ErrorKind::UploadCut { server: origin(url), file: file.to_owned(), source };
            Failure { kind, again: Again::Later }
        };
        let tick = self.rate.window.min(self.timeout).min(Duration::from_secs(1));
        let answer_in = self.timeout + Duration::from_secs(length.min(BUFFERED) / SLOWEST);
        self.runtime.block_on(async {
            let mut sending = pin!(request.send());
            let (mut window, mut before, mut all_moved) = (Instant::now(), 0, None);
            loop {
                match tokio::time::timeout(tick, &mut sending).await {
                    Ok(Ok(answer)) => {
                        return Ok(Taken { status: answer.status(), headers: answer.headers().clone() });
                    }
                    // Without its URL: that is signed.
                    Ok(Err(error)) => return Err(cut(error.without_url().into())),
                    Err(_) => {}
                }
                let (now, spent) = (moved.load(Ordering::Relaxed), window.elapsed());
                if now == length {
                    if all_moved.get_or_insert_with(Instant::now).elapsed() >= answer_in {
                        let what = format!("no answer in {answer_in:.1?}");
                        return Err(cut(io::Error::new(io::ErrorKind::TimedOut, what).into()));
                    }
                } else if spent >= self.rate.window {
                    let bytes = now - before;
                    if self.rate.is_missed(bytes, spent) {
                        let kind = ErrorKind::UploadTooSlow {
                            server: origin(url),
                            file: file.to_owned(),
                            bytes,
                            seconds: spent.as_secs_f64(),
                        };
                        return Err(Failure { kind, again: Again::Later });
                    }
                    (window, before) = (Instant::now(), now);
                }
            }
        })
    }
}

/// A part of a file, read as it is sent.
pub(crate) struct Part {
    file: File,
    left: u64,
    moved: Arc<AtomicU64>,
    progress: Option<Arc<dyn Progress>>,
}

impl Part {
    /// `length` bytes from where `file` stands.
    pub(crate) fn new(file: File, length: u64, progress: Option<Arc<dyn Progress>>) -> Part {
        Part { file, left: length, moved: Arc::default(), progress }
    }
}

impl Body for Part {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        const MOST: usize = 1 << 16;
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut buffer = vec![0; usize::try_from(self.left).unwrap_or(MOST).min(MOST)];
        Poll::Ready(Some(match self.file.read(&mut buffer) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter")),
            Ok(read) => {
                buffer.truncate(read);
                self.left -= read as u64;
                self.moved.fetch_add(read as u64, Ordering::Relaxed);
                if let Some(progress) = &self.progress {
                    progress.advanced(read as u64);
                }
                Ok(Frame::data(buffer.into()))
            }
            Err(error) => Err(error),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_by_https_or_to_the_endpoints_own_host_and_nowhere_else() {
        let allowed = |endpoint: &str, address: &str| {
            check_address(&Url::parse(endpoint).unwrap(), &Url::parse(address).unwrap()).is_ok()
        };
        let hub = "https://huggingface.co";
        for good in
            ["https://s3.amazonaws.com/x?sig=1", "https://huggingface.co:8443/x", "https://93.184.215.14/"]
        {
            assert!(allowed(hub, good), "{good}");
        }
        for bad in [
            "http://s3.amazonaws.com/x",
            "http://huggingface.co/x",
            "file:///etc/passwd",
            "ftp://huggingface.co/x",
            "data:,x",
            "https://localhost/x",
            "https://storage.localhost./x",
            "https://127.0.0.1/x",
            "https://2130706433/x", // the same
            "https://10.1.2.3/x",
            "https://172.16.0.1/x",
            "https://192.168.1.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/x",
            "https://0.0.0.0/x",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://[fd00::1]/x",
            "https://[fe80::1]/x",
        ] {
            assert!(!allowed(hub, bad), "{bad}");
        }
        // A Hub of one's own, on one's own network.
        let own = "http://127.0.0.1:8000";
        for good in
            ["http://127.0.0.1:9000/x", "https://127.0.0.1/x", "https://10.0.0.1/x", "https://host.example/x"]
        {
            assert!(allowed(own, good), "{good}");
        }
        for bad in ["http://127.0.0.2/x", "http://host.example/x", "file:///etc/passwd"] {
            assert!(!allowed(own, bad), "{bad}");
        }
    }
}
