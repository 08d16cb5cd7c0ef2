use burn::module::{Flag, Module, Param};
use burn::tensor::Tensor;

use crate::backend::{self, DropoutMask};
use crate::training::rng::TrainingRng;

/// Zeroes numbers at random and divides the others by their chance to stay.
///
/// It acts with a [`TrainingRng`], on a device with a graph, and unless the module is frozen ([`Module::freeze`]). burn's own
/// draws from the device's generator, which a resumed run cannot set back.
#[derive(Module, Debug)]
pub(crate) struct Dropout {
    prob: f64,
    /// Cleared by [`Module::freeze`].
    training: Param<Flag>,
}

impl Dropout {
    pub(crate) fn new(prob: f64) -> Self {
        Dropout { prob, training: Param::from_bool(true) }
    }

    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>, rng: Option<&mut TrainingRng>) -> Tensor<D> {
        match self.mask(rng) {
            Some(mask) => backend::dropout(x, mask),
            None => x,
        }
    }

    /// The next mask; `None` when nothing is dropped.
    pub(crate) fn mask(&self, rng: Option<&mut TrainingRng>) -> Option<DropoutMask> {
        let rng = rng.filter(|_| self.prob > 0.0 && self.training.is_enabled())?;
        Some(DropoutMask { keep: 1.0 - self.prob, seed: rng.dropout_seed() })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::test_support::device;

    #[test]
    fn dropout_drops_with_an_rng_and_a_graph_and_never_in_a_frozen_module() {
        let ones = |device: &Device| Tensor::<2>::ones([100, 100], device);
        let layer = Dropout::new(0.5);
        let (tracked, plain) = (device().autodiff(), device());
        let dropped = |layer: &Dropout, device: &Device, rng: Option<&mut TrainingRng>| -> Vec<f32> {
            layer.forward(ones(device), rng).into_data().try_into_vec().unwrap()
        };
        let same = vec![1.0; 10_000];
        assert_eq!(dropped(&layer, &tracked, None), same);
        assert_eq!(dropped(&layer, &plain, Some(&mut TrainingRng::new(1))), same);
        assert_eq!(dropped(&layer.clone().freeze(), &tracked, Some(&mut TrainingRng::new(1))), same);
        assert_eq!(dropped(&Dropout::new(0.0), &tracked, Some(&mut TrainingRng::new(1))), same);

        let first = dropped(&layer, &tracked, Some(&mut TrainingRng::new(1)));
        let kept = first.iter().filter(|&&x| x == 2.0).count();
        assert!(first.iter().all(|&x| x == 0.0 || x == 2.0) && (4700..5300).contains(&kept), "{kept}");
        // The draws are those of the rng, whatever else the device drew.
        ones(&tracked).random_like(Distribution::Default);
        assert_eq!(dropped(&layer, &tracked, Some(&mut TrainingRng::new(1))), first);
        assert_ne!(dropped(&layer, &tracked, Some(&mut TrainingRng::new(2))), first);
    }
}
