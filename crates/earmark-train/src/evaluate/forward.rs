//! What an evaluation needs of a model.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use earmark_error::Context as _;
use earmark_features::{Features, Preprocessor};
use earmark_models::Classifier;

use crate::clips::batch::Batch;
use crate::error::{Doing, Error};
use crate::evaluate::logits::of_batch;

/// A model that scores batches of clips.
pub trait Forward: Send + Sync + 'static {
    /// A row of logits for each clip, in the order of the model's labels. A number that is not finite is no error here.
    ///
    /// # Errors
    /// When the model cannot be run.
    fn logits(&self, batch: &[&Features]) -> Result<Vec<Vec<f32>>, Error>;
}

/// A classifier on a device. The clips of a batch are padded to the longest of them.
#[derive(Debug)]
pub struct ClassifierForward {
    network: Classifier,
    preprocessor: Preprocessor,
    device: Device,
    /// Clips that fit into the device's memory at once, as far as is known.
    most: AtomicUsize,
}

impl ClassifierForward {
    /// Of a network, and of the extractor that its features are of.
    pub fn new(network: Classifier, preprocessor: Preprocessor, device: Device) -> ClassifierForward {
        ClassifierForward { network, preprocessor, device, most: AtomicUsize::new(usize::MAX) }
    }
}

impl Forward for ClassifierForward {
    fn logits(&self, batch: &[&Features]) -> Result<Vec<Vec<f32>>, Error> {
        let features: Vec<Cow<'_, Features>> =
            batch.iter().map(|&features| Cow::Borrowed(features)).collect();
        // Only training has a use for the classes.
        let made = Batch::new(&self.preprocessor, &features, vec![0; batch.len()]);
        let made = made.with_context(|| Doing("cannot make a batch".to_owned()))?;
        let mut most = self.most.load(Ordering::Relaxed).clamp(1, batch.len().max(1));
        let before = most;
        let logits = of_batch(&self.network, &self.device, made, &mut most);
        if most < before {
            self.most.store(most, Ordering::Relaxed);
        }
        logits
    }
}
