use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::networks::conformer::config::{ConformerConfig, PositionEmbeddings};

/// What the blocks are told of where frames are.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a forward pass has one")]
pub(crate) enum Positions {
    /// Nothing that is the same for all blocks.
    None,
    /// Sinusoids of each distance, `[1, 2 T - 1, D]`: from T - 1 frames after a key to T - 1 before it.
    Relative(Tensor<3>),
    /// `[1, T, 1, D / H]` each.
    Rotary { cosines: Tensor<4>, sines: Tensor<4> },
}

/// Makes [`Positions`] for clips of a length.
#[derive(Module, Debug)]
pub(crate) struct EmbedPositions {
    /// The angle of each pair of channels from one frame to the next, `[D / H / 2]`, where files have it: then in half precision it is
    /// rounded.
    inv_freq: Option<Param<Tensor<1>>>,
    #[module(skip)]
    kind: Option<PositionEmbeddings>,
    width: usize,
    head_size: usize,
    rotary_base: usize,
}

impl EmbedPositions {
    pub(crate) fn new(config: &ConformerConfig, device: &Device) -> Self {
        let mut embed = EmbedPositions {
            inv_freq: None,
            kind: config.positions,
            width: config.width,
            head_size: config.width / config.heads,
            rotary_base: config.rotary_base,
        };
        if config.positions == Some(PositionEmbeddings::Rotary) && config.files_have_frequencies {
            embed.inv_freq = Some(Param::from_tensor(embed.frequencies(device)));
        }
        embed
    }

    pub(crate) fn of(&self, frames: usize, device: &Device) -> Positions {
        match self.kind {
            Some(PositionEmbeddings::Relative) => Positions::Relative(sinusoids(frames, self.width, device)),
            Some(PositionEmbeddings::Rotary) => self.rotary(frames, device),
            Some(PositionEmbeddings::RelativeKey) | None => Positions::None,
        }
    }

    fn frequencies(&self, device: &Device) -> Tensor<1> {
        // As the reference computes them: each step in f32.
        let frequency = |i: usize| {
            let power = (self.rotary_base as f32).powf((2 * i) as f32 / self.head_size as f32);
            1.0 / power
        };
        let pairs = self.head_size / 2;
        Tensor::from_data(TensorData::new((0..pairs).map(frequency).collect::<Vec<_>>(), [pairs]), device)
    }

    fn rotary(&self, frames: usize, device: &Device) -> Positions {
        let frequencies = match &self.inv_freq {
            // Not learned. What burn detaches of a parameter is still one that asks for a gradient.
            Some(kept) => kept.val().detach().set_require_grad(false),
            None => self.frequencies(device),
        };
        // In f32 whatever the dtype of the weights: a far frame has many turns.
        let frequencies = frequencies.cast(DType::F32).unsqueeze_dim::<2>(0);
        let places: Vec<f32> = (0..frames).map(|frame| frame as f32).collect();
        let places = Tensor::<2>::from_data(TensorData::new(places, [frames, 1]), device);
        let angles = places * frequencies; // [T, D / H / 2]
        let angles = Tensor::cat(vec![angles.clone(), angles], 1).reshape([1, frames, 1, self.head_size]);
        Positions::Rotary { cosines: angles.clone().cos(), sines: angles.sin() }
    }
}

/// Sines in the even channels and cosines in the odd ones.
fn sinusoids(frames: usize, width: usize, device: &Device) -> Tensor<3> {
    // As the reference computes them: each step in f32.
    let step = -(10_000.0_f64.ln() / width as f64) as f32;
    let rates: Vec<f32> = (0..width / 2).map(|i| ((2 * i) as f32 * step).exp()).collect();
    let row = |distance: i64| {
        let angles = rates.iter().map(move |rate| distance as f32 * rate);
        angles.flat_map(|angle| [angle.sin(), angle.cos()])
    };
    let last = frames as i64 - 1;
    let values: Vec<f32> = (-last..=last).rev().flat_map(row).collect();
    Tensor::from_data(TensorData::new(values, [1, 2 * frames - 1, width]), device)
}
