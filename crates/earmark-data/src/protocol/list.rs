//! Every protocol, in its own words.

use earmark_error::Context as _;

use super::definition::Protocol;
use super::rules::Rule;
use crate::catalog::minds14::MINDS14;
use crate::catalog::spec::Selection;
use crate::error::{Error, ErrorKind, Task};

impl Protocol {
    /// Every protocol.
    pub fn all() -> Vec<Protocol> {
        all()
    }

    /// The protocol of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`] with the names that exist.
    pub fn find(name: &str) -> Result<Protocol, Error> {
        let all = Protocol::all();
        let known = all.iter().map(|protocol| protocol.name.clone()).collect();
        let found = all.into_iter().find(|protocol| protocol.name == name);
        let unknown = || ErrorKind::Unknown { what: "protocol", name: name.to_owned(), known };
        found.ok_or_else(unknown).with_context(|| Task::Protocol(name.to_owned()))
    }
}

/// In the order of the catalog.
fn all() -> Vec<Protocol> {
    let mut all: Vec<Protocol> = MINDS14.configs.iter().map(|config| minds14(config.name)).collect();
    all.extend([
        Protocol {
            summary: "the Hub's test split of v0.02",
            description: "The 4,890 clips of the test archive of v0.02, which the Hub has as its split `test`. It is not the list of \
                          11,005 words that most publications report: it holds silence, and other clips.",
            ..protocol("speech-commands:hf-test", "speech-commands:v0.02", "test", Rule::All)
        },
        Protocol {
            summary: "the makers' test list of v0.02: 35 words",
            description: "The 11,005 words of the makers' testing_list.txt, 35 classes, no silence: what publications on the 35 words \
                          of v0.02 report.",
            ..protocol("speech-commands:official-test", "speech-commands:v0.02-words", "test", Rule::All)
        },
        Protocol {
            summary: "the test split of all 102 languages",
            description: "Every clip of the test splits of all 102 languages, the class being the language. Languages have different \
                          numbers of clips; the mean over languages is the macro-averaged recall.",
            ..protocol("fleurs:all", "fleurs:all", "test", Rule::All)
        },
        Protocol {
            summary: "the five official folds, each once",
            description: "All 2,000 clips, scored fold by fold: the mean of the five folds and their spread. A trained model has to be \
                          trained on the four other folds of each; a model that never saw ESC-50 is scored on all five as it is.",
            ..protocol("esc50:folds", "esc50:default", "train", Rule::Parts { field: "fold", parts: 5 })
        },
        Protocol {
            summary: "the course's split: a tenth at random, seed 42",
            description: "The 100 clips that the Hugging Face audio course tests on: train_test_split(seed=42, test_size=0.1) of 999. \
                          Artists and recordings occur in both parts, so the score is too high for music the model does not know.",
            ..protocol("gtzan:course", "gtzan:all", "train", Rule::Course)
        },
        Protocol {
            summary: "the fault-filtered test split, without repeated and mislabelled clips",
            description: "The 290 test clips of the fault-filtered split (Kereliuk, Sturm and Larsen, 2015; used by MARBLE): no repeated, \
                          distorted or mislabelled clips, no artist in two splits. Only for models trained on its training split.",
            ..protocol("gtzan:fault-filtered", "gtzan:fault-filtered", "test", Rule::All)
        },
        Protocol {
            summary: "the course's test clips by artists that it does not train on",
            description: "Of the course's 100 test clips those by artists that none of its 899 training clips is by. Who the artists are \
                          is told by a table; clips of unknown artists are left out.",
            ..protocol("gtzan:artist-filtered", "gtzan:all", "train", Rule::CourseByArtist)
        },
        Protocol {
            summary: "the ten official folds, each once",
            description: "All 8,732 clips, scored fold by fold: the mean of the ten folds and their spread. A trained model has to be \
                          trained on the nine other folds of each.",
            ..protocol("urbansound8k:folds", "urbansound8k", "train", Rule::Parts { field: "fold", parts: 10 })
        },
    ]);
    all
}

fn minds14(config: &'static str) -> Protocol {
    let name = format!("minds14:{config}");
    let rule = match config {
        "all" => Rule::Parts { field: "lang_id", parts: 14 },
        _ => Rule::All,
    };
    Protocol {
        summary: match config {
            "all" => "every clip of 14 languages, each with its own score",
            _ => "every clip of the language",
        },
        description: "Every clip of the dataset's only split, the class being the intent. Published models were mostly trained on a part \
                      of these clips, and their scores are then too high.",
        ..protocol(&name, &name, "train", rule)
    }
}

fn protocol(name: &str, selection: &str, split: &str, rule: Rule) -> Protocol {
    let selection =
        Selection::new(selection, Some(split), None).expect("the catalog has what is listed here");
    let clips = rule.clips(&selection);
    Protocol { name: name.to_owned(), summary: "", description: "", selection, clips, rule }
}
