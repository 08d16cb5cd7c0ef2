use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::error::ErrorKind;

/// RoBERTa's file has 2 MB.
const MOST_BYTES: usize = 8 << 20;
/// RoBERTa's file has 5.
const MOST_ADDED_TOKENS: usize = 1 << 12;

/// The parts of a tokenizer that make a text longer by a small factor at most, by the names of `tokenizer.json`. Others are
/// refused: a file of 20 kB whose parts replace each letter by two, some thirty times, asks for all the memory there is.
const NORMALIZERS: &[&str] = &["Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Strip", "StripAccents"];
const PRE_TOKENIZERS: &[&str] =
    &["BertPreTokenizer", "ByteLevel", "Digits", "Punctuation", "Whitespace", "WhitespaceSplit"];
const POST_PROCESSORS: &[&str] = &["BertProcessing", "ByteLevel", "RobertaProcessing"];
const DECODERS: &[&str] = &["BPEDecoder", "ByteLevel"];
const MODELS: &[&str] = &["BPE"];

/// What a `tokenizer.json` consists of.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    model: Model,
    #[serde(default)]
    added_tokens: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Model {
    /// Files of before tokenizers 0.13 do not name it.
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
}

/// Refuses files that would make much more of a text than there is in it.
fn check(tokenizer_json: &[u8]) -> Result<(), String> {
    if tokenizer_json.len() > MOST_BYTES {
        return Err(format!("it has {} bytes, and the limit is {MOST_BYTES}", tokenizer_json.len()));
    }
    let parts: Parts = serde_json::from_slice(tokenizer_json).map_err(|error| error.to_string())?;
    if parts.added_tokens.len() > MOST_ADDED_TOKENS {
        return Err(format!(
            "it has {} added tokens, and the limit is {MOST_ADDED_TOKENS}",
            parts.added_tokens.len()
        ));
    }
    part("normalizer", &parts.normalizer, "normalizers", NORMALIZERS)?;
    part("pre_tokenizer", &parts.pre_tokenizer, "pretokenizers", PRE_TOKENIZERS)?;
    part("post_processor", &parts.post_processor, "processors", POST_PROCESSORS)?;
    part("decoder", &parts.decoder, "decoders", DECODERS)?;
    let Model { kind, continuing_subword_prefix, end_of_word_suffix } = parts.model;
    if let Some(kind) = kind.filter(|kind| !MODELS.contains(&kind.as_str())) {
        let kind = earmark_config::shown(&kind);
        return Err(format!("its `model` is {kind}, expected {}", MODELS.join(", ")));
    }
    for (key, affix) in
        [("continuing_subword_prefix", continuing_subword_prefix), ("end_of_word_suffix", end_of_word_suffix)]
    {
        if affix.is_some_and(|affix| affix.len() > 32) {
            return Err(format!("its `{key}` is longer than 32 bytes"));
        }
    }
    Ok(())
}

/// A part of a tokenizer, or a sequence of some, each of a known kind.
fn part(key: &str, value: &Value, members: &str, known: &[&str]) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let kind = value.get("type").and_then(Value::as_str).unwrap_or("of no type");
    let shown = earmark_config::shown(kind);
    if kind != "Sequence" {
        return match known.contains(&kind) {
            true => Ok(()),
            false => Err(format!("its `{key}` is {shown}; supported are Sequence, {}", known.join(", "))),
        };
    }
    let found = value.get(members).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // Each of them once: `ByteLevel` over `ByteLevel` doubles a text every time.
    let mut seen = Vec::new();
    for member in found {
        let kind = member.get("type").unwrap_or(&Value::Null);
        if kind == "Sequence" || seen.contains(&kind) {
            let kind = earmark_config::shown(&kind.to_string());
            return Err(format!("its `{key}` is a sequence with {kind} in it, or with that twice"));
        }
        seen.push(kind);
        part(key, member, members, known)?;
    }
    Ok(())
}

/// The tokenizer of CLAP's text encoder: RoBERTa's byte-pair encoding.
#[derive(Debug, Clone)]
pub struct ClapTokenizer {
    tokenizer: Tokenizer,
    pad: u32,
}

impl ClapTokenizer {
    /// Reads the text of a `tokenizer.json`.
    ///
    /// Its settings of padding and truncation are ignored, as in the reference: a batch is padded to its longest text, and
    /// nothing is truncated.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenTokenizer`] when it is invalid, has no `<pad>` token, or has a part that no CLAP model has and that
    /// could make a short text into very many tokens.
    pub fn from_bytes(tokenizer_json: &[u8]) -> Result<ClapTokenizer, ErrorKind> {
        check(tokenizer_json).map_err(|why| ErrorKind::BrokenTokenizer(why.into()))?;
        let mut tokenizer = Tokenizer::from_bytes(tokenizer_json).map_err(ErrorKind::BrokenTokenizer)?;
        tokenizer.with_truncation(None).map_err(ErrorKind::BrokenTokenizer)?;
        tokenizer.with_padding(None);
        let pad = tokenizer
            .token_to_id("<pad>")
            .ok_or_else(|| ErrorKind::BrokenTokenizer("its vocabulary has no `<pad>` token".into()))?;
        Ok(ClapTokenizer { tokenizer, pad })
    }

    /// The tokens of each text, with the start and end tokens.
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

/// Texts as token ids, padded to the longest.
///
/// Invariant: `rows × cols` ids and as many mask values; the real tokens of a row come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    input_ids: Vec<u32>,
    attention_mask: Vec<bool>,
    rows: usize,
    cols: usize,
}

impl TokenBatch {
    /// Pads shorter rows with `pad`.
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

    /// Token ids, row after row.
    pub fn input_ids(&self) -> &[u32] {
        &self.input_ids
    }

    /// Which tokens are not padding, row after row.
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
