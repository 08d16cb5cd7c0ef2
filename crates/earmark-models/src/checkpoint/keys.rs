//! What a parameter is called in a network, and what in a file.
//!
//! The network's field names are the reference's, so a checkpoint's keys need only the few changes of [`RENAMES`], and what else
//! a file may hold or lack is said by its family's [`Keys`]. Norms are burn-store's to rename (`PyTorchToBurnAdapter`).

use std::collections::BTreeMap;

use burn::module::{ModuleVisitor, Param};
use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{ModuleAdapter as _, ModuleContext, PyTorchToBurnAdapter};
use burn::tensor::{DType, Tensor};
use earmark_config::Keys;

use crate::architecture::Architecture;
use crate::checkpoint::module_path::ModulePath;
use crate::error::ErrorKind;

/// What training scripts put before every key: the `state_dict` beside an optimizer's, `DataParallel`, `torch.compile`.
const WRAPPERS: &[&str] = &["state_dict.", "model_state_dict.", "module.", "_orig_mod."];

/// A part of a checkpoint's key, and what our field is called.
///
/// PyTorch 2 stores a weight norm as a parametrisation, older files by the names of the paper.
const RENAMES: &[(&str, &str)] = &[
    (".parametrizations.weight.original0", ".weight_g"),
    (".parametrizations.weight.original1", ".weight_v"),
];

/// The field of a network that stands for the base model: [`Architecture`].
const BASE: &str = "base.";

/// The name that a file has for the parameter at `path` of a network, but for the renames.
pub(crate) fn in_file(keys: &Keys, path: &str) -> String {
    match path.strip_prefix(BASE) {
        Some(rest) => format!("{}{rest}", keys.base),
        None => path.to_owned(),
    }
}

/// The key that a file has for a parameter called `name`, the renames undone.
pub(crate) fn saved(keys: &Keys, name: &str) -> String {
    let mut key = name.to_owned();
    for (theirs, ours) in RENAMES {
        if let Some(stem) = key.strip_suffix(ours) {
            key = format!("{stem}{theirs}");
        }
    }
    for (theirs, ours) in keys.renames {
        key = key.replace(ours, theirs);
    }
    key
}

/// The tensors by the names they have without [`WRAPPERS`].
pub(crate) fn unwrapped(
    tensors: BTreeMap<String, PackTensor>,
) -> Result<BTreeMap<String, PackTensor>, ErrorKind> {
    let mut found = BTreeMap::new();
    for (key, mut tensor) in tensors {
        let mut name = key.as_str();
        while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
            name = inner;
        }
        name.clone_into(&mut tensor.name);
        if found.insert(name.to_owned(), tensor).is_some() {
            return Err(ErrorKind::BrokenWeights(format!(
                "`{name}` appears twice, with and without a wrapper's prefix"
            )));
        }
    }
    Ok(found)
}

/// The tensors of a checkpoint by the names that the parameters `ours` have.
pub(crate) fn renamed(
    tensors: &BTreeMap<String, PackTensor>,
    keys: &Keys,
    ours: &[Parameter],
) -> Result<BTreeMap<String, PackTensor>, ErrorKind> {
    let theirs_has_base = tensors.keys().any(|key| key.starts_with(keys.base));
    let ours_has_base = ours.iter().any(|parameter| parameter.name.starts_with(keys.base));
    let mut renamed = BTreeMap::new();
    for (key, tensor) in tensors {
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
            return Err(ErrorKind::BrokenWeights(format!("`{name}` appears twice, under two names")));
        }
    }
    Ok(renamed)
}

/// A parameter that a network needs of a checkpoint.
pub(crate) struct Parameter {
    /// Where it is in the network, its last part as a file says it.
    pub(crate) path: String,
    /// What a file calls it, but for the renames.
    pub(crate) name: String,
    /// Its shape in a file.
    pub(crate) shape: Vec<usize>,
}

/// Every parameter, and the dtype they will have; none of them is allocated for it, as they are about to be replaced.
pub(crate) fn expected<M: Architecture>(network: &M) -> (Vec<Parameter>, DType) {
    struct Expected {
        keys: &'static Keys,
        at: ModulePath,
        found: Vec<Parameter>,
        dtype: DType,
    }
    impl ModuleVisitor for Expected {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.at.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.at.exit(container);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let context = ModuleContext::new(&self.at.containers);
            let (mut shape, last) =
                (param.lazy_shape().to_vec(), self.at.names.last().cloned().unwrap_or_default());
            let name = match (context.module_type().unwrap_or_default(), last.as_str()) {
                ("Struct:Linear", "weight") => {
                    shape.reverse();
                    last
                }
                (container, _) => {
                    PyTorchToBurnAdapter.get_alternative_param_name(&last, container).unwrap_or(last)
                }
            };
            let names = &self.at.names;
            let stem = &names[..names.len().saturating_sub(1)];
            let path = [stem, &[name]].concat().join(".");
            self.found.push(Parameter { name: in_file(self.keys, &path), path, shape });
            self.dtype = param.lazy_device().settings().float_dtype.into();
        }
    }
    let mut visitor = Expected {
        keys: &network.family().keys,
        at: ModulePath::default(),
        found: Vec::new(),
        dtype: DType::F32,
    };
    network.visit(&mut visitor);
    (visitor.found, visitor.dtype)
}
