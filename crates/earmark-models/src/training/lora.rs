//! Low-rank adapters on the weights of linear layers (LoRA, arXiv:2106.09685), under the names that PEFT has for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::module::{Initializer, Module, ModuleMapper, ModuleVisitor, Param};
use burn::store::burn_pack::Tensor as PackTensor;
use burn::tensor::{Bytes, DType, Device, Shape, Tensor, TensorData};
use earmark_config::Keys;
use earmark_error::Context as _;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

use crate::architecture::Architecture;
use crate::checkpoint::keys::{in_file, saved};
use crate::checkpoint::module_path::ModulePath;
use crate::checkpoint::save::exported;
use crate::checkpoint::{file, safetensors};
use crate::error::{Error, ErrorKind, Using};

/// What PEFT puts before the keys of the base model.
const PREFIX: &str = "base_model.model.";

/// The adapters of a network: each adds `alpha / rank · A B` to the weight of a linear layer.
#[derive(Module, Debug)]
pub struct Lora {
    adapters: Vec<Adapter>,
    /// The adapted layers, as a checkpoint names them, in the network's order.
    #[module(skip)]
    layers: Vec<String>,
    #[module(skip)]
    scale: f64,
}

/// The adapter of one layer.
#[derive(Module, Debug)]
struct Adapter {
    lora_a: Param<Tensor<2>>, // [I, R]; a file has [R, I]
    lora_b: Param<Tensor<2>>, // [R, O]; a file has [O, R]
}

impl Lora {
    /// No adapters: for a network that is trained itself.
    pub fn none() -> Lora {
        Lora { adapters: Vec::new(), layers: Vec::new(), scale: 0.0 }
    }

    /// Adapters of every linear layer whose name ends with one of `targets`, as PEFT begins them: A is uniform (Kaiming's, with
    /// a = √5), each layer with a stream of its own from `seed` and its name, and B is zero, so that the network is as it was.
    ///
    /// # Errors
    /// [`ErrorKind::NoLinear`] with the targets that no layer of the network has, and the names there are.
    pub fn new<M: Architecture>(
        network: &M,
        targets: &[String],
        rank: usize,
        alpha: f64,
        seed: u64,
        device: &Device,
    ) -> Result<Lora, ErrorKind> {
        let linears = linears(network);
        let is_of = |layer: &str, target: &String| last(layer) == target.as_str();
        let missing = targets.iter().filter(|target| !linears.iter().any(|(layer, _)| is_of(layer, target)));
        let missing: Vec<String> = missing.cloned().collect();
        if !missing.is_empty() {
            let known: BTreeSet<&str> = linears.iter().map(|(layer, _)| last(layer)).collect();
            let known = known.into_iter().map(str::to_owned).collect();
            return Err(ErrorKind::NoLinear { missing, known });
        }
        let adapted =
            linears.into_iter().filter(|(layer, _)| targets.iter().any(|target| is_of(layer, target)));
        let (layers, adapters) = adapted
            .map(|(layer, [inputs, outputs])| {
                let lora_a = transposed(&initial(seed, &layer, inputs, rank), inputs, device);
                let lora_b = Initializer::Zeros.init([rank, outputs], device);
                (layer, Adapter { lora_a, lora_b })
            })
            .unzip();
        Ok(Lora { adapters, layers, scale: alpha / rank as f64 })
    }

    /// What the linear layers of a network's encoder are called, each name once.
    pub fn layers_of<M: Architecture>(network: &M) -> BTreeSet<String> {
        linears(network).iter().map(|(layer, _)| last(layer).to_owned()).collect()
    }

    /// What the adapted layers are called, each name once: PEFT's `target_modules`.
    pub fn targets(&self) -> BTreeSet<&str> {
        self.layers.iter().map(|layer| last(layer)).collect()
    }

    /// The modules of a network's head, which is trained beside adapters: PEFT's `modules_to_save`. `None` where PEFT 0.21.2 cannot hold
    /// or apply what is trained: a part of the head is no module, as the weights of a sum of layers; batch norms keep statistics; WavLM's
    /// attention of transformers 5.23.0 reads its weights past the adapters; and AST's modules are called otherwise than in a checkpoint.
    pub fn head_modules<M: Architecture>(network: &M) -> Option<BTreeSet<String>> {
        let (family, parameters) = (network.family(), exported(network));
        let keys = &family.keys;
        let is_apart = matches!(family.model_type, "wavlm" | "audio-spectrogram-transformer");
        if is_apart || parameters.iter().any(|(name, ..)| name.ends_with(".running_mean")) {
            return None;
        }
        let head = parameters.into_iter().map(|(name, ..)| name).filter(|name| keys.is_head(name));
        head.map(|name| name.split_once('.').map(|(module, _)| module.to_owned())).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.adapters.is_empty()
    }

    /// The network with the adapters added to its weights. On a device with autodiff the sums are part of the graph, so that
    /// gradients arrive at the adapters.
    #[must_use]
    pub fn merged<M: Architecture>(&self, network: M) -> M {
        if self.is_empty() {
            return network;
        }
        let keys = &network.family().keys;
        let of_layer = self.layers.iter().map(String::as_str).zip(&self.adapters).collect();
        network.map(&mut Merge { of_layer, scale: self.scale, keys, at: ModulePath::default() })
    }

