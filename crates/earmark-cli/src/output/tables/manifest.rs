//! The clips of a dataset as a table, and its classes counted.

use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_data::SampleHash;
use earmark_fs::AtomicFile;
use polars::prelude::*;
use serde::Serialize;

use crate::exit::usage;
use crate::output::tables::parquet::write_file;

/// A clip of a dataset.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClipRow {
    pub(crate) name: String,
    pub(crate) label: String,
    /// In seconds; `None` where it cannot be decoded.
    pub(crate) duration: Option<f64>,
    pub(crate) rate: Option<u32>,
    pub(crate) channels: Option<u32>,
    /// Of its decoded samples.
    pub(crate) hash: Option<SampleHash>,
    /// Why it cannot be decoded, or what is wrong with it.
    pub(crate) error: Option<String>,
}

/// The clips of a dataset as a table.
pub(crate) struct Manifest(DataFrame);

/// The clips of a class, and their lengths in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct ClassRow {
    pub(crate) label: String,
    pub(crate) clips: usize,
    pub(crate) shortest: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) longest: Option<f64>,
}

impl Manifest {
    pub(crate) fn new(rows: &[ClipRow]) -> Result<Manifest> {
        Ok(Manifest(df![
            "name" => rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            "label" => rows.iter().map(|row| row.label.as_str()).collect::<Vec<_>>(),
            "duration" => rows.iter().map(|row| row.duration).collect::<Vec<_>>(),
            "rate" => rows.iter().map(|row| row.rate).collect::<Vec<_>>(),
            "channels" => rows.iter().map(|row| row.channels).collect::<Vec<_>>(),
            "samples_sha256" => rows.iter().map(|row| row.hash.map(|hash| hash.to_string())).collect::<Vec<_>>(),
            "error" => rows.iter().map(|row| row.error.as_deref()).collect::<Vec<_>>(),
        ]?))
    }

    /// Each class of `labels`, in that order; also one without clips.
    pub(crate) fn by_label(&self, labels: &[String]) -> Result<Vec<ClassRow>> {
        let column = self.0.column("label")?.str()?;
        let rows = labels.iter().map(|label| {
            let of_class = self.0.filter(&column.equal(label.as_str()))?;
            let seconds = of_class.column("duration")?.f64()?;
            Ok(ClassRow {
                label: label.clone(),
                clips: of_class.height(),
                shortest: seconds.min(),
                mean: seconds.mean(),
                longest: seconds.max(),
            })
        });
        rows.collect()
    }

    /// Writes it as Parquet.
    pub(crate) fn write(self, file: &Path) -> Result<()> {
        write_file(file, self.0)
    }
}

/// How the table of the clips is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFormat {
    Parquet,
    Csv,
}

impl TableFormat {
    pub(crate) fn of_name(file: &Path) -> Result<TableFormat> {
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => Ok(TableFormat::Parquet),
            Some("csv") => Ok(TableFormat::Csv),
            _ => Err(usage(format_args!(
                "unknown format of `{}`: use a name that ends in .parquet or .csv",
                earmark_fs::text(file)
            ))),
        }
    }
}

/// Writes the clips as CSV.
pub(crate) fn write_csv(rows: &[ClipRow], file: &Path) -> Result<()> {
    let doing = || format!("cannot write `{}`", earmark_fs::text(file));
    let mut table = csv::Writer::from_writer(AtomicFile::create(file).with_context(doing)?);
    table.write_record(["name", "label", "duration", "rate", "channels", "samples_sha256", "error"])?;
    for row in rows {
        let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        table.write_record([
            row.name.as_str(),
            &row.label,
            &row.duration.map(|seconds| seconds.to_string()).unwrap_or_default(),
            &number(row.rate),
            &number(row.channels),
            &row.hash.map(|hash| hash.to_string()).unwrap_or_default(),
            row.error.as_deref().unwrap_or_default(),
        ])?;
    }
    let written = table.into_inner().map_err(|error| error.into_error()).with_context(doing)?;
    written.commit().with_context(doing)
}
