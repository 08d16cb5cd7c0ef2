//! Which model, how sound is decoded for it, and where it computes.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::Args;
use earmark::FromPretrained as _;
use earmark_eval::Calibration;
use earmark_features::Preprocessor;
use earmark_hub::{ErrorKind, Hub, Repo, Snapshot};
use earmark_pipeline::{AudioClassifier, AudioEmbedder, AudioOptions, ZeroShotClassifier, read_extractor};

use crate::args::audio::AudioArgs;
use crate::args::device::ComputeArgs;
use crate::args::hub::HubArgs;
use crate::args::training::run::resume_command;
use crate::output::messages;
use crate::output::shell::{argument, command};

/// Which model, how sound is decoded for it, and where it computes.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArgs {
    /// Model: a Hub id (owner/name, or owner/name@REVISION), a folder in Hugging Face layout, or a run's folder.
    #[arg(long = "model", id = "model", value_name = "ID|DIR")]
    name: String,

    #[command(flatten)]
    audio: AudioArgs,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

/// What a model is opened for, which says what files of it are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Classify,
    /// With a tokenizer.
    ZeroShot,
    /// With a tokenizer if it is a CLAP model.
    Embed,
}

/// What a model is built from.
pub(crate) struct ModelSource {
    /// Its folder, here.
    pub(crate) folder: PathBuf,
    pub(crate) device: Device,
    /// How sound is decoded for it.
    pub(crate) hearing: AudioOptions,
}

impl ModelArgs {
    pub(crate) fn new(name: String, audio: AudioArgs, compute: ComputeArgs, hub: HubArgs) -> ModelArgs {
        ModelArgs { name, audio, compute, hub }
    }

    /// As it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Chooses the device, and fetches the model if it is on the Hub.
    pub(crate) fn open(&self, purpose: Purpose) -> Result<ModelSource> {
        let (device, name) = self.compute.open()?;
        messages::detail(format_args!("device {name}, precision {}", self.compute.dtype()));
        let folder = match purpose {
            Purpose::Classify => folder(&self.name, &self.hub)?,
            Purpose::ZeroShot => folder_by(ZeroShotClassifier::fetch, &self.name, &self.hub)?,
            Purpose::Embed => embedding_folder(&self.name, &self.hub)?,
        };
        Ok(ModelSource { folder, device, hearing: self.audio.hearing() })
    }

    /// Where it computes, by its name.
    pub(crate) fn device_name(&self) -> Result<String> {
        self.compute.device_name()
    }

    /// The type of the weights, by its name.
    pub(crate) fn dtype(&self) -> &'static str {
        self.compute.dtype()
    }

    /// What of this changes the results, each by its flag.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![
            ("earmark".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("--model".to_owned(), self.name.clone()),
            ("--dtype".to_owned(), self.compute.dtype().to_owned()),
        ];
        settings.extend(self.audio.settings());
        settings
    }
}

/// The folder of a model: the folder of that name, which may be that of a run, or else fetched from the Hub.
pub(crate) fn folder(name: &str, hub: &HubArgs) -> Result<PathBuf> {
    folder_by(AudioClassifier::fetch, name, hub)
}

/// As [`folder`], with the tokenizer that a CLAP model is opened with.
pub(crate) fn embedding_folder(name: &str, hub: &HubArgs) -> Result<PathBuf> {
    folder_by(AudioEmbedder::fetch, name, hub)
}

fn folder_by(
    fetch: fn(&Hub, &Repo) -> Result<Snapshot, earmark_hub::Error>,
    name: &str,
    hub: &HubArgs,
) -> Result<PathBuf> {
    match local(name)? {
        Some(folder) => {
            if folder != Path::new(name) {
                messages::detail(format_args!("model    {}, of the run `{name}`", folder.display()));
            }
            Ok(folder)
        }
        None => Ok(fetch(&hub.open()?, &repo(name)?)?.into_folder()),
    }
}