    /// Writes the adapters, and the parameters of the network's head, which is trained beside them, as `adapter_model.safetensors` of
    /// PEFT.
    ///
    /// # Errors
    /// When the file cannot be written, or the device cannot be read.
    pub fn save<M: Architecture>(&self, network: &M, path: &Path) -> Result<(), Error> {
        let keys = &network.family().keys;
        let head = exported(network).into_iter().filter(|(name, ..)| keys.is_head(name));
        let mut tensors: Vec<_> =
            head.map(|(name, shape, tensor)| (format!("{PREFIX}{name}"), shape, tensor)).collect();
        for (layer, adapter) in self.layers.iter().zip(&self.adapters) {
            for (part, tensor) in [("lora_A", &adapter.lora_a), ("lora_B", &adapter.lora_b)] {
                tensors.push(named(format!("{PREFIX}{layer}.{part}.weight"), tensor.val().transpose()));
            }
        }
        safetensors::write(path, tensors).context(Using(path))
    }

    /// The same adapters with the numbers that [`save`](Self::save) wrote; it passes over those of the head.
    ///
    /// # Errors
    /// When the file cannot be read, or is one of other adapters.
    pub fn load(self, path: &Path, device: &Device) -> Result<Lora, Error> {
        let tensors = file::open(path)?;
        let read =
            |layer: &str, part: &str, param: &Param<Tensor<2>>| -> Result<Param<Tensor<2>>, ErrorKind> {
                let [inputs, outputs] = param.val().dims();
                let key = format!("{PREFIX}{layer}.{part}.weight");
                Ok(transposed(&values(&tensors, &key, [outputs, inputs])?, inputs, device))
            };
        let read = |(layer, adapter): (&String, &Adapter)| {
            let lora_a = read(layer, "lora_A", &adapter.lora_a)?;
            Ok(Adapter { lora_a, lora_b: read(layer, "lora_B", &adapter.lora_b)? })
        };
        let adapters = self.layers.iter().zip(&self.adapters).map(read);
        let adapters = adapters.collect::<Result<_, ErrorKind>>().context(Using(path))?;
        Ok(Lora { adapters, ..self })
    }
}

/// The name of a layer without those of the modules that it is in.
fn last(layer: &str) -> &str {
    layer.rsplit('.').next().unwrap_or(layer)
}

/// The parameter `[I, O]` of the numbers of a file, `[O, I]`. They are moved: the product with a transposed view may round otherwise, and
/// a resumed run would not be the same.
fn transposed(values: &[f32], inputs: usize, device: &Device) -> Param<Tensor<2>> {
    let outputs = values.len() / inputs;
    let moved: Vec<f32> = (0..values.len()).map(|at| values[at % outputs * inputs + at / outputs]).collect();
    Param::from_tensor(Tensor::from_data(TensorData::new(moved, [inputs, outputs]), device))
}

/// `torch.nn.init.kaiming_uniform_(A, a=√5)` of `A` `[R, I]`: uniform within 1 / √I.
fn initial(seed: u64, layer: &str, inputs: usize, rank: usize) -> Vec<f32> {
    // FNV-1a of the name, started from the seed.
    let hash = layer.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let (mut rng, most) = (ChaCha8Rng::seed_from_u64(hash), 1.0 / (inputs as f32).sqrt());
    (0..rank * inputs).map(|_| rng.random_range(-most..=most)).collect()
}

/// A tensor for a file, read from its device when it is written.
fn named(name: String, tensor: Tensor<2>) -> (String, Vec<usize>, PackTensor) {
    let shape = tensor.dims().to_vec();
    let bytes = tensor.shape().num_elements() * size_of::<f32>();
    let read = move || {
        let values = tensor.clone().into_data().convert::<f32>().try_into_vec::<f32>();
        let values = values.map_err(|error| burn::store::burn_pack::Error::IoError(format!("{error:?}")))?;
        Ok(Bytes::from_elems(values))
    };
    let packed =
        PackTensor::deferred(name.clone(), DType::F32, Shape::from(shape.clone()), None, bytes, read);
    (name, shape, packed)
}

