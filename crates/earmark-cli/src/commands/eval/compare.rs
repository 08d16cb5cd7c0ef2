//! `earmark eval compare`: whether two models differ on the same clips.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use earmark_data::Shard;
use earmark_eval::{Bootstrap, Clusters, Comparison, McNemarTest};
use serde_json::Value;

use super::results::PREDICTIONS;
use crate::exit::{Done, usage};
use crate::output::stdout;
use crate::output::tables::predictions;
use crate::output::training::list;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Predictions of the one model: predictions.parquet, or the folder that `earmark eval -o` wrote.
    #[arg(value_name = "A")]
    first: PathBuf,

    /// Predictions of the other model for the same clips.
    #[arg(value_name = "B")]
    second: PathBuf,

    /// Column of the groups that clips belong to, such as speaker or recording, or none [default: the first column of groups that
    /// is no fold].
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer for a clip.
struct Answer {
    sha256: String,
    is_right: bool,
    group: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Done> {
    let [first, second] = [&args.first, &args.second].map(|path| Predictions::at(path));
    let (first, second) = (first?, second?);
    let group = match args.group.as_deref() {
        Some("none") => None,
        Some(name) if first.groups.iter().any(|known| known == name) => Some(name.to_owned()),
        Some(name) => {
            return Err(usage(format_args!(
                "`{}` has no column of groups `{name}`: it has {}",
                first.path.display(),
                list(&first.groups)
            )));
        }
        None => first.groups.iter().find(|name| *name != "fold").cloned(),
    };
    let (of_first, of_second) = (first.answers(group.as_deref())?, second.answers(None)?);
    check(&first, &second, &of_first, &of_second)?;
    let rights: Vec<bool> = of_first.values().map(|answer| answer.is_right).collect();
    let others: Vec<bool> = of_first.keys().map(|path| of_second[path].is_right).collect();
    let groups: Vec<Option<&str>> = of_first.values().map(|answer| answer.group.as_deref()).collect();
    let clusters = match group {
        Some(_) => Clusters::with_unknown(&groups),
        None => Clusters::alone(rights.len()),
    };
    let compared = Comparison::new(&rights, &others, &clusters, &Bootstrap::default())?;
    let mut out = stdout::stdout();
    if args.json {
        let mut json = serde_json::to_value(&compared)?;
        json["group"] = group.into();
        writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?;
        return Ok(Done::Well);
    }
    let Comparison { clips, first_accuracy, second_accuracy, difference, mcnemar } = &compared;
    writeln!(out, "A  accuracy {first_accuracy:.4}  {}", first.path.display())?;
    writeln!(out, "B  accuracy {second_accuracy:.4}  {}", second.path.display())?;
    let resampled = match &group {
        Some(name) => format!("{} groups by `{name}`", difference.clusters),
        None => "single clips: no column of groups tells which belong together".to_owned(),
    };
    writeln!(
        out,
        "B - A {:+.4} (95 % interval {:+.4} to {:+.4}; paired bootstrap over {resampled}) on {clips} clips",
        difference.estimate, difference.low, difference.high
    )?;
    let test = match mcnemar.test {
        McNemarTest::Exact => "exact",
        McNemarTest::ChiSquare => "chi-square",
    };
    writeln!(
        out,
        "only A right {}, only B right {}: McNemar p = {:.4} ({test}; takes clips as independent)",
        mcnemar.only_first, mcnemar.only_second, mcnemar.p_value
    )?;
    Ok(Done::Well)
}

/// A table of predictions.
struct Predictions {
    path: PathBuf,
    table: Shard,
    /// The columns of groups.
    groups: Vec<String>,
}

impl Predictions {
    fn at(path: &Path) -> Result<Predictions> {
        let path = if path.is_dir() { path.join(PREDICTIONS) } else { path.to_path_buf() };
        let table = Shard::table_of(&path)?;
        let columns: Vec<String> = table.columns().into_iter().map(str::to_owned).collect();
        let missing = ["path", "label", "predicted", "sha256"]
            .into_iter()
            .find(|name| !columns.iter().any(|it| it == name));
        if let Some(missing) = missing {
            bail!(
                "`{}` is no table of `earmark eval -o`: it has no column `{missing}`, only {}",
                path.display(),
                list(&columns)
            );
        }
        let groups =
            columns.into_iter().filter(|name| !predictions::COLUMNS.contains(&name.as_str())).collect();
        Ok(Predictions { path, table, groups })
    }

    /// The answer for each clip, by its name.
    fn answers(&self, group: Option<&str>) -> Result<BTreeMap<String, Answer>> {
        let columns: Vec<&str> = ["path", "label", "predicted", "sha256"].into_iter().chain(group).collect();
        let mut answers = BTreeMap::new();
        for row in self.table.table_rows(&columns)? {
            let row = row?;
            let text = |name: &str| row.get(name).and_then(Value::as_str);
            let need = |name: &str| {
                text(name).with_context(|| format!("`{}`: a row has no `{name}`", self.path.display()))
            };
            let (path, is_right) = (need("path")?.to_owned(), need("label")? == need("predicted")?);
            let answer = Answer {
                sha256: need("sha256")?.to_owned(),
                is_right,
                group: group.and_then(text).map(str::to_owned),
            };
            if let Some((twice, _)) = answers.get_key_value(&path) {
                bail!("`{}` has the clip `{twice}` twice", self.path.display());
            }
            answers.insert(path, answer);
        }
        Ok(answers)
    }
}

/// Refuses predictions for other clips.
fn check(
    first: &Predictions,
    second: &Predictions,
    of_first: &BTreeMap<String, Answer>,
    of_second: &BTreeMap<String, Answer>,
) -> Result<()> {
    let only_second: Vec<&String> = of_second.keys().filter(|path| !of_first.contains_key(*path)).collect();
    let only_first: Vec<&String> = of_first.keys().filter(|path| !of_second.contains_key(*path)).collect();
    let is_other = |(path, answer): &(&String, &Answer)| {
        of_second.get(*path).is_some_and(|other| other.sha256 != answer.sha256)
    };
    let others: Vec<&String> = of_first.iter().filter(is_other).map(|(path, _)| path).collect();
    let mut why = Vec::new();
    for (paths, what) in
        [(only_first, "only in A"), (only_second, "only in B"), (others, "another sound in B")]
    {
        if !paths.is_empty() {
            why.push(format!("{what}: {} ({})", paths.len(), list(&paths)));
        }
    }
    if why.is_empty() {
        return Ok(());
    }
    bail!(
        "`{}` and `{}` are not of the same clips: {}",
        first.path.display(),
        second.path.display(),
        why.join("; ")
    )
}
