//! Checkpoints: from weight files to a network and back, with every key accounted for.
//!
//! The network's field names are the reference's, so a checkpoint's keys need only the few changes of [`RENAMES`], and what
//! else a file may hold or lack is said by its family's [`Keys`].
//! burn-store renames norms and fills the network (`PyTorchToBurnAdapter`), and reads pickles as data, never as code.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::module::{ModuleVisitor, Param};
use burn::store::bridge::map_data;
use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{
    BurnToPyTorchAdapter, FloatCastAdapter, ModuleAdapter, ModuleContext, ModuleSnapshot as _,
    ModuleStore as _, PyTorchToBurnAdapter, PytorchStore,
};
use burn::tensor::{DType, Tensor, TensorData};
use earmark_config::Keys;
use earmark_kernels::{Conv1d, pack_conv1d};

use crate::architecture::Architecture;
use crate::checkpoint::init::init_weights;
use crate::checkpoint::keys::in_file;
use crate::checkpoint::{pickle, tensor_file};
use crate::error::{Error, ErrorKind, KeyMismatch};

const SAFETENSORS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const PICKLE: &str = "pytorch_model.bin";
const PICKLE_INDEX: &str = "pytorch_model.bin.index.json";

/// The weight files a checkpoint folder may have, in the order they are looked for.
pub const WEIGHT_FILES: &[&str] = &[SAFETENSORS, INDEX, PICKLE, PICKLE_INDEX];

/// Files of one checkpoint.
const MOST_SHARDS: usize = 1 << 10;

/// What training scripts put before every key: the `state_dict` beside an optimizer's, `DataParallel`, `torch.compile`.
const WRAPPERS: &[&str] = &["state_dict.", "model_state_dict.", "module.", "_orig_mod."];

/// A part of a checkpoint's key, and what our field is called.
///
/// PyTorch 2 stores a weight norm as a parametrisation, older files by the names of the paper.
const RENAMES: &[(&str, &str)] = &[
    (".parametrizations.weight.original0", ".weight_g"),
    (".parametrizations.weight.original1", ".weight_v"),
];

/// The tensors of a checkpoint, by the file's names. Nothing is read until it is used.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    tensors: BTreeMap<String, PackTensor>,
}

impl Checkpoint {
    /// Opens the weights in `dir`: the first of [`WEIGHT_FILES`] that is there.
    ///
    /// # Errors
    /// When there are none, or the file is not what its name says.
    pub fn open(dir: &Path) -> Result<Checkpoint, Error> {
        // What is there and no regular file is an error when it is opened.
        let Some(name) = WEIGHT_FILES.iter().find(|name| dir.join(name).symlink_metadata().is_ok()) else {
            let kind = ErrorKind::NoWeights { expected: WEIGHT_FILES };
            return Err(Error { path: dir.to_path_buf(), kind });
        };
        let path = dir.join(name);
        let tensors = match *name {
            INDEX | PICKLE_INDEX => read_shards(dir, &path),
            _ => read_tensors(&path),
        };
        let tensors = tensors
            .and_then(|tensors| unwrapped(tensors).map_err(|kind| Error { path: path.clone(), kind }))?;
        Ok(Checkpoint { path, tensors })
    }

    /// The file the tensors come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every tensor by the file's own name: its shape and the type of its numbers.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, Vec<usize>, DType)> {
        self.tensors
            .iter()
            .map(|(key, tensor)| (key.as_str(), tensor.shape.iter().copied().collect(), tensor.dtype))
    }

    /// The labels of its classification head, if it has one where `keys` puts it.
    pub(crate) fn head_labels(&self, keys: &Keys) -> Option<usize> {
        let weight = self.tensors.get(keys.labels?)?;
        weight.shape.iter().next().copied()
    }

    /// The tensors by the names of a network that has the parameters `ours`.
    fn renamed(&self, keys: &Keys, ours: &[Parameter]) -> Result<BTreeMap<String, PackTensor>, ErrorKind> {
        let theirs_has_base = self.tensors.keys().any(|key| key.starts_with(keys.base));
        let ours_has_base = ours.iter().any(|parameter| parameter.name.starts_with(keys.base));
        let mut renamed = BTreeMap::new();
        for (key, tensor) in &self.tensors {
            let mut name = match (theirs_has_base, ours_has_base) {
                (false, true) if !keys.is_head(key) && !keys.is_unused(key) => format!("{}{key}", keys.base),
                (true, false) => key.strip_prefix(keys.base).unwrap_or(key).to_owned(),
                _ => key.clone(),
            };
            for (theirs, ours) in RENAMES.iter().chain(keys.renames) {
                name = name.replace(theirs, ours);
            }
            let mut tensor = tensor.clone();
            tensor.name = name.clone();
            if keys.scalars.contains(&name.as_str()) && tensor.shape.is_empty() {
                tensor.shape = [1].into();
            }
            if renamed.insert(name.clone(), tensor).is_some() {
                return Err(ErrorKind::BrokenWeights(format!("`{name}` is there twice, under two names")));
            }
        }
        Ok(renamed)
    }
}

