//! Every choice of a run, written once.

mod field;
mod freeze;
mod objective;
mod precision;
mod schedule;
mod split_by;
mod validation;
mod values;

use std::path::Path;

use earmark_audio::Downmix;
use earmark_error::Context as _;
use earmark_features::Resampler;
use earmark_models::SpecAugmentSettings;

use crate::error::{Doing, Error, ErrorKind};
use crate::recipe::field::Field;

pub use crate::recipe::freeze::{Freeze, Frozen};
pub use crate::recipe::objective::{Check, ClassWeights, Sampling};
pub use crate::recipe::precision::Precision;
pub use crate::recipe::schedule::ScheduleKind;
pub use crate::recipe::split_by::SplitBy;
pub use crate::recipe::validation::ValFromTrain;
pub use crate::recipe::values::Values;

/// A recipe is a page.
const LIMIT: u64 = 1 << 20;

/// Products of two counts are computed, too. The reference takes no larger seed.
const MOST: u64 = u32::MAX as u64;

/// Declares the fields of [`Recipe`] and [`Recipe::SETTINGS`], each row once: what it means, its key in `recipe.toml` and its
/// type, the default, the placeholder of its value in a help text, and the values that it may hold.
macro_rules! recipe {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr, $value_name:literal, $values:expr;)+) => {
        /// Every choice of a run. Written to `recipe.toml` before the first step, so that a run can be repeated and resumed.
        ///
        /// Names and defaults are those of `TrainingArguments` (transformers 5.23.0) and of the audio course's GTZAN run.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Recipe {
            $($(#[doc = $doc])+ pub $key: $type,)+
        }

        impl Recipe {
            /// The fields, in the order of `recipe.toml`.
            pub const SETTINGS: &'static [Setting] = &[$(Setting {
                key: stringify!($key),
                help: concat!($($doc),+).trim_ascii(),
                value_name: $value_name,
                values: $values,
                get: |recipe| recipe.$key.text(),
                set: |recipe, text| Field::parse(text).map(|value| recipe.$key = value).is_some(),
            }),+];

            fn defaults() -> Recipe {
                Recipe { $($key: $default),+ }
            }
        }
    };
}

