use earmark_config::{Family, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::architecture::ArchitectureConfig;
use crate::config::checks;
use crate::error::ErrorKind;
use crate::networks::speech::SpeechConfig;
use crate::networks::wav2vec2_bert::Wav2Vec2BertConfig;

/// A `config.json` of a speaker-embedding model: that of its encoder, and the keys of the x-vector head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct XVectorConfig {
    /// The encoder's keys.
    #[serde(flatten)]
    pub encoder: XVectorEncoderConfig,
    /// Channels of each time-delay layer.
    pub tdnn_dim: Vec<usize>,
    /// Frames that each of them sees.
    pub tdnn_kernel: Vec<usize>,
    /// How far apart these frames are.
    pub tdnn_dilation: Vec<usize>,
    /// Numbers of an x-vector.
    pub xvector_output_dim: usize,
}

/// The configuration of the encoder below an x-vector head.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum XVectorEncoderConfig {
    /// An encoder over samples: Wav2Vec2, WavLM, UniSpeech-SAT, data2vec, Wav2Vec2-Conformer.
    Speech(SpeechConfig),
    /// Wav2Vec2-BERT.
    Wav2Vec2Bert(Wav2Vec2BertConfig),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct HeadConfig {
    tdnn_dim: Vec<usize>,
    tdnn_kernel: Vec<usize>,
    tdnn_dilation: Vec<usize>,
    xvector_output_dim: usize,
}

impl Default for HeadConfig {
    fn default() -> Self {
        HeadConfig {
            tdnn_dim: vec![512, 512, 512, 512, 1500],
            tdnn_kernel: vec![5, 3, 3, 1, 1],
            tdnn_dilation: vec![1, 2, 3, 1, 1],
            xvector_output_dim: 512,
        }
    }
}

impl XVectorConfig {
    /// Reads the keys of the head in a whole `config.json`, of which `encoder` was read.
    pub(crate) fn of(encoder: XVectorEncoderConfig, json: Object) -> Result<XVectorConfig, ErrorKind> {
        let HeadConfig { tdnn_dim, tdnn_kernel, tdnn_dilation, xvector_output_dim } =
            earmark_config::config(json)?;
        Ok(XVectorConfig { encoder, tdnn_dim, tdnn_kernel, tdnn_dilation, xvector_output_dim })
    }

    /// The keys that its family knows.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(self).expect("a config is plain numbers, lists and names");
        if let (Value::Object(keys), XVectorEncoderConfig::Speech(encoder)) = (&mut json, &self.encoder)
            && let (Value::Object(known), Ok(Value::Object(all))) =
                (encoder.to_json(), serde_json::to_value(encoder))
        {
            all.keys().filter(|key| !known.contains_key(*key)).for_each(|key| drop(keys.remove(key)));
        }
        json
    }

    /// Frames that the time-delay layers take away.
    pub fn context(&self) -> usize {
        let layers = self.tdnn_kernel.iter().zip(&self.tdnn_dilation);
        layers.map(|(kernel, dilation)| (kernel - 1) * dilation).sum()
    }

    /// The fewest frames of a clip with an x-vector: the deviation of one frame is no number.
    pub fn min_frames(&self) -> usize {
        self.context() + 2
    }

    /// The same with every random regulariser off.
    #[must_use]
    pub fn without_dropout(mut self) -> Self {
        self.encoder = match self.encoder {
            XVectorEncoderConfig::Speech(config) => XVectorEncoderConfig::Speech(config.without_dropout()),
            XVectorEncoderConfig::Wav2Vec2Bert(config) => {
                XVectorEncoderConfig::Wav2Vec2Bert(config.without_dropout())
            }
        };
        self
    }

    fn values(&self) -> &dyn ArchitectureConfig {
        match &self.encoder {
            XVectorEncoderConfig::Speech(config) => config,
            XVectorEncoderConfig::Wav2Vec2Bert(config) => config,
        }
    }
}

