use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// The hidden states of an encoder mixed by the softmax of learned weights, one weight a state: added up as the states
/// come, so that none has to be kept.
pub(crate) struct WeightedSum {
    weights: Tensor<1>, // [states], their softmax
    next: usize,
    sum: Option<Tensor<3>>,
}

impl WeightedSum {
    pub(crate) fn new(weights: Tensor<1>) -> Self {
        WeightedSum { weights: softmax(weights, 0), next: 0, sum: None }
    }

    /// Adds the next state, `[B, T, D]`.
    pub(crate) fn add(&mut self, state: Tensor<3>) {
        let weight = self.weights.clone().narrow(0, self.next, 1).reshape([1, 1, 1]);
        let weighted = state.cast(weight.dtype()) * weight;
        self.next += 1;
        self.sum = Some(match self.sum.take() {
            None => weighted,
            Some(sum) => sum + weighted,
        });
    }

    /// The mixture with its last state.
    pub(crate) fn finish(mut self, last: Tensor<3>) -> Tensor<3> {
        self.add(last);
        self.sum.expect("the last state was just added")
    }
}