recipe! {
    /// The run's name; its folder is `runs/<name>/<time>`.
    name: String = String::new(), "NAME", Values::Resolved;
    /// The version of earmark that resolved it.
    earmark: String = env!("CARGO_PKG_VERSION").to_owned(), "VERSION", Values::Resolved;
    /// The model to fine-tune: a Hub id, perhaps with `@REVISION`, a folder, or `scratch:` and the name of a network.
    model: String = String::new(), "ID|DIR", Values::Text;
    /// The commit of the model's repository on the Hub; empty for a model that is not from the Hub.
    model_commit: String = String::new(), "COMMIT", Values::Resolved;
    /// The name of the dataset, or of the folder.
    dataset: String = String::new(), "NAME", Values::Resolved;
    /// The name given on the command line, such as `minds14:en-AU` or `sample`; empty for a folder. Missing in recipes of earlier
    /// versions.
    published: Option<String> = None, "NAME", Values::Resolved;
    /// The commit of the dataset's repository on the Hub; empty for a dataset that is not from the Hub.
    dataset_commit: String = String::new(), "COMMIT", Values::Resolved;
    /// The folder the clips are in.
    data: String = String::new(), "DIR", Values::Resolved;
    /// Column holding the class, or folder1, folder2 … for the folders, outermost first [default: label, labels, class, classes,
    /// category, genre, intent_class or target, else the only column or folder left].
    label_column: String = String::new(), "NAME", Values::Text;
    /// Let a clip have any number of classes: the column has a list of them, or names joined by |, and each class becomes a yes or no
    /// of its own. A column of lists is always read so.
    multi_label: bool = false, "BOOL", Values::Switch;
    /// Table with more fields of the clips, such as the artist of each: .csv, .jsonl or .parquet with the column file_name, or .txt with
    /// lines FILE ::: ARTIST ::: TITLE. A split by group or fold can go by them.
    fields: String = String::new(), "FILE", Values::Text;
    /// Use this split only, or `all` for every split of a folder as one [default: train, with validation or else test as the held-out
    /// clips].
    split: String = String::new(), "NAME", Values::Text;
    /// How the held-out clips are chosen: random, stratified (each class in proportion), published (the dataset's own split),
    /// group:FIELD (no speaker or artist in both parts) or fold:FIELD=VALUE [default: published where the dataset has such a split,
    /// else random].
    split_by: SplitBy = SplitBy::Random, "HOW", Values::Form(SplitBy::FORM);
    /// Held-out clips: a fraction below 1, or a number of clips.
    test_size: f64 = 0.1, "SHARE", Values::ShareOrCount;
    /// Choose the epoch by clips that are taken from the training clips, so that the held-out ones are seen once, at the end: a share
    /// of them, drawn as the split draws; group, other groups than the rest; or fold, the fold after the held-out one [default: the
    /// held-out clips choose it, too].
    val_from_train: ValFromTrain = ValFromTrain::None, "SHARE|HOW", Values::Form(ValFromTrain::FORM);
    /// Seed of the split, the order of clips in each epoch, new weights, and dropout. The last digits still differ between devices,
    /// CPUs and versions.
    seed: u64 = 42, "N", Values::Whole(0, MOST);
    /// Seed of the split alone [default: the seed].
    split_seed: Option<u64> = None, "N", Values::Whole(0, MOST);
    /// Passes over the training clips.
    epochs: u64 = 10, "N", Values::Whole(1, MOST);
    /// End the run once so many epochs in a row have not been more accurate than the best before them; 0 trains all epochs. The
    /// learning rate falls as if all were trained.
    early_stopping_patience: u64 = 0, "N", Values::Whole(0, MOST);
    /// Clips per batch.
    batch_size: usize = 8, "N", Values::Whole(1, MOST);
    /// Clips per batch in evaluation. It can change the last digits of the metrics: group-norm models process the padding, whose
    /// length depends on the other clips of the batch.
    eval_batch_size: usize = 8, "N", Values::Whole(1, MOST);
    /// Batches per optimizer step.
    gradient_accumulation_steps: usize = 1, "N", Values::Whole(1, MOST);
    /// Keep only what goes into each block of the network and compute the block again in the backward pass: a step takes less memory
    /// and about a third more time, and learns the same. On the CPU.
    gradient_checkpointing: bool = false, "BOOL", Values::Switch;
    /// Peak learning rate.
    lr: f64 = 5e-5, "RATE", Values::Number(0.0, f64::INFINITY);
    /// Peak learning rate of the classification head [default: that of the rest].
    head_lr: Option<f64> = None, "RATE", Values::Number(0.0, f64::INFINITY);
    /// Factor of the learning rate from each layer to the one below it, 1 for all the same: the head and a norm behind the last layer
    /// have the whole rate, the last layer has it times this, and so on down to what comes before the first layer.
    // The groups of BEiT and of timm.
    layer_lr_decay: f64 = 1.0, "FACTOR", Values::Number(0.0, 1.0);
    /// How the learning rate goes on after its rise: linear or cosine, both down to 0; constant, which does not rise either; or
    /// constant_with_warmup.
    schedule: ScheduleKind = ScheduleKind::Linear, "NAME", Values::Names(|| ScheduleKind::ALL.iter().map(|it| it.name()).collect());
    /// Fraction of the steps in which the learning rate rises from 0, linearly.
    warmup_ratio: f64 = 0.1, "SHARE", Values::Number(0.0, 1.0);
    /// AdamW's weight decay, which biases and norms are exempt from.
    weight_decay: f64 = 0.0, "RATE", Values::Number(0.0, f64::INFINITY);
    /// AdamW's β₁ and β₂.
    adam_betas: [f64; 2] = [0.9, 0.999], "B1,B2", Values::Betas;
    /// AdamW's ε.
    adam_epsilon: f64 = 1e-8, "EPSILON", Values::Number(0.0, f64::INFINITY);
    /// Clip the gradient norm to this; 0 disables clipping.
    max_grad_norm: f64 = 1.0, "NORM", Values::Number(0.0, f64::INFINITY);
    /// Parts of the network that stay as they are: feature-encoder (the convolutions over samples), backbone (all but the
    /// classification head), layers:A-B (transformer layers A to B, the first is 0). Several are joined by commas.
    freeze: Freeze = Freeze::default(), "PARTS", Values::List(Freeze::FORM);
    /// Train adapters of this rank on linear layers (LoRA), and the classification head, in place of all weights; 0 trains the weights.
    /// The model is exported with the adapters in its weights, and the adapters also as PEFT's, in adapter/.
    // arXiv:2106.09685; 8 and 16 are usual.
    lora_rank: usize = 0, "R", Values::Whole(0, 4096);
    /// The adapters' changes are multiplied by this and divided by the rank [default: the rank, which leaves them as they are].
    lora_alpha: Option<f64> = None, "ALPHA", Values::Number(0.0, f64::INFINITY);
    /// Names of the linear layers that get an adapter, joined by commas [default: those of the attention's query and value, q_proj,v_proj
    /// in most networks].
    lora_targets: String = String::new(), "NAMES", Values::Text;
    /// Evaluate and export an average of the weights over the steps, of which so much stays at each step; 0 takes the weights
    /// themselves. 0.999 is usual for runs of thousands of steps.
    ema: f64 = 0.0, "DECAY", Values::Number(0.0, 0.999_999);
    /// Share of each clip's target that is spread evenly over all classes.
    label_smoothing: f64 = 0.0, "SHARE", Values::Number(0.0, 1.0);
    /// Focal loss: each clip's cross-entropy times (1 − probability of its class) to the power of this, so that clips that are already
    /// right count less; 0 is the plain cross-entropy.
    // arXiv:1708.02002, which takes 2.
    focal_gamma: f64 = 0.0, "GAMMA", Values::Number(0.0, 100.0);
    /// Weights of the classes in the loss; balanced: clips / (classes × clips of the class), so that rare classes count as much as
    /// frequent ones. Where a clip may have any number of classes, a clip of a class counts as much for it as all others together: the
    /// weight is clips without the class / clips of it. NAME=WEIGHT, several joined by commas: these, and 1 for the other classes.
    class_weights: ClassWeights = ClassWeights::None, "WEIGHTS", Values::Form(ClassWeights::FORM);
    /// Which clips an epoch trains on: random, each once; balanced, as many but of every class equally often; group_by_length, each
    /// once, those of a step of nearly one length, so that little is padded.
    sampling: Sampling = Sampling::Random, "NAME", Values::Names(|| Sampling::ALL.iter().map(|it| it.name()).collect());
    /// Truncate clips to this many seconds.
    max_duration: f64 = 30.0, "SECONDS", Values::Number(0.001, f64::INFINITY);
    /// Evaluate all of a clip that is longer than max_duration, in windows of that length whose logits are averaged, in place of its
    /// beginning.
    eval_windows: bool = false, "BOOL", Values::Switch;
    /// Train on another window of each longer clip in every epoch, in place of its beginning.
    random_crop: bool = false, "BOOL", Values::Switch;
    /// Shift training clips in time, to either side by at most so many seconds; what leaves at one end comes in at the other.
    augment_shift: f64 = 0.0, "SECONDS", Values::Number(0.0, 3600.0);
    /// Make training clips louder or softer by at most so many decibels.
    augment_gain: f64 = 0.0, "DB", Values::Number(0.0, 60.0);
    /// Add noise to training clips at a signal-to-noise ratio between these, in decibels.
    augment_snr: Option<[f64; 2]> = None, "LEAST,MOST", Values::Range;
    /// Folder of recordings of noise for that [default: white noise].
    augment_noise: String = String::new(), "DIR", Values::Text;
    /// Mix each training clip and its target with another one's, whose share is drawn from Beta(ALPHA, ALPHA); 0 mixes none.
    // arXiv:1710.09412; 0.2 to 0.4 are usual.
    mixup: f64 = 0.0, "ALPHA", Values::Number(0.0, 100.0);
    /// Optimizer steps between lines of metrics.jsonl.
    logging_steps: u64 = 5, "N", Values::Whole(1, MOST);
    /// Precision of the matrix products; weights, norms, softmax, loss and optimizer stay in fp32. bf16 and fp16 are for GPUs and
    /// slower on a CPU.
    precision: Precision = Precision::Fp32, "DTYPE", Values::Names(|| Precision::ALL.iter().map(|it| it.name()).collect());
    /// Apply the model's dropout, layerdrop and SpecAugment.
    dropout: bool = true, "BOOL", Values::Switch;
    /// SpecAugment: mask this share of the frames, in spans [default: the model's, as for the three that follow].
    mask_time_prob: Option<f64> = None, "SHARE", Values::Number(0.0, 0.99);
    /// SpecAugment: frames of a span.
    mask_time_length: Option<u64> = None, "N", Values::Whole(1, MOST);
    /// SpecAugment: mask this share of the channels, in spans.
    mask_feature_prob: Option<f64> = None, "SHARE", Values::Number(0.0, 0.99);
    /// SpecAugment: channels of a span.
    mask_feature_length: Option<u64> = None, "N", Values::Whole(1, MOST);
    /// Pass the model a mask of the padding.
    // DistilHuBERT ships without a mask; the course asks for one all the same, and its numbers are with it.
    attention_mask: bool = true, "BOOL", Values::Switch;
    /// Replace the model's classification head with a randomly initialised one.
    new_head: bool = false, "BOOL", Values::Switch;
    /// Skip clips that cannot be used, with a warning, instead of stopping.
    skip_bad: bool = false, "BOOL", Values::Switch;
    /// When clips are decoded for the first time, so that a bad one is found: all, before the first step; lazily, each of the training
    /// clips when a step needs it.
    check: Check = Check::All, "NAME", Values::Names(|| Check::ALL.iter().map(|it| it.name()).collect());
    /// Features of clips to keep in memory, so that no epoch has to read them again from the cache on the disk.
    features_in_memory: f64 = 2.0, "GIB", Values::Number(0.0, 1e6);
    /// Checkpoints to keep, the newest and always the best; 0 keeps all.
    // Ten would be 3 GB for DistilHuBERT.
    keep_checkpoints: usize = 2, "N", Values::Whole(0, MOST);
    /// Resampling of clips to the model's rate.
    resampler: Resampler = Resampler::Hq, "NAME", Values::Names(|| Resampler::ALL.iter().map(|it| it.name()).collect());
    /// Mixing of channels down to mono.
    downmix: Downmix = Downmix::Mean, "NAME", Values::Names(|| Downmix::ALL.iter().map(|it| it.name()).collect());
    /// Where it ran.
    device: String = "cpu".to_owned(), "DEVICE", Values::Resolved;
}

