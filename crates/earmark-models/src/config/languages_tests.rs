use std::fs;

use super::*;

fn read(files: &[(&str, &str)], vocabulary: usize) -> Result<Languages, Error> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let config = earmark_config::object(format!(r#"{{"vocab_size": {vocabulary}}}"#).as_bytes()).unwrap();
    Languages::read(dir.path(), &config)
}

fn codes(languages: &Languages) -> Vec<(&str, &str, usize)> {
    languages.iter().map(|it| (it.code.as_str(), it.name(), it.token)).collect()
}

#[test]
fn generation_config_says_which_tokens_are_languages_in_their_order() {
    let listed = r#"{"lang_to_id": {"<|xx|>": 7, "<|de|>": 9, "<|en|>": 6.0}, "decoder_start_token_id": 5}"#;
    let languages = read(&[("generation_config.json", listed)], 12).unwrap();
    assert_eq!(codes(&languages), [("en", "english", 6), ("xx", "xx", 7), ("de", "german", 9)]);
    assert_eq!(languages.start_of_transcript(), 5);
    languages.check(10).unwrap();
}

#[test]
fn the_tokenizers_files_are_asked_next_and_tasks_are_no_languages() {
    let tokenizer = r#"{"added_tokens": [{"id": 3, "content": "<|startoftranscript|>"}, {"id": 5, "content": "<|de|>"},
        {"id": 4, "content": "<|en|>"}, {"id": 6, "content": "<|translate|>"}], "model": {}}"#;
    let added = r#"{"<|en|>": 4, "<|de|>": 5, "<|transcribe|>": 6}"#;
    for (name, text) in [("tokenizer.json", tokenizer), ("added_tokens.json", added)] {
        let languages = read(&[(name, text), ("generation_config.json", "{}")], 12).unwrap();
        assert_eq!(codes(&languages), [("en", "english", 4), ("de", "german", 5)], "{name}");
    }
}

#[test]
fn without_files_a_published_vocabulary_has_its_published_order() {
    let languages = read(&[], 51_865).unwrap();
    assert_eq!((languages.iter().len(), languages.start_of_transcript()), (99, 50_258));
    assert_eq!(codes(&languages)[0], ("en", "english", 50_259));
    assert_eq!(codes(&languages)[98], ("su", "sundanese", 50_357));
    assert_eq!(codes(&read(&[], 51_866).unwrap())[99], ("yue", "cantonese", 50_358));
}

#[test]
fn a_model_without_language_tokens_is_refused_with_what_to_do() {
    let english = r#"{"is_multilingual": false}"#;
    for (files, vocabulary) in [(&[][..], 51_864), (&[("generation_config.json", english)][..], 51_865)] {
        let error = read(files, vocabulary).unwrap_err().kind.to_string();
        assert!(error.contains("English-only") && error.contains("openai/whisper-base"), "{error}");
    }
    let error = read(&[], 1000).unwrap_err().kind.to_string();
    assert!(error.contains("1000 tokens") && error.contains("generation_config.json"), "{error}");
}

#[test]
fn what_is_wrong_in_a_file_is_an_error_that_names_the_key() {
    let cases = [
        (r#"{"lang_to_id": 3}"#, "lang_to_id"),
        (r#"{"lang_to_id": {"en": 3}}"#, "lang_to_id"),
        (r#"{"lang_to_id": {"<|en|>": 1.5}}"#, "lang_to_id"),
        (r#"{"lang_to_id": {"<|en|>": -1}}"#, "lang_to_id"),
        (r#"{"lang_to_id": {"<|en|>": 10}, "decoder_start_token_id": 5}"#, "lang_to_id"),
        (r#"{"lang_to_id": {"<|en|>": 3, "<|de|>": 3}, "decoder_start_token_id": 5}"#, "lang_to_id"),
        (r#"{"lang_to_id": {"<|en|>": 3}, "decoder_start_token_id": "5"}"#, "decoder_start_token_id"),
        (r#"{"lang_to_id": {"<|en|>": 3}, "decoder_start_token_id": 10}"#, "decoder_start_token_id"),
    ];
    for (text, key) in cases {
        let error = match read(&[("generation_config.json", text)], 10) {
            Ok(languages) => languages.check(10).expect_err(text),
            Err(error) => error.kind,
        };
        assert!(
            matches!(&error, ErrorKind::BadConfig { key: found, .. } if *found == key),
            "{text}: {error}"
        );
    }
    for name in ["generation_config.json", "tokenizer.json", "added_tokens.json"] {
        assert!(read(&[(name, "[")], 10).is_err(), "{name}");
    }
}
