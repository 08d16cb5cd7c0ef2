//! Which tokens of a Whisper are languages.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use earmark_config::{Object, shown, whole};
use earmark_error::{Attempt as _, Context as _};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Using};

/// A language that a Whisper tells from others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Language {
    /// Its code in the token: `en` of `<|en|>`.
    pub code: String,
    /// The token.
    pub token: usize,
}

impl Language {
    /// Its English name in lower case, as the reference spells it; of a code that it does not know, the code.
    pub fn name(&self) -> &str {
        LANGUAGES.iter().find(|(code, _)| *code == self.code).map_or(&self.code, |(_, name)| name)
    }
}

/// The languages that a Whisper tells apart, in the order of their tokens, and the token that they follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Languages {
    start_of_transcript: usize,
    languages: Vec<Language>,
}

impl Languages {
    /// Reads the languages of the Whisper in `dir`, whose `config.json` is `config`: from `generation_config.json` as the
    /// reference does; without them there, from the tokenizer's files; without these, as published multilingual models count.
    ///
    /// # Errors
    /// [`ErrorKind::NoLanguages`] for an English-only model, or one whose tokens are not known; when a file cannot be read.
    pub fn read(dir: &Path, config: &Object) -> Result<Languages, Error> {
        let path = dir.join(GENERATION);
        let generation = match bytes(&path)? {
            None => Object::new(),
            Some(text) => earmark_config::object(&text).context(Using(&path))?,
        };
        let vocabulary = config.get("vocab_size").and_then(Value::as_u64).unwrap_or(51_865);
        if generation.get("is_multilingual") == Some(&Value::Bool(false)) || vocabulary == 51_864 {
            return Err(Using(dir).failed(ErrorKind::NoLanguages(ENGLISH_ONLY.to_owned())));
        }
        let mut start_of_transcript = 50_258;
        for (path, object) in [(dir.join("config.json"), config), (path.clone(), &generation)] {
            if let Some(value) = object.get(START).filter(|value| !value.is_null()) {
                start_of_transcript = token(START, value).context(Using(&path))?;
            }
        }
        let mut languages = listed(&generation).context(Using(&path))?;
        if languages.is_empty() {
            languages = of_tokenizer(dir)?;
        }
        if languages.is_empty() {
            languages = match vocabulary {
                51_865 => published(99), // Without Cantonese, the last to come.
                51_866 => published(100),
                _ => {
                    let why = format!(
                        "nothing says which of its {vocabulary} tokens are languages: put the {GENERATION} with `{LISTED}` or \
                         the {TOKENIZER} of the model beside its config.json"
                    );
                    return Err(Using(dir).failed(ErrorKind::NoLanguages(why)));
                }
            };
        }
        languages.sort_by_key(|language| language.token);
        Ok(Languages { start_of_transcript, languages })
    }

    /// The languages in the order of their tokens.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Language> {
        self.languages.iter()
    }

    /// The token that the language follows.
    pub(crate) fn start_of_transcript(&self) -> usize {
        self.start_of_transcript
    }

    /// Every token is one of the vocabulary, and no language is there twice.
    pub(crate) fn check(&self, vocabulary: usize) -> Result<(), ErrorKind> {
        let bad = |key, why| Err(ErrorKind::BadConfig { key, why });
        if self.start_of_transcript >= vocabulary {
            return bad(
                START,
                format!("is {}, expected less than vocab_size {vocabulary}", self.start_of_transcript),
            );
        }
        if let Some(Language { code, token }) = self.languages.iter().find(|it| it.token >= vocabulary) {
            let code = shown(code);
            return bad(
                LISTED,
                format!("maps `{code}` to {token}, expected less than vocab_size {vocabulary}"),
            );
        }
        let mut seen = (BTreeSet::new(), BTreeSet::new());
        match self.languages.iter().find(|it| !seen.0.insert(it.token) || !seen.1.insert(&it.code)) {
            Some(twice) => {
                bad(LISTED, format!("has `{}` or its token {} twice", shown(&twice.code), twice.token))
            }
            None => Ok(()),
        }
    }
}

const GENERATION: &str = "generation_config.json";
const TOKENIZER: &str = "tokenizer.json";
const START: &str = "decoder_start_token_id";
const LISTED: &str = "lang_to_id";
const ENGLISH_ONLY: &str = "it is an English-only model, which has no tokens for languages; use a multilingual one, such as \
                            openai/whisper-base";

fn bytes(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match earmark_config::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => Ok(Some(text.context(Using(path))?)),
    }
}

fn token(key: &'static str, value: &Value) -> Result<usize, ErrorKind> {
    let number = value.as_f64().and_then(whole).and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| {
        let why = format!("is {}, expected the number of a token", shown(&value.to_string()));
        ErrorKind::BadConfig { key, why }
    })
}

/// The code of a token such as `<|en|>`.
fn code(token: &str) -> Option<&str> {
    token.strip_prefix("<|")?.strip_suffix("|>").filter(|code| !code.is_empty())
}

/// Those of `generation_config.json`; none where it does not list them.
fn listed(generation: &Object) -> Result<Vec<Language>, ErrorKind> {
    let bad = |why: String| ErrorKind::BadConfig { key: LISTED, why };
    let Some(map) = generation.get(LISTED).filter(|map| !map.is_null()) else { return Ok(Vec::new()) };
    let map = map.as_object().ok_or_else(|| bad("is not a map from tokens to their numbers".to_owned()))?;
    let language = |(text, value): (&String, &Value)| {
        let code = code(text)
            .ok_or_else(|| bad(format!("has the key `{}`, expected one such as <|en|>", shown(text))))?;
        Ok(Language { code: code.to_owned(), token: token(LISTED, value)? })
    };
    map.iter().map(language).collect()
}

