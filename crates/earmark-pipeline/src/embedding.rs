use earmark_features::Preprocessor;
use earmark_models::{Layer, NetworkConfig, Pool, XVectorConfig, XVectorEncoderConfig};

use crate::model::pretrained::Pretrained;
use crate::windows::Window;

/// What an [`AudioEmbedder`](crate::AudioEmbedder) makes of a clip: the vectors of the layers and frames that it is asked for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Embedding {
    /// The vectors of each layer asked for, one behind the other: one vector, or without pooling one for each frame.
    pub layers: Vec<Vec<f32>>,
    /// Numbers of a vector.
    pub width: usize,
    /// Where in the clip each frame is; empty where frames are pooled. Of AST every patch is a frame: the lowest band from the
    /// beginning to the end, then the next.
    pub frames: Vec<Window>,
}

impl Embedding {
    /// Of one vector.
    #[cfg(feature = "clap")]
    pub(crate) fn of_vector(vector: Vec<f32>) -> Embedding {
        Embedding { width: vector.len(), layers: vec![vector], frames: Vec::new() }
    }

    /// The only vector; `None` where there are several.
    pub fn into_vector(mut self) -> Option<Vec<f32>> {
        let is_one = self.layers.len() == 1 && self.layers[0].len() == self.width;
        if is_one { self.layers.pop() } else { None }
    }

    /// Without the frames that begin at `seconds` or later. Whisper and AST pad every clip to one length: behind the end of a
    /// clip their frames are of silence.
    #[must_use]
    pub fn until(self, seconds: f64) -> Embedding {
        let Embedding { layers, width, frames } = self;
        let kept: Vec<bool> = frames.iter().map(|frame| frame.start < seconds).collect();
        if kept.iter().all(|&kept| kept) {
            return Embedding { layers, width, frames };
        }
        let of_kept = |vectors: Vec<f32>| {
            let vectors = vectors.chunks_exact(width).zip(&kept).filter(|(_, kept)| **kept);
            vectors.flat_map(|(vector, _)| vector).copied().collect()
        };
        let layers = layers.into_iter().map(of_kept).collect();
        let frames = frames.into_iter().zip(&kept).filter(|(_, kept)| **kept).map(|(frame, _)| frame);
        Embedding { layers, width, frames: frames.collect() }
    }
}

/// Which layers of an encoder are embeddings, and how their frames are pooled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) layer: Layer,
    pub(crate) pool: Pool,
}

impl Choice {
    /// What a row of a forward pass holds: the vectors of every layer, one behind the other.
    pub(crate) fn embedding(self, model: &Pretrained, row: &[f32]) -> Embedding {
        let network = model.config.network();
        let (width, layers) = (network.vector_width(self.layer), self.layers(network));
        let layers: Vec<Vec<f32>> = row.chunks(row.len() / layers).map(<[f32]>::to_vec).collect();
        let frames = match self.pool {
            Pool::None => frames(model, self.layer, layers[0].len() / width),
            _ => Vec::new(),
        };
        Embedding { layers, width, frames }
    }

    fn layers(self, network: &NetworkConfig) -> usize {
        match self.layer {
            Layer::All => network.layers() + 1,
            Layer::Last | Layer::Number(_) | Layer::Weighted | Layer::XVector => 1,
        }
    }
}

/// Where each of so many frames is: a frame stands for the time until the next one begins.
fn frames(model: &Pretrained, layer: Layer, count: usize) -> Vec<Window> {
    let rate = f64::from(model.preprocessor.sampling_rate().hz());
    if let (NetworkConfig::Ced(network), Preprocessor::Ced(extractor)) =
        (model.config.network(), &model.preprocessor)
    {
        // All bands of a time, then the next.
        let hop = extractor.config().hop_size as f64 / rate;
        let frame = |number: usize| {
            let start = network.first_frame(number / network.bands()) as f64;
            Window { start: start * hop, end: (start + network.patch_stride as f64) * hop }
        };
        return (0..count).map(frame).collect();
    }
    // Samples from one frame to the next, and how many frames begin at one time.
    let (step, at_once) = match (model.config.network(), &model.preprocessor) {
        (
            NetworkConfig::Speech(network)
            | NetworkConfig::XVector(XVectorConfig { encoder: XVectorEncoderConfig::Speech(network), .. }),
            _,
        ) => {
            // SEW's states but the last hidden one stand for several frames each, and those of an adapter.
            let of_each = if layer == Layer::Last { network.adapted() } else { network.squeezed() };
            ((network.conv_stride.iter().product::<usize>() * of_each) as f64, 1)
        }
        // Two frames of 10 ms.
        (
            NetworkConfig::Wav2Vec2Bert(network)
            | NetworkConfig::XVector(XVectorConfig {
                encoder: XVectorEncoderConfig::Wav2Vec2Bert(network),
                ..
            }),
            _,
        ) => {
            let of_each = if layer == Layer::Last { network.adapted() } else { 1 };
            (rate / 50.0 * of_each as f64, 1)
        }
        (_, Preprocessor::Whisper(extractor)) => (2.0 * extractor.config().hop_length as f64, 1),
        (NetworkConfig::Ast(network), Preprocessor::Ast(extractor)) => {
            (network.time_stride as f64 * extractor.hop() as f64, network.bands())
        }
        _ => (rate, 1),
    };
    // AST goes through the times of its lowest band first.
    let times = count / at_once;
    let frame = |number: usize| {
        let number = number % times.max(1);
        Window { start: number as f64 * step / rate, end: (number + 1) as f64 * step / rate }
    };
    (0..count).map(frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_behind_the_end_of_a_clip_are_left_out_of_every_layer() {
        let frames = [0.0, 0.1, 0.2, 0.0, 0.1, 0.2].map(|start| Window { start, end: start + 0.1 });
        let vectors = |first: f32| (0..12).map(|number| first + number as f32).collect::<Vec<f32>>();
        let all = Embedding { layers: vec![vectors(0.0), vectors(100.0)], width: 2, frames: frames.to_vec() };
        assert_eq!(all.clone().until(0.3), all);
        let cut = all.until(0.15);
        let kept = [0.0, 1.0, 2.0, 3.0, 6.0, 7.0, 8.0, 9.0];
        assert_eq!(cut.layers, [kept.to_vec(), kept.map(|x| x + 100.0).to_vec()]);
        assert_eq!(cut.frames.iter().map(|frame| frame.start).collect::<Vec<_>>(), [0.0, 0.1, 0.0, 0.1]);
        assert_eq!(cut.into_vector(), None);
        assert_eq!(Embedding::of_vector(vec![1.0, 2.0]).into_vector(), Some(vec![1.0, 2.0]));
    }
}