/// Keys that recipes of earlier versions lack.
const ADDED_LATER: &[&str] = &[
    "model_commit",
    "published",
    "dataset_commit",
    "label_column",
    "multi_label",
    "fields",
    "split",
    "split_by",
    "early_stopping_patience",
    "head_lr",
    "layer_lr_decay",
    "schedule",
    "freeze",
    "lora_rank",
    "lora_alpha",
    "lora_targets",
    "ema",
    "mask_time_prob",
    "mask_time_length",
    "mask_feature_prob",
    "mask_feature_length",
    "label_smoothing",
    "focal_gamma",
    "class_weights",
    "sampling",
    "val_from_train",
    "split_seed",
    "random_crop",
    "eval_windows",
    "augment_shift",
    "augment_gain",
    "augment_snr",
    "augment_noise",
    "mixup",
    "gradient_checkpointing",
    "check",
    "features_in_memory",
];

/// A field of [`Recipe`]: its key in `recipe.toml`, what it means, and what it may hold.
#[derive(Debug)]
pub struct Setting {
    /// Its key in `recipe.toml`, which is the name of the field.
    pub key: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What stands for its value in a help text, such as `N`.
    pub value_name: &'static str,
    /// What it may hold.
    pub values: Values,
    get: fn(&Recipe) -> Option<String>,
    set: fn(&mut Recipe, &str) -> bool,
}

