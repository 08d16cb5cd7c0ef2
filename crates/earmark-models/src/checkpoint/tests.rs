//! Every key accounted for, and broken files refused.

use std::fs;
use std::path::{Path, PathBuf};

use burn::store::burn_pack::Tensor as PackTensor;
use burn::tensor::DType;
use earmark_testkit::Golden;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::load::{Head, load};
use super::save::{parameters, save, unusable_weight};
use super::weights::{Checkpoint, INDEX, PICKLE, PICKLE_INDEX, SAFETENSORS};
use crate::error::Error;
use crate::test_support::device;
use crate::{ModelConfig, NetworkConfig, SpeechForSequenceClassification};

fn golden(variant: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/speech").join(variant)
}

fn network(dir: &Path, labels: usize) -> SpeechForSequenceClassification {
    let config = ModelConfig::read(dir).unwrap();
    match config.network() {
        NetworkConfig::Speech(speech) => SpeechForSequenceClassification::zeros(speech, labels, &device()),
        other => panic!("{other:?}"),
    }
}

fn try_load(
    dir: &Path,
    labels: usize,
    head: Head,
) -> Result<(SpeechForSequenceClassification, Vec<String>), Error> {
    load(network(&golden("group"), labels), &Checkpoint::open(dir)?, head, 0.02, 7)
}

type Tensors = Vec<(String, Vec<usize>, Vec<u8>)>;

/// The `group` checkpoint with its tensors changed, in a folder of its own.
fn changed(change: impl FnOnce(&mut Tensors)) -> tempfile::TempDir {
    let bytes = fs::read(golden("group").join(SAFETENSORS)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = file
        .iter()
        .map(|(name, view)| (name.to_owned(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, shape, data)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    });
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(SAFETENSORS), safetensors::serialize(views, None).unwrap()).unwrap();
    dir
}

fn causes(error: &Error) -> String {
    format!("{error}: {}", error.kind)
}

#[test]
fn load_save_load_is_identity_and_writes_the_reference_names() {
    for variant in ["group", "layer-stable", "weighted", "batch-norm-pos"] {
        let labels = ModelConfig::read(&golden(variant)).unwrap().labels().len();
        let source = Checkpoint::open(&golden(variant)).unwrap();
        let (first, _) =
            load(network(&golden(variant), labels), &source, Head::FromCheckpoint, 0.02, 0).unwrap();
        let dir = tempfile::tempdir().unwrap();
        save(&first, &dir.path().join(SAFETENSORS)).unwrap();
        let saved = Golden::open(dir.path().join(SAFETENSORS));
        let again = Checkpoint::open(dir.path()).unwrap();
        let (second, _) =
            load(network(&golden(variant), labels), &again, Head::FromCheckpoint, 0.02, 0).unwrap();
        for (a, b) in parameters(&first).iter().zip(parameters(&second)) {
            assert_eq!(a.name, b.name);
            assert!(a.to_bytes().unwrap()[..] == b.to_bytes().unwrap()[..], "{variant}: {}", a.name);
        }
        for key in saved.keys() {
            assert!(
                !key.contains("gamma") && !key.contains("weight_g"),
                "{variant}: {key} is not the reference's name"
            );
        }
    }
}

#[test]
fn saving_keeps_every_key_of_a_file_in_new_names() {
    let dir = tempfile::tempdir().unwrap();
    let (network, _) = try_load(&golden("group"), 3, Head::FromCheckpoint).unwrap();
    save(&network, &dir.path().join(SAFETENSORS)).unwrap();
    let before = Golden::open(golden("group").join(SAFETENSORS)).keys();
    assert_eq!(Golden::open(dir.path().join(SAFETENSORS)).keys(), before);
}

#[test]
fn a_missing_key_is_named_with_its_shape() {
    let dir = changed(|tensors| tensors.retain(|(name, ..)| name != "hubert.encoder.layer_norm.bias"));
    let error = causes(&try_load(dir.path(), 3, Head::FromCheckpoint).unwrap_err());
    assert!(error.contains("missing `hubert.encoder.layer_norm.bias` ["), "{error}");
}

#[test]
fn a_misshapen_key_is_named_with_both_shapes() {
    let dir = changed(|tensors| {
        let tensor = tensors.iter_mut().find(|(name, ..)| name == "projector.bias").unwrap();
        tensor.1 = vec![1, tensor.1[0]];
    });
    let error = causes(&try_load(dir.path(), 3, Head::FromCheckpoint).unwrap_err());
    assert!(error.contains("`projector.bias` has shape [1, "), "{error}");
}

