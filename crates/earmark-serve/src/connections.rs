//! Connections: how many there may be, how slow they may be, and how they end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
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
    http: Builder<TokioExecutor>,
    open: GracefulShutdown,
    refusals: Arc<Semaphore>,
}

impl Connections {
    pub(crate) fn new(app: &Arc<App>) -> Connections {
        let mut http = Builder::new(TokioExecutor::new()).http1_only();
        http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
        Connections {
            app: Arc::clone(app),
            router: router(Arc::clone(app)),
            http,
            open: GracefulShutdown::new(),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
        }
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
        let connection = self.http.serve_connection_with_upgrades(TokioIo::new(Box::pin(stream)), service);
        let connection = self.open.watch(connection.into_owned());
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
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

    /// Lets requests that run end, closes what is idle, and waits for all of it.
    pub(crate) async fn close(self) {
        self.open.shutdown().await;
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
