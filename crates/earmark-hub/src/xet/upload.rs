//! Large files to the Xet storage.

use xet::XetError;
use xet::xet_session::{Sha256Policy, XetFileUpload, XetUploadCommit};

use crate::api::urls::RepoUrl;
use crate::error::ErrorKind;
use crate::http::address::origin;
use crate::progress::ProgressGuard;
use crate::push::destination::check_destination;
use crate::push::local_file::LocalFile;
use crate::push::session::PushSession;
use crate::xet::session::Stop;
use crate::xet::watch::{Moved, watch};

impl PushSession<'_> {
    /// Sends the files to the Xet storage, as far as it lacks their chunks; `false` if they have to go by git-LFS.
    pub(crate) fn upload_by_xet(&self, files: &[&LocalFile]) -> Result<bool, ErrorKind> {
        let name = match files {
            [file] => file.path.clone(),
            files => format!("{} files", files.len()),
        };
        self.hub.xet.attempt(self.http, &name, "git-LFS", || self.send_chunks(files, &name))
    }

    fn send_chunks(&self, files: &[&LocalFile], name: &str) -> Result<(), Stop> {
        let mut target = RepoUrl::api(&self.hub.endpoint, &self.push.repo, "xet-write-token");
        if self.push.create_pr {
            target.url.set_query(Some("create_pr=1"));
        }
        let storage = self.http.xet_storage(&target)?;
        check_destination(&self.hub.endpoint, &storage.url).map_err(|why| ErrorKind::UploadAddress {
            file: name.to_owned(),
            address: origin(&storage.url),
            why,
        })?;
        let progress = ProgressGuard(self.hub.progress.as_deref());
        let total: u64 = files.iter().map(|file| file.size).sum();
        progress.started(name, Some(total));
        let commit = self.hub.xet.session(&self.http.timeouts)?.new_upload_commit()?;
        let commit: XetUploadCommit = commit
            .with_endpoint(storage.url.as_str().trim_end_matches('/'))
            .with_token_info(storage.token.0, storage.token.1)
            .with_token_refresh_url(storage.refresh.0, storage.refresh.1)
            .build_blocking()?;
        // Hashed once more while they are sent: the commit names the SHA-256, and the bytes may have changed since.
        let send =
            |file: &&LocalFile| commit.upload_from_path_blocking(file.file.clone(), Sha256Policy::Compute);
        let uploads = files.iter().map(send).collect::<Result<Vec<XetFileUpload>, XetError>>()?;
        let look = || {
            let report = commit.progress();
            let shard = report.shard.unwrap_or_default();
            let steps = report.total_bytes_completed
                + report.total_transfer_bytes_completed
                + shard.total_shard_bytes_upload_completed
                + shard.total_shard_validation_entries_completed;
            let done = report.total_bytes_completed;
            Moved { done, steps, all_sent: done >= total }
        };
        let finishing = commit.clone();
        let finish = move || finishing.commit_blocking();
        let report = watch(&self.http.timeouts, (&progress, total), finish, look, || commit.abort())?;
        let sent = |upload: &XetFileUpload| report.uploads.get(&upload.task_id())?.xet_info.sha256.clone();
        for (file, upload) in files.iter().zip(&uploads) {
            if sent(upload).is_none_or(|sha256| sha256 != file.sha256) {
                return Err(Stop::give_up(format_args!(
                    "other bytes of `{}` were sent than were hashed",
                    file.path
                )));
            }
        }
        Ok(())
    }
}
