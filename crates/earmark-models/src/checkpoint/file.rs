use std::collections::BTreeMap;
use std::path::Path;

use burn::store::burn_pack::Tensor as PackTensor;
use earmark_error::Context as _;

use crate::checkpoint::{pickle, safetensors};
use crate::error::{Error, Using};

/// The tensors of one file: a pickle when it is called `.bin`.
pub(crate) fn open(path: &Path) -> Result<BTreeMap<String, PackTensor>, Error> {
    let tensors = match path.extension().is_some_and(|extension| extension == "bin") {
        true => pickle::open(path),
        false => safetensors::open(path),
    };
    tensors.context(Using(path))
}