impl Setting {
    /// The setting with this key.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSetting`] with the keys that are nearly the same.
    pub fn find(key: &str) -> Result<&'static Setting, ErrorKind> {
        Recipe::SETTINGS.iter().find(|setting| setting.key == key).ok_or_else(|| {
            let likeness = |known: &str| {
                let part = known.contains(key) || key.contains(known);
                if part { 1.0 } else { strsim::normalized_damerau_levenshtein(known, key) }
            };
            let mut near: Vec<_> = Recipe::SETTINGS.iter().map(|it| (likeness(it.key), it.key)).collect();
            near.retain(|(likeness, _)| *likeness > 0.5 && !key.is_empty());
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            let near = near.into_iter().map(|(_, key)| key).take(3).collect();
            ErrorKind::UnknownSetting { key: key.to_owned(), near }
        })
    }

    /// Its value in a recipe, as [`set`](Self::set) takes it; empty where there is none.
    pub fn get(&self, recipe: &Recipe) -> String {
        (self.get)(recipe).unwrap_or_default()
    }

    /// Changes its value in a recipe.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] when it cannot hold that.
    pub fn set(&self, recipe: &mut Recipe, text: &str) -> Result<(), ErrorKind> {
        let mut changed = recipe.clone();
        if !(self.set)(&mut changed, text) || !self.values.contain(&self.get(&changed)) {
            return Err(self.refuse(text));
        }
        *recipe = changed;
        Ok(())
    }

    /// Whether it can hold this value.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn check(&self, text: &str) -> Result<(), ErrorKind> {
        self.set(&mut Recipe::defaults(), text)
    }

    fn refuse(&self, text: &str) -> ErrorKind {
        ErrorKind::Value { key: self.key, why: format!("is {text}, expected {}", self.values) }
    }
}

