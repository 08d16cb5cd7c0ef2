//! The socket, its connections, and how they end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::calls::Calls;
use crate::error::Error;
use crate::inference::batcher::Batcher;
use crate::inference::model::Model;
use crate::inference::queue::Queue;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::routes::router;
use crate::uploads::Uploads;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(15);
/// How long requests that run may go on when the server is asked to end.
const GRACE: Duration = Duration::from_secs(10);
/// How often what nobody collects is removed.
const SWEEP: Duration = Duration::from_secs(30);
/// Before the next connection is tried, when one could not be accepted: files have run out, say.
const PAUSE: Duration = Duration::from_millis(100);

/// A server with its socket open.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
}

impl Server {
    /// Opens the socket and starts the model's thread.
    ///
    /// # Errors
    /// When the address is taken or is none of this machine.
    pub fn bind(address: SocketAddr, model: Model, options: Options) -> Result<Server, Error> {
        let doing = |cause| Error { doing: format!("cannot listen on {address}"), cause };
        let listener = TcpListener::bind(address).map_err(doing)?;
        listener.set_nonblocking(true).map_err(doing)?;
        let model = Arc::new(model);
        let metrics = Metrics::new();
        let batcher = Batcher::start(Arc::clone(&model), Arc::clone(&metrics))
            .map_err(|cause| Error { doing: "cannot start a thread".to_owned(), cause })?;
        let queue = Queue::new(options.limits.running, options.limits.waiting);
        let bound = listener.local_addr().map_err(doing)?;
        let uploads = Uploads::new(options.limits.uploads);
        let live = Arc::new(Semaphore::new(options.limits.live));
        let memory = Arc::new(Semaphore::new(options.limits.uploads.div_ceil(1024)));
        let app =
            App { model, batcher, queue, metrics, uploads, calls: Calls::default(), live, memory, options };
        Ok(Server { listener, address: bound, app: Arc::new(app) })
    }

    /// Where it listens; with the port that the system chose, if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done; then requests that run have some seconds to end.
    ///
    /// # Errors
    /// When the threads of the server cannot be started.
    pub fn run(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime =
            runtime.map_err(|cause| Error { doing: "cannot start the server".to_owned(), cause })?;
        let served = runtime.block_on(self.serve(stop));
        // Work that nobody waits for any more is left behind.
        runtime.shutdown_timeout(Duration::from_millis(200));
        served.map_err(|cause| Error { doing: "cannot serve".to_owned(), cause })
    }

    async fn serve(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let connections = Arc::new(Semaphore::new(self.app.options.limits.connections));
        tokio::spawn({
            let app = Arc::clone(&self.app);
            async move {
                loop {
                    tokio::time::sleep(SWEEP).await;
                    app.uploads.sweep();
                    app.calls.sweep();
                }
            }
        });
        let router = router(self.app);
        let open = GracefulShutdown::new();
        let mut http = Builder::new(TokioExecutor::new()).http1_only();
        http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
        let mut stop = std::pin::pin!(stop);
        loop {
            let permit = tokio::select! {
                permit = Arc::clone(&connections).acquire_owned() => permit.map_err(io::Error::other)?,
                () = &mut stop => break,
            };
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
                () = &mut stop => break,
            };
            let service = TowerToHyperService::new(router.clone());
            let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), service);
            let connection = open.watch(connection.into_owned());
            tokio::spawn(async move {
                let _permit = permit;
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended");
                }
            });
        }
        drop(listener);
        let _ = tokio::time::timeout(GRACE, open.shutdown()).await;
        Ok(())
    }
}
