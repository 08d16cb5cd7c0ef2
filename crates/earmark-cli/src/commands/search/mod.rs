//! `earmark search`.

mod args; // The flags,
mod query; // what is searched for,
mod nearest; // what is nearest to it,
mod print; // and how that is printed.

use anyhow::{Context as _, Result};
use earmark_data::VectorTable;

pub(crate) use self::args::Args;
use self::nearest::Nearest;
use self::query::Queries;
use crate::exit::{Done, usage};
use crate::output::tables::embeddings::VectorSource;
use crate::output::{messages, progress};

pub(crate) fn run(args: &Args) -> Result<Done> {
    let name = earmark_fs::text(&args.vectors);
    if args.vectors.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy")) {
        return Err(usage(format_args!(
            "`{name}` does not hold its paths and model: search needs a table from `earmark embed -o FILE.parquet`"
        )));
    }
    let table = VectorTable::open(&args.vectors)?;
    let queries = Queries::embed(args, VectorSource::of(&table).as_ref())?;
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
