use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Normal};

/// Draws new values for the parameters that `draws` says yes to, by their checkpoint names; the others stay.
///
/// The distributions are those of `HubertPreTrainedModel._init_weights` (transformers 5.23.0): linear weights normal with
/// `initializer_range`, convolutions Kaiming normal, the positional convolution as Wav2Vec2's, norms one and zero, biases
/// zero, `layer_weights` equal, `masked_spec_embed` uniform. The numbers are not PyTorch's: each parameter has its own
/// ChaCha stream from `seed` and its name, so a new head is the same on every device, whatever else is drawn.
pub fn init_weights<M: Module>(
    network: M,
    initializer_range: f64,
    seed: u64,
    draws: impl Fn(&str) -> bool,
) -> M {
    network.map(&mut Init {
        draws,
        initializer_range,
        seed,
        path: Vec::new(),
        owners: Vec::new(),
        tap_lengths: None,
    })
}

struct Init<F> {
    draws: F,
    initializer_range: f64,
    seed: u64,
    path: Vec<String>,
    owners: Vec<String>,
    /// The length of each tap of the `weight_v` just drawn: `weight_g` starts there, so that the weight is the one drawn.
    tap_lengths: Option<Vec<f32>>,
}

impl<F: Fn(&str) -> bool> Init<F> {
    fn values(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let count: usize = shape.iter().product();
        let parameter = name.rsplit('.').next().unwrap_or(name);
        let owner = self.owners.last().map_or("", String::as_str);
        match (owner, parameter) {
            ("Struct:Linear", "weight") => self.normal(name, count, self.initializer_range),
            ("Struct:Conv1d", "weight") => {
                let fan_in: usize = shape[1..].iter().product();
                self.normal(name, count, (2.0 / fan_in as f64).sqrt())
            }
            (_, "weight_v") => {
                let (channels, taps) = (shape[0], shape[2]);
                let values = self.normal(name, count, 2.0 * (1.0 / (taps * channels) as f64).sqrt());
                let tap = |k: usize| {
                    values.iter().skip(k).step_by(taps).map(|&v| f64::from(v).powi(2)).sum::<f64>()
                };
                self.tap_lengths = Some((0..taps).map(|k| tap(k).sqrt() as f32).collect());
                values
            }
            (_, "weight_g") => self.tap_lengths.take().unwrap_or_else(|| vec![1.0; count]),
            (_, "masked_spec_embed") => {
                let mut rng = self.rng(name);
                (0..count).map(|_| rng.random()).collect()
            }
            (_, "layer_weights") => vec![1.0 / count as f32; count],
            (_, "gamma" | "running_var") => vec![1.0; count],
            _ => vec![0.0; count],
        }
    }

    fn normal(&self, name: &str, count: usize, deviation: f64) -> Vec<f32> {
        let normal = Normal::new(0.0, deviation).expect("a validated config has a finite initializer_range");
        let mut rng = self.rng(name);
        (0..count).map(|_| normal.sample(&mut rng) as f32).collect()
    }

    /// FNV-1a of the name, started from the seed.
    fn rng(&self, name: &str) -> ChaCha8Rng {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        ChaCha8Rng::seed_from_u64(hash)
    }
}

impl<F: Fn(&str) -> bool> ModuleMapper for Init<F> {
    fn enter_module(&mut self, name: &str, owner: &str) {
        // An enum's variant is no part of a checkpoint's key.
        if !owner.starts_with("Enum:") {
            self.path.push(name.to_owned());
        }
        self.owners.push(owner.to_owned());
    }

    fn exit_module(&mut self, _name: &str, owner: &str) {
        if !owner.starts_with("Enum:") {
            self.path.pop();
        }
        self.owners.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        // burn calls a norm's weight gamma and its bias beta; the checkpoint does not.
        let key = match name.rsplit_once('.') {
            Some((stem, "gamma")) => format!("{stem}.weight"),
            Some((stem, "beta")) => format!("{stem}.bias"),
            _ => name.clone(),
        };
        if !(self.draws)(&key) {
            return param;
        }
        let (device, shape) = (param.lazy_device(), param.lazy_shape().to_vec());
        let values = self.values(&name, &shape);
        let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}