#[test]
fn a_key_nobody_asked_for_is_passed_over_unless_another_is_missing() {
    let extra = ("hubert.encoder.adapter".to_owned(), vec![1], vec![0; 4]);
    let dir = changed(|tensors| tensors.push(extra.clone()));
    let (network, _) = try_load(dir.path(), 3, Head::FromCheckpoint).unwrap();
    assert_same(&network, &try_load(&golden("group"), 3, Head::FromCheckpoint).unwrap().0);
    let dir = changed(|tensors| *tensors.last_mut().unwrap() = extra);
    let error = causes(&try_load(dir.path(), 3, Head::FromCheckpoint).unwrap_err());
    assert!(error.contains("missing `") && error.contains("unexpected `hubert.encoder.adapter`"), "{error}");
}

#[track_caller]
fn assert_same(a: &SpeechForSequenceClassification, b: &SpeechForSequenceClassification) {
    for (a, b) in parameters(a).iter().zip(parameters(b)) {
        assert!(a.to_bytes().unwrap()[..] == b.to_bytes().unwrap()[..], "{}", a.name);
    }
}

#[test]
fn what_training_scripts_put_before_the_keys_is_taken_off() {
    let (whole, _) = try_load(&golden("group"), 3, Head::FromCheckpoint).unwrap();
    for wrapper in ["module.", "state_dict.", "model_state_dict.module.", "_orig_mod.", "module.module."] {
        let dir = changed(|tensors| {
            for (name, ..) in tensors.iter_mut() {
                *name = format!("{wrapper}{name}");
            }
            // An optimizer beside it.
            tensors.push(("optimizer.state.0.exp_avg".into(), vec![1], vec![0; 4]));
        });
        let (network, _) =
            try_load(dir.path(), 3, Head::FromCheckpoint).unwrap_or_else(|e| panic!("{}", causes(&e)));
        assert_same(&network, &whole);
    }
    let twice = changed(|tensors| {
        let (name, shape, data) = tensors[0].clone();
        tensors.push((format!("module.{name}"), shape, data));
    });
    let error = causes(&Checkpoint::open(twice.path()).unwrap_err());
    assert!(error.contains("twice"), "{error}");
}

#[test]
fn a_checkpoint_of_another_model_is_not_called_a_base_checkpoint() {
    let dir = changed(|tensors| {
        for (name, ..) in tensors.iter_mut() {
            *name = format!("tower.{name}");
        }
    });
    let error = causes(&try_load(dir.path(), 3, Head::FromCheckpoint).unwrap_err());
    assert!(error.contains("do not match") && !error.contains("base checkpoint"), "{error}");
}

#[test]
fn a_weight_that_makes_every_answer_nan_is_named() {
    let set = |name: &str, value: f32| {
        changed(|tensors| {
            let tensor = tensors.iter_mut().find(|(found, ..)| found == name).unwrap();
            tensor.2[..4].copy_from_slice(&value.to_le_bytes());
        })
    };
    let of = |dir: &Path| unusable_weight(&try_load(dir, 3, Head::FromCheckpoint).unwrap().0);
    assert_eq!(of(&golden("group")), None);
    assert_eq!(of(set("classifier.bias", f32::NAN).path()).unwrap(), "`classifier.bias` holds NaN");
    assert_eq!(of(set("projector.weight", f32::INFINITY).path()).unwrap(), "`projector.weight` holds inf");
    let norm = "hubert.encoder.pos_conv_embed.conv.parametrizations.weight.original0";
    assert_eq!(of(set(norm, f32::NAN).path()).unwrap(), format!("`{norm}` holds NaN"));
}