/// The calibration of a model: beside it, and fetched if the model is on the Hub; or else in `chosen`, a folder.
pub(crate) fn calibration(
    name: &str,
    folder: &Path,
    chosen: Option<&Path>,
    hub: &HubArgs,
) -> Result<PathBuf> {
    const FILE: &str = Calibration::FILE;
    let is_here = local(name)?.is_some();
    let place = chosen.map(folder_of_model).unwrap_or_else(|| folder.to_owned());
    if place.is_file() {
        return Ok(place);
    }
    if chosen.is_some() || is_here {
        let path = place.join(FILE);
        if path.exists() {
            return Ok(path);
        }
    } else {
        match hub.open()?.fetch(&at_commit(name, folder)?, FILE) {
            Ok(path) => return Ok(path),
            Err(error) if matches!(*error.kind, ErrorKind::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (shown, output, then) = if chosen.is_some() || is_here {
        (place.display().to_string(), argument(&place), "")
    } else {
        (name.to_owned(), "DIR".to_owned(), ", and pass --calibrated=DIR")
    };
    let (earmark, model) = (command(), argument(Path::new(name)));
    bail!(
        "no `{FILE}` in `{shown}`: make one from labelled clips by `{earmark} calibrate --model {model} --data CLIPS -o {output}`{then}"
    )
}

/// The folder of a run's model where `folder` is that of a run, or else itself.
pub(crate) fn folder_of_model(folder: &Path) -> PathBuf {
    let model = folder.join("model");
    if is_run(folder) && model.is_dir() { model } else { folder.to_owned() }
}

fn is_run(folder: &Path) -> bool {
    folder.join("recipe.toml").is_file() && !folder.join("config.json").exists()
}

/// The feature extractor of a model, whose weights are not fetched.
pub(crate) fn extractor(name: &str, hub: &HubArgs) -> Result<Preprocessor> {
    let folder = match local(name)? {
        Some(folder) => folder,
        None => {
            let repo = repo(name)?;
            let hub = hub.open()?;
            let config = hub.fetch(&repo, "config.json")?;
            let folder = config.parent().map(Path::to_owned).unwrap_or_default();
            hub.fetch_extractor(&at_commit(name, &folder)?)?;
            folder
        }
    };
    let path = folder.join("config.json");
    // The extractor's own file is enough, where it names its class.
    let config = match earmark_config::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => earmark_config::Object::new(),
        text => earmark_config::object(&text.with_context(|| format!("cannot read `{}`", path.display()))?)
            .with_context(|| format!("cannot use `{}`", path.display()))?,
    };
    Ok(read_extractor(&folder, &config)?)
}

/// The folder that the name is, if it is one; of a run's folder, the model in it.
fn local(name: &str) -> Result<Option<PathBuf>> {
    let path = PathBuf::from(name);
    if path.is_file() {
        bail!("`{name}` is a file: pass a Hub id, or the folder that holds config.json and the weights");
    }
    let is_run = is_run(&path);
    match path.join("model") {
        model if is_run && model.join("config.json").is_file() => Ok(Some(model)),
        _ if is_run => bail!("the run `{name}` has no model yet: finish it by `{}`", resume_command(&path)),
        _ => Ok(path.is_dir().then_some(path)),
    }
}

fn repo(name: &str) -> Result<Repo> {
    Repo::model(name).map_err(|_| anyhow::anyhow!("no folder `{name}`, and not a Hub id such as owner/name"))
}

/// The repository at the commit whose snapshot `folder` is.
fn at_commit(name: &str, folder: &Path) -> Result<Repo> {
    let id = name.split('@').next().unwrap_or(name);
    let commit = folder.file_name().unwrap_or_default().to_string_lossy();
    Ok(Repo::model(&format!("{id}@{commit}"))?)
}

/// Each file of a folder that may be part of a model, with its size and CRC-32C.
pub(crate) fn files(folder: &Path) -> Result<Vec<(String, String)>> {
    let files = checksums(folder)?.into_iter();
    let text = |(name, bytes, sum)| {
        (format!("the model's {name}"), format!("{bytes} bytes with checksum {sum:08x}"))
    };
    Ok(files.map(text).collect())
}

/// A checksum of what the vectors of a model depend on: its configuration, its extractor and its weights.
pub(crate) fn fingerprint(folder: &Path) -> Result<String> {
    const JSON: [&str; 3] = ["config.json", "preprocessor_config.json", "processor_config.json"];
    let files = checksums(folder)?.into_iter();
    let parts = files.filter(|(name, ..)| {
        JSON.contains(&name.as_str()) || !name.ends_with(".json") && !name.ends_with(".txt")
    });
    let sum = parts.fold(0, |sum, part| crc32c::crc32c_append(sum, format!("{part:?}").as_bytes()));
    Ok(format!("{sum:08x}"))
}

/// Name, size and CRC-32C of each file of a folder that may be part of a model, sorted.
fn checksums(folder: &Path) -> Result<Vec<(String, u64, u32)>> {
    let doing = || format!("cannot read the model in `{}`", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(doing)? {
        let path = entry.with_context(doing)?.path();
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        // What a calibration changes is a setting of its own, where it is used.
        let is_calibration = path.ends_with(Calibration::FILE);
        if path.is_file() && !is_calibration && ["json", "safetensors", "bin", "txt"].contains(&extension) {
            let (bytes, sum) =
                checksum(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            files.push((earmark_fs::text(path.file_name().unwrap_or_default()), bytes, sum));
        }
    }
    files.sort();
    Ok(files)
}

fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    let (mut file, mut buffer) = (earmark_fs::open(path)?, vec![0; 1 << 20]);
    let (mut bytes, mut sum) = (0, 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, sum)),
            read => {
                bytes += read as u64;
                sum = crc32c::crc32c_append(sum, &buffer[..read]);
            }
        }
    }
}
