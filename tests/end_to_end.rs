//! From a folder of sounds to a model that names them, and on from there.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::{Tensor, TensorData};
use earmark_audio::{DecodeOptions, decode_file};
use earmark_data::AudioDataset;
use earmark_models::{Input, NetworkConfig, SpeechConfig};
use earmark_pipeline::Pretrained;
use earmark_train::{Clips, Preparation, Recipe, SplitFile, Start, evaluate};

use crate::{device, finish, golden, job};

/// Small, and quick to learn with.
fn network() -> NetworkConfig {
    NetworkConfig::Speech(SpeechConfig {
        hidden_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 4,
        intermediate_size: 64,
        conv_dim: vec![32; 4],
        conv_kernel: vec![10, 8, 4, 4],
        conv_stride: vec![5, 4, 4, 4],
        num_conv_pos_embeddings: 8,
        num_conv_pos_embedding_groups: 4,
        classifier_proj_size: 32,
        apply_spec_augment: false,
        ..SpeechConfig::default()
    })
}

fn recipe() -> Recipe {
    Recipe {
        test_size: 0.25,
        epochs: 12,
        batch_size: 4,
        lr: 3e-3,
        ..Recipe::new("end-to-end", "scratch:network", "golden")
    }
}

/// The logits of a file, without anything of the training: as `classify` gets them.
fn logits_of(model: &Pretrained, file: &Path) -> Vec<f32> {
    let decoded = decode_file(file, &DecodeOptions::default()).unwrap();
    // The clips are at the model's rate already.
    let samples = model.preprocessor.extract(&decoded.waveform).unwrap().data;
    let shape = [1, samples.len()];
    let values = Tensor::from_data(TensorData::new(samples, shape), &device());
    let input = Input::Waveforms { values, lengths: None };
    model.network.forward(input, None).unwrap().into_data().try_into_vec().unwrap()
}

#[test]
fn a_new_network_learns_chirps_from_hisses_and_hums_and_hands_out_what_it_learned() {
    let (data, dir) = (golden("train/data"), tempfile::tempdir().unwrap());
    let run = dir.path().join("run");
    let (finished, _) = finish(&job(recipe(), &data, Start::Scratch(Box::new(network())), &run));
    assert!(finished.report.accuracy > 0.8, "{:?}", finished.report); // Chance is a third.

    let device = device();
    let model = Pretrained::open(&finished.model, &device).unwrap();
    let mut dataset = AudioDataset::open_folder(&data).unwrap();
    let held_out = SplitFile::read(&run).unwrap().test;
    dataset.clips.retain(|clip| held_out.contains(&clip.name));
    let preparation = Preparation::new(&model, &recipe());
    let go_on = AtomicBool::new(false);
    let (clips, _) = Clips::open(&dataset, preparation, None, false, &mut |_| {}, &go_on).unwrap();
    let rows: Vec<_> = (0..held_out.len()).collect();
    let evaluation = evaluate(&model.network, &device, &clips, &rows, 1, &mut |_| {}, &go_on).unwrap();
    for (clip, logits) in dataset.clips.iter().zip(&evaluation.logits) {
        assert_eq!(&logits_of(&model, &clip.path), logits, "{}", clip.name);
    }

    // The handed-out model is a start like any other: its head is kept, and an epoch that learns nothing changes nothing.
    let more = Recipe { epochs: 1, lr: 0.0, ..recipe() };
    let on = dir.path().join("on");
    let (again, steps) = finish(&job(more, &data, Start::Model(finished.model.clone()), &on));
    assert_eq!(again.report.confusion, finished.report.confusion);
    assert!(steps[0].loss < 0.7, "{steps:?}"); // ln 3 is 1.1.
}

#[test]
fn the_best_and_the_newest_checkpoint_stay() {
    let (data, dir) = (golden("train/data"), tempfile::tempdir().unwrap());
    for (keep, expected) in [(0, 12..=12), (1, 1..=2), (2, 2..=2)] {
        let run = dir.path().join(keep.to_string());
        let recipe = Recipe { keep_checkpoints: keep, ..recipe() };
        let (finished, _) = finish(&job(recipe, &data, Start::Scratch(Box::new(network())), &run));
        let names = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name());
        let mut steps: Vec<u64> =
            names.filter_map(|name| name.to_str()?.strip_prefix("checkpoint-")?.parse().ok()).collect();
        steps.sort_unstable();
        assert!(expected.contains(&steps.len()), "{keep} to keep, and there are {steps:?}");
        assert_eq!(steps.last(), Some(&60));
        assert!(steps.contains(&(5 * finished.best_epoch)), "{steps:?}");
    }
}
