//! MINDS-14: what people ask their bank for, fourteen intents in fourteen languages, over the telephone at 8 kHz. CC BY 4.0.
//!
//! There is one split; recordings of one speaker are not marked as such. The class may be the intent or the language.

use earmark_labels::LabelSet;

use crate::catalog::published::{Layout, RemoteFile, Selection};
use crate::dataset::About;

/// The Hub dataset.
pub const REPO: &str = "PolyAI/minds14";
/// The commit of [`REPO`] this was written against.
pub const REVISION: &str = "40ce77cb32a384e4d50a568e1ec39ac804019d33";

/// The intents, in the order of `intent_class`.
pub const INTENTS: [&str; 14] = [
    "abroad",
    "address",
    "app_error",
    "atm_limit",
    "balance",
    "business_loan",
    "card_issues",
    "cash_deposit",
    "direct_debit",
    "freeze",
    "high_value_payment",
    "joint_account",
    "latest_transactions",
    "pay_bill",
];

/// The languages, in the order of `lang_id`, and how many recordings each has.
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

pub(crate) fn about() -> About {
    About {
        licence: Some("CC-BY-4.0".into()),
        citation: Some(
            "D. Gerz et al. Multilingual and Cross-Lingual Intent Detection from Spoken Data. EMNLP 2021."
                .into(),
        ),
        home: Some(format!("https://huggingface.co/datasets/{REPO}")),
    }
}

/// `all` is every language, one after the other.
pub(crate) fn configs() -> Vec<String> {
    ["all"].into_iter().chain(LANGUAGES.map(|(code, _)| code)).map(str::to_owned).collect()
}

pub(crate) fn labels(selection: &Selection) -> LabelSet {
    let names = match selection.label.as_str() {
        "lang_id" => LabelSet::from_names(LANGUAGES.map(|(code, _)| code)),
        _ => LabelSet::from_names(INTENTS),
    };
    names.expect("the names differ")
}

fn languages(config: &str) -> impl Iterator<Item = (&'static str, usize)> {
    LANGUAGES.into_iter().filter(move |(code, _)| config == "all" || config == *code)
}

pub(crate) fn rows(config: &str) -> Option<usize> {
    Some(languages(config).map(|(_, rows)| rows).sum())
}

pub(crate) fn layout(selection: &Selection) -> Layout {
    let file = |(code, _)| RemoteFile::hub(REPO, REVISION, format!("{code}/train-00000-of-00001.parquet"));
    Layout::Shards { files: languages(&selection.config).map(file).collect(), keep: None }
}
