use rand::rngs::ChaCha8Rng;
use rand::seq::index;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// The random number generator of one training step: for layerdrop, SpecAugment's spans and the seeds of dropout masks.
///
/// ChaCha, because its stream is the same on every machine: a resumed run draws what the uninterrupted one would have.
#[derive(Debug)]
pub struct TrainingRng {
    draws: ChaCha8Rng,
    /// A second stream, so that the number of dropout layers moves no other draw.
    dropout: ChaCha8Rng,
    gradient_checkpointing: bool,
}

impl TrainingRng {
    /// The generator of one step. Different seeds give unrelated draws.
    pub fn new(seed: u64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let dropout = ChaCha8Rng::seed_from_u64(draws.next_u64());
        TrainingRng { draws, dropout, gradient_checkpointing: false }
    }

    /// Whether the graph keeps the input of each block only, and the backward pass computes the block again
    /// ([`supports_gradient_checkpointing`](crate::supports_gradient_checkpointing()) says where). The draws stay the same.
    #[must_use]
    pub fn with_gradient_checkpointing(self, gradient_checkpointing: bool) -> Self {
        TrainingRng { gradient_checkpointing, ..self }
    }

    /// One that draws once more what this one is going to draw.
    pub(crate) fn clone_state(&self) -> TrainingRng {
        let again = |rng: &ChaCha8Rng| ChaCha8Rng::deserialize_state(&rng.serialize_state());
        TrainingRng { draws: again(&self.draws), dropout: again(&self.dropout), ..*self }
    }

    pub(crate) fn gradient_checkpointing(&self) -> bool {
        self.gradient_checkpointing
    }

    /// The seed of the next dropout mask.
    pub(crate) fn dropout_seed(&mut self) -> u64 {
        self.dropout.next_u64()
    }

    /// True with probability `p`. Draws nothing when `p` is 0.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.uniform() < p
    }

    /// From 0 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.draws.random()
    }

    /// So many different numbers below `most`.
    pub(crate) fn distinct(&mut self, most: usize, count: usize) -> impl Iterator<Item = usize> {
        index::sample(&mut self.draws, most, count).into_iter()
    }
}