impl ArchitectureConfig for XVectorConfig {
    fn family(&self) -> &'static Family {
        self.values().family()
    }

    fn validate(&self) -> Result<(), ErrorKind> {
        self.values().validate()?;
        let layers = self.tdnn_dim.len();
        if layers == 0 || layers > 64 {
            return checks::bad("tdnn_dim", format!("lists {layers} layers, expected 1 to 64"));
        }
        for (key, list) in [("tdnn_kernel", &self.tdnn_kernel), ("tdnn_dilation", &self.tdnn_dilation)] {
            if list.len() != layers {
                return checks::bad(key, format!("lists {} values, but tdnn_dim lists {layers}", list.len()));
            }
            checks::sizes(&list.iter().map(|&size| (key, size, 1 << 10)).collect::<Vec<_>>())?;
        }
        checks::sizes(&self.tdnn_dim.iter().map(|&size| ("tdnn_dim", size, 1 << 14)).collect::<Vec<_>>())?;
        checks::sizes(&[("xvector_output_dim", self.xvector_output_dim, 1 << 16)])?;
        let (mut count, mut before) = (0, self.tdnn_dim[0] as u128);
        for (&channels, &kernel) in self.tdnn_dim.iter().zip(&self.tdnn_kernel) {
            // They are copied side by side for every frame.
            checks::product(
                "tdnn_kernel",
                "tdnn_dim",
                "numbers of a frame",
                before * kernel as u128,
                1 << 18,
            )?;
            count += before * channels as u128 * kernel as u128;
            before = channels as u128;
        }
        checks::product("tdnn_dim", "tdnn_kernel", "parameters", count, checks::MOST_PARAMETERS)?;
        let with = "tdnn_dilation, and an adapter's sizes,";
        let frames = self.frames_before_adapter(XVectorConfig::min_frames(self)) as u128;
        checks::product("tdnn_kernel", with, "frames of the shortest clip", frames, 1 << 20)?;
        if self.last_width() != self.width() {
            let why =
                format!("is {}, but an x-vector head reads hidden_size {}", self.last_width(), self.width());
            return checks::bad("output_hidden_size", why);
        }
        if self.use_weighted_layer_sum() && self.values().has_adapter() {
            let why = "is true beside use_weighted_layer_sum: of such an x-vector model transformers sums the states before the \
                       adapter and counts the frames behind it, which is not supported";
            return checks::bad("add_adapter", why.to_owned());
        }
        Ok(())
    }

    fn layers(&self) -> usize {
        self.values().layers()
    }

    fn width(&self) -> usize {
        self.values().width()
    }

    fn last_width(&self) -> usize {
        self.values().last_width()
    }

    fn has_adapter(&self) -> bool {
        self.values().has_adapter()
    }

    fn use_weighted_layer_sum(&self) -> bool {
        self.values().use_weighted_layer_sum()
    }

    fn initializer_range(&self) -> f64 {
        self.values().initializer_range()
    }

    fn min_samples(&self) -> usize {
        match &self.encoder {
            XVectorEncoderConfig::Speech(config) => {
                config.samples(config.frames_before_adapter(self.min_frames()))
            }
            XVectorEncoderConfig::Wav2Vec2Bert(config) => config.min_samples(),
        }
    }

    fn frame_width(&self) -> Option<usize> {
        self.values().frame_width()
    }

    fn min_frames(&self) -> usize {
        self.values().frames_before_adapter(XVectorConfig::min_frames(self))
    }

    fn frames_before_adapter(&self, frames: usize) -> usize {
        self.values().frames_before_adapter(frames)
    }

    fn padding_is_harmless(&self) -> bool {
        // Where frames are apart, the reference's count of them is too large.
        let mut layers = self.tdnn_kernel.iter().zip(&self.tdnn_dilation);
        layers.all(|(&kernel, &dilation)| kernel == 1 || dilation == 1) && self.values().padding_is_harmless()
    }
}
