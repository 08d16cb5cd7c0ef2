//! What a search prints.

use std::io::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::args::Format;
use super::nearest::{Hit, Nearest};
use super::query::Queries;
use crate::output::clock::clock;
use crate::output::escape::escape;
use crate::output::{columns, stdout};

/// A line of --format jsonl.
#[derive(Serialize)]
#[serde(untagged)]
enum QueryRow {
    Found { query: String, matches: Vec<Match> },
    Failed { query: String, error: String },
}

#[derive(Serialize)]
struct Match {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<f64>,
    cosine: f64,
}

/// Prints what is nearest to each of the queries that have a vector.
pub(super) fn print(format: Format, queries: Queries, nearest: Vec<Nearest>) -> Result<()> {
    let mut out = stdout::stdout();
    let mut nearest = nearest.into_iter();
    let mut csv = csv::Writer::from_writer(stdout::stdout());
    if format == Format::Csv {
        csv.write_record(["query", "rank", "path", "start", "end", "cosine"])?;
    }
    for (query, embedded) in queries.into_names() {
        let found = embedded.map(|()| nearest.next().map(Nearest::into_sorted).unwrap_or_default());
        match (format, found) {
            (Format::Jsonl, Ok(hits)) => {
                let matches = hits.into_iter().map(Match::of).collect();
                writeln!(out, "{}", serde_json::to_string(&QueryRow::Found { query, matches })?)?;
            }
            (Format::Jsonl, Err(error)) => {
                writeln!(out, "{}", serde_json::to_string(&QueryRow::Failed { query, error })?)?;
            }
            (Format::Csv, Ok(hits)) => {
                for (rank, Match { path, start, end, cosine }) in (1..).zip(hits.into_iter().map(Match::of)) {
                    let text = |seconds: Option<f64>| seconds.map_or_else(String::new, |it| it.to_string());
                    let (rank, cosine): (String, String) = (usize::to_string(&rank), cosine.to_string());
                    csv.write_record([&query, &rank, &path, &text(start), &text(end), &cosine])?;
                }
            }
            (Format::Table, Ok(hits)) => writeln!(out, "{}", table(&query, &hits))?,
            // They are reported on stderr.
            (Format::Csv | Format::Table, Err(_)) => {}
        }
    }
    Ok(csv.flush()?)
}

impl Match {
    fn of(hit: Hit) -> Match {
        let (start, end) = hit.span.unzip();
        Match { path: hit.path, start, end, cosine: hit.cosine }
    }
}

fn table(query: &str, hits: &[Hit]) -> String {
    let rows = hits.iter().map(|hit| {
        let time = |of: fn((f64, f64)) -> f64| hit.span.map(of).map_or_else(String::new, clock);
        [format!("  {}", hit.path), time(|span| span.0), time(|span| span.1), format!("{:.4}", hit.cosine)]
    });
    let rows = columns::numeric(["  path", "start", "end", "cosine"], rows);
    format!("{}\n{rows}\n", escape(query))
}
