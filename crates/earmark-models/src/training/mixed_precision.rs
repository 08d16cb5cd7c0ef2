use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{FloatDType, Tensor};

/// The same network with the products of its forward pass in `dtype`, as `torch.autocast` computes them.
///
/// Weights and biases of linear layers and convolutions are cast; those of norms, tokens and positions keep their dtype.
/// Each layer computes in the dtype of its parameters. On an autodiff device the casts are part of the graph, so gradients
/// arrive at the parameters of `network` in their own dtype: they are the master weights.
pub fn mixed_precision<M: Module>(network: M, dtype: FloatDType) -> M {
    struct Cast {
        dtype: FloatDType,
        /// For each module on the path to the parameter, whether it is a linear layer or a convolution.
        is_product: Vec<bool>,
    }
    impl ModuleMapper for Cast {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.is_product.push(match container {
                "Struct:Linear" | "Struct:Conv1d" | "Struct:Conv2d" => true,
                // The norm of its weight is computed in f32; the bias says what the product is computed in.
                "Struct:WeightNormConv1d" => name == "bias",
                _ => false,
            });
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.is_product.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match self.is_product.last() {
                Some(true) => {
                    let (id, tensor, mapper) = param.consume();
                    Param::from_mapped_value(id, tensor.cast(self.dtype), mapper)
                }
                _ => param,
            }
        }
    }
    network.map(&mut Cast { dtype, is_product: Vec::new() })
}
