use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use earmark_audio::{WavFormat, has_audio_extension, wav_bytes};
use earmark_config::CLAP;
use earmark_data::Clip;
use earmark_data::sample::{self, SampleOptions};
use earmark_fs::Walk;
use earmark_pipeline::{ZeroShotClassifier, family_of};
use earmark_serve::{Access, Clips, Example, Limits, Model, Options, Server};
use rayon::prelude::*;

use crate::args::dataset::{DatasetArgs, Named};
use crate::args::labels::{LabelArgs, ScoresArg};
use crate::args::model::{ModelArgs, ModelSource, Purpose};
use crate::args::parse;
use crate::exit::{Done, usage};
use crate::interrupt;
use crate::output::{messages, stdout};
use crate::scoring::classifier::ClassifierScorer;

const EXAMPLES: &str = "\
Examples:
  earmark serve --model runs/sample/model
  earmark serve --model laion/clap-htsat-unfused --labels \"dog,rain\"
  earmark serve --model ./model --dataset recordings
  earmark serve --model ./model --host 0.0.0.0 --token \"$TOKEN\" --no-open
  curl -F file=@siren.ogg http://127.0.0.1:7860/api/classify";

/// Serve a model in the browser and over HTTP.
///
/// The page classifies sounds that are dropped, chosen or recorded, and the microphone live; with --dataset it has a tab to check
/// labels by ear. Programs use POST /api/classify or, unchanged, a Gradio client.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// What the scores are: softmax, sigmoid, none (logits), or auto, as the model's config says.
    #[arg(long, value_name = "KIND", default_value = "auto")]
    scores: ScoresArg,

    #[command(flatten)]
    labels: LabelArgs,

    /// Show the clips of a dataset in a tab of its own, to check and correct their labels.
    #[arg(long, value_name = "NAME|DIR", help_heading = "Page")]
    dataset: Option<String>,

    #[command(flatten)]
    which: DatasetArgs,

    /// Offer the sound files of this folder as examples [default: three synthesised ones].
    #[arg(long, value_name = "DIR", help_heading = "Page")]
    examples: Option<PathBuf>,

    /// Do not open the browser.
    #[arg(long, help_heading = "Page")]
    no_open: bool,

    /// Address to listen on; 0.0.0.0 for all of this machine's.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", help_heading = "Server")]
    host: IpAddr,

    /// Port to listen on; 0 for a free one.
    #[arg(long, value_name = "PORT", default_value_t = 7860, help_heading = "Server")]
    port: u16,

    /// Name by which browsers may reach this server, beside localhost and addresses in digits; as often as needed.
    #[arg(long, value_name = "NAME", env = "SPACE_HOST", hide_env_values = true, help_heading = "Server")]
    allow_host: Vec<String>,

    /// Ask clients for this token: Authorization: Bearer TOKEN.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "EARMARK_SERVE_TOKEN",
        hide_env_values = true,
        help_heading = "Server"
    )]
    token: Option<String>,

    /// Ask browsers for a name and a password.
    #[arg(
        long,
        value_name = "USER:PASSWORD",
        env = "EARMARK_SERVE_AUTH",
        hide_env_values = true,
        conflicts_with = "token",
        help_heading = "Server"
    )]
    auth: Option<String>,

    /// Largest file to accept, in MB.
    #[arg(long, value_name = "MB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Server")]
    max_size: u32,

    /// Longest sound to accept.
    #[arg(long, value_name = "LENGTH", default_value = "1h", value_parser = parse::length, help_heading = "Server")]
    max_duration: Duration,

    /// Longest clip, or window, to classify at once; longer sounds need windows.
    #[arg(long, value_name = "LENGTH", default_value = "5min", value_parser = parse::length, help_heading = "Server")]
    max_clip: Duration,

    /// Longest time a request may take, its place in the queue included.
    #[arg(long, value_name = "LENGTH", default_value = "5min", value_parser = parse::length, help_heading = "Server")]
    timeout: Duration,
}

/// What a zero-shot model chooses from until the page's own labels are written.
const LABELS: [&str; 6] = ["speech", "music", "a dog", "rain", "a car engine", "silence"];

pub(crate) fn run(args: &Args) -> Result<Done> {
    let access = args.access()?;
    let (model, facts) = args.model()?;
    let options = Options {
        name: args.model.name().to_owned(),
        facts,
        examples: args.examples()?,
        clips: args.clips()?,
        limits: Limits {
            body: (args.max_size as usize) << 20,
            duration: args.max_duration,
            clip: args.max_clip,
            timeout: args.timeout,
            ..Limits::default()
        },
        access,
        hosts: args.allow_host.clone(),
    };
    if !args.host.is_loopback() && options.access == Access::Open {
        messages::warning(
            "everybody who reaches this machine can use the model: pass --token or --auth to ask who they are",
        );
    }
    let server = Server::bind(SocketAddr::new(args.host, args.port), model, options)?;
    let address = format!("http://{}", server.address());
    let mut out = stdout::stdout();
    writeln!(out, "{address}")?;
    out.flush()?;
    if !args.no_open
        && let Err(error) = open::that_detached(&address)
    {
        tracing::debug!(%error, "cannot open a browser");
    }
    let stop =
        interrupt::asked("stopping once running requests are answered; Ctrl-C again quits at once", None)?;
    server.run(async move {
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })?;
    Ok(Done::Well)
}

