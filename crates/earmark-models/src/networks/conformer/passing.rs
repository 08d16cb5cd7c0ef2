use burn::tensor::Tensor;

use crate::networks::conformer::positions::Positions;

/// What every block of one forward pass is given beside the hidden states.
#[derive(Clone)]
pub(crate) struct Passing {
    pub(crate) positions: Positions,
    /// What attention adds for padded frames, `[B, 1, 1, T]`.
    pub(crate) bias: Option<Tensor<4>>,
    /// 1 for a real frame and 0 for padding, `[B, T, 1]`, where the convolution is kept from padded frames.
    pub(crate) keep: Option<Tensor<3>>,
}

impl Passing {
    /// For an attention that does not know where frames are.
    pub(crate) fn without_positions(bias: Option<Tensor<4>>) -> Passing {
        Passing { positions: Positions::None, bias, keep: None }
    }
}
