//! What of a network's hidden states is an embedding: which of them, and how its frames become one vector.

use std::fmt;
use std::str::FromStr;

use burn::tensor::{DType, Tensor};

use crate::layers::padding_mask::{PaddingMask, masked_mean};

/// Which hidden states of a network. They are numbered as `output_hidden_states` of transformers 5.23 numbers them: 0 is what the
/// first transformer layer is given, and n what layer n makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layer {
    /// `last_hidden_state`: the last one, after the norm that some networks end with.
    #[default]
    Last,
    /// The one with this number. Where a network ends with a norm, the last number is before it, except in Whisper.
    Number(usize),
    /// Their sum weighted by the checkpoint's `layer_weights`, of which its head makes its logits.
    Weighted,
    /// Every number.
    All,
    /// None of them: the vector that an x-vector head makes of them, which is one for a whole clip.
    XVector,
}

/// How the frames of a hidden state become one vector. Frames that are padding of a batch never count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Their mean.
    Mean,
    /// The largest number of each channel.
    Max,
    /// AST: the mean of the class token and the distillation token, as its head has it. They are not among its frames.
    Cls,
    /// They do not: every frame is a vector, of AST every patch.
    None,
}

impl Layer {
    /// How a layer is written.
    pub const FORM: &str = "a number from 0, last, all, weighted or xvector";
}

impl FromStr for Layer {
    type Err = String;

    fn from_str(text: &str) -> Result<Layer, String> {
        match text {
            "last" => Ok(Layer::Last),
            "all" => Ok(Layer::All),
            "weighted" => Ok(Layer::Weighted),
            "xvector" => Ok(Layer::XVector),
            number => number.parse().map(Layer::Number).map_err(|_| format!("expected {}", Layer::FORM)),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layer::Last => f.write_str("last"),
            Layer::Number(number) => number.fmt(f),
            Layer::Weighted => f.write_str("weighted"),
            Layer::All => f.write_str("all"),
            Layer::XVector => f.write_str("xvector"),
        }
    }
}

impl Pool {
    /// Every one, by its name.
    pub const NAMES: [(&str, Pool); 4] =
        [("mean", Pool::Mean), ("max", Pool::Max), ("cls", Pool::Cls), ("none", Pool::None)];
}

impl FromStr for Pool {
    type Err = String;

    fn from_str(text: &str) -> Result<Pool, String> {
        let found = Pool::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, pool)| *pool).ok_or_else(|| "expected mean, max, cls or none".to_owned())
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Pool::NAMES.iter().find(|(_, pool)| pool == self).expect("each has its name");
        f.write_str(name)
    }
}

impl Pool {
    /// `[B, tokens + T, D]` to `[B, 1, D]`, or without pooling to `[B, T, D]`.
    pub(crate) fn apply(self, state: Tensor<3>, tokens: usize, mask: Option<&PaddingMask>) -> Tensor<3> {
        let steps = state.dims()[1] - tokens;
        let frames = || state.clone().narrow(1, tokens, steps);
        match self {
            Pool::Mean => masked_mean(frames(), mask).unsqueeze_dim(1),
            Pool::Cls => state.narrow(1, 0, tokens).mean_dim(1),
            Pool::None => frames(),
            Pool::Max => match mask {
                None => frames().max_dim(1),
                Some(mask) => {
                    let keep = mask.keep(&state.device()); // [B, T, 1]
                    let lowest = (keep.clone() - 1.0) * f32::MAX;
                    (frames().cast(DType::F32) * keep + lowest).max_dim(1)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_pools_are_read_as_they_are_written() {
        for layer in
            [Layer::Last, Layer::Number(0), Layer::Number(12), Layer::Weighted, Layer::All, Layer::XVector]
        {
            assert_eq!(layer.to_string().parse(), Ok(layer));
        }
        for (name, pool) in Pool::NAMES {
            assert_eq!((pool.to_string().as_str(), name.parse()), (name, Ok(pool)));
        }
        for wrong in ["-1", "1.5", "first", ""] {
            assert_eq!(wrong.parse::<Layer>(), Err(format!("expected {}", Layer::FORM)), "{wrong}");
            assert!(wrong.parse::<Pool>().is_err());
        }
    }
}
