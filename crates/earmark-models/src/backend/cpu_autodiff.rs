//! What `cpu.rs` does, for tensors that something is learned through: the same kernels forward, and their gradients backward.
//!
//! burn's own operations remember every step of a GELU or a norm, and go back through each on one thread.

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::{Autodiff, Flex, flex::FlexTensor};
use burn::tensor::{Tensor, TensorData};
use earmark_kernels::{self as kernels, Conv1d};

use crate::backend::cpu::{self, Rows};
use crate::layers::transformer::LayerNorm;

/// The CPU, with a graph.
type Learning = Autodiff<Flex>;

/// Whether a tensor is one that these functions take.
pub(crate) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    cpu::is_ours(tensor) && tensor.device().is_autodiff()
}

macro_rules! tracked {
    ($tensor:expr) => {
        $tensor.try_into_primitive::<Learning>().expect("a tensor that `takes` was asked about")
    };
}

/// `out`, and in the graph the step that made it of `parents`.
fn record<S: Backward<Flex, N>, const N: usize, const D: usize>(
    step: S,
    parents: [NodeGuard; N],
    state: S::State,
    out: FlexTensor,
) -> Tensor<D> {
    let out = match step.prepare::<NoCheckpointing>(parents).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(state, out),
        OpsKind::UnTracked(step) => step.finish(out),
    };
    Tensor::from_primitive::<Learning>(out)
}

pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[derive(Debug)]
    struct Gelu;
    impl Backward<Flex, 1> for Gelu {
        /// What it was given.
        type State = FlexTensor;

        fn backward(self, ops: Ops<FlexTensor, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let x = Rows::from(ops.state);
            unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
                Rows::from(gradient).rewritten(|gradient| kernels::gelu_backward(x.values(), gradient))
            });
        }
    }
    let x = tracked!(x);
    let given = x.primitive().clone();
    let out = Rows::from(given.clone()).rewritten(|x| kernels::Activation::Gelu.apply(x));
    record(Gelu, [x.node()], given, out)
}

pub(crate) fn layer_norm<const D: usize>(norm: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
    #[derive(Debug)]
    struct Norm;
    impl Backward<Flex, 3> for Norm {
        /// What it was given, gamma, epsilon.
        type State = (FlexTensor, FlexTensor, f32);

        fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let (x, gamma, epsilon) = ops.state;
            let (x, gamma) = (Rows::from(x), Rows::from(gamma));
            let mut sums = None;
            let of_x = Rows::from(gradients.consume::<Flex>(&ops.node)).rewritten(|gradient| {
                sums = Some(kernels::layer_norm_backward(x.values(), gamma.values(), epsilon, gradient));
            });
            let sums = sums.expect("just computed");
            let width = sums.gamma.len();
            let [node_x, node_gamma, node_beta] = ops.parents;
            let found = [
                (node_x, of_x),
                (node_gamma, flex(sums.gamma, [width])),
                (node_beta, flex(sums.beta, [width])),
            ];
            for (node, gradient) in found {
                if let Some(node) = node {
                    gradients.register::<Flex>(node.id, gradient);
                }
            }
        }
    }
    let (x, gamma, beta) = (tracked!(x), tracked!(norm.gamma.val()), tracked!(norm.beta.val()));
    let epsilon = norm.epsilon as f32;
    let given = x.primitive().clone();
    let out = {
        let [gamma, beta] = [&gamma, &beta].map(|tensor| Rows::from(tensor.primitive().clone()));
        Rows::from(given.clone())
            .rewritten(|x| kernels::layer_norm(x, gamma.values(), beta.values(), epsilon))
    };
    let parents = [x.node(), gamma.node(), beta.node()];
    record(Norm, parents, (given, gamma.into_primitive(), epsilon), out)
}

