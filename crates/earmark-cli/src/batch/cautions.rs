//! Warnings of recordings that are longer than a model is made for: each kind once in a job, with the windows that help.

use std::sync::{Mutex, PoisonError};

use earmark_pipeline::Caution;

use crate::output::clock::length;
use crate::output::messages;

/// The files of a job that a model does not read as may be expected.
#[derive(Debug, Default)]
pub(crate) struct Cautions(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read_in_part: usize,
    long: usize,
}

impl Cautions {
    /// Warns of the first file of each kind, and counts the others.
    pub(crate) fn warn(&self, name: &str, caution: Caution) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, text) = match caution {
            Caution::ReadsTheBeginning { seconds, of } => (&mut counts.read_in_part, {
                let window = seconds.floor().max(1.0);
                format!(
                    "`{name}` is {} long, and the model reads only the first {seconds:.1} s: --window {window}s \
                     covers all of it",
                    length(of)
                )
            }),
            Caution::ReadsOneWindow { seconds, of } => (&mut counts.read_in_part, {
                let window = seconds.floor().max(1.0);
                format!(
                    "`{name}` is {} long, and the model reads {seconds:.1} s of it, from a random place: --window \
                     {window}s covers all of it",
                    length(of)
                )
            }),
            Caution::Long { seconds } => (&mut counts.long, {
                format!(
                    "`{name}` is {} long, and classifying it as one clip is slow: time grows with the square of its \
                     length. --window 5s is fast and needs little memory, but the scores of windows are not those of \
                     the whole file, which a transformers pipeline computes",
                    length(seconds)
                )
            }),
            other => (&mut counts.long, format!("`{name}`: {other}")),
        };
        *count += 1;
        if *count == 1 {
            messages::warning(text);
        }
    }

    /// Reports how many files there were beside those that were warned of.
    pub(crate) fn finish(&self) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.read_in_part > 1 {
            messages::warning(format_args!(
                "{} files were longer than the model reads, so only a part of each was used: pass --window",
                counts.read_in_part
            ));
        }
        if counts.long > 1 {
            messages::warning(format_args!(
                "{} files of more than a minute were classified as one clip each: --window 5s is faster",
                counts.long
            ));
        }
    }
}
