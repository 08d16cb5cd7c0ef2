//! The queries of a search, embedded as the rows of its table were.

use anyhow::{Context as _, Result, bail};
use earmark_audio::{DecodeOptions, Downmix};
use earmark_features::Resampler;
use earmark_pipeline::{AudioEmbedder, AudioOptions, Layer, Pool};

use super::args::Args;
use crate::args::audio;
use crate::args::model::{self, ModelArgs, ModelSource, Purpose};
use crate::exit::{Usage, usage};
use crate::input::open::Opener;
use crate::input::path::Input;
use crate::output::causes::brief;
use crate::output::messages;
use crate::output::tables::embeddings::VectorSource;

/// Each query, with its vector or what is wrong with it, in the order of the command line: files, then texts.
pub(super) struct Queries(Vec<(String, Result<Vec<f32>, String>)>);

impl Queries {
    /// Embeds the queries of `args`; `source` says how the table was made.
    pub(super) fn embed(args: &Args, source: Option<&VectorSource>) -> Result<Queries> {
        let Some(name) = args.model.as_deref().or(source.map(|source| source.model.as_str())) else {
            let table = earmark_fs::text(&args.vectors);
            return Err(usage(format_args!(
                "`{table}` does not say which model made its vectors: pass --model"
            )));
        };
        let model =
            ModelArgs::new(name.to_owned(), args.audio.clone(), args.compute.clone(), args.hub.clone());
        let opened = model.open(Purpose::Embed);
        let opened = if args.model.is_none() {
            opened.with_context(|| {
                format!("cannot open `{name}`, which made the vectors: pass --model if it is elsewhere")
            })
        } else {
            opened
        };
        let ModelSource { folder, device, .. } = opened?;
        if let Some(source) = source
            && source.fingerprint != model::fingerprint(&folder)?
        {
            bail!(
                "`{}` was made with the model `{}`, and `{name}` has other weights or another configuration: vectors of different \
                 models cannot be compared",
                earmark_fs::text(&args.vectors),
                source.model
            );
        }
        let inputs: Vec<Input> = args.queries.iter().map(|path| Input::new(path)).collect();
        let opener = Opener::new(&inputs, || args.hub.open())?;
        let embedder = AudioEmbedder::open(&folder, &device)?.with_audio(options(args, source)?);
        let embedder = like(embedder, source)?;
        // First, as it fails where the model cannot.
        let texts = match args.text.as_slice() {
            [] => Vec::new(),
            texts => embedder.embed_texts(texts).map_err(Usage::of)?,
        };
        let mut queries = Vec::new();
        for input in inputs {
            let vector = sound(&input, &opener, &embedder).map_err(|error| {
                messages::error(messages::failure(&error));
                brief(&*error)
            });
            queries.push((input.name(), vector));
        }
        queries.extend(args.text.iter().cloned().zip(texts.into_iter().map(Ok)));
        Ok(Queries(queries))
    }

    /// The vectors of those that have one.
    pub(super) fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        self.0.iter().filter_map(|(_, vector)| vector.as_deref().ok())
    }

    pub(super) fn all_embedded(&self) -> bool {
        self.0.iter().all(|(_, vector)| vector.is_ok())
    }

    /// Each query, and why it has no vector if it has none.
    pub(super) fn into_names(self) -> impl Iterator<Item = (String, Result<(), String>)> {
        self.0.into_iter().map(|(name, vector)| (name, vector.map(drop)))
    }
}

/// The embedder with the layer and the pooling of the table.
fn like(embedder: AudioEmbedder, source: Option<&VectorSource>) -> Result<AudioEmbedder> {
    let Some((layer, pool)) = source.and_then(|it| it.layer.as_ref().zip(it.pool.as_ref())) else {
        return Ok(embedder);
    };
    let unknown = |why| anyhow::anyhow!("the table was made by another version of earmark: {why}");
    let (layer, pool) = (layer.parse::<Layer>().map_err(unknown)?, pool.parse::<Pool>().map_err(unknown)?);
    Ok(embedder.with_layer(layer)?.with_pool(pool)?)
}

/// How query files are decoded: as the flags say, or else as the table's sounds were.
fn options(args: &Args, source: Option<&VectorSource>) -> Result<AudioOptions> {
    let of_table = |name: fn(&VectorSource) -> &String| source.map(|source| name(source).as_str());
    let resampler: Option<Resampler> = of_table(|it| &it.resampler).map(str::parse).transpose()?;
    let downmix: Option<Downmix> = of_table(|it| &it.downmix).map(str::parse).transpose()?;
    let downmix = args.audio.chosen_downmix().or(downmix).unwrap_or_default();
    let resampler = args.audio.chosen_resampler().or(resampler).unwrap_or_default();
    Ok(AudioOptions { decode: DecodeOptions { downmix, ..DecodeOptions::default() }, resampler })
}

fn sound(input: &Input, opener: &Opener, model: &AudioEmbedder) -> Result<Vec<f32>> {
    let clip = model.decode(opener.sound(input)?)?;
    audio::warn(&input.shown(), &clip.warnings);
    if let Some(caution) = model.caution(clip.waveform.samples().len()) {
        messages::warning(format_args!("`{}`: {caution}", input.shown()));
    }
    let features = model.features(&clip.waveform).map_err(|error| input.name_in(error))?;
    Ok(model.embeddings(&[features]).swap_remove(0).map_err(|error| input.name_in(error))?)
}
