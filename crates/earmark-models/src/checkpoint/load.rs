//! From a checkpoint to a network, every key accounted for.

use std::borrow::Cow;

use burn::store::bridge::map_data;
use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{
    FloatCastAdapter, ModuleAdapter, ModuleContext, ModuleSnapshot as _, PyTorchToBurnAdapter,
};
use burn::tensor::{DType, TensorData};
use earmark_error::{Attempt as _, Context as _};
use earmark_kernels::{Conv1d, pack_conv1d};

use crate::architecture::Architecture;
use crate::checkpoint::init::init_weights;
use crate::checkpoint::keys::{Parameter, expected, renamed};
use crate::checkpoint::weights::Checkpoint;
use crate::error::{Error, ErrorKind, KeyMismatch, Using};

/// Which classification head a loaded network gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// That of the checkpoint, which must have one.
    FromCheckpoint,
    /// That of the checkpoint, or a new one when it has none.
    NewIfMissing,
    /// A new one, whatever the checkpoint has.
    New,
}

/// Fills `network` from `checkpoint`. Parameters that the checkpoint may lack, and does, are initialised from `seed` as
/// [`init_weights`] does. As in the reference, keys that the network does not use are ignored, with a warning that lists them.
///
/// Returns the network, and the names of the parameters that were initialised. Weights get the dtype of `network`, which is
/// that of its device: `f32` unless that was configured otherwise.
///
/// # Errors
/// [`ErrorKind::Keys`] with every key that is missing or has the wrong shape.
pub fn load<M: Architecture>(
    mut network: M,
    checkpoint: &Checkpoint,
    head: Head,
    initializer_range: f64,
    seed: u64,
) -> Result<(M, Vec<String>), Error> {
    let fail = |kind| Using(checkpoint.path()).failed(kind);
    let rules = &network.family().keys;
    let new_head = match (rules.labels, head) {
        (None, _) => false,
        (Some(_), Head::New) => true,
        (Some(key), _) if checkpoint.by_name().contains_key(key) => false,
        (Some(_), Head::NewIfMissing) => true,
        (Some(_), Head::FromCheckpoint) => false,
    };
    let (ours, dtype) = expected(&network);
    let mut tensors = renamed(checkpoint.by_name(), rules, &ours).context(Using(checkpoint.path()))?;
    if let (Some(key), Head::FromCheckpoint) = (rules.labels, head)
        && !tensors.contains_key(key)
        && ours.iter().any(|Parameter { name, .. }| !rules.is_head(name) && tensors.contains_key(name))
    {
        return Err(fail(ErrorKind::NoHead { key }));
    }
    if new_head {
        tensors.retain(|key, _| !rules.is_head(key));
    }

    let mut keys = KeyMismatch::default();
    let mut new = Vec::new();
    let mut found = Vec::new();
    for Parameter { path, name, shape } in ours {
        match tensors.remove(&name) {
            Some(mut tensor) if tensor.shape.to_vec() == shape => {
                tensor.name = path;
                found.push(tensor);
            }
            Some(tensor) => keys.misshapen.push((name, tensor.shape.to_vec(), shape)),
            None if rules.is_optional(&name) || (new_head && rules.is_head(&name)) => new.push(name),
            None => keys.missing.push((name, shape)),
        }
    }
    keys.unexpected =
        tensors.into_keys().filter(|key| !(rules.is_unused(key) || network.does_without(key))).collect();
    let head = keys.misshapen.iter().find(|(key, ..)| Some(key.as_str()) == rules.labels);
    if let Some((_, found, wanted)) = head
        && let (Some(&found), Some(&wanted)) = (found.first(), wanted.first())
        && found != wanted
    {
        return Err(fail(ErrorKind::OtherHead { found, wanted }));
    }
    if !keys.is_empty() {
        return Err(fail(ErrorKind::Keys(keys)));
    }
    if !keys.unexpected.is_empty() {
        let shown: Vec<_> = keys.unexpected.iter().take(5).map(|key| format!("`{key}`")).collect();
        let more = match keys.unexpected.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        tracing::warn!(
            "ignoring weights in `{}` that the network does not use: {}{more}",
            checkpoint.path().display(),
            shown.join(", ")
        );
    }

    let adapter = FloatCastAdapter::to(dtype).chain(FromPyTorch);
    let result = network.apply(found, None, Some(Box::new(adapter)), true);
    if let Some(error) = result.errors.first() {
        return Err(fail(ErrorKind::BrokenWeights(error.to_string())));
    }
    let network = init_weights(network, initializer_range, seed, |name| new.iter().any(|it| it == name));
    Ok((network, new))
}

/// [`PyTorchToBurnAdapter`] with a transpose that takes the time of a copy: burn's own moves four bytes at a time, and that
/// was most of the time a checkpoint took to load.
#[derive(Debug, Clone)]
struct FromPyTorch;

impl ModuleAdapter for FromPyTorch {
    fn adapt(&self, tensor: PackTensor, context: ModuleContext<'_>) -> PackTensor {
        let is_linear = context.module_type() == Some("Struct:Linear") && tensor.name.ends_with("weight");
        let &[outputs, inputs] = tensor.shape.as_slice() else {
            return PyTorchToBurnAdapter.adapt(tensor, context);
        };
        if !is_linear || tensor.dtype != DType::F32 {
            return PyTorchToBurnAdapter.adapt(tensor, context);
        }
        let name = tensor.name.clone();
        map_data(tensor, name, DType::F32, [inputs, outputs].into(), move |data| {
            let values = data.as_slice::<f32>().map_or_else(|_| data.iter::<f32>().collect(), Cow::Borrowed);
            // A linear layer is a convolution over one frame.
            let layer = Conv1d {
                in_channels: inputs,
                out_channels: outputs,
                kernel: 1,
                stride: 1,
                padding: 0,
                groups: 1,
            };
            TensorData::new(pack_conv1d(layer, &values), [inputs, outputs])
        })
    }

    fn get_alternative_param_name(&self, name: &str, container: &str) -> Option<String> {
        PyTorchToBurnAdapter.get_alternative_param_name(name, container)
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}