/// `x` `[B, T, I]` and `weight` `[O, I / groups, K]` to `[B, T', O]`, at most `most` frames of it.
pub(crate) fn conv1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    [stride, padding, groups]: [usize; 3],
    most: usize,
) -> Tensor<3> {
    #[derive(Debug)]
    struct Conv;
    #[derive(Debug, Clone)]
    struct State {
        shape: Conv1d,
        /// `[B, T, I]`
        x: FlexTensor,
        packed: Arc<Vec<f32>>,
    }
    impl State {
        /// Registers the gradients of input, weight and bias, as far as they are wanted.
        fn register(self, nodes: [Option<NodeId>; 3], gradient: FlexTensor, gradients: &mut Gradients) {
            let Conv1d { in_channels, out_channels, kernel, groups, .. } = self.shape;
            let dims = [0, 1].map(|axis| self.x.layout().shape()[axis]);
            let (x, gradient) = (Rows::from(self.x), Rows::from(gradient));
            let [batch, frames] = dims;
            let [clip, out] = [frames * in_channels, gradient.values().len() / batch];
            if let Some(node) = nodes[0] {
                let mut of_x = vec![0.0; batch * clip];
                for (of_x, gradient) in of_x.chunks_mut(clip).zip(gradient.values().chunks(out)) {
                    kernels::conv1d_input_gradient(self.shape, &self.packed, gradient, of_x);
                }
                gradients.register::<Flex>(node, flex(of_x, [batch, frames, in_channels]));
            }
            if let Some(node) = nodes[1] {
                let mut sum = vec![0.0; self.packed.len()];
                for (x, gradient) in x.values().chunks(clip).zip(gradient.values().chunks(out)) {
                    let of_weight = kernels::conv1d_weight_gradient(self.shape, x, gradient);
                    sum.iter_mut().zip(of_weight).for_each(|(sum, of_weight)| *sum += of_weight);
                }
                let of_weight = kernels::unpack_conv1d(self.shape, &sum);
                gradients
                    .register::<Flex>(node, flex(of_weight, [out_channels, in_channels / groups, kernel]));
            }
            if let Some(node) = nodes[2] {
                let of_bias = kernels::column_sums(gradient.values(), out_channels);
                gradients.register::<Flex>(node, flex(of_bias, [out_channels]));
            }
        }
    }
    impl Backward<Flex, 2> for Conv {
        type State = State;
        fn backward(self, ops: Ops<State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let gradient = gradients.consume::<Flex>(&ops.node);
            let [x, weight] = ops.parents.map(|node| node.map(|node| node.id));
            ops.state.register([x, weight, None], gradient, gradients);
        }
    }
    impl Backward<Flex, 3> for Conv {
        type State = State;
        fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let gradient = gradients.consume::<Flex>(&ops.node);
            ops.state.register(ops.parents.map(|node| node.map(|node| node.id)), gradient, gradients);
        }
    }
    let ([_, _, in_channels], [out_channels, _, kernel]) = (x.dims(), weight.dims());
    let shape = Conv1d { in_channels, out_channels, kernel, stride, padding, groups };
    let (x, weight, bias) = (tracked!(x), tracked!(weight), bias.map(|bias| tracked!(bias)));
    let packed = Arc::new(kernels::pack_conv1d(shape, Rows::from(weight.primitive().clone()).values()));
    let rows = Rows::from(x.primitive().clone());
    let offset = bias.as_ref().map(|bias| Rows::from(bias.primitive().clone()));
    let out =
        cpu::convolved(shape, &rows, x.primitive().layout().shape()[0], &packed, offset.as_ref(), most, None);
    let state = State { shape, x: x.primitive().clone(), packed };
    match bias {
        None => record(Conv, [x.node(), weight.node()], state, out),
        Some(bias) => record(Conv, [x.node(), weight.node(), bias.node()], state, out),
    }
}

/// Of the last axis.
pub(crate) fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[derive(Debug)]
    struct Softmax;
    impl Backward<Flex, 1> for Softmax {
        /// What it gave, and how wide a row of it is.
        type State = (FlexTensor, usize);

        fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let (y, width) = ops.state;
            let y = Rows::from(y);
            unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
                Rows::from(gradient)
                    .rewritten(|gradient| kernels::softmax_backward(y.values(), gradient, width))
            });
        }
    }
    let width = x.dims()[D - 1];
    let x = tracked!(x);
    let node = x.node();
    let out = Rows::from(x.into_primitive()).rewritten(|x| kernels::softmax(x, width));
    record(Softmax, [node], (out.clone(), width), out)
}

/// Each number is dropped with the chance that `keep` leaves, and what is kept grows in proportion. Which, `seed` decides: the
/// gradient is dropped by the same draw, so that no mask is kept.
pub(crate) fn dropout<const D: usize>(x: Tensor<D>, keep: f64, seed: u64) -> Tensor<D> {
    #[derive(Debug)]
    struct Dropout;
    impl Backward<Flex, 1> for Dropout {
        type State = (f64, u64);

        fn backward(self, ops: Ops<(f64, u64), 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let (keep, seed) = ops.state;
            unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
                Rows::from(gradient).rewritten(|gradient| kernels::dropout(gradient, keep, seed))
            });
        }
    }
    let x = tracked!(x);
    let node = x.node();
    let out = Rows::from(x.into_primitive()).rewritten(|x| kernels::dropout(x, keep, seed));
    record(Dropout, [node], (keep, seed), out)
}

/// `v` `[O, I, K]` with each of its K taps brought to the length `g` `[1, 1, K]`.
pub(crate) fn weight_norm(v: Tensor<3>, g: Tensor<3>) -> Tensor<3> {
    #[derive(Debug)]
    struct Norm;
    impl Backward<Flex, 2> for Norm {
        type State = (FlexTensor, FlexTensor);

        fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let (v, g) = (Rows::from(ops.state.0), Rows::from(ops.state.1));
            let mut of_g = Vec::new();
            let of_v = Rows::from(gradients.consume::<Flex>(&ops.node)).rewritten(|gradient| {
                of_g = kernels::weight_norm_backward(v.values(), g.values(), gradient);
            });
            let [node_v, node_g] = ops.parents;
            if let Some(node) = node_v {
                gradients.register::<Flex>(node.id, of_v);
            }
            if let Some(node) = node_g {
                let taps = of_g.len();
                gradients.register::<Flex>(node.id, flex(of_g, [1, 1, taps]));
            }
        }
    }
    let shape = v.dims();
    let (v, g) = (tracked!(v), tracked!(g));
    let mut out = vec![0.0; shape.iter().product()];
    kernels::weight_norm(
        Rows::from(v.primitive().clone()).values(),
        Rows::from(g.primitive().clone()).values(),
        &mut out,
    );
    let out = flex(out, shape);
    record(Norm, [v.node(), g.node()], (v.into_primitive(), g.into_primitive()), out)
}

fn flex<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