impl Recipe {
    /// The course's recipe (`fine-tuning.mdx`, Hugging Face audio course) for a model and a dataset.
    pub fn new(name: &str, model: &str, dataset: &str) -> Recipe {
        let [name, model, dataset] = [name, model, dataset].map(str::to_owned);
        Recipe { name, model, dataset, ..Recipe::defaults() }
    }

    /// How many bytes of features are kept in memory.
    pub(crate) fn most_kept(&self) -> usize {
        (self.features_in_memory * f64::from(1 << 30)) as usize
    }

    /// Checks that every setting holds what it may.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] naming the key, the value, and what may stand there.
    pub fn validate(&self) -> Result<(), Error> {
        let mut values = Recipe::SETTINGS.iter().filter_map(|setting| Some((setting, (setting.get)(self)?)));
        let refused = match values.find(|(setting, value)| !setting.values.contain(value)) {
            Some((setting, value)) => Some(setting.refuse(&value)),
            None => self.contradiction(),
        };
        refused.map_or(Ok(()), Err).context(Doing("cannot run this recipe".to_owned()))
    }

    /// Two settings that make no sense beside each other.
    fn contradiction(&self) -> Option<ErrorKind> {
        let value = |key, why: &str| Some(ErrorKind::Value { key, why: why.to_owned() });
        if self.multi_label {
            let one = |key, what: &str| {
                let why = format!("is {what}, which asks for one class a clip, but `multi_label` is set");
                Some(ErrorKind::Value { key, why })
            };
            if self.split_by == SplitBy::Stratified {
                return one("split_by", "stratified");
            }
            if self.sampling == Sampling::Balanced {
                return one("sampling", "balanced");
            }
            for (key, value) in [
                ("label_smoothing", self.label_smoothing),
                ("focal_gamma", self.focal_gamma),
                ("mixup", self.mixup),
            ] {
                if value > 0.0 {
                    return one(key, &value.to_string());
                }
            }
        }
        if self.class_weights == ClassWeights::Balanced && self.sampling == Sampling::Balanced {
            return value(
                "class_weights",
                "is balanced, and so is `sampling`: together they would favour the rare classes; choose one",
            );
        }
        if self.class_weights != ClassWeights::None && self.mixup > 0.0 {
            return value(
                "mixup",
                "is set, but a mixture has no class to weigh: take `sampling` balanced in place of `class_weights`",
            );
        }
        if self.check == Check::Lazily && self.sampling == Sampling::GroupByLength {
            return value(
                "check",
                "is lazily, but `sampling` is group_by_length, which asks for all lengths first: take all",
            );
        }
        if self.check == Check::Lazily && self.skip_bad && self.mixup > 0.0 {
            return value(
                "check",
                "is lazily with `skip_bad` and `mixup`: a clip that is mixed in would be skipped too late; take all",
            );
        }
        if self.focal_gamma > 0.0 && (self.label_smoothing > 0.0 || self.mixup > 0.0) {
            return value(
                "focal_gamma",
                "is set, and so is `label_smoothing` or `mixup`: it asks for one class a clip",
            );
        }
        if !self.augment_noise.is_empty() && self.augment_snr.is_none() {
            return value(
                "augment_noise",
                "is set, but no noise is added: `augment_snr` says how loud it is",
            );
        }
        match (self.val_from_train, &self.split_by) {
            (ValFromTrain::Share(_), SplitBy::Fold(..)) => {
                return value(
                    "val_from_train",
                    "is a share, but the split is by folds, which keep together what belongs together: take fold",
                );
            }
            (ValFromTrain::Fold, SplitBy::Fold(..)) | (ValFromTrain::Group, SplitBy::Group(_)) => {}
            (ValFromTrain::Fold, _) => {
                return value(
                    "val_from_train",
                    "is fold, but `split_by` is not: take fold:FIELD=VALUE there, or a share here",
                );
            }
            (ValFromTrain::Group, _) => {
                return value(
                    "val_from_train",
                    "is group, but `split_by` is not: take group:FIELD there, or a share here",
                );
            }
            _ => {}
        }
        if !self.dropout && self.spec_augment().is_some() {
            return value("dropout", "is false, which leaves out SpecAugment, but a setting of that is set");
        }
        if self.lora_rank > 0 {
            let why =
                "is set, and so is `lora_rank`: adapters already leave everything but the head as it is";
            if self.freeze != Freeze::default() {
                return value("freeze", why);
            }
            if self.layer_lr_decay != 1.0 {
                return value("layer_lr_decay", why);
            }
            if self.ema > 0.0 {
                return value(
                    "ema",
                    "is set, and so is `lora_rank`: an average of adapters is not supported; choose one",
                );
            }
            if self.model.starts_with("scratch:") {
                return value("lora_rank", "is set, but the model is new: what it adapts would stay random");
            }
        }
        if self.lora_rank == 0 && (self.lora_alpha.is_some() || !self.lora_targets.is_empty()) {
            let key = if self.lora_alpha.is_some() { "lora_alpha" } else { "lora_targets" };
            return value(key, "is set, but there are no adapters: `lora_rank` says how large they are");
        }
        if self.freeze != Freeze::default() && self.model.starts_with("scratch:") {
            return value("freeze", "is set, but the model is new: what it freezes would stay random");
        }
        if self.freeze.parts().contains(&Frozen::Backbone) && self.layer_lr_decay != 1.0 {
            return value("layer_lr_decay", "is set, but `freeze` has backbone: no layer is trained");
        }
        None
    }

