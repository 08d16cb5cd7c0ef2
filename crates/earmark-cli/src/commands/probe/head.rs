//! The probe as the head of its encoder.

use std::path::Path;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use earmark_fs::AtomicFolder;
use earmark_models::{Layer, LinearHead, Pool};
use earmark_pipeline::{AudioEmbedder, Pretrained};
use earmark_train::Probe;

use crate::output::messages;

/// The folder of the model.
pub(super) const MODEL: &str = "model";

/// An encoder that a probe can be the head of.
pub(super) struct Encoder {
    encoder: Pretrained,
    layer: Layer,
    pool: Pool,
    device: Device,
}

impl Encoder {
    /// That of the model; `None`, which is said, where transformers has no class for it with a linear head.
    pub(super) fn of(model: &AudioEmbedder, device: &Device) -> Option<Encoder> {
        let layer = model.layer();
        let (encoder, pool) = match (model.encoder(), model.pool()) {
            (Some(encoder), Some(pool)) => (encoder, pool),
            (encoder, _) => {
                let what = if encoder.is_some() {
                    "no head of this model reads x-vectors"
                } else {
                    "CLAP has no classification head"
                };
                messages::note(format_args!("{what}, so no model is written: report.json has the scores"));
                return None;
            }
        };
        if encoder.config.network().with_linear_head(layer, pool).is_none() {
            messages::note(format_args!(
                "no head of this model reads layer {layer} pooled by {pool}, so no model is written: report.json has the scores"
            ));
            return None;
        }
        Some(Encoder { encoder: encoder.clone(), layer, pool, device: device.clone() })
    }

    /// Brings each embedding to mean 0 and variance 1, where the head begins with a norm: the probe learns from what it will be
    /// given.
    pub(super) fn normed(&self, vectors: &mut [Vec<f32>]) {
        let Some(epsilon) = self.encoder.config.network().head_norm() else { return };
        for vector in vectors {
            let count = vector.len() as f64;
            let mean = vector.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            let variance = vector.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
            let scale = (variance + epsilon).sqrt();
            vector.iter_mut().for_each(|x| *x = ((f64::from(*x) - mean) / scale) as f32);
        }
    }

    /// Writes the encoder with the probe as its head into `output/model`.
    pub(super) fn write(&self, probe: &Probe, labels: &[String], output: &Path) -> Result<()> {
        let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let (weight, bias) = (single(&probe.weight), single(&probe.bias));
        let head = LinearHead { layer: self.layer, weight: &weight, bias: &bias };
        let model = self.encoder.with_linear_head(&head, self.pool, labels.to_vec(), &self.device);
        let model = model.context("the encoder was found to take a linear head")?;
        let folder = output.join(MODEL);
        let doing = || format!("cannot write `{}`", folder.display());
        let new = AtomicFolder::create(&folder).with_context(doing)?;
        model.save(new.path())?;
        new.replace().with_context(doing)?;
        messages::note(format_args!("wrote {}", folder.display()));
        Ok(())
    }
}
