use std::path::Path;
use std::time::{Instant, SystemTime};

use earmark_error::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifacts::write;
use crate::error::{Doing, Error};

const FILE: &str = "run.json";
/// A command and a line for each session.
const LIMIT: u64 = 16 << 20;

/// `run.json`: the command that started a run, and when, where and for how long it trained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The command, as it was typed; empty when a program started the run.
    pub command: String,
    /// One for each process that trained it, in order.
    pub sessions: Vec<Session>,
}

/// What one process trained of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// When it began.
    #[serde(with = "rfc_3339")]
    pub began: SystemTime,
    /// Seconds from there to its last save, evaluations included.
    pub seconds: f64,
    /// Operating system, architecture and number of threads.
    pub machine: String,
}

impl RunInfo {
    /// Reads `run.json` in a run folder. Runs of earlier versions have none.
    ///
    /// # Errors
    /// When the file is missing or broken.
    pub fn read(run: &Path) -> Result<RunInfo, Error> {
        let path = run.join(FILE);
        let doing = || Doing(format!("cannot read `{}`", path.display()));
        serde_json::from_slice(&earmark_fs::read(&path, LIMIT).with_context(doing)?).with_context(doing)
    }

    /// When the run in a folder began: as `run.json` says, or else when its `recipe.toml` was written.
    pub fn began(run: &Path) -> Option<SystemTime> {
        let info = RunInfo::read(run).ok();
        let first = info.and_then(|info| Some(info.sessions.first()?.began));
        first.or_else(|| run.join("recipe.toml").metadata().ok()?.modified().ok())
    }

    /// Seconds of training of all sessions.
    pub fn seconds(&self) -> f64 {
        self.sessions.iter().map(|session| session.seconds).sum()
    }
}

/// A point in time as `2026-11-27 19:25 UTC`.
pub(crate) fn date(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::new(), |it| it.strftime("%F %H:%M UTC").to_string())
}

/// Keeps `run.json` while a session trains.
#[derive(Debug)]
pub(crate) struct InfoFile {
    pub(crate) info: RunInfo,
    started: Instant,
}

impl InfoFile {
    /// Begins a session.
    pub(crate) fn begin(run: &Path, command: &str, resumed: bool) -> Result<InfoFile, Error> {
        // Without the sessions before it a run still resumes.
        let before = if resumed { RunInfo::read(run).ok() } else { None };
        let mut info =
            before.unwrap_or_else(|| RunInfo { command: command.to_owned(), sessions: Vec::new() });
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let machine = format!("{os} {arch}, {} threads", rayon::current_num_threads());
        info.sessions.push(Session { began: SystemTime::now(), seconds: 0.0, machine });
        let file = InfoFile { info, started: Instant::now() };
        file.write(run)?;
        Ok(file)
    }

    /// Writes how long the session has trained.
    pub(crate) fn update(&mut self, run: &Path) -> Result<(), Error> {
        if let Some(session) = self.info.sessions.last_mut() {
            session.seconds = self.started.elapsed().as_secs_f64();
        }
        self.write(run)
    }

    fn write(&self, run: &Path) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(&self.info)
            .with_context(|| Doing(format!("cannot write `{}`", run.join(FILE).display())))?;
        write(run, FILE, json + "\n")
    }
}

/// Times as text, in UTC.
mod rfc_3339 {
    use std::time::SystemTime;

    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        let time = Timestamp::try_from(*time).map_err(S::Error::custom)?;
        to.collect_str(&time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let time = String::deserialize(from)?.parse::<Timestamp>().map_err(D::Error::custom)?;
        Ok(time.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_resumed_run_keeps_its_command_and_adds_a_session() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = InfoFile::begin(dir.path(), "earmark train --sample", false).unwrap();
        first.update(dir.path()).unwrap();
        InfoFile::begin(dir.path(), "earmark train --resume", true).unwrap();
        let info = RunInfo::read(dir.path()).unwrap();
        assert_eq!((info.command.as_str(), info.sessions.len()), ("earmark train --sample", 2));
        assert!(info.sessions[0].seconds > 0.0 && info.seconds() == info.sessions[0].seconds);
        assert_eq!(RunInfo::began(dir.path()), Some(info.sessions[0].began));
    }

    #[test]
    fn times_are_read_back_as_they_were() {
        let began = UNIX_EPOCH + Duration::new(1_795_807_500, 250_000_000);
        let session = Session { began, seconds: 1.5, machine: String::new() };
        let json = serde_json::to_string(&session).unwrap();
        assert!(json.contains("\"2026-11-27T19:25:00.25Z\""), "{json}");
        assert_eq!(serde_json::from_str::<Session>(&json).unwrap(), session);
        assert_eq!(date(began), "2026-11-27 19:25 UTC");
        assert!(serde_json::from_str::<Session>(&json.replace("2026-11", "soon")).is_err());
    }
}
