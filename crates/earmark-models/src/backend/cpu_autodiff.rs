//! The CPU with a graph: the kernels of `cpu.rs` forward, and their gradients backward.
//!
//! burn's own operations record every step of a GELU or a norm, and go back through each on one thread.

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::{Autodiff, Flex, flex::FlexTensor};
use burn::tensor::{DType, Device, Tensor, TensorData};
use earmark_kernels::{self as kernels, Attention, Conv1d};

use crate::backend::cpu::{self, Rows, Scores};
use crate::backend::operands::{Convolution, DropoutMask, Norm};
use crate::backend::plain::{self, Operations};
use crate::config::activation::Activation;

/// burn's CPU device, with a graph.
pub(super) struct CpuAutodiff;

macro_rules! tracked {
    ($tensor:expr) => {
        $tensor.try_into_primitive::<FlexAutodiff>().expect("checked by `takes`")
    };
}

/// What is in another dtype is computed as on any device.
impl Operations for CpuAutodiff {
    fn layer_norm<const D: usize>(x: Tensor<D>, norm: Norm) -> Tensor<D> {
        match takes(&x) && takes(&norm.gamma) {
            true => layer_norm(x, norm),
            false => plain::layer_norm(x, norm),
        }
    }

    fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
        match activation {
            Activation::Gelu if takes(&x) => gelu(x),
            _ => plain::activate(x, activation),
        }
    }

    fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        if takes(&x) { softmax(x) } else { plain::softmax(x) }
    }

    /// A bias of keys alone is padding's. One of queries is learned, as WavLM's: its gradient `[B, H, Q, T]` only burn's operations give.
    /// It is told by its shape, because a block that is computed again for its gradient has no graph the first time.
    fn attention(
        query: Tensor<3>,
        key: Tensor<3>,
        value: Tensor<3>,
        heads: usize,
        bias: Option<Tensor<4>>,
        mask: Option<DropoutMask>,
    ) -> Tensor<3> {
        let fixed = |bias: &Tensor<4>| {
            takes(bias) && bias.dims()[1..3] == [1, 1] && !tracked!(bias.clone()).is_tracked()
        };
        match takes(&query) && takes(&key) && takes(&value) && bias.as_ref().is_none_or(fixed) {
            true => attention(query, key, value, heads, bias, mask),
            false => plain::attention::<Self>(query, key, value, heads, bias, mask),
        }
    }

    fn dropout<const D: usize>(x: Tensor<D>, mask: DropoutMask) -> Tensor<D> {
        if takes(&x) { dropout(x, mask) } else { plain::dropout(x, mask) }
    }

    fn conv1d(x: Tensor<3>, conv: Convolution<'_>, activation: Option<Activation>) -> Tensor<3> {
        if !(takes(&x) && takes(&conv.weight.v) && conv.bias.as_ref().is_none_or(takes)) {
            return plain::conv1d::<Self>(x, conv, activation);
        }
        let convolved = conv1d(x, conv);
        match activation {
            Some(activation) => Self::activate(convolved, activation),
            None => convolved,
        }
    }

    fn weight_norm(v: Tensor<3>, g: Tensor<3>) -> Tensor<3> {
        if takes(&v) && takes(&g) { weight_norm(v, g) } else { plain::weight_norm(v, g) }
    }
}

type FlexAutodiff = Autodiff<Flex>;

/// Whether the kernels take a tensor: plain `f32` in this device's memory, with a graph.
fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device();
    tensor.dtype() == DType::F32 && device == Device::flex() && device.is_autodiff()
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
    Tensor::from_primitive::<FlexAutodiff>(out)
}

fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[derive(Debug)]
    struct Gelu;
    impl Backward<Flex, 1> for Gelu {
        /// The input.
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

fn layer_norm<const D: usize>(x: Tensor<D>, norm: Norm) -> Tensor<D> {
    #[derive(Debug)]
    struct LayerNorm;
    impl Backward<Flex, 3> for LayerNorm {
        /// Input, gamma, epsilon.
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
    let (x, gamma, beta) = (tracked!(x), tracked!(norm.gamma), tracked!(norm.beta));
    let epsilon = norm.epsilon as f32;
    let given = x.primitive().clone();
    let out = {
        let [gamma, beta] = [&gamma, &beta].map(|tensor| Rows::from(tensor.primitive().clone()));
        Rows::from(given.clone())
            .rewritten(|x| kernels::layer_norm(x, gamma.values(), beta.values(), epsilon))
    };
    let parents = [x.node(), gamma.node(), beta.node()];
    record(LayerNorm, parents, (given, gamma.into_primitive(), epsilon), out)
}

fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
    mask: Option<DropoutMask>,
) -> Tensor<3> {
    #[derive(Debug)]
    struct Attended;
    #[derive(Debug, Clone)]
    struct State {
        sizes: Attention,
        operands: [Rows; 3],
        bias: Option<Scores>,
        mask: Option<DropoutMask>,
        out: FlexTensor,
    }
    impl Backward<Flex, 3> for Attended {
        type State = State;

        fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let State { sizes, operands: [q, k, v], bias, mask, out } = ops.state;
            let [batch, queries, width] = [0, 1, 2].map(|axis| out.layout().shape()[axis]);
            let gradient = Rows::from(gradients.consume::<Flex>(&ops.node));
            let attended = cpu::attended([&q, &k, &v], bias.as_ref(), mask);
            let found =
                kernels::attention_backward(sizes, attended, Rows::from(out).values(), gradient.values());
            let [of_q, of_k, of_v] = ops.parents;
            let found = [(of_q, found.q, queries), (of_k, found.k, sizes.keys), (of_v, found.v, sizes.keys)];
            for (node, gradient, steps) in found {
                if let Some(node) = node {
                    gradients.register::<Flex>(node.id, flex(gradient, [batch, steps, width]));
                }
            }
        }
    }
    let shape = query.dims();
    let sizes = cpu::attention_of(shape, key.dims()[1], heads);
    let bias = bias.map(|bias| Scores::of(&sizes, bias.dims(), tracked!(bias).into_primitive()));
    let operands = [query, key, value].map(|x| tracked!(x));
    let nodes = operands.each_ref().map(|x| x.node());
    let operands = operands.map(|x| Rows::from(x.into_primitive()));
    let mut out = vec![0.0; shape.iter().product()];
    kernels::attention(sizes, cpu::attended(operands.each_ref(), bias.as_ref(), mask), &mut out);
    let out = flex(out, shape);
    record(Attended, nodes, State { sizes, operands, bias, mask, out: out.clone() }, out)
}

fn conv1d(x: Tensor<3>, conv: Convolution<'_>) -> Tensor<3> {
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
    let (shape, padding) = (cpu::shape_of(&conv), conv.padding);
    let weight = plain::normed_weight::<CpuAutodiff>(conv.weight);
    let (x, weight, bias) = (tracked!(x), tracked!(weight), conv.bias.map(|bias| tracked!(bias)));
    let packed = Arc::new(kernels::pack_conv1d(shape, Rows::from(weight.primitive().clone()).values()));
    let rows = Rows::from(x.primitive().clone());
    let offset = bias.as_ref().map(|bias| Rows::from(bias.primitive().clone()));
    let batch = x.primitive().layout().shape()[0];
    let out = cpu::convolved(shape, &rows, batch, &packed, offset.as_ref(), padding, None);
    let state = State { shape, x: x.primitive().clone(), packed };
    match bias {
        None => record(Conv, [x.node(), weight.node()], state, out),
        Some(bias) => record(Conv, [x.node(), weight.node(), bias.node()], state, out),
    }
}

fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[derive(Debug)]
    struct Softmax;
    impl Backward<Flex, 1> for Softmax {
        /// The output, and the width of a row.
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

/// The gradient has the mask of the forward pass, computed again from its seed: no mask is kept.
fn dropout<const D: usize>(x: Tensor<D>, DropoutMask { keep, seed }: DropoutMask) -> Tensor<D> {
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

fn weight_norm(v: Tensor<3>, g: Tensor<3>) -> Tensor<3> {
    #[derive(Debug)]
    struct WeightNorm;
    impl Backward<Flex, 2> for WeightNorm {
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
    record(WeightNorm, [v.node(), g.node()], (v.into_primitive(), g.into_primitive()), out)
}

fn flex<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