/// The tensors of one file: a pickle when it is called `.bin`.
fn read_tensors(path: &Path) -> Result<BTreeMap<String, PackTensor>, Error> {
    let tensors = match path.extension().is_some_and(|extension| extension == "bin") {
        true => pickle::check(path).and_then(|()| {
            let mut store = PytorchStore::from_file(path);
            let tensors = store.get_all_tensors().cloned();
            tensors.map_err(|error| ErrorKind::BrokenWeights(error.to_string()))
        }),
        false => tensor_file::open(path),
    };
    tensors.map_err(|kind| Error { path: path.to_path_buf(), kind })
}

/// The tensors by the names they have without [`WRAPPERS`].
fn unwrapped(tensors: BTreeMap<String, PackTensor>) -> Result<BTreeMap<String, PackTensor>, ErrorKind> {
    let mut found = BTreeMap::new();
    for (key, mut tensor) in tensors {
        let mut name = key.as_str();
        while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
            name = inner;
        }
        name.clone_into(&mut tensor.name);
        if found.insert(name.to_owned(), tensor).is_some() {
            return Err(ErrorKind::BrokenWeights(format!("`{name}` is there twice, bare and in a wrapping")));
        }
    }
    Ok(found)
}

/// `weight_map` says which file holds which key; every file named must lie beside the index. As the reference, all that a
/// file holds is read, whether the index has it or not.
fn read_shards(dir: &Path, index: &Path) -> Result<BTreeMap<String, PackTensor>, Error> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let fail = |kind| Error { path: index.to_path_buf(), kind };
    let text = earmark_config::read(index).map_err(|e| fail(e.into()))?;
    let Index { weight_map } = serde_json::from_slice(&text).map_err(|e| fail(e.into()))?;
    let files: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
    if files.len() > MOST_SHARDS {
        let why = format!("it names {} files, and the limit is {MOST_SHARDS}", files.len());
        return Err(fail(ErrorKind::BrokenWeights(why)));
    }
    let mut shards: BTreeMap<&str, BTreeMap<String, PackTensor>> = BTreeMap::new();
    for file in files {
        if Path::new(file).file_name().is_none_or(|name| name != file) {
            return Err(fail(ErrorKind::BrokenWeights(format!(
                "it names the file `{file}`, which is not a plain name"
            ))));
        }
        let path = dir.join(file);
        shards.insert(file, read_tensors(&path)?);
    }
    let absent = weight_map.iter().find(|(key, file)| !shards[file.as_str()].contains_key(*key));
    if let Some((key, file)) = absent {
        let why = format!("`{key}` is not in `{file}`, where the index puts it");
        return Err(fail(ErrorKind::BrokenWeights(why)));
    }
    let mut tensors = BTreeMap::new();
    for (key, tensor) in shards.into_values().flatten() {
        if let Some(other) = tensors.insert(key, tensor) {
            return Err(fail(ErrorKind::BrokenWeights(format!("`{}` is in two of its files", other.name))));
        }
    }
    Ok(tensors)
}

/// What to do about the classification head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The checkpoint must have it.
    FromCheckpoint,
    /// A new one when the checkpoint has none.
    NewIfMissing,
    /// A new one, whatever the checkpoint has.
    New,
}

/// Fills `network` from `checkpoint`; what may be missing and is, is drawn from `seed` as [`init_weights`] does. As in the
/// reference, keys that the network has no place for are passed over; a warning is logged that names them.
///
/// Returns the network and the names of the parameters that were drawn and not read.
///
/// # Errors
/// [`ErrorKind::Keys`] lists every key that is missing or misshapen. Numbers become of the type that `network` has,
/// its device's: `f32` unless that was configured otherwise.
pub fn load<M: Architecture>(
    mut network: M,
    checkpoint: &Checkpoint,
    head: Head,
    initializer_range: f64,
    seed: u64,
) -> Result<(M, Vec<String>), Error> {
    let fail = |kind| Error { path: checkpoint.path.clone(), kind };
    let rules = &network.family().keys;
    let new_head = match (rules.labels, head) {
        (None, _) => false,
        (Some(_), Head::New) => true,
        (Some(key), _) if checkpoint.tensors.contains_key(key) => false,
        (Some(_), Head::NewIfMissing) => true,
        (Some(_), Head::FromCheckpoint) => false,
    };
    let (ours, dtype) = expected(&network);
    let mut tensors = checkpoint.renamed(rules, &ours).map_err(fail)?;
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
    let mut drawn = Vec::new();
    let mut found = Vec::new();
    for Parameter { path, name, shape } in ours {
        match tensors.remove(&name) {
            Some(mut tensor) if tensor.shape.to_vec() == shape => {
                tensor.name = path;
                found.push(tensor);
            }
            Some(tensor) => keys.misshapen.push((name, tensor.shape.to_vec(), shape)),
            None if rules.is_optional(&name) || (new_head && rules.is_head(&name)) => drawn.push(name),
            None => keys.missing.push((name, shape)),
        }
    }
    keys.unexpected = tensors.into_keys().filter(|key| !rules.is_unused(key)).collect();
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
            "`{}` holds what the network has no place for, and it is passed over: {}{more}",
            checkpoint.path.display(),
            shown.join(", ")
        );
    }

    let adapter = FloatCastAdapter::to(dtype).chain(FromPyTorch);
    let result = network.apply(found, None, Some(Box::new(adapter)), true);
    if let Some(error) = result.errors.first() {
        return Err(fail(ErrorKind::BrokenWeights(error.to_string())));
    }
    let network =
        init_weights(network, initializer_range, seed, |name| drawn.iter().any(|drawn| drawn == name));
    Ok((network, drawn))
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
            // A linear layer is a convolution that hears one frame.
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

