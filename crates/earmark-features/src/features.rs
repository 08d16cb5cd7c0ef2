/// One clip as a model reads it: plain numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The numbers, as many as the product of `shape`.
    pub data: Vec<f32>,
    /// The sizes without the batch axis: `[samples]` for Wav2Vec2 and HuBERT, `[frames, bins]` for AST, `[bins, frames]`
    /// for Whisper, `[1 or 4, frames, bins]` for CLAP, `[frames, 2 × bins]` for Wav2Vec2-BERT, `[frames, bins]` for CED.
    pub shape: Vec<usize>,
    /// CLAP only: whether the clip was longer than the model's window (`is_longer` of the reference).
    pub is_longer: Option<bool>,
    /// Which frames or samples hold sound (1) and which padding (0), where there is a mask.
    pub attention_mask: Option<Vec<i32>>,
}

impl Features {
    pub(crate) fn new(data: Vec<f32>, shape: Vec<usize>) -> Features {
        debug_assert_eq!(data.len(), shape.iter().product::<usize>());
        Features { data, shape, is_longer: None, attention_mask: None }
    }
}
