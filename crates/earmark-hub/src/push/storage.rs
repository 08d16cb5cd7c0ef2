//! Requests to the storage of large files.

use std::fs::File;
use std::io::{self, Read as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use tokio::runtime::{self, Runtime};

use crate::error::ErrorKind;
use crate::http::address::origin;
use crate::http::client::{async_client, upload_timeout};
use crate::http::retry::{Failure, Retry};
use crate::http::timeouts::Timeouts;
use crate::progress::Progress;

/// How much of a body may still be in this machine's buffers when all of it was read.
const BUFFERED: u64 = 4 << 20;

/// Sends to the storage, without the token and without following redirects.
///
/// It uses reqwest's async client: the blocking one cannot cancel a request whose server stops reading.
pub(crate) struct StorageClient {
    runtime: Runtime,
    client: Client,
    timeouts: Timeouts,
}

/// Status and headers of an answer; its body is not needed.
pub(crate) struct StorageAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl StorageClient {
    pub(crate) fn new(timeouts: &Timeouts) -> Result<StorageClient, ErrorKind> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| ErrorKind::Client(error);
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        Ok(StorageClient {
            runtime: runtime.map_err(|e| failed(e.into()))?,
            client: async_client(timeouts).build().map_err(|e| failed(e.into()))?,
            timeouts: timeouts.clone(),
        })
    }

    /// Sends a part of a file; `file` is its name in the repository.
    pub(crate) fn put(
        &self,
        url: &Url,
        headers: &HeaderMap,
        part: FilePart,
        file: &str,
    ) -> Result<StorageAnswer, Failure> {
        let (sent, length) = (Arc::clone(&part.sent), part.left);
        let request = self.client.put(url.clone()).headers(headers.clone()).body(reqwest::Body::wrap(part));
        self.send(request, url, &sent, length, file)
    }

    /// Sends a message about a file.
    pub(crate) fn post(
        &self,
        url: &Url,
        headers: &HeaderMap,
        body: String,
        file: &str,
    ) -> Result<StorageAnswer, Failure> {
        let length = body.len() as u64;
        let request = self.client.post(url.clone()).headers(headers.clone()).body(body);
        self.send(request, url, &AtomicU64::new(length), length, file)
    }

    /// `sent` counts the bytes of the body that reqwest has read, of `length`.
    fn send(
        &self,
        request: RequestBuilder,
        url: &Url,
        sent: &AtomicU64,
        length: u64,
        file: &str,
    ) -> Result<StorageAnswer, Failure> {
        let cut = |source: Box<dyn std::error::Error + Send + Sync>| {
            let kind = ErrorKind::UploadCut { server: origin(url), file: file.to_owned(), source };
            Failure { kind, retry: Retry::Later }
        };
        let Timeouts { read, min_rate, .. } = self.timeouts;
        let tick = min_rate.window.min(read).min(Duration::from_secs(1));
        let answer_in = upload_timeout(read, length.min(BUFFERED));
        self.runtime.block_on(async {
            let mut sending = pin!(request.send());
            let (mut window, mut before, mut all_sent) = (Instant::now(), 0, None);
            loop {
                match tokio::time::timeout(tick, &mut sending).await {
                    Ok(Ok(answer)) => {
                        return Ok(StorageAnswer {
                            status: answer.status(),
                            headers: answer.headers().clone(),
                        });
                    }
                    // Without its URL, which is signed.
                    Ok(Err(error)) => return Err(cut(error.without_url().into())),
                    Err(_) => {}
                }
                let (now, spent) = (sent.load(Ordering::Relaxed), window.elapsed());
                if now == length {
                    if all_sent.get_or_insert_with(Instant::now).elapsed() >= answer_in {
                        let what = format!("no answer in {answer_in:.1?}");
                        return Err(cut(io::Error::new(io::ErrorKind::TimedOut, what).into()));
                    }
                } else if spent >= min_rate.window {
                    let bytes = now - before;
                    if min_rate.is_missed(bytes, spent) {
                        let kind = ErrorKind::UploadTooSlow {
                            server: origin(url),
                            file: file.to_owned(),
                            bytes,
                            seconds: spent.as_secs_f64(),
                        };
                        return Err(Failure { kind, retry: Retry::Later });
                    }
                    (window, before) = (Instant::now(), now);
                }
            }
        })
    }
}

/// A part of a file, which is read while it is sent.
pub(crate) struct FilePart {
    file: File,
    left: u64,
    sent: Arc<AtomicU64>,
    progress: Option<Arc<dyn Progress>>,
}

impl FilePart {
    /// `length` bytes from the current position of `file`.
    pub(crate) fn new(file: File, length: u64, progress: Option<Arc<dyn Progress>>) -> FilePart {
        FilePart { file, left: length, sent: Arc::default(), progress }
    }
}

impl Body for FilePart {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        const CHUNK: usize = 1 << 16;
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut buffer = vec![0; usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK)];
        Poll::Ready(Some(match self.file.read(&mut buffer) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter")),
            Ok(read) => {
                buffer.truncate(read);
                self.left -= read as u64;
                self.sent.fetch_add(read as u64, Ordering::Relaxed);
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
