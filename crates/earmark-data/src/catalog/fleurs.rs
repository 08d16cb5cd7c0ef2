//! FLEURS: sentences read aloud in 102 languages, 16 kHz. CC BY 4.0.
//!
//! What the class is can be chosen: `language` (the names that published language identifiers use), `lang_id` (the codes, in the
//! order of the reference's), `lang_group_id` or `gender`. Splits share no speakers.

use std::collections::HashMap;

use crate::catalog::spec::{ClassColumn, Config, Selection, Spec, SplitSpec, join, no_fields};
use crate::error::ErrorKind;
use crate::example::Fields;
use crate::read::layout::{Archive, ArchiveIndex, ClipInfo, Layout, Limits};
use crate::read::remote::RemoteFile;

/// The Hub dataset.
pub const REPO: &str = "google/fleurs";
/// The commit of [`REPO`] that is read.
pub const REVISION: &str = "70bb2e84b976b7e960aa89f1c648e09c59f894dd";

/// Code, name and group of every language, in the order of `lang_id`.
const LANGUAGES: [(&str, &str, usize); 102] = [
    ("af_za", "Afrikaans", 3),
    ("am_et", "Amharic", 3),
    ("ar_eg", "Arabic", 2),
    ("as_in", "Assamese", 4),
    ("ast_es", "Asturian", 0),
    ("az_az", "Azerbaijani", 2),
    ("be_by", "Belarusian", 1),
    ("bg_bg", "Bulgarian", 1),
    ("bn_in", "Bengali", 4),
    ("bs_ba", "Bosnian", 0),
    ("ca_es", "Catalan", 0),
    ("ceb_ph", "Cebuano", 5),
    ("ckb_iq", "Sorani-Kurdish", 2),
    ("cmn_hans_cn", "Mandarin Chinese", 6),
    ("cs_cz", "Czech", 1),
    ("cy_gb", "Welsh", 0),
    ("da_dk", "Danish", 0),
    ("de_de", "German", 0),
    ("el_gr", "Greek", 0),
    ("en_us", "English", 0),
    ("es_419", "Spanish", 0),
    ("et_ee", "Estonian", 1),
    ("fa_ir", "Persian", 2),
    ("ff_sn", "Fula", 3),
    ("fi_fi", "Finnish", 0),
    ("fil_ph", "Filipino", 5),
    ("fr_fr", "French", 0),
    ("ga_ie", "Irish", 0),
    ("gl_es", "Galician", 0),
    ("gu_in", "Gujarati", 4),
    ("ha_ng", "Hausa", 3),
    ("he_il", "Hebrew", 2),
    ("hi_in", "Hindi", 4),
    ("hr_hr", "Croatian", 0),
    ("hu_hu", "Hungarian", 0),
    ("hy_am", "Armenian", 1),
    ("id_id", "Indonesian", 5),
    ("ig_ng", "Igbo", 3),
    ("is_is", "Icelandic", 0),
    ("it_it", "Italian", 0),
    ("ja_jp", "Japanese", 6),
    ("jv_id", "Javanese", 5),
    ("ka_ge", "Georgian", 1),
    ("kam_ke", "Kamba", 3),
    ("kea_cv", "Kabuverdianu", 0),
    ("kk_kz", "Kazakh", 2),
    ("km_kh", "Khmer", 5),
    ("kn_in", "Kannada", 4),
    ("ko_kr", "Korean", 6),
    ("ky_kg", "Kyrgyz", 2),
    ("lb_lu", "Luxembourgish", 0),
    ("lg_ug", "Ganda", 3),
    ("ln_cd", "Lingala", 3),
    ("lo_la", "Lao", 5),
    ("lt_lt", "Lithuanian", 1),
    ("luo_ke", "Luo", 3),
    ("lv_lv", "Latvian", 1),
    ("mi_nz", "Maori", 5),
    ("mk_mk", "Macedonian", 1),
    ("ml_in", "Malayalam", 4),
    ("mn_mn", "Mongolian", 2),
    ("mr_in", "Marathi", 4),
    ("ms_my", "Malay", 5),
    ("mt_mt", "Maltese", 0),
    ("my_mm", "Burmese", 5),
    ("nb_no", "Norwegian", 0),
    ("ne_np", "Nepali", 4),
    ("nl_nl", "Dutch", 0),
    ("nso_za", "Northern-Sotho", 3),
    ("ny_mw", "Nyanja", 3),
    ("oc_fr", "Occitan", 0),
    ("om_et", "Oromo", 3),
    ("or_in", "Oriya", 4),
    ("pa_in", "Punjabi", 4),
    ("pl_pl", "Polish", 1),
    ("ps_af", "Pashto", 2),
    ("pt_br", "Portuguese", 0),
    ("ro_ro", "Romanian", 1),
    ("ru_ru", "Russian", 1),
    ("sd_in", "Sindhi", 4),
    ("sk_sk", "Slovak", 1),
    ("sl_si", "Slovenian", 1),
    ("sn_zw", "Shona", 3),
    ("so_so", "Somali", 3),
    ("sr_rs", "Serbian", 1),
    ("sv_se", "Swedish", 0),
    ("sw_ke", "Swahili", 3),
    ("ta_in", "Tamil", 4),
    ("te_in", "Telugu", 4),
    ("tg_tj", "Tajik", 2),
    ("th_th", "Thai", 5),
    ("tr_tr", "Turkish", 2),
    ("uk_ua", "Ukrainian", 1),
    ("umb_ao", "Umbundu", 3),
    ("ur_pk", "Urdu", 4),
    ("uz_uz", "Uzbek", 2),
    ("vi_vn", "Vietnamese", 5),
    ("wo_sn", "Wolof", 3),
    ("xh_za", "Xhosa", 3),
    ("yo_ng", "Yoruba", 3),
    ("yue_hant_hk", "Cantonese Chinese", 6),
    ("zu_za", "Zulu", 3),
];

