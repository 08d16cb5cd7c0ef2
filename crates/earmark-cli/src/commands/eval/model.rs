//! A model that is scored: a classifier, or a CLAP model with the dataset's classes as labels.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use burn::tensor::Device;
use earmark_config::CLAP;
use earmark_features::{Features, Preprocessor};
use earmark_labels::Scores;
use earmark_pipeline::{
    Candidates, ErrorKind, HYPOTHESIS_TEMPLATE, Pretrained, ZeroShotClassifier, family_of,
};
use earmark_train::{ClassifierForward, Error, Forward, Preparation, Recipe};
use serde::{Deserialize, Serialize};

use crate::exit::usage;
use crate::scoring::kind::{explain, explain_clap};
use crate::scoring::zero_shot::ZeroShotScorer;

/// A model that is scored.
pub(super) struct ScoredModel {
    pub(super) forward: Arc<dyn Forward>,
    /// In the order of its outputs.
    pub(super) labels: Vec<String>,
    /// What its outputs become.
    pub(super) scores: Scores,
    /// Whether the labels are the languages of a whole Whisper.
    pub(super) identifies_languages: bool,
    /// What a CLAP model reads for each label.
    pub(super) prompts: Option<Prompts>,
    preprocessor: Preprocessor,
    min_samples: usize,
}

/// How the labels of a CLAP model become sentences, as the flags say.
pub(super) struct Templates<'a> {
    /// Empty where no flag is given.
    pub(super) templates: &'a [String],
    pub(super) as_is: bool,
}

impl ScoredModel {
    /// Opens the folder of a model; `classes` are those of the dataset.
    pub(super) fn open(
        folder: &Path,
        classes: &[String],
        prompts: &Templates<'_>,
        device: &Device,
    ) -> Result<ScoredModel> {
        if family_of(folder) == Some(&CLAP) {
            return ScoredModel::zero_shot(folder, classes, prompts, device);
        }
        if !prompts.templates.is_empty() || prompts.as_is {
            return Err(usage(format_args!(
                "--template and --labels-as-is are for CLAP models, and `{}` has labels of its own: leave them out",
                folder.display()
            )));
        }
        let opened = Pretrained::open(folder, device);
        let learner =
            opened.map_err(|error| explain(error, "`earmark eval` scores them on the dataset's classes"))?;
        Ok(ScoredModel::classifier(learner, device))
    }

    /// A classifier that is already open.
    pub(super) fn classifier(learner: Pretrained, device: &Device) -> ScoredModel {
        let min_samples = learner.min_samples();
        let Pretrained { config, preprocessor, network } = learner;
        ScoredModel {
            forward: Arc::new(ClassifierForward::new(network, preprocessor.clone(), device.clone())),
            labels: config.labels().to_vec(),
            scores: Scores::for_problem_type(config.problem_type()),
            identifies_languages: config.languages().is_some(),
            prompts: None,
            preprocessor,
            min_samples,
        }
    }

    fn zero_shot(
        folder: &Path,
        classes: &[String],
        prompts: &Templates<'_>,
        device: &Device,
    ) -> Result<ScoredModel> {
        let default = [HYPOTHESIS_TEMPLATE.to_owned()];
        let templates = if prompts.templates.is_empty() { &default } else { prompts.templates };
        let prompts = Prompts::new(templates, classes, prompts.as_is);
        let opened = ZeroShotClassifier::open(folder, device);
        let classifier = opened.map_err(|error| explain_clap(error, "use it without --template"))?;
        let candidates = classifier.ensemble(&prompts.labels, &prompts.templates)?;
        let (preprocessor, min_samples) = (classifier.preprocessor().clone(), classifier.min_samples());
        Ok(ScoredModel {
            forward: Arc::new(ZeroShot { classifier, candidates }),
            labels: classes.to_vec(),
            scores: ZeroShotScorer::SCORES,
            identifies_languages: false,
            prompts: Some(prompts),
            preprocessor,
            min_samples,
        })
    }

    /// How clips become features for it.
    pub(super) fn preparation(&self, recipe: &Recipe) -> Preparation {
        Preparation::of(self.preprocessor.clone(), self.min_samples, recipe)
    }
}

/// A CLAP model and the embeddings of its labels, clip by clip as `zero-shot` runs it.
struct ZeroShot {
    classifier: ZeroShotClassifier,
    candidates: Candidates,
}

impl Forward for ZeroShot {
    fn logits(&self, batch: &[&Features]) -> Result<Vec<Vec<f32>>, Error> {
        let logits = |&features: &&Features| match self.classifier.logits(features, &self.candidates) {
            // Whether that is the clip's fault or the model's shows when all clips are done.
            Err(error) => match &*error.kind {
                ErrorKind::NotFinite { value, .. } => Ok(vec![*value; self.candidates.labels().len()]),
                _ => Err(error.into()),
            },
            Ok(logits) => Ok(logits),
        };
        batch.iter().map(logits).collect()
    }
}

/// The sentences that a CLAP model reads for each label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Prompts {
    /// With `{}` where the label goes.
    pub(super) templates: Vec<String>,
    /// The labels as they stand in the templates, in the order of the model's outputs.
    pub(super) labels: Vec<String>,
}

impl Prompts {
    /// Underscores become spaces, unless labels are taken as they are: a sentence has none.
    pub(super) fn new(templates: &[String], labels: &[String], as_is: bool) -> Prompts {
        let labels = labels.iter().map(|label| if as_is { label.clone() } else { label.replace('_', " ") });
        Prompts { templates: templates.to_vec(), labels: labels.collect() }
    }
}