impl Args {
    fn access(&self) -> Result<Access> {
        match (&self.token, &self.auth) {
            (Some(token), _) if token.is_empty() => Err(usage("--token is empty")),
            (Some(token), _) => Ok(Access::Token(token.clone())),
            (None, Some(auth)) => match auth.split_once(':') {
                Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                    Ok(Access::Password { user: user.to_owned(), password: password.to_owned() })
                }
                _ => Err(usage("--auth is a name and a password with a colon between them")),
            },
            (None, None) => Ok(Access::Open),
        }
    }

    /// The model, and what people want to know of it.
    fn model(&self) -> Result<(Model, Facts)> {
        let ModelSource { folder, device, hearing } = self.model.open(Purpose::Embed)?;
        let facts = facts(&folder);
        if family_of(&folder) == Some(&CLAP) {
            let labels = match self.labels.given() {
                true => self.labels.all()?,
                false => LABELS.map(str::to_owned).to_vec(),
            };
            let classifier = ZeroShotClassifier::open(&folder, &device)?;
            return Ok((Model::zero_shot(classifier, &labels, &self.labels.template, hearing)?, facts));
        }
        if self.labels.given() {
            return Err(usage("the model has labels of its own: --labels is for CLAP models"));
        }
        let ClassifierScorer { classifier, scores, .. } =
            ClassifierScorer::open(&folder, self.scores, &device, "pass them by --labels A,B")?;
        Ok((Model::classifier(classifier, scores, hearing), facts))
    }

    fn examples(&self) -> Result<Vec<Example>> {
        let Some(folder) = &self.examples else { return synthesised() };
        let mut examples = Vec::new();
        for entry in Walk::new(folder) {
            let entry = entry?;
            if !entry.is_folder() && has_audio_extension(&entry.path) {
                let doing = || format!("cannot read `{}`", earmark_fs::text(&entry.path));
                let bytes = earmark_fs::read(&entry.path, LARGEST_EXAMPLE).with_context(doing)?;
                examples.push(Example { name: earmark_fs::text(&entry.relative), bytes: bytes.into() });
            }
            if examples.len() > MOST_EXAMPLES {
                bail!(
                    "`{}` holds more than {MOST_EXAMPLES} sound files: choose fewer examples",
                    folder.display()
                );
            }
        }
        if examples.is_empty() {
            bail!("the folder `{}` holds no sound files", folder.display());
        }
        Ok(examples)
    }

    fn clips(&self) -> Result<Option<Arc<dyn Clips>>> {
        let Some(name) = &self.dataset else { return Ok(None) };
        let dataset = Named::new(name, &self.which)?.open(&self.which, &self.model.hub)?;
        let labels = dataset.labels.names().to_vec();
        Ok(Some(Arc::new(DatasetClips { clips: dataset.clips, labels })))
    }
}

/// Most examples, and the largest, in bytes: the server holds them in memory.
const MOST_EXAMPLES: usize = 50;
const LARGEST_EXAMPLE: u64 = 16 << 20;

/// Three clips of the built-in sample. No others are played: all ten take longer than the rest of the start.
fn synthesised() -> Result<Vec<Example>> {
    let example = |genre: &str| {
        let clip =
            sample::clip(genre, 0, &SampleOptions::default()).context("the sample has no such genre")?;
        Ok(Example { name: genre.to_owned(), bytes: wav_bytes(&clip, WavFormat::Pcm16)?.into() })
    };
    ["blues", "hiphop", "reggae"].into_par_iter().map(example).collect()
}

/// The clips of a dataset, for the page.
#[derive(Debug)]
struct DatasetClips {
    clips: Vec<Clip>,
    labels: Vec<String>,
}

impl Clips for DatasetClips {
    fn list(&self) -> Vec<(String, String)> {
        let label = |clip: &Clip| self.labels.get(clip.label.index()).cloned().unwrap_or_default();
        self.clips.iter().map(|clip| (clip.name.clone(), label(clip))).collect()
    }

    fn read(&self, index: usize) -> io::Result<Vec<u8>> {
        let clip = self.clips.get(index).ok_or(io::ErrorKind::NotFound)?;
        clip.bytes().map_err(io::Error::other)
    }
}

/// What people want to know of a model: a name and a value each.
type Facts = Vec<(String, String)>;

/// Architecture, size, revision and licence, as far as the folder says them.
fn facts(folder: &Path) -> Facts {
    let mut facts = Vec::new();
    if let Some(family) = family_of(folder) {
        facts.push(("architecture".to_owned(), family.model_type.to_owned()));
    }
    if let Ok(checkpoint) = earmark_models::Checkpoint::open(folder) {
        let numbers: usize = checkpoint.tensors().map(|(_, shape, _)| shape.iter().product::<usize>()).sum();
        facts.push(("parameters".to_owned(), format!("{:.1} million", numbers as f64 / 1e6)));
    }
    // A snapshot of the Hub's cache is a folder of that name.
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        facts.push(("revision".to_owned(), name.into_owned()));
    }
    let card = earmark_fs::read_to_string(folder.join("README.md"), 1 << 20).unwrap_or_default();
    let front = card.strip_prefix("---\n").and_then(|card| card.split("\n---").next()).unwrap_or_default();
    if let Some(licence) = front.lines().find_map(|line| line.strip_prefix("license:")) {
        facts.push(("licence".to_owned(), licence.trim().to_owned()));
    }
    facts
}
