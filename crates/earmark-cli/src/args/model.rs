use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use earmark_config::CLAP;
use earmark_features::Preprocessor;
use earmark_hub::{Hub, Repo};
use earmark_pipeline::{family_of, read_extractor};

use crate::output::progress::Downloads;

/// An error where a model's name is that of a file.
fn refuse_file(path: &Path) -> Result<()> {
    if path.is_file() {
        let path = path.display();
        bail!(
            "`{path}` is a file: a model is a folder with config.json and its weights, or an id on the Hub"
        );
    }
    Ok(())
}

/// Whether the network may be used.
#[derive(Debug, Clone, Args)]
pub(crate) struct HubArgs {
    /// Open no connection: use only what is in the cache. HF_HUB_OFFLINE=1 says the same.
    #[arg(long, help_heading = "Hub")]
    pub(crate) offline: bool,
}

impl HubArgs {
    pub(crate) fn open(&self) -> Result<Hub> {
        let builder = earmark_hub::HubBuilder::from_env()?;
        let builder = if self.offline { builder.offline(true) } else { builder };
        Ok(builder.progress(Arc::new(Downloads::default())).build()?)
    }

    /// The folder of a model: as it is when it is one, that of a run's model, else fetched from the Hub.
    pub(crate) fn model(&self, name: &str) -> Result<PathBuf> {
        let folder = PathBuf::from(name);
        if folder.is_dir() {
            return Ok(folder);
        }
        refuse_file(&folder)?;
        let repo =
            Repo::model(name).with_context(|| format!("there is no folder `{name}`, and it is no Hub id"))?;
        Ok(self.open()?.fetch_model(&repo)?.into_folder())
    }

    /// As [`model`](Self::model), with the tokenizer of a model that reads text.
    pub(crate) fn text_model(&self, name: &str) -> Result<PathBuf> {
        let folder = self.model(name)?;
        if !folder.join("tokenizer.json").exists() && !PathBuf::from(name).is_dir() {
            let id = name.split('@').next().unwrap_or(name);
            let commit = folder.file_name().unwrap_or_default().to_string_lossy();
            self.open()?.fetch(&Repo::model(&format!("{id}@{commit}"))?, "tokenizer.json")?;
        }
        Ok(folder)
    }

    /// As [`model`](Self::model), with the tokenizer that a CLAP model is opened with.
    pub(crate) fn embedding_model(&self, name: &str) -> Result<PathBuf> {
        let folder = self.model(name)?;
        match family_of(&folder) == Some(&CLAP) {
            true => self.text_model(name),
            false => Ok(folder),
        }
    }

    /// How a model's features are made.
    pub(crate) fn extractor(&self, name: &str) -> Result<Preprocessor> {
        let mut folder = PathBuf::from(name);
        if !folder.is_dir() {
            refuse_file(&folder)?;
            let repo = Repo::model(name)
                .with_context(|| format!("there is no folder `{name}`, and it is no Hub id"))?;
            let hub = self.open()?;
            let config = hub.fetch(&repo, "config.json")?;
            folder = config.parent().map(Path::to_owned).unwrap_or_default();
            let commit = folder.file_name().unwrap_or_default().to_string_lossy();
            let id = name.split('@').next().unwrap_or(name);
            hub.fetch_extractor(&Repo::model(&format!("{id}@{commit}"))?)?;
        }
        let path = folder.join("config.json");
        // The extractor's own file is enough, where it names its class.
        let config = match earmark_config::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => earmark_config::Object::new(),
            text => {
                earmark_config::object(&text.with_context(|| format!("cannot read `{}`", path.display()))?)
                    .with_context(|| format!("cannot use `{}`", path.display()))?
            }
        };
        Ok(read_extractor(&folder, &config)?)
    }
}

/// What a model is: each file of its folder that may be part of it, with its size and the CRC-32C of all of it.
pub(crate) fn files(folder: &Path) -> Result<Vec<(String, String)>> {
    let doing = || format!("cannot read the model in `{}`", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(doing)? {
        let path = entry.with_context(doing)?.path();
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if path.is_file() && ["json", "safetensors", "bin", "txt"].contains(&extension) {
            let (bytes, sum) =
                checksum(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            let name = earmark_fs::text(path.file_name().unwrap_or_default());
            files.push((format!("the model's {name}"), format!("{bytes} bytes with checksum {sum:08x}")));
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
