//! From a network to a checkpoint.

use std::path::Path;

use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{BurnToPyTorchAdapter, FloatCastAdapter, ModuleAdapter, ModuleSnapshot as _};
use burn::tensor::{Bytes, DType, Shape};
use earmark_error::Context as _;

use crate::architecture::Architecture;
use crate::checkpoint::keys::{in_file, saved};
use crate::checkpoint::safetensors;
use crate::error::{Error, Using};

/// Every parameter of a network under the reference's name, in the reference's shape; values are read when they are used.
pub fn parameters<M: Architecture>(network: &M) -> Vec<PackTensor> {
    collected(network, Box::new(BurnToPyTorchAdapter))
}

fn collected<M: Architecture>(network: &M, adapter: Box<dyn ModuleAdapter>) -> Vec<PackTensor> {
    let mut tensors = network.collect(None, Some(adapter), true);
    for tensor in &mut tensors {
        tensor.name = in_file(&network.family().keys, &tensor.name);
    }
    tensors
}

/// Every parameter by the name that a file has for it, in its shape there, as `f32`; values are read when asked for.
pub(crate) fn exported<M: Architecture>(network: &M) -> Vec<(String, Vec<usize>, PackTensor)> {
    let keys = &network.family().keys;
    let adapter = BurnToPyTorchAdapter.chain(FloatCastAdapter::to(DType::F32));
    let tensors = collected(network, Box::new(adapter)).into_iter().map(|tensor| {
        let name = saved(keys, &tensor.name);
        let shape = if keys.scalars.contains(&name.as_str()) { Vec::new() } else { tensor.shape.to_vec() };
        (name, shape, tensor)
    });
    tensors.collect()
}

/// Writes `model.safetensors` atomically, with the reference's names; `transformers` opens it.
///
/// # Errors
/// When the file cannot be written, or the device cannot be read.
pub fn save<M: Architecture>(network: &M, path: &Path) -> Result<(), Error> {
    let mut tensors = exported(network);
    let counters: Vec<_> = tensors.iter().filter_map(|(name, ..)| counter(name)).collect();
    tensors.extend(counters);
    safetensors::write(path, tensors).context(Using(path))
}

/// What PyTorch has beside the statistics of a batch norm: the batches that they are of. No forward pass reads it, but a file without
/// it is said to lack a weight. It starts anew.
fn counter(running_mean: &str) -> Option<(String, Vec<usize>, PackTensor)> {
    let name = format!("{}.num_batches_tracked", running_mean.strip_suffix(".running_mean")?);
    let read = || Ok(Bytes::from_elems(vec![0_i64]));
    let tensor =
        PackTensor::deferred(name.clone(), DType::I64, Shape::from(vec![1]), None, size_of::<i64>(), read);
    Some((name, Vec::new(), tensor))
}

/// The first weight that makes the network's output useless: NaN, infinite, or a negative variance, such as
/// "`classifier.bias` holds NaN". `None` when every weight is in order. It reads all weights.
pub fn unusable_weight<M: Architecture>(network: &M) -> Option<String> {
    // Not the exported values: transposing matrices takes longer than looking at them.
    let values = network.collect(None, Some(Box::new(FloatCastAdapter::to(DType::F32))), true);
    values.into_iter().zip(exported(network)).find_map(|(tensor, (name, ..))| {
        let bytes = match tensor.into_bytes() {
            Ok(bytes) => bytes,
            Err(error) => return Some(format!("`{name}` cannot be read: {error}")),
        };
        let mut values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let is_variance = name.ends_with(".running_var");
        match values.find(|value| !value.is_finite() || (is_variance && *value < 0.0))? {
            value if value.is_finite() => {
                Some(format!("`{name}` holds {value}; a variance cannot be negative"))
            }
            value => Some(format!("`{name}` holds {value}")),
        }
    })
}