/// The groups of languages; the spelling is the reference's.
#[rustfmt::skip]
const GROUPS: [&str; 7] = [
    "western_european_we", "eastern_european_ee", "central_asia_middle_north_african_cmn", "sub_saharan_african_ssa",
    "south_asian_sa", "south_east_asian_sea", "chinese_japanase_korean_cjk",
];
const GENDERS: [&str; 3] = ["male", "female", "other"];

const CODES: [&str; 102] = {
    let (mut codes, mut at) = ([""; 102], 0);
    while at < 102 {
        codes[at] = LANGUAGES[at].0;
        at += 1;
    }
    codes
};

const NAMES: [&str; 102] = {
    let (mut names, mut at) = ([""; 102], 0);
    while at < 102 {
        names[at] = LANGUAGES[at].1;
        at += 1;
    }
    names
};

const LABEL_COLUMNS: &[ClassColumn] = &[
    ClassColumn { name: "language", classes: &NAMES },
    // The reference numbers `all` as well, last, and no clip has it.
    ClassColumn { name: "lang_id", classes: &join::<103>(&[&CODES, &["all"]]) },
    ClassColumn { name: "lang_group_id", classes: &GROUPS },
    ClassColumn { name: "gender", classes: &GENDERS },
];

const SPLITS: &[SplitSpec] = &[
    SplitSpec { name: "train", clips: None },
    SplitSpec { name: "validation", clips: None },
    SplitSpec { name: "test", clips: None },
];

/// `all` is every language, one after the other.
const CONFIGS: [Config; 103] = {
    let mut configs = [const { Config { name: "all", splits: SPLITS, label_columns: LABEL_COLUMNS } }; 103];
    let mut at = 0;
    while at < 102 {
        configs[at + 1].name = CODES[at];
        at += 1;
    }
    configs
};

