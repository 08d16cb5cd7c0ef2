use tokenizers::Tokenizer;

use crate::error::ErrorKind;

/// Cuts text into the tokens that CLAP's text tower was trained on: RoBERTa's byte pairs.
#[derive(Debug, Clone)]
pub struct ClapTokenizer {
    tokenizer: Tokenizer,
    pad: u32,
}

impl ClapTokenizer {
    /// Reads the text of a `tokenizer.json`.
    ///
    /// What that file says of padding and truncation is passed over, as in the reference: a batch is padded to its longest
    /// text, and nothing is cut.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenTokenizer`] when it is none, or has no `<pad>` token.
    pub fn from_bytes(tokenizer_json: &[u8]) -> Result<ClapTokenizer, ErrorKind> {
        let mut tokenizer = Tokenizer::from_bytes(tokenizer_json).map_err(ErrorKind::BrokenTokenizer)?;
        tokenizer.with_truncation(None).map_err(ErrorKind::BrokenTokenizer)?;
        tokenizer.with_padding(None);
        let pad = tokenizer
            .token_to_id("<pad>")
            .ok_or_else(|| ErrorKind::BrokenTokenizer("its vocabulary has no `<pad>` token".into()))?;
        Ok(ClapTokenizer { tokenizer, pad })
    }

    /// The tokens of each text, with those for its beginning and end.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenTokenizer`] when the file's rules cannot be applied.
    pub fn encode(&self, texts: &[&str]) -> Result<TokenBatch, ErrorKind> {
        let encodings =
            self.tokenizer.encode_batch_fast(texts.to_vec(), true).map_err(ErrorKind::BrokenTokenizer)?;
        let rows: Vec<&[u32]> = encodings.iter().map(|encoding| encoding.get_ids()).collect();
        Ok(TokenBatch::pad(&rows, self.pad))
    }
}

/// Texts as token numbers, all as long as the longest.
///
/// Invariant: `rows × cols` numbers and as many marks; the real ones of a row come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    input_ids: Vec<u32>,
    attention_mask: Vec<bool>,
    rows: usize,
    cols: usize,
}

impl TokenBatch {
    /// Fills shorter rows up with `pad`.
    pub fn pad(rows: &[&[u32]], pad: u32) -> TokenBatch {
        let cols = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let real = |row: &&[u32]| (0..cols).map(move |i| i < row.len()).collect::<Vec<_>>();
        let ids =
            |row: &&[u32]| row.iter().copied().chain(std::iter::repeat(pad)).take(cols).collect::<Vec<_>>();
        TokenBatch {
            input_ids: rows.iter().flat_map(ids).collect(),
            attention_mask: rows.iter().flat_map(real).collect(),
            rows: rows.len(),
            cols,
        }
    }

    /// Token numbers, row after row.
    pub fn input_ids(&self) -> &[u32] {
        &self.input_ids
    }

    /// Which tokens are real and not padding, row after row.
    pub fn attention_mask(&self) -> &[bool] {
        &self.attention_mask
    }

    /// Texts.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Tokens of the longest text.
    pub fn cols(&self) -> usize {
        self.cols
    }
}
