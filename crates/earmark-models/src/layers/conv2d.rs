use burn::module::{Initializer, Module, Param};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, module};

/// A convolution over an image, channels first.
#[derive(Module, Debug)]
pub(crate) struct Conv2d {
    pub(crate) weight: Param<Tensor<4>>, // [O, I, Kh, Kw]
    bias: Param<Tensor<1>>,
    stride: [usize; 2],
    padding: [usize; 2],
}

impl Conv2d {
    /// Kernel, stride and padding are given as height, width.
    pub(crate) fn new(
        [inputs, outputs]: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        device: &Device,
    ) -> Self {
        Conv2d {
            weight: Initializer::Zeros.init([outputs, inputs, kernel[0], kernel[1]], device),
            bias: Initializer::Zeros.init([outputs], device),
            stride,
            padding,
        }
    }

    /// `[B, I, H, W]` to `[B, O, H', W']`, in the dtype of the weight.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let options = ConvOptions::new(self.stride, self.padding, [1, 1], 1);
        module::conv2d(x.cast(weight.dtype()), weight, Some(self.bias.val()), options)
    }
}