/// The numbers of a tensor of a file, which has this shape.
fn values(
    tensors: &BTreeMap<String, PackTensor>,
    key: &str,
    shape: [usize; 2],
) -> Result<Vec<f32>, ErrorKind> {
    let broken = ErrorKind::BrokenWeights;
    let tensor = tensors.get(key).ok_or_else(|| broken(format!("it has no `{key}`")))?;
    if tensor.dtype != DType::F32 || tensor.shape.iter().ne(&shape) {
        return Err(broken(format!(
            "`{key}` is {:?} {:?}, expected F32 {shape:?}",
            tensor.dtype, tensor.shape
        )));
    }
    let bytes = tensor.clone().into_bytes().map_err(|error| broken(format!("`{key}`: {error}")))?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Every linear layer of the base model, as a checkpoint names it, and its inputs and outputs.
fn linears<M: Architecture>(network: &M) -> Vec<(String, [usize; 2])> {
    struct Linears {
        keys: &'static Keys,
        at: ModulePath,
        found: Vec<(String, [usize; 2])>,
    }
    impl ModuleVisitor for Linears {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.at.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.at.exit(container);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(layer) = layer(self.keys, &self.at)
                && !self.keys.is_head(&format!("{layer}.weight"))
                && let [inputs, outputs] = param.lazy_shape()[..]
            {
                self.found.push((layer, [inputs, outputs]));
            }
        }
    }
    let mut visitor = Linears { keys: &network.family().keys, at: ModulePath::default(), found: Vec::new() };
    network.visit(&mut visitor);
    visitor.found
}

/// The linear layer whose weight a visitor is at.
fn layer(keys: &Keys, at: &ModulePath) -> Option<String> {
    let is_weight = at.container() == "Struct:Linear" && at.names.last().is_some_and(|name| name == "weight");
    let path = saved(keys, &in_file(keys, &at.joined()));
    path.strip_suffix(".weight").filter(|_| is_weight).map(str::to_owned)
}

struct Merge<'a> {
    of_layer: BTreeMap<&'a str, &'a Adapter>,
    scale: f64,
    keys: &'static Keys,
    at: ModulePath,
}

impl ModuleMapper for Merge<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.at.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let layer = layer(self.keys, &self.at);
        let Some(adapter) = layer.and_then(|layer| self.of_layer.get(layer.as_str())) else { return param };
        let change = adapter.lora_a.val().matmul(adapter.lora_b.val()).mul_scalar(self.scale);
        let (id, tensor, mapper) = param.consume();
        let change = change.reshape(tensor.dims());
        Param::from_mapped_value(id, tensor + change, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::weights::Checkpoint;
    use crate::test_support::{device, golden_dir};
    use crate::{Classifier, Head, ModelConfig};

    fn classifier(model: &str) -> Classifier {
        let dir = golden_dir(model);
        let (config, checkpoint) = (ModelConfig::read(&dir).unwrap(), Checkpoint::open(&dir).unwrap());
        let (network, _) =
            Classifier::load(config.network(), 3, &checkpoint, Head::New, 1, &device()).unwrap();
        network
    }

    fn lora(network: &Classifier, targets: &[&str]) -> Result<Lora, ErrorKind> {
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        Lora::new(network, &targets, 4, 8.0, 7, &device())
    }

    fn values_of(network: &Classifier) -> BTreeMap<String, Vec<u8>> {
        let bytes = |(name, _, tensor): (String, Vec<usize>, PackTensor)| {
            (name, tensor.into_bytes().unwrap().to_vec())
        };
        exported(network).into_iter().map(bytes).collect()
    }

    #[test]
    fn adapters_begin_as_nothing_and_are_read_back_as_they_were_written() {
        let network = classifier("speech/group");
        let before = values_of(&network);
        let adapters = lora(&network, &["q_proj", "v_proj"]).unwrap();
        assert_eq!(adapters.targets().into_iter().collect::<Vec<_>>(), ["q_proj", "v_proj"]);
        assert_eq!(values_of(&adapters.merged(network.clone())), before);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("adapter.safetensors");
        adapters.save(&network, &path).unwrap();
        // Of other numbers, and then of these.
        let others =
            Lora::new(&network, &["q_proj", "v_proj"].map(str::to_owned), 4, 8.0, 8, &device()).unwrap();
        let a = |lora: &Lora| lora.adapters[0].lora_a.val().into_data().try_into_vec::<f32>().unwrap();
        assert_ne!(a(&others), a(&adapters));
        assert_eq!(a(&others.load(&path, &device()).unwrap()), a(&adapters));
        let error = lora(&network, &["k_proj"]).unwrap().load(&path, &device()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::BrokenWeights(_)), "{error:?}");
    }

    #[test]
    fn layers_that_a_network_lacks_are_refused_with_the_names_there_are() {
        let refused = lora(&classifier("ast/unbiased"), &["q_proj", "value"]).unwrap_err();
        let ErrorKind::NoLinear { missing, known } = refused else { panic!("{refused:?}") };
        assert_eq!(missing, ["q_proj"]);
        assert!(["query", "value"].iter().all(|name| known.iter().any(|it| it == name)), "{known:?}");
        // The head is trained itself.
        assert!(lora(&classifier("speech/group"), &["classifier"]).is_err());
    }

    #[test]
    fn what_peft_cannot_hold_has_no_modules_for_it() {
        let modules = |model: &str| Lora::head_modules(&classifier(model));
        let head = ["classifier", "projector"].map(str::to_owned);
        assert_eq!(modules("speech/group"), Some(head.clone().into()));
        assert_eq!(modules("whisper/last"), Some(head.into()));
        for model in ["speech/weighted", "speech/wavlm", "speech/conformer-rotary", "ast/unbiased"] {
            assert_eq!(modules(model), None, "{model}");
        }
    }
}
