//! Models, tables and cached features from strangers: however they are damaged, they end in an answer or an error.

use std::fs;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use earmark_audio::{SampleRate, Waveform};
use earmark_data::AudioDataset;
use earmark_pipeline::{AudioClassifier, HYPOTHESIS_TEMPLATE, ZeroShotClassifier};
use earmark_testkit::noise;
use earmark_train::{Cache, Recipe, Start};
use tempfile::TempDir;

use crate::{device, finish, golden, job};

/// SplitMix64, so that a case is named by a number.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// What a number of a text becomes.
const NUMBERS: [&str; 12] = [
    "-1",
    "0",
    "1",
    "7",
    "65536",
    "4294967296",
    "18446744073709551615",
    "1e308",
    "-0.5",
    "null",
    "\"x\"",
    "[]",
];

/// One to three wounds: bytes altered, cut off, left out, repeated, made huge, or a number of a text made another.
fn wounded(file: &[u8], is_text: bool, draw: &mut Draw) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=draw.below(3) {
        // Half of them where the headers are.
        let reach = if draw.below(2) == 0 { bytes.len().min(600) } else { bytes.len() };
        let at = draw.below(reach);
        let end = (at + 1 + draw.below(40)).min(bytes.len());
        match draw.below(if is_text { 10 } else { 6 }) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => bytes[at..end.min(at + 8)].fill(0xfe),
            4 | 5 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = draw.next() as u8;
                }
            }
            _ => {
                let digit = |i: &usize| bytes[*i].is_ascii_digit();
                if let Some(start) = (at..bytes.len()).find(digit) {
                    let end = (start..bytes.len()).find(|i| !digit(i)).unwrap_or(bytes.len());
                    bytes.splice(start..end, draw.of(&NUMBERS).bytes());
                }
            }
        }
    }
    bytes
}

/// A copy of a folder's files.
fn copied(from: &Path) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = folder.path().join(entry.file_name());
        fs::copy(entry.path(), &to).unwrap();
        files.push(to);
    }
    files.sort();
    (folder, files)
}

/// Runs `ask` on the folder with one file wounded, over and over; it may do anything but panic.
fn attack(what: &str, from: &Path, rounds: u64, ask: impl Fn(&Path)) {
    let (folder, files) = copied(from);
    for seed in 0..rounds {
        let mut draw = Draw(seed);
        let file = &files[draw.below(files.len())];
        let whole = fs::read(file).unwrap();
        let is_text =
            file.extension().is_some_and(|end| end != "safetensors" && end != "bin" && end != "parquet");
        fs::write(file, wounded(&whole, is_text, &mut draw)).unwrap();
        let asked = catch_unwind(AssertUnwindSafe(|| ask(folder.path())));
        assert!(asked.is_ok(), "{what}: seed {seed} of `{}` panics", file.display());
        fs::write(file, whole).unwrap();
    }
}

fn sound() -> Waveform {
    Waveform::new(noise(4000, 7), SampleRate::HZ_16000).unwrap()
}

#[test]
fn two_thousand_wounded_models_end_in_labels_or_an_error() {
    let models = [
        "speech/group",
        "speech/wav2vec2",
        "speech/layer-stable",
        "speech/unispeech",
        "speech/weighted",
        "whisper/last",
        "languages/tied",
        "ast/overlapping",
    ];
    for model in models {
        attack(model, &golden(model), 240, |folder| {
            if let Ok(classifier) = AudioClassifier::open(folder, &device()) {
                // An error is as good as labels.
                let _ = classifier.classify(sound());
            }
        });
    }
    for model in ["clap/fused", "clap/unfused"] {
        attack(model, &golden(model), 160, |folder| {
            if let Ok(classifier) = ZeroShotClassifier::open(folder, &device())
                && let Ok(candidates) = classifier.candidates(&["dog", "rain"], HYPOTHESIS_TEMPLATE)
            {
                let _ = classifier.classify(sound(), &candidates);
            }
        });
    }
}

