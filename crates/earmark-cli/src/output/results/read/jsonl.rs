//! JSON lines: an object a file or window, with all its labels.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use earmark_labels::Prediction;
use serde::Deserialize;

use crate::output::results::read::found::Found;

/// The longest line that is read.
const MOST_LINE: u64 = 16 << 20;

/// What is needed of a line; one with an error has no predictions.
#[derive(Deserialize)]
struct Line {
    path: String,
    duration: Option<f64>,
    start: Option<f64>,
    end: Option<f64>,
    #[serde(default)]
    predictions: Vec<Prediction>,
}

pub(super) fn read(file: &Path, visit: &mut dyn FnMut(Found<'_>)) -> Result<()> {
    let name = file.display();
    let doing = || format!("cannot read `{name}`");
    let mut input = BufReader::new(earmark_fs::open(file).with_context(doing)?);
    let (mut line, mut number) = (Vec::new(), 0);
    while (&mut input).take(MOST_LINE).read_until(b'\n', &mut line).with_context(doing)? > 0 {
        number += 1;
        if line.len() as u64 == MOST_LINE {
            bail!("`{name}`: line {number} is longer than {MOST_LINE} bytes");
        }
        if !line.trim_ascii().is_empty() {
            let Line { path, duration, start, end, predictions } = match serde_json::from_slice(&line) {
                Ok(line) => line,
                Err(error) => bail!("`{name}`: line {number} is not a result of `classify`: {error}"),
            };
            for Prediction { label, score, .. } in predictions.iter().filter(|best| !best.label.is_empty()) {
                let (Some(start), Some(end)) = (start, end) else {
                    bail!(
                        "`{name}`: line {number} has no start and no end: classify with --window, so that each label has its time"
                    );
                };
                let found = Found { path: &path, duration, start, end, label, score: Some(*score) };
                match found.check() {
                    Ok(found) => visit(found),
                    Err(why) => bail!("`{name}`: line {number} {why}"),
                }
            }
        }
        line.clear();
    }
    Ok(())
}
