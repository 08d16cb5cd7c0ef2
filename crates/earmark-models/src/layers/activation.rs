use std::f64::consts::FRAC_1_SQRT_2;

use burn::backend::DispatchDevice;
use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::backend::{cpu, cpu_autodiff};

/// An activation by the name that `config.json` gives it (transformers 5.23.0 `activations.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Exact: `x Φ(x)` through erf. The tanh form is off by up to 4.7e-4 per activation.
    #[serde(alias = "gelu_python")]
    Gelu,
    /// `max(x, 0)`.
    Relu,
    /// `x σ(x)`.
    #[serde(alias = "swish")]
    Silu,
}

impl Activation {
    pub(crate) fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if cpu::takes(&x) {
            return cpu::activate(self, x);
        }
        if self == Activation::Gelu && cpu_autodiff::takes(&x) {
            return cpu_autodiff::gelu(x);
        }
        match self {
            Activation::Gelu if x.device().is_autodiff() && !knows_the_slope_of_gelu(&x.device()) => {
                erf_gelu(x)
            }
            Activation::Gelu => activation::gelu(x),
            Activation::Relu => activation::relu(x),
            Activation::Silu => activation::silu(x),
        }
    }
}

/// Whether a device's own gradient of GELU is that of GELU. Elsewhere burn 0.22.1 takes the one of the tanh form
/// (burn-backend, `gelu_backward`), which is off by some 1e-3.
fn knows_the_slope_of_gelu(device: &Device) -> bool {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "libtorch")]
        DispatchDevice::LibTorch(_) => true,
        #[allow(unreachable_patterns, reason = "of a build with no device beside those")]
        _ => false,
    }
}

/// GELU written out, for graphs that go back through each step of it.
fn erf_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let share = (x.clone() * FRAC_1_SQRT_2).erf().add_scalar(1.0).mul_scalar(0.5);
    x * share
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use earmark_testkit::{assert_close, noise};

    use super::*;

    #[test]
    fn gelu_written_out_is_gelu_and_so_is_its_gradient() {
        let device = Device::flex().autodiff();
        let values: Vec<f32> = noise(1000, 1).iter().map(|x| 4.0 * x).collect();
        let x = || Tensor::<1>::from_data(TensorData::new(values.clone(), [1000]), &device).require_grad();
        let read = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
        let both = |gelu: &dyn Fn(Tensor<1>) -> Tensor<1>| {
            let x = x();
            let y = gelu(x.clone());
            let gradient = x.grad(&y.clone().sum().backward()).expect("x is learned");
            (read(y.inner()), read(gradient))
        };
        let (plain, slope) = both(&erf_gelu);
        let (fused, fused_slope) = both(&|x| Activation::Gelu.forward(x));
        // Worst: 2.4e-7 and 1.8e-7.
        assert_close("gelu", &plain, &fused, 1e-6);
        assert_close("its gradient", &slope, &fused_slope, 1e-6);
    }
}
