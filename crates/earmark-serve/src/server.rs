//! The socket, and how the server ends.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use earmark_features::Features;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::connections::Connections;
use crate::error::Error;
use crate::inference::batcher::Batcher;
use crate::inference::model::{Model, Target};
use crate::inference::queue::Queue;
use crate::lifetime::Lifetime;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::uploads::Uploads;

/// How long requests that run may go on when the server is asked to end, and how long their answers may take to be sent.
const GRACE: Duration = Duration::from_secs(10);
const LAST: Duration = Duration::from_secs(1);
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
        let asked = Arc::clone(&model);
        let score = move |clips: &[Features], target: &Target| asked.scores(clips, target);
        let batcher = Batcher::start(score, Arc::clone(&metrics))
            .map_err(|cause| Error { doing: "cannot start a thread".to_owned(), cause })?;
        let queue = Queue::new(options.limits.running, options.limits.waiting);
        let bound = listener.local_addr().map_err(doing)?;
        let limits = &options.limits;
        let most_bytes = limits.uploads.max(limits.body);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let app = App {
            model,
            batcher,
            queue,
            metrics,
            uploads: Uploads::new(most_bytes),
            calls: Arc::default(),
            live: semaphore(limits.live),
            heartbeats: semaphore(limits.heartbeats()),
            memory: Memory::new(most_bytes),
            lifetime: Lifetime::default(),
            connections: semaphore(limits.connections),
            options,
        };
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
        let app = self.app;
        tokio::spawn({
            let app = Arc::clone(&app);
            async move {
                loop {
                    tokio::time::sleep(SWEEP).await;
                    app.uploads.sweep();
                    app.calls.sweep();
                }
            }
        });
        let connections = Connections::new(&app);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => connections.take(stream),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                () = &mut stop => break,
            }
        }
        drop(listener);
        app.lifetime.stop();
        let mut closed = std::pin::pin!(connections.closed());
        tokio::select! {
            () = &mut closed => return Ok(()),
            () = app.lifetime.idle() => {}
            () = tokio::time::sleep(GRACE) => app.lifetime.end_requests(),
        }
        // What is left are answers on their way, and connections that never sent a request.
        let _ = tokio::time::timeout(LAST, closed).await;
        Ok(())
    }
}
