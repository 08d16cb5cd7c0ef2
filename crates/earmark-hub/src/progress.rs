/// Receives the progress of each file that is downloaded or uploaded; a cached file reports none.
///
/// It is called on the thread that transfers and delays it, so it should return quickly.
pub trait Progress: Send + Sync {
    /// A transfer of `file` starts at its first byte; `total` is its length if known. A download that has to start over calls
    /// this again.
    fn started(&self, file: &str, total: Option<u64>);
    /// This many more bytes were transferred.
    fn advanced(&self, bytes: u64);
    /// The last call for this file, on success and on failure.
    fn finished(&self);
}

/// Calls [`Progress::finished`] when it is dropped.
pub(crate) struct ProgressGuard<'a>(pub(crate) Option<&'a dyn Progress>);

impl ProgressGuard<'_> {
    pub(crate) fn started(&self, file: &str, total: Option<u64>) {
        if let Some(progress) = self.0 {
            progress.started(file, total);
        }
    }

    pub(crate) fn advanced(&self, bytes: u64) {
        if let Some(progress) = self.0 {
            progress.advanced(bytes);
        }
    }
}

impl Drop for ProgressGuard<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.0 {
            progress.finished();
        }
    }
}
