//! One optimizer step: forward, backward, clip the gradient norm, AdamW.

use std::ops::Range;

use burn::module::{Module as _, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use earmark_error::Attempt as _;
use earmark_models::{Classifier, Input, Lora, Part, TrainingRng, freeze, mixed_precision};

use crate::artifacts::checkpoint::State;
use crate::clips::batch::{Batch, Mix, part};
use crate::clips::targets::Targets;
use crate::error::{Doing, Error, ErrorKind};
use crate::recipe::{Precision, Recipe};
use crate::run::event::StepDone;
use crate::step::loss::Loss;
use crate::step::memory::within_memory;
use crate::step::optimizer::{clip_grad_norm, number_parameters};
use crate::step::rates::Rates;
use crate::step::schedule::Schedule;
use crate::step::trained::{Trained, averaged};

/// The network in training, its optimizer and its learning rates.
pub(crate) struct Trainer {
    /// `None` only while a step replaces it.
    network: Option<Trained>,
    /// The average of the weights after each step; none without one, and before the first step.
    average: Option<Classifier>,
    /// How much of the average stays at a step; 0 without one.
    ema: f64,
    pub(crate) optimizer: ModuleOptimizer,
    schedule: Schedule,
    rates: Rates,
    /// With autodiff.
    device: Device,
    pub(crate) loss: Loss,
    seed: u64,
    max_grad_norm: f64,
    precision: Precision,
    gradient_checkpointing: bool,
}

/// The sum of the losses and gradients of some clips of a step.
struct Accumulated {
    loss: f64,
    gradients: GradientsAccumulator<Trained>,
}

impl Accumulated {
    fn zero() -> Accumulated {
        Accumulated { loss: 0.0, gradients: GradientsAccumulator::new() }
    }

    fn add(mut self, network: &Trained, loss: f64, gradients: GradientsParams) -> Accumulated {
        self.gradients.accumulate(network, gradients);
        Accumulated { loss: self.loss + loss, ..self }
    }
}

impl Trainer {
    /// `average` is that of a run that goes on.
    pub(crate) fn new(
        recipe: &Recipe,
        steps: u64,
        loss: Loss,
        device: &Device,
        trained: Trained,
        average: Option<Classifier>,
        optimizer: ModuleOptimizer,
    ) -> Self {
        let device = device.clone().autodiff();
        let Trained { network, lora } = number_parameters(trained).train();
        // Beside adapters only the head learns.
        let is_frozen = |part| recipe.freeze.freezes(part) || (!lora.is_empty() && part != Part::Head);
        let trained = Trained { network: freeze(network, is_frozen), lora };
        Trainer {
            optimizer,
            schedule: Schedule::new(recipe, steps),
            rates: Rates::new(recipe, &trained.network),
            network: Some(trained),
            // By the same ids, which are those of its parameters in their order.
            average: average.map(number_parameters),
            ema: recipe.ema,
            loss,
            device,
            seed: recipe.seed,
            max_grad_norm: recipe.max_grad_norm,
            precision: recipe.precision,
            gradient_checkpointing: recipe.gradient_checkpointing,
        }
    }

    fn trained(&self) -> &Trained {
        self.network.as_ref().expect("a step puts the network back")
    }

    /// The adapters; none where the weights themselves are trained.
    pub(crate) fn lora(&self) -> &Lora {
        &self.trained().lora
    }

    /// The network that is evaluated and exported: with its adapters in its weights, or the average.
    pub(crate) fn evaluated(&self) -> Classifier {
        self.average.clone().unwrap_or_else(|| self.trained().valid().merged())
    }

    /// The network with the weights that the steps go on with, where it answers with others.
    pub(crate) fn training_weights(&self) -> Option<Trained> {
        (self.average.is_some() || !self.trained().lora.is_empty()).then(|| self.trained().valid())
    }

    /// Takes the step after those that `state` counts, on clips with these targets, which come in `batches`.
    ///
    /// The loss is the mean over all of them, however many batches they come in. (transformers 5.23.0 forgets to divide
    /// by the number of batches, so its gradient is too large; 4.x divides.)
    pub(crate) fn step(
        &mut self,
        state: &mut State,
        targets: &Targets,
        batches: impl Iterator<Item = Result<Batch, Error>>,
    ) -> Result<StepDone, Error> {
        let done = state.global_step;
        let cannot = |kind: ErrorKind| Doing(format!("cannot continue after step {done}")).failed(kind);
        let network = self.trained();
        let weight = self.loss.weight(targets);
        // Seeded by the seed and the step alone, so that a resumed run draws the same numbers.
        let mut rng = TrainingRng::new(self.seed.rotate_left(32) ^ done)
            .with_gradient_checkpointing(self.gradient_checkpointing);
        let scale = if self.precision == Precision::Fp16 { state.loss_scale.factor() } else { 1.0 };
        let (mut sum, mut seen) = (Accumulated::zero(), 0);
        for batch in batches {
            let batch = batch?;
            let (clips, mixes) = (batch.labels.len(), batch.mixes.clone());
            let targets = targets.part(seen..seen + clips);
            seen += clips;
            let input = batch.input(&self.device);
            let mut most = state.most_clips.unwrap_or(clips).min(clips);
            let before = most;
            let pieces = within_memory(
                clips,
                &mut most,
                || Ok(Accumulated::zero()),
                || free_graph(network),
                |sum: Result<Accumulated, ErrorKind>, piece| {
                    let share = self.loss.weight(&targets.part(piece.clone())) / weight;
                    let sum = sum?;
                    let (loss, gradients) =
                        self.gradients(&input, (&targets, &mixes), piece, share, scale, &mut rng)?;
                    Ok(sum.add(network, loss, gradients))
                },
            );
            let mut pieces = pieces.unwrap_or(Err(ErrorKind::OutOfMemory)).map_err(cannot)?;
            if most < before {
                state.most_clips = Some(most);
            }
            sum = sum.add(network, pieces.loss, pieces.gradients.grads());
        }
        let mut gradients = sum.gradients.grads();
        let grad_norm = clip_grad_norm(network, &mut gradients, self.max_grad_norm, scale);
        let share = self.schedule.share(done - state.skipped);
        let (lr, clips) = (self.rates.base(share), targets.len());
        let skipped = self.precision == Precision::Fp16 && !grad_norm.is_finite();
        let outcome = StepDone { step: done + 1, loss: sum.loss, lr, grad_norm, clips, skipped };
        if self.precision == Precision::Fp16 {
            state.loss_scale = state.loss_scale.after(grad_norm.is_finite());
        }
        if skipped && !state.loss_scale.is_hopeless() {
            state.skipped += 1;
            return Ok(outcome);
        }
        for (what, value) in [("loss", sum.loss), ("gradient norm", grad_norm)] {
            if !value.is_finite() {
                return Err(cannot(ErrorKind::Diverged { what, value }));
            }
        }
        let network = self.network.take().expect("a step puts the network back");
        let network = self.optimizer.step(self.rates.at(share), network, gradients);
        if self.ema > 0.0 {
            self.average = Some(averaged(self.average.take(), &network.network.valid(), self.ema));
        }
        self.network = Some(network);
        Ok(outcome)
    }

    /// The clips' part of a step's loss, and its gradients times `scale`.
    fn gradients(
        &self,
        input: &Input,
        (targets, mixes): (&Targets, &[Mix]),
        piece: Range<usize>,
        share: f64,
        scale: f64,
        rng: &mut TrainingRng,
    ) -> Result<(f64, GradientsParams), ErrorKind> {
        let network = self.trained();
        let targets = targets.part(piece.clone());
        let mixes = mixes.get(piece.clone()).unwrap_or_default();
        let input = part(input, piece);
        let logits = match self.precision.half() {
            // Merged, or cast, for each pass: a backward pass consumes its graph.
            None if network.lora.is_empty() => network.network.forward(input, Some(rng))?,
            None => network.merged().forward(input, Some(rng))?,
            Some(dtype) => mixed_precision(network.merged(), dtype).forward(input, Some(rng))?,
        };
        let loss = self.loss.forward(logits, &targets, mixes).mul_scalar(share);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let loss = if scale == 1.0 { loss } else { loss.mul_scalar(scale) };
        Ok((value, GradientsParams::from_grads(loss.backward(), network)))
    }
}

/// Frees the graph of an abandoned forward pass. burn keeps it with the parameters until a backward pass through the same
/// graph, so a trivial one is run.
fn free_graph(network: &Trained) {
    struct First(bool);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.val().is_require_grad() && !std::mem::replace(&mut self.0, true) {
                drop(param.val().sum().backward());
            }
        }
    }
    network.visit(&mut First(false));
}