#[test]
fn a_variance_below_zero_is_named() {
    let variant = golden("batch-norm-pos");
    let bytes = fs::read(variant.join(SAFETENSORS)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let views: Vec<_> = file
        .iter()
        .map(|(name, view)| {
            let mut data = view.data().to_vec();
            if name.ends_with(".running_var") {
                // The sign of the first number.
                data[view.dtype().bitsize() / 8 - 1] |= 0x80;
            }
            (name.to_owned(), view.dtype(), view.shape().to_vec(), data)
        })
        .collect();
    let views = views
        .iter()
        .map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    fs::write(dir.path().join(SAFETENSORS), safetensors::serialize(views, None).unwrap()).unwrap();
    let labels = ModelConfig::read(&variant).unwrap().labels().len();
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    let (network, _) = load(network(&variant, labels), &checkpoint, Head::FromCheckpoint, 0.02, 0).unwrap();
    let said = unusable_weight(&network).unwrap();
    assert!(
        said.contains(".running_var` holds -") && said.ends_with("a variance cannot be negative"),
        "{said}"
    );
}

#[test]
fn a_parameter_that_cannot_be_read_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(SAFETENSORS);
    let good = || {
        PackTensor::new("a".into(), DType::F32, vec![1], None, burn::tensor::Bytes::from_elems(vec![1f32]))
    };
    let lost = || {
        PackTensor::deferred("b".into(), DType::F32, vec![1], None, 4, || {
            Err(burn::store::burn_pack::Error::IoError("the device is lost".into()))
        })
    };
    let write = |second: PackTensor, shape: Vec<usize>| {
        super::safetensors::write(&path, vec![("b".into(), shape, second), ("a".into(), vec![1], good())])
    };
    let said = write(lost(), vec![1]).unwrap_err().to_string();
    assert!(said.contains("`b` cannot be read") && said.contains("the device is lost"), "{said}");
    let said = write(good(), vec![2]).unwrap_err().to_string();
    assert!(said.contains("`b` has 4 bytes"), "{said}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
    write(good(), vec![1]).unwrap();
    assert_eq!(Golden::open(&path).keys(), ["a", "b"]);
}

#[test]
fn a_header_of_a_million_empty_tensors_is_refused_at_once() {
    let entries: Vec<String> = (0..1_200_000)
        .map(|i| format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#))
        .collect();
    let of = |entries: &[String]| {
        let header = format!("{{{}}}", entries.join(","));
        let dir = tempfile::tempdir().unwrap();
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        fs::write(dir.path().join(SAFETENSORS), bytes).unwrap();
        let start = std::time::Instant::now();
        let error = causes(&Checkpoint::open(dir.path()).unwrap_err());
        assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
        error
    };
    assert!(of(&entries).contains("the limit is 16777216"));
    assert!(of(&entries[..100_000]).contains("the limit of 65536"));
}

#[test]
fn a_pointer_a_fifo_and_a_folder_are_not_taken_for_weights() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(SAFETENSORS);
    fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 94771728\n").unwrap();
    let error = causes(&Checkpoint::open(dir.path()).unwrap_err());
    assert!(error.contains("git lfs pull") && error.contains(SAFETENSORS), "{error}");
    fs::rename(&path, dir.path().join(PICKLE)).unwrap();
    assert!(causes(&Checkpoint::open(dir.path()).unwrap_err()).contains("git lfs pull"));
    fs::create_dir(&path).unwrap();
    assert!(causes(&Checkpoint::open(dir.path()).unwrap_err()).contains("folder"));
    #[cfg(unix)]
    {
        fs::remove_dir(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(causes(&Checkpoint::open(dir.path()).unwrap_err()).contains("not a regular file"));
    }
}

#[test]
fn no_pickle_runs_code() {
    let dir = tempfile::tempdir().unwrap();
    let witness = dir.path().join("witness");
    let command = format!("touch {}", witness.display());
    let text = [&b"X"[..], &(command.len() as u32).to_le_bytes(), command.as_bytes()].concat();
    let pickle = [b"\x80\x02cos\nsystem\n", &text[..], b"\x85R."].concat();
    let mut zip = zip::ZipWriter::new(fs::File::create(dir.path().join(PICKLE)).unwrap());
    zip.start_file("archive/data.pkl", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, &pickle).unwrap();
    zip.finish().unwrap();
    let error = causes(&Checkpoint::open(dir.path()).unwrap_err());
    assert!(error.contains("os.system"), "{error}");
    assert!(!witness.exists());
}

/// Every way to spoil a byte must end in an error or in a network, and in neither a panic nor a long wait.
#[test]
fn two_thousand_mutated_checkpoints_make_no_panic() {
    let files = [("group", SAFETENSORS), ("layer-stable", PICKLE), ("group", "config.json")];
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for round in 0..2_000 {
        let (variant, file) = files[round % files.len()];
        let dir = tempfile::tempdir().unwrap();
        for name in [SAFETENSORS, PICKLE, "config.json"] {
            if let Ok(bytes) = fs::read(golden(variant).join(name)) {
                fs::write(dir.path().join(name), bytes).unwrap();
            }
        }
        let mut bytes = fs::read(golden(variant).join(file)).unwrap();
        // Headers, pickles and directories are at either end.
        let near_an_end = |place: usize, length: usize| {
            if place.is_multiple_of(2) { place / 2 } else { length - 1 - place / 2 }
        };
        for _ in 0..=random(3) {
            let place = near_an_end(random(bytes.len().min(6_000)), bytes.len());
            match random(4) {
                0 => bytes.truncate(place.max(1)),
                1 => bytes[place] = bytes[place].wrapping_add(1),
                2 => bytes[place] ^= 1 << random(8),
                _ => bytes[place] = [0, 0xff, b'}', b'9', b'('][random(5)],
            }
        }
        fs::write(dir.path().join(file), &bytes).unwrap();
        let Ok(config) = ModelConfig::read(dir.path()) else { continue };
        let (NetworkConfig::Speech(speech), Ok(checkpoint)) =
            (config.network(), Checkpoint::open(dir.path()))
        else {
            continue;
        };
        let labels = config.network().head_labels(&checkpoint).unwrap_or(1).clamp(1, 100);
        let zeros = SpeechForSequenceClassification::zeros(speech, labels, &device());
        let _ = load(zeros, &checkpoint, Head::FromCheckpoint, 0.02, 7);
    }
}

#[test]
fn another_number_of_labels_is_an_error_that_says_both() {
    let error = causes(&try_load(&golden("group"), 5, Head::NewIfMissing).unwrap_err());
    assert!(error.contains("has 3 labels, but 5 are needed"), "{error}");
}

#[test]
fn a_new_head_is_drawn_from_the_seed_and_said_aloud() {
    let (first, drawn) = try_load(&golden("group"), 5, Head::New).unwrap();
    assert_eq!(drawn, ["projector.weight", "projector.bias", "classifier.weight", "classifier.bias"]);
    let (second, _) = try_load(&golden("group"), 5, Head::New).unwrap();
    let head = |network: &SpeechForSequenceClassification| {
        let weight =
            parameters(network).into_iter().find(|tensor| tensor.name == "classifier.weight").unwrap();
        weight.to_bytes().unwrap().to_vec()
    };
    assert_eq!(head(&first), head(&second));
    assert!(head(&first).iter().any(|&byte| byte != 0), "the new head is zero");
}

#[test]
fn a_base_checkpoint_without_prefix_or_head_gets_a_new_head_but_cannot_classify() {
    let dir = changed(|tensors| {
        tensors.retain(|(name, ..)| name.starts_with("hubert."));
        for (name, ..) in tensors.iter_mut() {
            *name = name.trim_start_matches("hubert.").to_owned();
        }
    });
    let (_, drawn) = try_load(dir.path(), 4, Head::NewIfMissing).unwrap();
    assert_eq!(drawn.len(), 4, "{drawn:?}");
    let error = causes(&try_load(dir.path(), 4, Head::FromCheckpoint).unwrap_err());
    assert!(error.contains("base checkpoint"), "{error}");
}

#[test]
fn broken_weight_files_are_errors_that_name_the_file() {
    let whole = fs::read(golden("group").join(SAFETENSORS)).unwrap();
    let mut huge_header = whole.clone();
    huge_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let overlapping = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    let overlapping = [&(overlapping.len() as u64).to_le_bytes()[..], overlapping, &[0; 12]].concat();
    let cases = [
        ("empty", SAFETENSORS, Vec::new()),
        ("cut short", SAFETENSORS, whole[..whole.len() / 2].to_vec()),
        ("huge header", SAFETENSORS, huge_header),
        ("overlapping tensors", SAFETENSORS, overlapping),
        ("an error page", SAFETENSORS, b"<html>404</html>".to_vec()),
        ("no pickle", PICKLE, b"<html>404</html>".to_vec()),
        ("an index that is no JSON", INDEX, b"{".to_vec()),
        ("an index that leads out", INDEX, br#"{"weight_map":{"a":"../../secret.safetensors"}}"#.to_vec()),
        ("an index to a file that is not there", INDEX, br#"{"weight_map":{"a":"b.safetensors"}}"#.to_vec()),
    ];
    for (what, name, bytes) in cases {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
        let error = try_load(dir.path(), 3, Head::FromCheckpoint)
            .err()
            .unwrap_or_else(|| panic!("{what} was loaded"));
        assert!(error.path.starts_with(dir.path()), "{what}: {error}");
    }
}

#[test]
fn no_weights_at_all_lists_what_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let error = causes(&Checkpoint::open(dir.path()).unwrap_err());
    assert!(
        error.contains(
            "model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index"
        ),
        "{error}"
    );
}

/// The values of a parameter as loaded.
fn loaded(network: &SpeechForSequenceClassification, name: &str) -> Vec<f32> {
    let tensor = parameters(network).into_iter().find(|tensor| tensor.name == name).unwrap();
    let bytes = tensor.to_bytes().unwrap();
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

#[test]
fn sixteen_and_sixty_four_bit_numbers_are_read_as_f32() {
    let bytes = fs::read(golden("group").join(SAFETENSORS)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for dtype in [Dtype::BF16, Dtype::F64] {
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = file
            .iter()
            .map(|(name, view)| {
                let floats = view.data().as_chunks::<4>().0.iter();
                let data = match dtype {
                    // The upper half of an f32 is a bf16.
                    Dtype::BF16 => floats.flat_map(|b| [b[2], b[3]]).collect(),
                    _ => floats.flat_map(|&b| f64::from(f32::from_le_bytes(b)).to_le_bytes()).collect(),
                };
                (name.to_owned(), view.shape().to_vec(), data)
            })
            .collect();
        let views = tensors
            .iter()
            .map(|(name, shape, data)| (name, TensorView::new(dtype, shape.clone(), data).unwrap()));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(SAFETENSORS), safetensors::serialize(views, None).unwrap()).unwrap();
        let (network, _) = try_load(dir.path(), 3, Head::FromCheckpoint).unwrap();
        let (whole, _) = try_load(&golden("group"), 3, Head::FromCheckpoint).unwrap();
        for (got, whole) in
            loaded(&network, "projector.weight").iter().zip(loaded(&whole, "projector.weight"))
        {
            let kept =
                if dtype == Dtype::BF16 { f32::from_bits(whole.to_bits() & 0xffff_0000) } else { whole };
            assert_eq!(*got, kept, "{dtype:?}");
        }
    }
}

/// The `group` checkpoint in two files, and the index that says which key is where.
fn sharded(edit: impl FnOnce(&mut serde_json::Value)) -> tempfile::TempDir {
    let bytes = fs::read(golden("group").join(SAFETENSORS)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut map = serde_json::Map::new();
    let (first, second): (Vec<_>, Vec<_>) = file.iter().partition(|(name, _)| name.len() % 2 == 0);
    for (shard, tensors) in [("one.safetensors", first), ("two.safetensors", second)] {
        map.extend(tensors.iter().map(|(name, _)| ((*name).to_owned(), shard.into())));
        fs::write(dir.path().join(shard), safetensors::serialize(tensors, None).unwrap()).unwrap();
    }
    let mut index = serde_json::json!({ "metadata": {}, "weight_map": map });
    edit(&mut index);
    fs::write(dir.path().join(INDEX), index.to_string()).unwrap();
    dir
}

#[test]
fn shards_load_as_the_whole_file_does() {
    let (network, _) = try_load(sharded(|_| ()).path(), 3, Head::FromCheckpoint).unwrap();
    let (whole, _) = try_load(&golden("group"), 3, Head::FromCheckpoint).unwrap();
    for (a, b) in parameters(&network).iter().zip(parameters(&whole)) {
        assert!(a.to_bytes().unwrap()[..] == b.to_bytes().unwrap()[..], "{}", a.name);
    }
}

#[test]
fn an_index_that_lies_about_its_shards_is_an_error_that_names_the_key() {
    let swapped = sharded(|index| index["weight_map"]["projector.bias"] = "two.safetensors".into());
    let error = causes(&Checkpoint::open(swapped.path()).unwrap_err());
    assert!(error.contains("`projector.bias` is not in `two.safetensors`"), "{error}");
    // The reference reads whole files, whatever the index has of them.
    let forgotten = sharded(|index| {
        index["weight_map"].as_object_mut().unwrap().remove("projector.bias");
    });
    try_load(forgotten.path(), 3, Head::FromCheckpoint).unwrap();
}

#[test]
fn shards_may_be_pickles() {
    let variant = golden("layer-stable");
    let dir = tempfile::tempdir().unwrap();
    fs::copy(variant.join(PICKLE), dir.path().join("pytorch_model-00001-of-00001.bin")).unwrap();
    let whole = Checkpoint::open(&variant).unwrap();
    let map: serde_json::Map<_, _> = whole
        .tensors()
        .map(|(key, ..)| (key.to_owned(), "pytorch_model-00001-of-00001.bin".into()))
        .collect();
    fs::write(dir.path().join(PICKLE_INDEX), serde_json::json!({ "weight_map": map }).to_string()).unwrap();
    let sharded = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(sharded.tensors().collect::<Vec<_>>(), whole.tensors().collect::<Vec<_>>());
    let labels = ModelConfig::read(&variant).unwrap().labels().len();
    load(network(&variant, labels), &sharded, Head::FromCheckpoint, 0.02, 0).unwrap();
}
