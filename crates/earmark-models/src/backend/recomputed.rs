//! A step of the graph that computes its part of the forward pass again before it goes back through it.

use std::array;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::{Autodiff, Flex, flex::FlexTensor};
use burn::tensor::{Device, Tensor};

/// The most tensors that a step can have gradients of: burn has their number in the type. A Conformer block has 36 parameters.
const MOST: usize = 64;

macro_rules! primitive {
    ($tensor:expr) => {
        $tensor.try_into_primitive::<Autodiff<Flex>>().expect("the device is checked by `records`")
    };
}

/// Whether steps can be recorded for a tensor: on the CPU, with a graph.
pub(crate) fn records<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device();
    device == Device::flex() && device.is_autodiff()
}

/// The tensors that a step has gradients of, in any dtype.
#[derive(Default)]
pub(crate) struct Parents {
    nodes: Vec<NodeGuard>,
    tracked: bool,
}

impl Parents {
    /// Whether the graph wants a gradient of the tensor.
    pub(crate) fn add<const D: usize>(&mut self, tensor: &Tensor<D>) -> bool {
        // A parameter of a network that is not in training has no graph.
        let tensor = primitive!(tensor.clone().autodiff());
        self.nodes.push(tensor.node());
        self.tracked |= tensor.is_tracked();
        tensor.is_tracked()
    }

    /// Whether the graph has a step for them: it wants a gradient of one of them, and they are not too many.
    pub(crate) fn are_recorded(&self) -> bool {
        self.tracked && self.nodes.len() <= MOST
    }
}

/// A gradient, of any rank.
pub(crate) struct Gradient(FlexTensor);

impl Gradient {
    pub(crate) fn of<const D: usize>(tensor: Tensor<D>) -> Gradient {
        Gradient(tensor.try_into_primitive::<Flex>().expect("a gradient has no graph"))
    }
}

/// `out` as a step whose gradients `backward` makes of its own: one for each of `parents`, `None` for what the graph wants none of.
pub(crate) fn record<const D: usize>(
    parents: Parents,
    out: Tensor<D>,
    backward: impl FnOnce(Tensor<D>) -> Vec<Option<Gradient>> + Send + 'static,
) -> Tensor<D> {
    let padding = primitive!(Tensor::<1>::zeros([1], &out.device()));
    let mut nodes = parents.nodes.into_iter();
    let nodes: [NodeGuard; MOST] = array::from_fn(|_| nodes.next().unwrap_or_else(|| padding.node()));
    let backward = Again::new(|gradient| backward(Tensor::from_primitive::<Flex>(gradient)));
    let out = primitive!(out).into_primitive();
    let out = match Recomputed.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(backward, out),
        OpsKind::UnTracked(step) => step.finish(out),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(out)
}

#[derive(Debug)]
struct Recomputed;

impl Backward<Flex, MOST> for Recomputed {
    type State = Again;

    fn backward(self, ops: Ops<Again, MOST>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let found = ops.state.run(gradients.consume::<Flex>(&ops.node));
        for (node, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(node), Some(Gradient(gradient))) = (node, gradient) {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

type Run = Box<dyn FnOnce(FlexTensor) -> Vec<Option<Gradient>> + Send>;

/// What a step does, once. burn asks for a state that can be cloned.
#[derive(Clone)]
struct Again(Arc<Mutex<Option<Run>>>);

impl Again {
    fn new(run: impl FnOnce(FlexTensor) -> Vec<Option<Gradient>> + Send + 'static) -> Again {
        Again(Arc::new(Mutex::new(Some(Box::new(run)))))
    }

    fn run(self, gradient: FlexTensor) -> Vec<Option<Gradient>> {
        let run = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        run.expect("burn takes a step out of its graph before it runs it")(gradient)
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}
