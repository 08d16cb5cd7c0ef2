//! `earmark search`.

mod args; // The flags,
mod query; // what is searched for,
mod nearest; // what is nearest to it,
mod print; // and how that is printed.

use anyhow::{Context as _, Result};
use earmark_data::{ErrorKind, VectorTable};

pub(crate) use self::args::Args;
use self::nearest::Nearest;
use self::query::Queries;
use crate::exit::{Done, usage};
use crate::output::tables::embeddings::VectorSource;
use crate::output::{messages, progress};

/// Of tables that `embed` writes and that hold something else than one vector for each sound, what they hold.
fn explain(error: earmark_data::Error, name: &str) -> anyhow::Error {
    let ErrorKind::NoColumn { columns, .. } = &error.kind else { return error.into() };
    let has = |wanted: &str| columns.iter().any(|column| column == wanted);
    if has("layer_0") {
        return usage(format_args!(
            "`{name}` has a vector for each layer, and a query is one vector: search needs a table from `earmark embed` with one --layer"
        ));
    }
    if has("text") && has("vector") {
        return usage(format_args!(
            "`{name}` has the vectors of texts: search looks for sounds, in a table from `earmark embed PATH`"
        ));
    }
    error.into()
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let name = earmark_fs::text(&args.vectors);
    let ending = args.vectors.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
    if let Some("npy" | "npz") = ending.as_deref() {
        return Err(usage(format_args!(
            "`{name}` does not name its model: search needs a table from `earmark embed -o FILE.parquet`"
        )));
    }
    let table = VectorTable::open(&args.vectors).map_err(|error| explain(error, &name))?;
    let source = VectorSource::of(&table);
    if let Some(VectorSource { pool: Some(pool), .. }) = &source
        && pool == "none"
    {
        return Err(usage(format_args!(
            "`{name}` has a vector for each frame, and a query is one vector: search needs a table from `earmark embed` without \
             --pool none, such as one with --window 1s"
        )));
    }
    let queries = Queries::embed(args, source.as_ref())?;
    let mut nearest: Vec<Nearest> =
        queries.vectors().map(|query| Nearest::to(query, args.top_k.get())).collect();
    // Without a query there is nothing to compare.
    if !nearest.is_empty() {
        let bar = progress::bar(table.len() as u64, "searching {bar:30} {pos}/{len} vectors");
        for (number, row) in table.rows()?.enumerate() {
            let row = row?;
            let width = row.vector.len();
            for near in &mut nearest {
                near.offer(number, &row).with_context(|| {
                    let made = near.width();
                    format!("`{name}` has vectors of {width} numbers, and the model makes {made}: pass the --model that made them")
                })?;
            }
            bar.set_position(number as u64 + 1);
        }
        bar.finish_and_clear();
        if table.is_empty() {
            messages::warning(format_args!("`{name}` has no rows"));
        }
    }
    let done = if queries.all_embedded() { Done::Well } else { Done::InPart };
    print::print(args.format, queries, nearest)?;
    Ok(done)
}
