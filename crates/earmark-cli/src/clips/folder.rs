//! The folder of the clips: for one job at a time, which the same command resumes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use earmark_fs::AtomicFile;
use earmark_train::OutputFolder;

use crate::args::training::run::advise;
use crate::clips::plan::{MANIFEST, PLAN, Plan};
use crate::input::path::FileStamp;
use crate::output::messages;

/// The largest file of an earlier job that is read.
const MOST_BYTES: u64 = 1 << 30;

/// The folder of the clips, locked.
#[derive(Debug)]
pub(crate) struct ClipFolder {
    path: PathBuf,
    /// Whether an earlier command with the same plan wrote some of the clips.
    pub(crate) is_resumed: bool,
    _lock: OutputFolder,
}

/// A row of [`MANIFEST`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ManifestRow<'a> {
    /// Below the folder.
    pub(crate) file: &'a str,
    /// The recording, and where in it the clip lies, in seconds.
    pub(crate) path: &'a str,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) label: &'a str,
    pub(crate) score: Option<f32>,
}

impl ClipFolder {
    /// Begins or resumes the job with this plan. What other jobs wrote here is removed with `force`, and refused without.
    pub(crate) fn open(path: &Path, plan: &Plan, force: bool) -> Result<ClipFolder> {
        let (plan_file, manifest) = (path.join(PLAN), path.join(MANIFEST));
        let name = path.display();
        let is_ours = || plan_file.exists() || manifest.exists();
        // A process that was killed left its lock.
        let is_hidden = |name: OsString| name.as_encoded_bytes().starts_with(b".");
        let is_empty =
            || fs::read_dir(path).is_ok_and(|held| held.flatten().all(|it| is_hidden(it.file_name())));
        if path.is_dir() && !force && !is_empty() && !is_ours() {
            bail!(
                "the folder `{name}` is not empty: choose another --output, or pass --force to add the clips to it"
            );
        }
        let lock = match path.is_dir() {
            true => OutputFolder::open_run(path),
            false => OutputFolder::create(path),
        };
        let lock = lock.map_err(advise)?;
        let doing = || format!("cannot read `{}`", plan_file.display());
        let old = plan_file.exists().then(|| earmark_fs::read(&plan_file, MOST_BYTES).with_context(doing));
        let old = old.transpose()?;
        let (old_stamps, old_plan) = old.as_deref().map(parts).unwrap_or_default();
        let new_plan = serde_json::to_vec(plan)?;
        let is_resumed = old_plan == new_plan;
        match (is_resumed, force, &old) {
            (true, ..) => remove_changed(path, plan, old_stamps)?,
            (false, true, _) => remove_earlier(path, old_plan)?,
            (false, false, Some(_)) => bail!(
                "`{name}` holds the clips of a job with other results or options: choose another --output, or pass --force to \
                 replace them"
            ),
            (false, false, None) if manifest.exists() => bail!(
                "`{name}` already holds the clips of another job: choose another --output, or pass --force to replace them"
            ),
            (false, false, None) => {}
        }
        // What a killed process had not finished.
        let folders: BTreeSet<&Path> =
            plan.clips.iter().filter_map(|clip| Path::new(&clip.file).parent()).collect();
        for folder in folders {
            let folder = path.join(folder);
            earmark_fs::sweep(&folder)
                .with_context(|| format!("cannot clean up in `{}`", folder.display()))?;
        }
        let stamps: Vec<Option<FileStamp>> = plan.recordings.iter().map(|it| it.stamp).collect();
        let mut bytes = serde_json::to_vec(&stamps)?;
        bytes.push(b'\n');
        bytes.extend(new_plan);
        earmark_fs::write(&plan_file, bytes)
            .with_context(|| format!("cannot write `{}`", plan_file.display()))?;
        Ok(ClipFolder { path: path.to_path_buf(), is_resumed, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the table of the clips. Where some are missing, the same command tries them again.
    pub(crate) fn finish(self, rows: &[ManifestRow<'_>]) -> Result<()> {
        let manifest = self.path.join(MANIFEST);
        let doing = || format!("cannot write `{}`", manifest.display());
        let mut table = csv::Writer::from_writer(AtomicFile::create(&manifest).with_context(doing)?);
        table.write_record(["file", "path", "start", "end", "label", "score"])?;
        for row in rows {
            let (start, end) = (row.start.to_string(), row.end.to_string());
            let score = row.score.map(|score| score.to_string()).unwrap_or_default();
            table.write_record([row.file, row.path, &start, &end, row.label, &score])?;
        }
        let written = table.into_inner().map_err(|error| error.into_error()).with_context(doing)?;
        written.commit().with_context(doing)
    }
}

/// The two parts of a file [`PLAN`]: the recordings as they were, and the plan itself, each in a line of JSON.
fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// Removes the clips of recordings that changed since the job began, so that they are cut again.
fn remove_changed(folder: &Path, plan: &Plan, stamps: &[u8]) -> Result<()> {
    let stamps: Vec<Option<FileStamp>> = serde_json::from_slice(stamps).unwrap_or_default();
    for (at, recording) in plan.recordings.iter().enumerate() {
        if stamps.get(at) == Some(&recording.stamp) {
            continue;
        }
        if stamps.get(at).is_some_and(Option::is_some) {
            messages::warning(format_args!("`{}` changed since, and is cut again", recording.path));
        }
        for &clip in &recording.clips {
            remove(&folder.join(&plan.clips[clip].file))?;
        }
    }
    Ok(())
}

/// Removes the clips that an earlier job wrote, finished or not, and the table of them. Other files stay.
fn remove_earlier(folder: &Path, plan: &[u8]) -> Result<()> {
    let manifest = folder.join(MANIFEST);
    let mut files = Vec::new();
    if let Ok(plan) = serde_json::from_slice::<serde_json::Value>(plan) {
        let clips = plan["clips"].as_array().into_iter().flatten();
        files.extend(clips.filter_map(|clip| clip["file"].as_str().map(str::to_owned)));
    }
    if manifest.exists() {
        let bytes = earmark_fs::read(&manifest, MOST_BYTES);
        let bytes = bytes.with_context(|| format!("cannot read `{}`", manifest.display()))?;
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
        // A person may have edited it.
        files.extend(rows.records().flatten().filter_map(|row| row.get(0).map(str::to_owned)));
    }
    for file in files.iter().filter(|file| is_clip(file)) {
        let path = folder.join(file);
        remove(&path)?;
        // Fails where something else is in it.
        let _ = path.parent().map(fs::remove_dir);
    }
    remove(&manifest)
}

/// Removes a file, if it is there.
fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", file.display()))
        }
        _ => Ok(()),
    }
}

/// Whether a name is one that a job gives: `LABEL/NAME.wav`.
fn is_clip(file: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(file).components().collect();
    file.ends_with(".wav") && matches!(parts.as_slice(), [Component::Normal(_), Component::Normal(_)])
}
