//! Memory for time: a block whose graph is not kept, but made again when the backward pass comes to it (arXiv:1604.06174).

use std::iter;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};

use crate::backend::recomputed::{self, Gradient, Parents};
use crate::training::rng::TrainingRng;

/// Whether [`TrainingRng::with_gradient_checkpointing`] saves memory on a device: burn's CPU device only.
pub fn supports_gradient_checkpointing(device: &Device) -> bool {
    *device == Device::flex()
}

/// `forward` of `block`, with `x` and with what all blocks share; where `rng` says so, without keeping its graph.
///
/// What `forward` captures gets no gradient. The random numbers are drawn once: both passes drop the same.
pub(crate) fn checkpointed<M: Module + 'static, const I: usize, const O: usize>(
    block: &M,
    x: Tensor<I>,
    shared: Option<Tensor<4>>,
    rng: Option<&mut TrainingRng>,
    forward: impl Fn(&M, Tensor<I>, Option<Tensor<4>>, Option<&mut TrainingRng>) -> Tensor<O> + Send + 'static,
) -> Tensor<O> {
    let Some(rng) = rng else { return forward(block, x, shared, None) };
    if !(rng.gradient_checkpointing() && recomputed::records(&x)) {
        return forward(block, x, shared, Some(rng));
    }
    let mut given = Given::default();
    given.add(&x);
    if let Some(shared) = &shared {
        given.add(shared);
    }
    block.visit(&mut given);
    let Given { parents, wanted } = given;
    if !parents.are_recorded() {
        return forward(block, x, shared, Some(rng));
    }
    let mut again = rng.clone_state().with_gradient_checkpointing(false);
    let (x, shared) = (x.inner(), shared.map(Tensor::inner));
    let block = block.clone().map(&mut Copy { wanted: None });
    // On a device with a graph, which dropout asks for; but nothing on it wants a gradient, so nothing is kept.
    let out = {
        let block = block.clone().map(&mut Copy { wanted: Some(&mut iter::repeat(Wanted::No)) });
        forward(&block, x.clone().autodiff(), shared.clone().map(Tensor::autodiff), Some(rng))
    };
    recomputed::record(parents, out, move |gradient| {
        let mut each = wanted.iter().copied();
        let x = tracked(x, each.next());
        let shared = shared.map(|shared| tracked(shared, each.next()));
        let block = block.map(&mut Copy { wanted: Some(&mut each) });
        let out = forward(&block, x.clone(), shared.clone(), Some(&mut again));
        // Its gradient by `out` is `gradient`.
        let gradients = (out * gradient.autodiff()).sum().backward();
        let mut found = Found { gradients, wanted: wanted.iter().copied(), found: Vec::new() };
        found.add(&x);
        if let Some(shared) = &shared {
            found.add(shared);
        }
        block.visit(&mut found);
        found.found
    })
}

/// What the graph around a block wants of one of its tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wanted {
    No,
    /// A gradient, if it has one.
    OfParameter,
    /// A gradient: the step that made the tensor expects one.
    OfResult,
}

/// What a block is given, in order: its inputs, then its parameters.
#[derive(Default)]
struct Given {
    parents: Parents,
    wanted: Vec<Wanted>,
}

impl Given {
    fn add<const D: usize>(&mut self, tensor: &Tensor<D>) {
        self.wanted.push(match (self.parents.add(tensor), tensor.is_require_grad()) {
            (false, _) => Wanted::No,
            (true, true) => Wanted::OfParameter,
            (true, false) => Wanted::OfResult,
        });
    }
}

impl ModuleVisitor for Given {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(&param.val());
    }
}

/// A block with the same values in tensors of their own: without a graph, or at the beginning of another one.
struct Copy<'a> {
    wanted: Option<&'a mut dyn Iterator<Item = Wanted>>,
}

impl ModuleMapper for Copy<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let tensor = tensor.inner();
        let tensor = match &mut self.wanted {
            Some(wanted) => tracked(tensor, wanted.next()),
            None => tensor,
        };
        Param::from_mapped_value(id, tensor, mapper)
    }
}

fn tracked<const D: usize>(tensor: Tensor<D>, wanted: Option<Wanted>) -> Tensor<D> {
    match wanted {
        Some(Wanted::OfParameter | Wanted::OfResult) => tensor.autodiff().require_grad(),
        Some(Wanted::No) | None => tensor.autodiff(),
    }
}

struct Found<W> {
    gradients: Gradients,
    wanted: W,
    found: Vec<Option<Gradient>>,
}

impl<W: Iterator<Item = Wanted>> Found<W> {
    fn add<const D: usize>(&mut self, tensor: &Tensor<D>) {
        let gradient = match self.wanted.next() {
            Some(Wanted::OfParameter) => tensor.grad(&self.gradients),
            Some(Wanted::OfResult) => {
                let gradient = tensor.grad(&self.gradients);
                Some(gradient.unwrap_or_else(|| tensor.clone().inner().zeros_like()))
            }
            Some(Wanted::No) | None => None,
        };
        self.found.push(gradient.map(Gradient::of));
    }
}

impl<W: Iterator<Item = Wanted>> ModuleVisitor for Found<W> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(&param.val());
    }
}
