//! Connections: how many there may be, how slow they may be, and how they end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncWriteExt as _, copy, sink};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::app::App;
use crate::routes::router;

/// How long a client may take to send the head of a request, and how long a connection may wait for the next one.
const HEAD: Duration = Duration::from_secs(15);
/// Longest head of a request, in bytes.
const HEAD_BYTES: usize = 64 << 10;
/// How long a client may take nothing of an answer.
const STALLED: Duration = Duration::from_secs(30);
/// Connections that are told at the same time that there are too many, and how long that may take; others are closed at once.
const REFUSALS: usize = 64;
const REFUSAL: Duration = Duration::from_secs(2);

/// What a client reads whose connection is one too many.
const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 60\r\n\r\n{\"error\":\"too many connections: try again in some seconds\"}\n";

/// The connections of a server.
pub(crate) struct Connections {
    app: Arc<App>,
    router: Router,
    /// HTTP/1.1 and nothing else: the bounds are those of connections with one request at a time. hyper-util's builder, with upgrades,
    /// answers HTTP/2 as well, and waits without limit for the bytes by which it tells the two apart.
    http: Builder,
    refusals: Arc<Semaphore>,
}

impl Connections {
    pub(crate) fn new(app: &Arc<App>) -> Connections {
        let mut http = Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        Connections { app: Arc::clone(app), router: router(Arc::clone(app)), http, refusals }
    }

    /// Serves a connection in a task of its own, or refuses it in one.
    pub(crate) fn take(&self, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.app.connections).try_acquire_owned() else {
            self.app.metrics.answered(503);
            return self.refuse(stream);
        };
        // A small answer does not wait for the client's acknowledgement of the one before. Without, it is only slower.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(STALLED));
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let app = Arc::clone(&self.app);
        tokio::spawn(async move {
            let _permit = permit;
            let mut connection = pin!(connection.with_upgrades());
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = app.lifetime.stopping() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }

    fn refuse(&self, mut stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _permit = permit;
            let answer = async {
                stream.write_all(TOO_MANY.as_bytes()).await?;
                stream.shutdown().await?;
                // Closing a socket with bytes that were not read would take the answer from the client.
                copy(&mut stream, &mut sink()).await
            };
            let _ = tokio::time::timeout(REFUSAL, answer).await;
        });
    }

    /// Waits until all are closed.
    pub(crate) async fn closed(&self) {
        let all = u32::try_from(self.app.options.limits.connections).unwrap_or(u32::MAX);
        let _ = self.app.connections.acquire_many(all).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_has_the_length_that_it_says() {
        let (head, body) = TOO_MANY.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["error"].is_string());
    }
}
