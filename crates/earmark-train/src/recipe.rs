use std::fmt;
use std::path::Path;
use std::str::FromStr;

use burn::tensor::FloatDType;
use earmark_audio::Downmix;
use earmark_error::Context as _;
use earmark_features::Resampler;
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Error, ErrorKind};

/// A recipe is a page.
const LIMIT: u64 = 1 << 20;

/// Every choice of a run. Written to `recipe.toml` before the first step, so that a run can be repeated and resumed.
///
/// Names and defaults are those of `TrainingArguments` (transformers 5.23.0) and of the audio course's GTZAN run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the run is called; its folder is `runs/<name>/<stamp>`.
    pub name: String,
    /// The version of earmark that resolved it.
    pub earmark: String,
    /// What is fine-tuned: a Hub id with `@revision`, a folder, or `scratch:` and a preset.
    pub model: String,
    /// The commit of the Hub that its weights are of; empty for what is not from the Hub.
    #[serde(default)]
    pub model_commit: String,
    /// What it learns from: a dataset's name, or a folder.
    pub dataset: String,
    /// The name it was asked for by, such as `minds14:en-AU` or `sample`; empty for a folder. A recipe of an earlier version does
    /// not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// The commit of the Hub that the dataset is of; empty for what is not from the Hub.
    #[serde(default)]
    pub dataset_commit: String,
    /// The folder the clips are in.
    pub data: String,
    /// The column that is the class; empty for the usual one.
    #[serde(default)]
    pub label_column: String,
    /// The split of the dataset that is learned from alone, or `all`; empty for `train` beside those kept for evaluation.
    #[serde(default)]
    pub split: String,
    /// Which clips are kept for evaluation: `random`, `stratified` (every class in proportion), `published` (as the dataset's
    /// makers keep them), `group:FIELD` (no speaker, fold or artist on both sides) or `fold:FIELD=VALUE`.
    #[serde(default)]
    pub split_by: SplitBy,
    /// Clips kept for evaluation: a fraction below 1, or a number of clips.
    pub test_size: f64,
    /// Seeds the split, the order of each epoch, a new head, and the dropout.
    pub seed: u64,
    /// Passes over the training clips.
    pub epochs: u64,
    /// Clips of one forward pass.
    pub batch_size: usize,
    /// Clips of one forward pass while evaluating. It can move the numbers in the last digits: group-norm models hear
    /// the padding, and that depends on the company.
    pub eval_batch_size: usize,
    /// Forward passes of one optimizer step.
    pub gradient_accumulation_steps: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Share of all steps over which the learning rate climbs from 0; it then falls to 0, linearly.
    pub warmup_ratio: f64,
    /// AdamW's decay of the weights; biases and norms never decay.
    pub weight_decay: f64,
    /// AdamW's β₁, β₂.
    pub adam_betas: [f64; 2],
    /// AdamW's ε.
    pub adam_epsilon: f64,
    /// The gradient's global L2 norm is scaled down to this; 0 never clips.
    pub max_grad_norm: f64,
    /// Longer clips are cut here, in seconds.
    pub max_duration: f64,
    /// Optimizer steps per line of `metrics.jsonl`.
    pub logging_steps: u64,
    /// Number type of the products; weights, norms, softmax, loss and optimizer are 32-bit floats always.
    pub precision: Precision,
    /// Whether the model's dropout, layerdrop and SpecAugment run.
    pub dropout: bool,
    /// Whether the model is told which samples are padding.
    pub attention_mask: bool,
    /// Whether the head is drawn anew even if the checkpoint has one.
    pub new_head: bool,
    /// Whether clips that cannot be used are left out instead of ending the run.
    pub skip_bad: bool,
    /// How many checkpoints stay: the newest, with the best among them. 0 keeps every one.
    pub keep_checkpoints: usize,
    /// How clips get to the model's rate.
    pub resampler: Resampler,
    /// How channels become one.
    pub downmix: Downmix,
    /// Where it ran.
    pub device: String,
}

