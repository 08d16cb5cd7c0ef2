//! Every key accounted for, and broken files refused.

use std::fs;
use std::path::Path;

use earmark_testkit::Golden;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::*;
use crate::test_support::device;
use crate::{HubertForSequenceClassification, ModelConfig, NetworkConfig};

fn golden(variant: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/speech").join(variant)
}

fn network(dir: &Path, labels: usize) -> HubertForSequenceClassification {
    let config = ModelConfig::read(dir).unwrap();
    match config.network() {
        NetworkConfig::Hubert(speech) => HubertForSequenceClassification::zeros(speech, labels, &device()),
        other => panic!("{other:?}"),
    }
}

fn try_load(
    dir: &Path,
    labels: usize,
    head: Head,
) -> Result<(HubertForSequenceClassification, Vec<String>), Error> {
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
fn a_key_nobody_asked_for_is_named() {
    let dir = changed(|tensors| tensors.push(("hubert.encoder.adapter".into(), vec![1], vec![0; 4])));
    let error = causes(&try_load(dir.path(), 3, Head::FromCheckpoint).unwrap_err());
    assert!(error.contains("unexpected `hubert.encoder.adapter`"), "{error}");
}

#[test]
fn another_number_of_labels_is_an_error_that_names_the_flag() {
    let error = causes(&try_load(&golden("group"), 5, Head::NewIfMissing).unwrap_err());
    assert!(error.contains("has 3 labels, but 5 are wanted") && error.contains("--new-head"), "{error}");
}

#[test]
fn a_new_head_is_drawn_from_the_seed_and_said_aloud() {
    let (first, drawn) = try_load(&golden("group"), 5, Head::New).unwrap();
    assert_eq!(drawn, ["projector.weight", "projector.bias", "classifier.weight", "classifier.bias"]);
    let (second, _) = try_load(&golden("group"), 5, Head::New).unwrap();
    let head = |network: &HubertForSequenceClassification| {
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
    assert!(error.contains("model.safetensors, model.safetensors.index.json, pytorch_model.bin"), "{error}");
}

/// The values of a parameter as loaded.
fn loaded(network: &HubertForSequenceClassification, name: &str) -> Vec<f32> {
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
    let forgotten = sharded(|index| {
        index["weight_map"].as_object_mut().unwrap().remove("projector.bias");
    });
    let error = causes(&Checkpoint::open(forgotten.path()).unwrap_err());
    assert!(error.contains("holds `projector.bias`, which the index lacks"), "{error}");
}