    /// The settings of SpecAugment, if there are any beside the model's.
    pub(crate) fn spec_augment(&self) -> Option<SpecAugmentSettings> {
        let length = |length: Option<u64>| length.map(|length| length as usize);
        let settings = SpecAugmentSettings {
            mask_time_prob: self.mask_time_prob,
            mask_time_length: length(self.mask_time_length),
            mask_feature_prob: self.mask_feature_prob,
            mask_feature_length: length(self.mask_feature_length),
        };
        (settings != SpecAugmentSettings::default()).then_some(settings)
    }

    /// The seed of the split.
    pub(crate) fn split_seed(&self) -> u64 {
        self.split_seed.unwrap_or(self.seed)
    }

    /// Optimizer steps of an epoch over so many clips.
    pub(crate) fn steps_per_epoch(&self, clips: usize) -> u64 {
        // A recipe that was read holds no 0 here; one that was made may, and is not validated yet.
        clips.div_ceil(self.batch_size.max(1)).div_ceil(self.gradient_accumulation_steps.max(1)) as u64
    }

    /// The text of `recipe.toml`.
    pub fn to_toml(&self) -> String {
        let header =
            "# Every choice of this run. It resumes by this file, and another run can start from it.\n";
        let rows = Recipe::SETTINGS.iter().filter_map(|setting| {
            let value = setting.values.to_toml(&(setting.get)(self)?);
            Some(format!("{} = {value}\n", setting.key))
        });
        header.to_owned() + &rows.collect::<String>()
    }

