use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{FloatDType, Tensor};

/// The same network with the products of its forward pass in `dtype`: mixed precision, as `torch.autocast` has it.
///
/// Weights and biases of linear layers and convolutions are cast, and those of norms, tokens and positions stay as they
/// are; each layer computes in the type of its parameters. On a network that learns the casts are part of the graph, so the
/// gradients arrive at the parameters of `network` in their own type: they are the master weights.
pub fn half_products<M: Module>(network: M, dtype: FloatDType) -> M {
    struct Half {
        dtype: FloatDType,
        /// Of each module on the way to the parameter, whether it multiplies by what it holds.
        multiplies: Vec<bool>,
    }
    impl ModuleMapper for Half {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.multiplies.push(match container {
                "Struct:Linear" | "Struct:Conv1d" | "Struct:Conv2d" => true,
                // Its weight is made of two others, which the norm wants exact; the bias decides for it.
                "Struct:WeightNormConv" => name == "bias",
                _ => false,
            });
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.multiplies.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match self.multiplies.last() {
                Some(true) => {
                    let (id, tensor, mapper) = param.consume();
                    Param::from_mapped_value(id, tensor.cast(self.dtype), mapper)
                }
                _ => param,
            }
        }
    }
    network.map(&mut Half { dtype, multiplies: Vec::new() })
}
