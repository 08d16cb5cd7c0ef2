use burn::module::{ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use earmark_config::{Convolutions, Family};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Normal};

use crate::architecture::Architecture;
use crate::checkpoint::keys;
use crate::checkpoint::module_path::ModulePath;

/// Randomly initialises the parameters for whose checkpoint name `draws` is true; the others stay as they are.
///
/// The distributions are those of the models' `_init_weights` (transformers 5.23.0): linear and embedding weights normal
/// with `initializer_range`, convolutions as [`Family::convolutions`] says, HuBERT's positional convolution as
/// Wav2Vec2's, the positions of Whisper's encoder sinusoids, norms one and zero, biases and AST's tokens and positions zero,
/// `layer_weights` equal, WavLM's `gru_rel_pos_const` one, `masked_spec_embed` and a Conformer's `pos_bias_u` and `pos_bias_v` uniform.
/// The numbers are not PyTorch's: each parameter has its own ChaCha stream from `seed` and its name, so a new head
/// is the same on every device, whatever else is drawn.
pub fn init_weights<M: Architecture>(
    network: M,
    initializer_range: f64,
    seed: u64,
    draws: impl Fn(&str) -> bool,
) -> M {
    let family = network.family();
    network.map(&mut Init {
        draws,
        family,
        initializer_range,
        seed,
        at: ModulePath::default(),
        tap_lengths: None,
    })
}

struct Init<F> {
    draws: F,
    family: &'static Family,
    initializer_range: f64,
    seed: u64,
    at: ModulePath,
    /// The length of each tap of the `weight_v` just drawn: `weight_g` starts there, so that the weight is the one drawn.
    tap_lengths: Option<Vec<f32>>,
}

impl<F: Fn(&str) -> bool> Init<F> {
    fn values(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let count: usize = shape.iter().product();
        let parameter = name.rsplit('.').next().unwrap_or(name);
        match (self.at.container(), parameter) {
            ("Struct:Embedding", "weight") if name.ends_with("encoder.embed_positions.weight") => {
                sinusoids(shape[0], shape[1])
            }
            ("Struct:Conv1d" | "Struct:Conv2d", "weight")
                if self.family.convolutions == Convolutions::Kaiming =>
            {
                let fan_in: usize = shape[1..].iter().product();
                self.normal(name, count, (2.0 / fan_in as f64).sqrt())
            }
            ("Struct:Linear" | "Struct:Embedding" | "Struct:Conv1d" | "Struct:Conv2d", "weight") => {
                self.normal(name, count, self.initializer_range)
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
            (_, "pos_bias_u" | "pos_bias_v") => {
                // Xavier's: rows and columns share the variance.
                let (most, mut rng) = ((6.0 / (shape[0] + shape[1]) as f32).sqrt(), self.rng(name));
                (0..count).map(|_| rng.random_range(-most..=most)).collect()
            }
            (_, "layer_weights") => vec![1.0 / count as f32; count],
            (_, "gamma" | "running_var" | "gru_rel_pos_const") => vec![1.0; count],
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
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.at.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = keys::in_file(&self.family.keys, &self.at.joined());
        // burn calls a norm's weight gamma and its bias beta; the checkpoint does not.
        let key = match name.rsplit_once('.') {
            Some((stem, "gamma")) => format!("{stem}.weight"),
            Some((stem, "beta")) => format!("{stem}.bias"),
            _ => name.clone(),
        };
        // The angles of rotary positions follow from the config: the network has them from the start.
        if !(self.draws)(&key) || key.ends_with(".inv_freq") {
            return param;
        }
        let (device, shape) = (param.lazy_device(), param.lazy_shape().to_vec());
        let values = self.values(&name, &shape);
        let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

/// Whisper's positions, `[positions, width]`: sines in the first half of the channels and cosines in the second, of
/// wavelengths from 2π to 20 000π.
fn sinusoids(positions: usize, width: usize) -> Vec<f32> {
    let half = width / 2;
    let step = 10_000.0_f64.ln() / (half.max(2) - 1) as f64;
    let angle = |position: usize, i: usize| position as f64 * (-step * i as f64).exp();
    let row = |position: usize| {
        let sines = (0..half).map(move |i| angle(position, i).sin() as f32);
        sines.chain((0..half).map(move |i| angle(position, i).cos() as f32))
    };
    (0..positions).flat_map(row).collect()
}