#[test]
fn wounded_tables_end_in_clips_or_an_error() {
    let (parquet, texts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = AudioDataset::open_folder(golden("train/data")).unwrap();
    data.write_parquet(parquet.path().join("set"), "train", |_| ()).unwrap();
    let read = |folder: &Path| {
        for name in ["train-00000-of-00001.parquet", ""] {
            let path = folder.join(name);
            if let Ok(dataset) = AudioDataset::open(&path, None) {
                for clip in dataset.clips.iter().take(20) {
                    let _ = clip.bytes();
                }
            }
        }
    };
    attack("a table in Parquet", &parquet.path().join("set/data"), 600, read);

    let rows = [("a.wav", "dog"), ("b.wav", "rain"), ("c.wav", "dog")];
    let mut csv = "file_name,label,note\n".to_owned();
    let mut jsonl = String::new();
    for (name, label) in rows {
        fs::copy(data.clips[0].path.clone(), texts.path().join(name)).unwrap();
        csv += &format!("{name},{label},\"a, \"\"b\"\"\"\n");
        jsonl += &format!("{{\"file_name\": \"{name}\", \"label\": \"{label}\", \"n\": 12}}\n");
    }
    for (name, text) in [("metadata.csv", csv), ("metadata.jsonl", jsonl)] {
        fs::write(texts.path().join(name), text).unwrap();
        attack(name, texts.path(), 300, read);
        fs::remove_file(texts.path().join(name)).unwrap();
    }
}

/// A zip as `torch.save` writes it, without compression.
fn torch_zip(pickle: &[u8]) -> Vec<u8> {
    let (mut zip, mut central) = (Vec::new(), Vec::new());
    let files: [(&str, &[u8]); 3] =
        [("archive/data.pkl", pickle), ("archive/byteorder", b"little"), ("archive/version", b"3\n")];
    for (name, bytes) in files {
        let mut crc = !0_u32;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            }
        }
        let size = (bytes.len() as u32).to_le_bytes();
        let about =
            [&[0; 4], &(!crc).to_le_bytes(), &size, &size, &(name.len() as u16).to_le_bytes()[..]].concat();
        let offset = (zip.len() as u32).to_le_bytes();
        zip.extend([b"PK\x03\x04\x14\0\0\0\0\0", &about[..], &[0, 0], name.as_bytes(), bytes].concat());
        central.extend(
            [b"PK\x01\x02\x14\0\x14\0\0\0\0\0", &about[..], &[0; 12], &offset, name.as_bytes()].concat(),
        );
    }
    let start = (zip.len() as u32).to_le_bytes();
    let size = (central.len() as u32).to_le_bytes();
    zip.extend(central);
    zip.extend([b"PK\x05\x06\0\0\0\0\x03\0\x03\0", &size[..], &start, &[0, 0]].concat());
    zip
}

#[test]
fn no_pickle_runs_code() {
    let (folder, _) = copied(&golden("speech/layer-stable"));
    let trace = folder.path().join("ran");
    let call = |module: &str, name: &str, argument: &str| {
        let length = (argument.len() as u32).to_le_bytes();
        let parts: [&[u8]; 8] = [
            b"\x80\x02c",
            module.as_bytes(),
            b"\n",
            name.as_bytes(),
            b"\n(X",
            &length,
            argument.as_bytes(),
            b"tR.",
        ];
        parts.concat()
    };
    let touch = format!("touch {}", trace.display());
    let open = format!("open({:?}, 'w')", trace.display().to_string());
    let pickles = [
        call("os", "system", &touch),
        call("posix", "system", &touch),
        call("subprocess", "getoutput", &touch),
        call("builtins", "eval", &open),
        call("builtins", "exec", &open),
        call("torch", "load", &trace.display().to_string()),
        format!("(S'{touch}'\nios\nsystem\n.").into_bytes(),
    ];
    for pickle in pickles {
        for bytes in [pickle.clone(), torch_zip(&pickle)] {
            fs::File::create(folder.path().join("pytorch_model.bin")).unwrap().write_all(&bytes).unwrap();
            let opened =
                catch_unwind(AssertUnwindSafe(|| AudioClassifier::open(folder.path(), &device()).err()));
            let error = opened.expect("it panics").expect("what holds no weights is no model");
            assert!(!trace.exists(), "{error}");
        }
    }
}

#[test]
fn a_corrupted_feature_cache_changes_no_weight() {
    let (data, dir) = (golden("train/data"), tempfile::tempdir().unwrap());
    let recipe =
        Recipe { epochs: 2, batch_size: 4, test_size: 0.25, ..Recipe::new("cached", "model", "golden") };
    let learn = |name: &str, cache: Option<Cache>| {
        let start = Start::Model(golden("train/init"));
        let mut job = job(recipe.clone(), &data, start, &dir.path().join(name));
        job.cache = cache;
        let (finished, _) = finish(&job);
        fs::read(finished.model.join("model.safetensors")).unwrap()
    };
    let kept = dir.path().join("cache");
    let expected = learn("without", None);
    assert!(learn("first", Some(Cache::new(&kept, Cache::LIMIT))) == expected);

    let mut files = Vec::new();
    let mut folders = vec![kept.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    let mut draw = Draw(1);
    let mut wounds = 0;
    for (number, file) in files.iter().enumerate() {
        let whole = fs::read(file).unwrap();
        let bytes = match number % 4 {
            0 => whole[..draw.below(whole.len())].to_vec(),
            1 => vec![0; whole.len()],
            // Another clip's, whole.
            2 => fs::read(&files[(number + 1) % files.len()]).unwrap(),
            _ => {
                let mut bytes = whole.clone();
                let at = draw.below(bytes.len());
                bytes[at] ^= 1 << draw.below(8);
                bytes
            }
        };
        wounds += u64::from(bytes != whole);
        fs::write(file, bytes).unwrap();
    }
    let cache = Cache::new(&kept, Cache::LIMIT);
    assert!(learn("again", Some(cache.clone())) == expected, "a weight differs");
    assert_eq!(cache.misses(), wounds, "each wound was noticed");
}
