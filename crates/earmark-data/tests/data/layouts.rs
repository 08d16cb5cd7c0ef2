//! Protocols on the published datasets in miniature, in their real layouts: labels, folds and groups line up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use earmark_audio::DecodeOptions;
use earmark_data::gtzan::GENRES;
use earmark_data::{
    AudioDataset, ErrorKind, Example, FieldTable, Protocol, Scored, Selection, esc50, minds14,
};
use earmark_testkit::datasets::{self, Planted, class_of_tone, class_tone};
use rayon::prelude::*;

use crate::shelf::Shelf;
use crate::told;

/// The classes of a selection, in order.
fn classes(name: &str, column: Option<&str>) -> Vec<String> {
    Selection::new(name, None, column).unwrap().labels().names().to_vec()
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Opens the dataset of a protocol, planted, and chooses its clips.
fn scored(protocol: &str, planted: Planted) -> Scored {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::of(planted).with_folder(folder.path());
    let protocol = Protocol::find(protocol).unwrap();
    let dataset = protocol.selection.open(&shelf, &folder.path().join("data"), |_, _| ()).unwrap();
    let mut scored = protocol.choose(dataset).unwrap();
    // The files go with the folder: what is needed of them is read now.
    let rates = check_tones(&mut scored);
    assert_eq!(rates.len(), 1, "{rates:?}");
    scored
}

/// Replaces the path of each clip by the class that its tone encodes, and gives the sampling rates.
fn check_tones(scored: &mut Scored) -> BTreeSet<u32> {
    let classes = scored.dataset.labels.len();
    let decode = |clip: &mut earmark_data::Clip| {
        let sound = clip.decode(&DecodeOptions::default()).unwrap().waveform;
        let rate = sound.rate().hz();
        clip.path = class_of_tone(sound.samples(), rate, classes).to_string().into();
        rate
    };
    scored.dataset.clips.par_iter_mut().map(decode).collect()
}

/// The share of the clips whose label is the class that the tone encodes, for each part.
fn accuracies(scored: &Scored) -> Vec<f64> {
    let right = |place: &usize| {
        let clip = &scored.dataset.clips[*place];
        clip.path.to_str() == Some(clip.label.index().to_string().as_str())
    };
    let share =
        |clips: &[usize]| clips.iter().filter(|place| right(place)).count() as f64 / clips.len() as f64;
    scored.parts.iter().map(|part| share(&part.clips)).collect()
}

/// The clips of a protocol's split as they are streamed, which unpacks nothing: how many there are, the share whose label is the
/// class that the tone encodes, and their names and speakers.
fn streamed(protocol: &str, planted: Planted) -> (usize, f64, BTreeSet<String>, BTreeSet<String>) {
    let selection = Protocol::find(protocol).unwrap().selection;
    let (classes, fetch) = (selection.labels().len(), Arc::new(Shelf::of(planted)));
    let examples: Vec<Example> = selection.stream(fetch).map(Result::unwrap).collect();
    let is_right = |example: &&Example| {
        let sound = example.decode(&DecodeOptions::default()).unwrap().waveform;
        example.label.unwrap().index() == class_of_tone(sound.samples(), sound.rate().hz(), classes)
    };
    let right = examples.par_iter().filter(is_right).count();
    let speakers = examples.iter().filter_map(|example| example.fields.get("speaker_id")?.as_str());
    let (names, speakers) =
        (examples.iter().map(|example| example.name.clone()), speakers.map(str::to_owned));
    (examples.len(), right as f64 / examples.len() as f64, names.collect(), speakers.collect())
}

fn sizes(scored: &Scored) -> Vec<(&str, usize)> {
    scored.parts.iter().map(|part| (part.name.as_str(), part.clips.len())).collect()
}

/// The tone of the next class.
fn shifted(classes: usize) -> impl Fn(usize, usize, u32) -> Vec<f32> {
    move |class, clip, rate| class_tone((class + 1) % classes, clip, rate)
}

#[test]
fn gtzan_is_right_everywhere_by_its_tones_and_nowhere_by_those_of_other_genres() {
    let course = scored("gtzan:course", datasets::gtzan(&GENRES, &class_tone));
    assert_eq!((sizes(&course), accuracies(&course)), (vec![("test", 100)], vec![1.0]));
    // Of `numpy.random.default_rng(42).permutation(999)`: 977, 933, 859, 916, 127, 608, 856, 260 of the files sorted by path.
    let first: Vec<&str> = course.dataset.clips.iter().take(8).map(|clip| clip.name.as_str()).collect();
    let want = [
        "rock/rock.00078.wav",
        "rock/rock.00034.wav",
        "reggae/reggae.00060.wav",
        "rock/rock.00017.wav",
        "classical/classical.00027.wav",
        "metal/metal.00009.wav",
        "reggae/reggae.00057.wav",
        "country/country.00060.wav",
    ];
    assert_eq!(first, want);

    let filtered = scored("gtzan:fault-filtered", datasets::gtzan(&GENRES, &class_tone));
    assert_eq!((sizes(&filtered), accuracies(&filtered)), (vec![("test", 290)], vec![1.0]));
    let (clips, right, ..) = streamed("gtzan:course", datasets::gtzan(&GENRES, &shifted(10)));
    assert_eq!((clips, right), (999, 0.0));
}

#[test]
fn esc50_has_five_folds_that_share_no_recording() {
    let esc10 = classes("esc50:esc10", None);
    let planted = |sound| datasets::esc50(&esc50::CLASSES, &strs(&esc10), sound);
    let folds = scored("esc50:folds", planted(&class_tone));
    assert_eq!(sizes(&folds), [("1", 400), ("2", 400), ("3", 400), ("4", 400), ("5", 400)]);
    assert_eq!(accuracies(&folds), [1.0; 5]);
    let field = folds.dataset.cluster_field().unwrap();
    let recordings = folds.dataset.clusters(&field.name).unwrap();
    assert_eq!((field.name.as_str(), recordings.count, recordings.alone), ("src_file", 1000, 0));
    let mut folds_of: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for part in &folds.parts {
        for &place in &part.clips {
            folds_of.entry(recordings.of[place]).or_default().insert(&part.name);
        }
    }
    assert!(folds_of.values().all(|folds| folds.len() == 1));
    let (clips, right, ..) = streamed("esc50:folds", planted(&shifted(50)));
    assert_eq!((clips, right), (2000, 0.0));
}

#[test]
fn speech_commands_have_a_test_split_of_the_hub_and_a_test_list_of_the_makers() {
    let words = classes("speech-commands:v0.02", None);
    let hub =
        scored("speech-commands:hf-test", datasets::speech_commands_hf_test(&strs(&words), &class_tone));
    assert_eq!((sizes(&hub), accuracies(&hub)), (vec![("test", 4890)], vec![1.0]));
    let speakers = hub.dataset.clusters("speaker_id").unwrap();
    // Every speaker says every word; each silence is a group of its own.
    assert_eq!((speakers.count, speakers.alone), (136 + 135, 135));

    let wrong = datasets::speech_commands_hf_test(&strs(&words), &shifted(36));
    let (clips, right, ..) = streamed("speech-commands:hf-test", wrong);
    assert_eq!((clips, right), (4890, 0.0));

    let words = classes("speech-commands:v0.02-words", None);
    let planted = datasets::speech_commands_official(&strs(&words), &class_tone);
    let (clips, right, _, speakers) = streamed("speech-commands:official-test", planted);
    assert_eq!((clips, right, speakers.len()), (11_005, 1.0, 315));
}

#[test]
fn minds14_is_scored_language_by_language() {
    let all = scored("minds14:all", datasets::minds14(&minds14::INTENTS, &class_tone));
    let (first, last) = (sizes(&all)[0], sizes(&all)[13]);
    assert_eq!((all.dataset.clips.len(), first, last), (8168, ("cs-CZ", 574), ("zh-CN", 502)));
    assert_eq!(accuracies(&all), [1.0; 14]);
    assert_eq!(all.dataset.cluster_field(), None, "its speakers are not known");
    let (clips, right, ..) = streamed("minds14:en-AU", datasets::minds14(&minds14::INTENTS, &shifted(14)));
    assert_eq!((clips, right), (654, 0.0));
}

#[test]
fn fleurs_is_scored_on_all_languages_at_once() {
    let codes = classes("fleurs:all", Some("lang_id"));
    // The last is `all`, which no clip has.
    let codes = strs(&codes[..102]);
    let all = scored("fleurs:all", datasets::fleurs(&codes, 2, &class_tone));
    assert_eq!((sizes(&all), accuracies(&all)), (vec![("test", 204)], vec![1.0]));
    let (clips, right, ..) = streamed("fleurs:all", datasets::fleurs(&codes, 2, &shifted(102)));
    assert_eq!((clips, right), (204, 0.0));
}

#[test]
fn a_copy_on_the_disk_is_scored_as_the_published_dataset() {
    let folder = tempfile::tempdir().unwrap();
    datasets::gtzan_folder(folder.path(), &GENRES, &class_tone);
    // As it is unpacked by hand, the damaged clip included.
    let dataset = AudioDataset::open(folder.path().join("genres"), None).unwrap();
    assert_eq!(dataset.clips.len(), 1000);
    let mut copy = Protocol::find("gtzan:course").unwrap().choose(dataset).unwrap();
    check_tones(&mut copy);
    let published = scored("gtzan:course", datasets::gtzan(&GENRES, &class_tone));
    let names =
        |scored: &Scored| scored.dataset.clips.iter().map(|clip| clip.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&copy), accuracies(&copy)), (names(&published), vec![1.0]));

    let folder = tempfile::tempdir().unwrap();
    datasets::esc50_clone(folder.path(), &esc50::CLASSES, &strs(&classes("esc50:esc10", None)), &class_tone);
    let mut clone = Protocol::find("esc50:folds")
        .unwrap()
        .choose(AudioDataset::open(folder.path(), None).unwrap())
        .unwrap();
    check_tones(&mut clone);
    assert_eq!((sizes(&clone)[4], accuracies(&clone)), (("5", 400), vec![1.0; 5]));
}