/// A parameter that a network needs of a checkpoint.
struct Parameter {
    /// Where it is in the network, its last part as a file says it.
    path: String,
    /// What a file calls it, but for the renames.
    name: String,
    /// Its shape in a file.
    shape: Vec<usize>,
}

/// Every parameter, and the dtype they will have; none of them is allocated for it, as they are about to be replaced.
fn expected<M: Architecture>(network: &M) -> (Vec<Parameter>, DType) {
    struct Expected {
        keys: &'static Keys,
        path: Vec<String>,
        containers: Vec<String>,
        found: Vec<Parameter>,
        dtype: DType,
    }
    impl ModuleVisitor for Expected {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.containers.push(container.to_owned());
            // The reference knows no variants.
            if !container.starts_with("Enum:") {
                self.path.push(name.to_owned());
            }
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.containers.pop();
            if !container.starts_with("Enum:") {
                self.path.pop();
            }
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let context = ModuleContext::new(&self.containers);
            let (mut shape, last) =
                (param.lazy_shape().to_vec(), self.path.last().cloned().unwrap_or_default());
            let name = match (context.module_type().unwrap_or_default(), last.as_str()) {
                ("Struct:Linear", "weight") => {
                    shape.reverse();
                    last
                }
                (container, _) => {
                    PyTorchToBurnAdapter.get_alternative_param_name(&last, container).unwrap_or(last)
                }
            };
            let stem = &self.path[..self.path.len().saturating_sub(1)];
            let path = [stem, &[name]].concat().join(".");
            self.found.push(Parameter { name: in_file(self.keys, &path), path, shape });
            self.dtype = param.lazy_device().settings().float_dtype.into();
        }
    }
    let mut visitor = Expected {
        keys: &network.family().keys,
        path: Vec::new(),
        containers: Vec::new(),
        found: Vec::new(),
        dtype: DType::F32,
    };
    network.visit(&mut visitor);
    (visitor.found, visitor.dtype)
}

/// Every parameter of a network by the reference's name, in the reference's shape; values are read when asked for.
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
fn exported<M: Architecture>(network: &M) -> Vec<(String, Vec<usize>, PackTensor)> {
    let keys = &network.family().keys;
    let adapter = BurnToPyTorchAdapter.chain(FloatCastAdapter::to(DType::F32));
    let tensors = collected(network, Box::new(adapter)).into_iter().map(|tensor| {
        let mut name = tensor.name.clone();
        for (theirs, ours) in RENAMES {
            if let Some(stem) = name.strip_suffix(ours) {
                name = format!("{stem}{theirs}");
            }
        }
        for (theirs, ours) in keys.renames {
            name = name.replace(ours, theirs);
        }
        let shape = if keys.scalars.contains(&name.as_str()) { Vec::new() } else { tensor.shape.to_vec() };
        (name, shape, tensor)
    });
    tensors.collect()
}

/// Writes `model.safetensors` with the reference's names, whole or not at all: `transformers` opens it.
///
/// # Errors
/// When the file cannot be written, or the device cannot be read.
pub fn save<M: Architecture>(network: &M, path: &Path) -> Result<(), Error> {
    tensor_file::write(path, exported(network)).map_err(|kind| Error { path: path.to_path_buf(), kind })
}

/// Why a network can give nothing but NaN: the first of its weights that is not a number, infinite, or a variance below zero,
/// such as "`classifier.bias` holds NaN". `None` when there is none. It reads every weight.
pub fn unusable_weight<M: Architecture>(network: &M) -> Option<String> {
    // Not the exported values: turning matrices round takes longer than looking at them.
    let values = network.collect(None, Some(Box::new(FloatCastAdapter::to(DType::F32))), true);
    values.into_iter().zip(exported(network)).find_map(|(tensor, (name, ..))| {
        let bytes = match tensor.into_bytes() {
            Ok(bytes) => bytes,
            Err(error) => return Some(format!("`{name}` cannot be read: {error}")),
        };
        let mut values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let is_variance = name.ends_with(".running_var");
        match values.find(|value| !value.is_finite() || (is_variance && *value < 0.0))? {
            value if value.is_finite() => Some(format!("`{name}` holds {value}, and no variance is below 0")),
            value => Some(format!("`{name}` holds {value}")),
        }
    })
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