/// How the clips that are kept for evaluation are chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SplitBy {
    /// By the reference's `train_test_split`.
    #[default]
    Random,
    /// By the reference's `train_test_split(stratify_by_column=…)`.
    Stratified,
    /// As the dataset's makers did.
    Published,
    /// So that clips that agree in this field stay together.
    Group(String),
    /// Those that have this value in this field.
    Fold(String, String),
}

impl fmt::Display for SplitBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SplitBy::Random => f.write_str("random"),
            SplitBy::Stratified => f.write_str("stratified"),
            SplitBy::Published => f.write_str("published"),
            SplitBy::Group(field) => write!(f, "group:{field}"),
            SplitBy::Fold(field, value) => write!(f, "fold:{field}={value}"),
        }
    }
}

impl FromStr for SplitBy {
    type Err = String;

    fn from_str(text: &str) -> Result<SplitBy, String> {
        match text.split_once(':') {
            None if text == "random" => Ok(SplitBy::Random),
            None if text == "stratified" => Ok(SplitBy::Stratified),
            None if text == "published" => Ok(SplitBy::Published),
            Some(("group", field)) if !field.is_empty() => Ok(SplitBy::Group(field.to_owned())),
            Some(("fold", fold)) if fold.contains('=') => {
                let (field, value) = fold.split_once('=').unwrap_or_default();
                Ok(SplitBy::Fold(field.to_owned(), value.to_owned()))
            }
            _ => Err("expected random, stratified, published, group:FIELD or fold:FIELD=VALUE".to_owned()),
        }
    }
}

impl TryFrom<String> for SplitBy {
    type Error = String;

    fn try_from(text: String) -> Result<SplitBy, String> {
        text.parse()
    }
}

impl From<SplitBy> for String {
    fn from(split: SplitBy) -> String {
        split.to_string()
    }
}

/// Number type of the products, as `--bf16` and `--fp16` of the reference set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// Products in bfloat16: the range of f32 with three digits.
    Bf16,
    /// Products in 16-bit floats: four digits, a small range, and so a scaled loss.
    Fp16,
}