#[test]
fn the_makers_folder_of_speech_commands_is_split_by_its_lists() {
    let folder = tempfile::tempdir().unwrap();
    let words = classes("speech-commands:v0.02-words", None);
    datasets::speech_commands_folder(folder.path(), &strs(&words), 80, &class_tone);
    let dataset = AudioDataset::open(folder.path(), None).unwrap();
    assert_eq!(dataset.clips_per_split(), [("train", 70), ("validation", 70), ("test", 80)]);
    assert_eq!(dataset.labels.names(), words);
    assert_eq!(dataset.skipped.len(), 1, "{:?}", dataset.skipped);
    assert!(dataset.skipped[0].location.ends_with("_background_noise_/running_tap.wav"));
    assert_eq!(dataset.clusters("speaker_id").unwrap().count, 2 + 2 + 3);
    // The rule by the speaker's hash, which the lists were made by, says the same of each clip.
    let planted = datasets::speech_commands_official(&strs(&words), &class_tone);
    let (_, _, by_rule, _) = streamed("speech-commands:official-test", planted);
    for clip in &dataset.clips {
        let tested = clip.split.as_deref() == Some("test");
        assert_eq!(by_rule.contains(&clip.name), tested, "{}", clip.name);
    }
    let error = Protocol::find("speech-commands:official-test").unwrap().choose(dataset.clone()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::OtherClips { clips: 80, wanted: 11_005 }), "{error:?}");

    let tested = dataset
        .clips
        .iter()
        .find(|clip| clip.split.as_deref() == Some("test") && clip.name.starts_with("yes/"));
    std::fs::remove_file(&tested.unwrap().path).unwrap();
    let error = told(&AudioDataset::open(folder.path(), None).unwrap_err());
    assert!(error.contains("_list.txt`: no such file `yes/"), "{error}");
}

