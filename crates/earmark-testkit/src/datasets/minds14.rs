//! MINDS-14: a shard for each language.

use serde_json::json;

use super::files::Planted;
use super::parquet::{Row, parquet};
use super::sound::{Sound, wav};

const RATE: u32 = 8_000;

/// The languages in the order of `lang_id`, and the clips of each.
const LANGUAGES: [(&str, usize); 14] = [
    ("cs-CZ", 574),
    ("de-DE", 611),
    ("en-AU", 654),
    ("en-GB", 592),
    ("en-US", 563),
    ("es-ES", 486),
    ("fr-FR", 539),
    ("it-IT", 696),
    ("ko-KR", 592),
    ("nl-NL", 654),
    ("pl-PL", 562),
    ("pt-PT", 604),
    ("ru-RU", 539),
    ("zh-CN", 502),
];

/// `PolyAI/minds14` with all 8,168 rows, which encode the intent.
pub fn minds14(intents: &[&str], sound: Sound<'_>) -> Planted {
    let codes = LANGUAGES.map(|(code, _)| code);
    let shard = |(lang_id, (code, clips)): (usize, (&str, usize))| {
        let row = |clip: usize| {
            let intent = clip % intents.len();
            let path = format!("{code}~{}/{clip:04}.wav", intents[intent].to_uppercase());
            let fields = json!({
                "path": path, "transcription": "hello", "english_transcription": "hello",
                "intent_class": intent, "lang_id": lang_id,
            });
            // No two languages have the same clips either.
            let audio = wav(&sound(intent, lang_id * 1_000 + clip, RATE), RATE);
            Row { path, audio, fields: fields.as_object().unwrap().clone() }
        };
        let rows: Vec<Row> = (0..clips).map(row).collect();
        let classes: [(&str, &[&str]); 2] = [("intent_class", intents), ("lang_id", &codes)];
        (format!("{code}/train-00000-of-00001.parquet"), parquet(&rows, &classes))
    };
    Planted {
        repo: "datasets/PolyAI/minds14",
        revision: "40ce77cb32a384e4d50a568e1ec39ac804019d33",
        files: LANGUAGES.into_iter().enumerate().map(shard).collect(),
        downloads: Vec::new(),
    }
}
