//! MINDS-14: what people ask their bank for, fourteen intents in fourteen languages, over the telephone at 8 kHz. CC BY 4.0.
//!
//! There is one split; recordings of one speaker are not marked as such. The class may be the intent or the language.

use crate::catalog::spec::{ClassColumn, Config, Selection, Spec, SplitSpec, no_fields};
use crate::read::layout::Layout;
use crate::read::remote::RemoteFile;

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

/// The languages, in the order of `lang_id`.
#[rustfmt::skip]
const LANGUAGES: [&str; 14] = [
    "cs-CZ", "de-DE", "en-AU", "en-GB", "en-US", "es-ES", "fr-FR", "it-IT", "ko-KR", "nl-NL", "pl-PL", "pt-PT", "ru-RU", "zh-CN",
];

const LABEL_COLUMNS: &[ClassColumn] = &[
    ClassColumn { name: "intent_class", classes: &INTENTS },
    ClassColumn { name: "lang_id", classes: &LANGUAGES },
];

const fn config(name: &'static str, splits: &'static [SplitSpec]) -> Config {
    Config { name, splits, label_columns: LABEL_COLUMNS }
}

/// MINDS-14. The configuration `all` is every language, one after the other.
pub static MINDS14: Spec = Spec {
    id: "minds14",
    repo: REPO,
    licence: Some("CC-BY-4.0"),
    citation: "D. Gerz et al. Multilingual and Cross-Lingual Intent Detection from Spoken Data. EMNLP 2021.",
    home: "https://huggingface.co/datasets/PolyAI/minds14",
    configs: &[
        config("all", &[SplitSpec::new("train", 8168)]),
        config("cs-CZ", &[SplitSpec::new("train", 574)]),
        config("de-DE", &[SplitSpec::new("train", 611)]),
        config("en-AU", &[SplitSpec::new("train", 654)]),
        config("en-GB", &[SplitSpec::new("train", 592)]),
        config("en-US", &[SplitSpec::new("train", 563)]),
        config("es-ES", &[SplitSpec::new("train", 486)]),
        config("fr-FR", &[SplitSpec::new("train", 539)]),
        config("it-IT", &[SplitSpec::new("train", 696)]),
        config("ko-KR", &[SplitSpec::new("train", 592)]),
        config("nl-NL", &[SplitSpec::new("train", 654)]),
        config("pl-PL", &[SplitSpec::new("train", 562)]),
        config("pt-PT", &[SplitSpec::new("train", 604)]),
        config("ru-RU", &[SplitSpec::new("train", 539)]),
        config("zh-CN", &[SplitSpec::new("train", 502)]),
    ],
    group_fields: &[],
    layout,
    fields_of_file: no_fields,
    checkout: None,
};

fn layout(selection: &Selection) -> Layout {
    let config = selection.config.name;
    let file = |code| RemoteFile::hub(REPO, REVISION, format!("{code}/train-00000-of-00001.parquet"));
    let languages = LANGUAGES.into_iter().filter(|code| config == "all" || config == *code);
    Layout::Shards { files: languages.map(file).collect(), keep: None }
}