#[test]
fn an_artist_filter_keeps_the_test_clips_of_artists_that_are_not_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    datasets::gtzan_folder(folder.path(), &GENRES, &class_tone);
    let protocol = Protocol::find("gtzan:artist-filtered").unwrap();
    let open = || AudioDataset::open(folder.path().join("genres"), None).unwrap();
    assert_eq!(protocol.needed_field(), Some("artist"));
    let error = protocol.choose(open()).unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::NoField { field, .. } if field == "artist"), "{error:?}");

    // Every clip has an artist of its own; but one artist is on both sides, in another spelling, and one is not known.
    let course = Protocol::find("gtzan:course").unwrap().choose(open()).unwrap().dataset;
    let [first, second, third] = [0, 1, 2].map(|place: usize| course.clips[place].name.clone());
    let mut index = String::new();
    for clip in open().clips {
        let file = clip.name.rsplit('/').next().unwrap().to_owned();
        let artist = match clip.name.as_str() {
            name if name == first => "Bob Marley".to_owned(),
            // The first clip that the course trains on.
            "pop/pop.00098.wav" => " bob marley".to_owned(),
            name if name == second => String::new(),
            name => name.to_owned(),
        };
        index += &format!("{file} ::: {artist} ::: a title\n");
    }
    let path = folder.path().join("index.txt");
    std::fs::write(&path, index).unwrap();
    let mut dataset = open();
    assert_eq!(dataset.add_fields(&FieldTable::read(&path).unwrap()).unwrap(), 0);
    let filtered = protocol.choose(dataset).unwrap();
    assert_eq!((filtered.dataset.clips.len(), filtered.dataset.clips[0].name.as_str()), (98, third.as_str()));
    assert_eq!(
        filtered.remarks,
        [
            "left out of 100 test clips: 1 by artists that are also trained on, 1 by unknown artists; by unknown artists of 899 \
             training clips: 0"
        ]
    );
    assert_eq!(filtered.dataset.cluster_field().unwrap().name, "artist");
}

#[test]
fn protocols_are_found_by_name_and_refuse_other_clips() {
    let names: Vec<String> = Protocol::all().into_iter().map(|protocol| protocol.name).collect();
    for name in [
        "minds14:pl-PL",
        "speech-commands:hf-test",
        "fleurs:all",
        "esc50:folds",
        "gtzan:course",
        "urbansound8k:folds",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for protocol in Protocol::all() {
        assert!(!protocol.summary.is_empty() && protocol.description.ends_with('.'), "{}", protocol.name);
    }
    let error = told(&Protocol::find("gtzan").unwrap_err());
    assert!(
        error.contains("no protocol `gtzan`; choose one of minds14:all")
            && error.contains("gtzan:fault-filtered"),
        "{error}"
    );

    let folder = tempfile::tempdir().unwrap();
    datasets::gtzan_folder(folder.path(), &GENRES, &class_tone);
    std::fs::remove_file(folder.path().join("genres/pop/pop.00000.wav")).unwrap();
    let dataset = AudioDataset::open(folder.path().join("genres"), None).unwrap();
    let error = told(&Protocol::find("gtzan:course").unwrap().choose(dataset).unwrap_err());
    assert!(error.contains("it has 998 clips, but the protocol is defined for 999"), "{error}");
}