    /// Takes the settings that a `recipe.toml` has, and returns their keys. It need not have all.
    ///
    /// # Errors
    /// [`ErrorKind::Toml`], [`ErrorKind::UnknownSetting`] or [`ErrorKind::Value`], naming the file; the recipe is then as before.
    pub fn apply_file(&mut self, path: &Path) -> Result<Vec<&'static str>, Error> {
        let doing = || Doing(format!("cannot use the recipe `{}`", path.display()));
        let text = earmark_fs::read_to_string(path, LIMIT).with_context(doing)?;
        self.apply_toml(&text).with_context(doing)
    }

    fn apply_toml(&mut self, text: &str) -> Result<Vec<&'static str>, ErrorKind> {
        let (mut changed, mut keys) = (self.clone(), Vec::new());
        for (key, value) in text.parse::<toml::Table>()? {
            let setting = Setting::find(&key)?;
            match setting.values.text_of(&value) {
                Some(text) => setting.set(&mut changed, &text)?,
                None => return Err(setting.refuse(&value.to_string())),
            }
            keys.push(setting.key);
        }
        *self = changed;
        Ok(keys)
    }

    /// Reads the `recipe.toml` of a run folder.
    ///
    /// # Errors
    /// When the file is missing, or not a whole recipe of this version.
    pub fn read(run: &Path) -> Result<Recipe, Error> {
        let (path, mut recipe) = (run.join("recipe.toml"), Recipe::defaults());
        let keys = recipe.apply_file(&path)?;
        let must = |setting: &&Setting| !ADDED_LATER.contains(&setting.key);
        match Recipe::SETTINGS.iter().filter(must).find(|setting| !keys.contains(&setting.key)) {
            Some(setting) => Err(ErrorKind::MissingSetting(setting.key))
                .with_context(|| Doing(format!("cannot use the recipe `{}`", path.display()))),
            None => Ok(recipe),
        }
    }

    /// Key and value of every setting, by key, for a table.
    pub fn rows(&self) -> Vec<(String, String)> {
        let mut rows: Vec<_> = Recipe::SETTINGS
            .iter()
            .filter_map(|setting| {
                let value = match setting.values.to_toml(&(setting.get)(self)?) {
                    toml::Value::String(text) => text,
                    other => other.to_string(),
                };
                Some((setting.key.to_owned(), value))
            })
            .collect();
        rows.sort();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets::{gtzan, sample};

    fn refusal(text: &str) -> String {
        gtzan().apply_toml(text).unwrap_err().to_string()
    }

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

    #[test]
    fn recipe_toml_is_read_back_as_it_was() {
        let unusual = Recipe {
            published: Some("minds14:en-AU".into()),
            label_column: "a \"quoted\" # name".into(),
            split_by: SplitBy::Fold("fold".into(), "1=a".into()),
            test_size: 12.0,
            lr: 1e-300,
            adam_betas: [0.0, 0.98],
            precision: Precision::Bf16,
            dropout: false,
            ..gtzan()
        };
        for recipe in [gtzan(), sample(), unusual] {
            recipe.validate().unwrap();
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("recipe.toml"), recipe.to_toml()).unwrap();
            assert_eq!(Recipe::read(dir.path()).unwrap(), recipe);
        }
    }

    #[test]
    fn a_recipe_of_some_settings_leaves_the_others_as_they_are() {
        let mut recipe = sample();
        let keys = recipe.apply_toml("lr = 1\nadam_betas = [0.8, 0.9]\nsplit_by = \"stratified\"").unwrap();
        assert_eq!(keys, ["adam_betas", "lr", "split_by"]);
        let want = Recipe { lr: 1.0, adam_betas: [0.8, 0.9], split_by: SplitBy::Stratified, ..sample() };
        assert_eq!(recipe, want);
    }

    #[test]
    fn a_run_that_lacks_a_setting_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let text = |without: &str| {
            let text = gtzan().to_toml();
            text.lines()
                .filter(|line| !line.starts_with(&format!("{without} =")))
                .collect::<Vec<_>>()
                .join("\n")
        };
        std::fs::write(dir.path().join("recipe.toml"), text("epochs")).unwrap();
        let error = Recipe::read(dir.path()).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::MissingSetting("epochs")), "{error:?}");
        std::fs::write(dir.path().join("recipe.toml"), text("split_by")).unwrap();
        assert_eq!(Recipe::read(dir.path()).unwrap(), gtzan());
    }

    #[test]
    fn an_unknown_key_is_refused_with_those_that_are_nearly_the_same() {
        for (key, near) in [("epoch", "`epochs`"), ("bach_size", "`batch_size`"), ("betas", "`adam_betas`")] {
            let why = refusal(&format!("{key} = 1"));
            assert!(why.contains(&format!("`{key}`")) && why.contains(near), "{why}");
        }
        assert!(!refusal("zzzzzzzz = 1").contains("did you mean"));
    }

    #[test]
    fn a_bad_value_is_refused_with_its_key_and_what_may_stand_there() {
        for (text, words) in [
            ("epochs = 0", ["`epochs` is 0", "a whole number from 1 to 4294967295"]),
            ("epochs = \"many\"", ["`epochs` is \"many\"", "a whole number from 1"]),
            ("epochs = 1.5", ["`epochs` is 1.5", "a whole number from 1"]),
            ("lr = -1.0", ["`lr` is -1", "0 or more"]),
            ("lr = nan", ["`lr` is nan", "0 or more"]),
            ("warmup_ratio = 1.5", ["`warmup_ratio` is 1.5", "0 to 1"]),
            ("test_size = 1.5", ["`test_size` is 1.5", "a share above 0 and below 1, or a whole number"]),
            ("test_size = 0", ["`test_size` is 0", "a share above 0 and below 1"]),
            ("adam_betas = [0.9, 1.0]", ["`adam_betas`", "from 0 to below 1"]),
            ("adam_betas = [0.9]", ["`adam_betas`", "two numbers"]),
            ("dropout = 1", ["`dropout` is 1", "true or false"]),
            ("precision = \"fp64\"", ["`precision` is fp64", "fp32, bf16, fp16"]),
            ("resampler = \"sox\"", ["`resampler` is sox", "hq, torchaudio"]),
            ("split_by = \"whim\"", ["`split_by` is whim", "group:FIELD"]),
        ] {
            let why = refusal(text);
            assert!(words.iter().all(|word| why.contains(word)), "{text}: {why}");
        }
        // One bad value leaves all as it was.
        let mut recipe = gtzan();
        recipe.apply_toml("batch_size = 4\nepochs = 0").unwrap_err();
        assert_eq!(recipe, gtzan());
    }
}
