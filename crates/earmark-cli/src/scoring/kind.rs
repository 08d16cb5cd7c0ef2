//! What to do with a model that is not of the kind a command needs.

use anyhow::anyhow;
use earmark_config::{CLAP, family};
use earmark_models::Task;
use earmark_pipeline::{Error, ErrorKind};

/// The error of opening a classifier, with what the model can be used for instead; `for_clap` is the advice for a CLAP model.
pub(crate) fn explain(error: Error, for_clap: &str) -> anyhow::Error {
    match &*error.kind {
        ErrorKind::OtherKind { found, .. } if found == CLAP.model_type => {
            anyhow!("{}: CLAP models have no labels of their own: {for_clap}", error.doing)
        }
        ErrorKind::Model(earmark_models::Error {
            kind: earmark_models::ErrorKind::NoHead { .. }, ..
        }) => anyhow::Error::from(error).context(
            "the model has no classification head: use `earmark embed`, or train one with `earmark train`",
        ),
        ErrorKind::Model(earmark_models::Error {
            kind: earmark_models::ErrorKind::OtherTask(task), ..
        }) => {
            let advice = match task {
                Task::SpeakerEmbedding => {
                    "it is a speaker-embedding model, which has no labels: use `earmark embed` and `earmark search`, or train a head with \
                     `earmark train --new-head`"
                }
                Task::FrameClassification => {
                    "it labels frames, not clips: use `earmark embed`, or train a head with `earmark train --new-head`"
                }
                _ => {
                    "it transcribes speech and has no classification head: use `earmark embed`, or train one with `earmark train`"
                }
            };
            anyhow!("{}: {advice}", error.doing)
        }
        _ => error.into(),
    }
}

/// The error of opening a CLAP model, with `for_others` as the advice for another model that can be run.
pub(crate) fn explain_clap(error: Error, for_others: &str) -> anyhow::Error {
    match &*error.kind {
        ErrorKind::OtherKind { found, .. } if family(found).is_some() => {
            anyhow!(
                "{}: it is a `{found}` model, and labels of your own need a CLAP model: {for_others}",
                error.doing
            )
        }
        _ => error.into(),
    }
}