/// Those of the tokenizer's files; none where there are no such files.
fn of_tokenizer(dir: &Path) -> Result<Vec<Language>, Error> {
    #[derive(Deserialize)]
    struct Tokenizer {
        added_tokens: Vec<AddedToken>,
    }
    #[derive(Deserialize)]
    struct AddedToken {
        id: usize,
        content: String,
    }
    let language = |text: &str, token| {
        // Other tokens are tasks and times.
        let code = code(text).filter(|code| LANGUAGES.iter().any(|(known, _)| known == code))?;
        Some(Language { code: code.to_owned(), token })
    };
    let path = dir.join(TOKENIZER);
    if let Some(text) = bytes(&path)? {
        let Tokenizer { added_tokens } = serde_json::from_slice(&text)
            .map_err(|error| ErrorKind::BrokenTokenizer(Box::new(error)))
            .context(Using(&path))?;
        return Ok(added_tokens.iter().filter_map(|it| language(&it.content, it.id)).collect());
    }
    let path = dir.join("added_tokens.json");
    let Some(text) = bytes(&path)? else { return Ok(Vec::new()) };
    let map = earmark_config::object(&text).context(Using(&path))?;
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
    Ok(map.iter().filter_map(|(text, value)| language(text, number(value)?)).collect())
}

/// The first `count` languages from the first token on that a multilingual model has for them.
fn published(count: usize) -> Vec<Language> {
    let language = |(place, (code, _)): (usize, &(&str, &str))| Language {
        code: (*code).to_owned(),
        token: 50_259 + place,
    };
    LANGUAGES.iter().take(count).enumerate().map(language).collect()
}

/// Codes and names in the order of the tokens: `LANGUAGES` of transformers 5.23.0, `tokenization_whisper.py`.
const LANGUAGES: [(&str, &str); 100] = [
    ("en", "english"),
    ("zh", "chinese"),
    ("de", "german"),
    ("es", "spanish"),
    ("ru", "russian"),
    ("ko", "korean"),
    ("fr", "french"),
    ("ja", "japanese"),
    ("pt", "portuguese"),
    ("tr", "turkish"),
    ("pl", "polish"),
    ("ca", "catalan"),
    ("nl", "dutch"),
    ("ar", "arabic"),
    ("sv", "swedish"),
    ("it", "italian"),
    ("id", "indonesian"),
    ("hi", "hindi"),
    ("fi", "finnish"),
    ("vi", "vietnamese"),
    ("he", "hebrew"),
    ("uk", "ukrainian"),
    ("el", "greek"),
    ("ms", "malay"),
    ("cs", "czech"),
    ("ro", "romanian"),
    ("da", "danish"),
    ("hu", "hungarian"),
    ("ta", "tamil"),
    ("no", "norwegian"),
    ("th", "thai"),
    ("ur", "urdu"),
    ("hr", "croatian"),
    ("bg", "bulgarian"),
    ("lt", "lithuanian"),
    ("la", "latin"),
    ("mi", "maori"),
    ("ml", "malayalam"),
    ("cy", "welsh"),
    ("sk", "slovak"),
    ("te", "telugu"),
    ("fa", "persian"),
    ("lv", "latvian"),
    ("bn", "bengali"),
    ("sr", "serbian"),
    ("az", "azerbaijani"),
    ("sl", "slovenian"),
    ("kn", "kannada"),
    ("et", "estonian"),
    ("mk", "macedonian"),
    ("br", "breton"),
    ("eu", "basque"),
    ("is", "icelandic"),
    ("hy", "armenian"),
    ("ne", "nepali"),
    ("mn", "mongolian"),
    ("bs", "bosnian"),
    ("kk", "kazakh"),
    ("sq", "albanian"),
    ("sw", "swahili"),
    ("gl", "galician"),
    ("mr", "marathi"),
    ("pa", "punjabi"),
    ("si", "sinhala"),
    ("km", "khmer"),
    ("sn", "shona"),
    ("yo", "yoruba"),
    ("so", "somali"),
    ("af", "afrikaans"),
    ("oc", "occitan"),
    ("ka", "georgian"),
    ("be", "belarusian"),
    ("tg", "tajik"),
    ("sd", "sindhi"),
    ("gu", "gujarati"),
    ("am", "amharic"),
    ("yi", "yiddish"),
    ("lo", "lao"),
    ("uz", "uzbek"),
    ("fo", "faroese"),
    ("ht", "haitian creole"),
    ("ps", "pashto"),
    ("tk", "turkmen"),
    ("nn", "nynorsk"),
    ("mt", "maltese"),
    ("sa", "sanskrit"),
    ("lb", "luxembourgish"),
    ("my", "myanmar"),
    ("bo", "tibetan"),
    ("tl", "tagalog"),
    ("mg", "malagasy"),
    ("as", "assamese"),
    ("tt", "tatar"),
    ("haw", "hawaiian"),
    ("ln", "lingala"),
    ("ha", "hausa"),
    ("ba", "bashkir"),
    ("jw", "javanese"),
    ("su", "sundanese"),
    ("yue", "cantonese"),
];

#[cfg(test)]
#[path = "languages_tests.rs"]
mod tests;