impl Precision {
    /// As `--precision` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Bf16 => "bf16",
            Precision::Fp16 => "fp16",
        }
    }

    /// The type of the products, where it is not that of the weights.
    pub(crate) fn half(self) -> Option<FloatDType> {
        match self {
            Precision::Fp32 => None,
            Precision::Bf16 => Some(FloatDType::BF16),
            Precision::Fp16 => Some(FloatDType::F16),
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Precision, String> {
        match text {
            "fp32" => Ok(Precision::Fp32),
            "bf16" => Ok(Precision::Bf16),
            "fp16" => Ok(Precision::Fp16),
            _ => Err("expected fp32, bf16 or fp16".to_owned()),
        }
    }
}

impl Recipe {
    /// The course's recipe (`fine-tuning.mdx`, Hugging Face audio course), for the run to be named and given its data.
    pub fn new(name: &str, model: &str, dataset: &str) -> Recipe {
        Recipe {
            name: name.to_owned(),
            earmark: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.to_owned(),
            model_commit: String::new(),
            dataset: dataset.to_owned(),
            published: None,
            dataset_commit: String::new(),
            data: String::new(),
            label_column: String::new(),
            split: String::new(),
            split_by: SplitBy::Random,
            test_size: 0.1,
            seed: 42,
            epochs: 10,
            batch_size: 8,
            eval_batch_size: 8,
            gradient_accumulation_steps: 1,
            lr: 5e-5,
            warmup_ratio: 0.1,
            weight_decay: 0.0,
            adam_betas: [0.9, 0.999],
            adam_epsilon: 1e-8,
            max_grad_norm: 1.0,
            max_duration: 30.0,
            logging_steps: 5,
            precision: Precision::Fp32,
            dropout: true,
            // DistilHuBERT ships without a mask; the course asks for one all the same, and its numbers are with it.
            attention_mask: true,
            new_head: false,
            skip_bad: false,
            keep_checkpoints: 2, // The newest and the best; ten would be 3 GB for DistilHuBERT.
            resampler: Resampler::Hq,
            downmix: Downmix::Mean,
            device: "cpu".to_owned(),
        }
    }

    /// Checks the values that a flag can get wrong.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        let counts = [
            ("epochs", self.epochs),
            ("batch_size", self.batch_size as u64),
            ("eval_batch_size", self.eval_batch_size as u64),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps as u64),
            ("logging_steps", self.logging_steps),
        ];
        let shares = [("warmup_ratio", self.warmup_ratio, 0.0..=1.0)];
        let amounts = [
            ("lr", self.lr, 0.0),
            ("weight_decay", self.weight_decay, 0.0),
            ("max_grad_norm", self.max_grad_norm, 0.0),
            ("max_duration", self.max_duration, 0.001),
            ("test_size", self.test_size, 0.0),
            ("adam_epsilon", self.adam_epsilon, 0.0),
        ];
        // Products of two of them are counted with, too.
        const MOST: u64 = u32::MAX as u64;
        let count = counts.into_iter().find(|(_, n)| !(1..=MOST).contains(n));
        let count = count.map(|(key, n)| (key, format!("is {n}, expected 1 to {MOST}")));
        // The reference takes no larger seed, and TOML holds no number of 64 bits.
        let limits = [("seed", self.seed), ("keep_checkpoints", self.keep_checkpoints as u64)];
        let limit = limits.into_iter().find(|(_, n)| *n > MOST);
        let limit = limit.map(|(key, n)| (key, format!("is {n}, expected {MOST} at most")));
        let share = shares.into_iter().find(|(_, x, range)| !range.contains(x));
        let share = share.map(|(key, x, _)| (key, format!("is {x}, expected 0 to 1")));
        let amount = amounts.into_iter().find(|(_, x, least)| !(x.is_finite() && x >= least));
        let amount = amount.map(|(key, x, least)| (key, format!("is {x}, expected {least} or more")));
        let test_size = (self.test_size >= 1.0 && self.test_size.fract() != 0.0).then(|| {
            ("test_size", format!("is {}, expected a share below 1 or a whole number", self.test_size))
        });
        match count.or(limit).or(share).or(amount).or(test_size) {
            Some((key, why)) => {
                Err(ErrorKind::Value { key, why }).context(Doing("cannot run this recipe".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// The text of `recipe.toml`.
    pub fn to_toml(&self) -> String {
        let body = toml::to_string(self).expect("a recipe is plain names and numbers");
        format!("# Every choice of this run. `earmark train --resume` reads it back.\n{body}")
    }

    /// Reads `recipe.toml` in a run folder.
    ///
    /// # Errors
    /// When the file is missing or not a recipe of this version.
    pub fn read(run: &Path) -> Result<Recipe, Error> {
        let path = run.join("recipe.toml");
        let doing = || Doing(format!("cannot read `{}`", path.display()));
        toml::from_str(&earmark_fs::read_to_string(&path, LIMIT).with_context(doing)?).with_context(doing)
    }

    /// Name and value of every choice, for a table.
    pub fn rows(&self) -> Vec<(String, String)> {
        let table = toml::Table::try_from(self).expect("a recipe is plain names and numbers");
        let text = |value: toml::Value| match value {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        table.into_iter().map(|(key, value)| (key, text(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_a_recipe_cannot_keep_is_refused_by_name() {
        for most in [0, u64::from(u32::MAX)] {
            let recipe = Recipe { seed: most, ..Recipe::new("name", "model", "data") };
            recipe.validate().unwrap();
            assert!(recipe.to_toml().contains(&most.to_string()));
        }
        for seed in [1 << 32, u64::MAX] {
            let recipe = Recipe { seed, ..Recipe::new("name", "model", "data") };
            let why = recipe.validate().unwrap_err().kind.to_string();
            assert!(why.contains("`seed`") && why.contains(&seed.to_string()), "{why}");
        }
        let recipe = Recipe { keep_checkpoints: usize::MAX, ..Recipe::new("name", "model", "data") };
        assert!(recipe.validate().unwrap_err().kind.to_string().contains("`keep_checkpoints`"));
    }
}