/// FLEURS. How many clips its archives hold is not known here.
pub static FLEURS: Spec = Spec {
    id: "fleurs",
    repo: REPO,
    licence: Some("CC-BY-4.0"),
    citation: "A. Conneau et al. FLEURS: Few-shot Learning Evaluation of Universal Representations of Speech. IEEE SLT, 2022.",
    home: "https://huggingface.co/datasets/google/fleurs",
    configs: &CONFIGS,
    group_fields: &[],
    layout,
    fields_of_file: no_fields,
    checkout: None,
};

fn layout(selection: &Selection) -> Layout {
    let (config, column) = (selection.config.name, selection.label_column.name);
    let split = if selection.split.name == "validation" { "dev" } else { selection.split.name };
    let archive = |code: &'static str| {
        let table = RemoteFile::hub(REPO, REVISION, format!("data/{code}/{split}.tsv"));
        let path = table.location.to_string();
        Archive {
            file: RemoteFile::hub(REPO, REVISION, format!("data/{code}/audio/{split}.tar.gz")),
            table: Some(table),
            folder: format!("fleurs/{code}/{split}"),
            // Half a minute is a megabyte; the largest language has 4 GB in all.
            limits: Limits { file: 64 << 20, total: 32 << 30 },
            index: Box::new(move |table| {
                Ok(Box::new(Sentences::read(code, column, &path, table.unwrap_or_default())?))
            }),
        }
    };
    let chosen = CODES.into_iter().filter(|code| config == "all" || config == *code);
    Layout::Archives(chosen.map(archive).collect())
}

/// Label and fields by file name.
struct Sentences(HashMap<String, (usize, Fields)>);

impl Sentences {
    /// Reads the table of a language; `path` is for errors.
    fn read(code: &str, label_column: &str, path: &str, table: &str) -> Result<Sentences, ErrorKind> {
        let bad = |why: String| ErrorKind::BadTable { path: path.into(), why };
        let lang_id = CODES.iter().position(|known| *known == code);
        let lang_id = lang_id.ok_or_else(|| bad(format!("`{code}` is not a language of FLEURS")))?;
        let (_, language, group) = LANGUAGES[lang_id];
        let mut clips = HashMap::new();
        for (line, row) in table.lines().enumerate() {
            // Quotes are part of the sentences: this is no CSV.
            let columns: Vec<&str> = row.split('\t').collect();
            let &[id, file, raw, transcription, _characters, samples, gender] = columns.as_slice() else {
                return Err(bad(format!("line {}: {} columns, expected 7", line + 1, columns.len())));
            };
            let number = |what: &str, text: &str| {
                text.parse::<u64>().map_err(|_| bad(format!("line {}: `{text}` is not a {what}", line + 1)))
            };
            let gender = gender.trim().to_lowercase();
            let gender_id = GENDERS.iter().position(|known| *known == gender).unwrap_or(2);
            let mut fields = Fields::new();
            fields.insert("id".into(), number("id", id)?.into());
            fields.insert("num_samples".into(), number("number of samples", samples)?.into());
            fields.insert("path".into(), file.into());
            fields.insert("transcription".into(), transcription.into());
            fields.insert("raw_transcription".into(), raw.into());
            fields.insert("gender".into(), GENDERS[gender_id].into());
            fields.insert("lang_id".into(), code.into());
            fields.insert("language".into(), language.into());
            fields.insert("lang_group_id".into(), GROUPS[group].into());
            let label = match label_column {
                "lang_group_id" => group,
                "gender" => gender_id,
                _ => lang_id,
            };
            clips.insert(file.to_owned(), (label, fields));
        }
        Ok(Sentences(clips))
    }
}

impl ArchiveIndex for Sentences {
    fn unpacked_path(&self, path: &str) -> Option<String> {
        let file = path.rsplit('/').next()?;
        self.0.contains_key(file).then(|| file.to_owned())
    }

    fn clip(&self, path: &str) -> Result<Option<ClipInfo>, ErrorKind> {
        let known = path.rsplit('/').next().and_then(|file| self.0.get(file));
        Ok(known.map(|(label, fields)| ClipInfo { label: *label, fields: fields.clone(), one_second: false }))
    }
}
