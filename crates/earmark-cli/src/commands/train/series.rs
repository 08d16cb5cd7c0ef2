//! Several runs of one recipe: with other seeds, or with other clips held out.

use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use earmark_eval::{MeanInterval, wilson_interval};
use earmark_train::{EvaluationReport, OutputFolder, Recipe, SplitBy};
use serde_json::{Value, json};

use crate::args::training::run::{advise, runs_folder};
use crate::commands::train::arguments::Args;
use crate::commands::train::member::{train_member, write_json};
use crate::commands::train::one::{STOPPING, quiet_when_out_of_memory};
use crate::commands::train::start::{Prepared, prepare, stamp};
use crate::exit::{Done, usage};
use crate::interrupt;
use crate::output::escape::escape;
use crate::output::{columns, messages, shell, stdout};

/// What the folder of the runs holds beside them: which they are, and in the end their scores.
const FILE: &str = "series.json";

/// One of the runs.
struct Member {
    /// The folder's name.
    name: String,
    /// What makes it another run than the others: its seed, or the value of the field.
    value: String,
    recipe: Recipe,
}

pub(crate) fn run(args: &Args, device: Device, device_name: &str) -> Result<Done> {
    if let (Some(_), Some(chosen)) = (&args.cv, args.recipe()?.find("split_by")) {
        return Err(usage(format_args!(
            "--cv holds out each value of its field in turn: leave out {}",
            chosen.argument
        )));
    }
    let prepared = prepare(args, device, device_name)?;
    let (by, members) = members(args, &prepared)?;
    members.iter().try_for_each(|member| member.recipe.validate())?;
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let folder = match &args.output {
        Some(output) => OutputFolder::create_or_resume(output, FILE, &names),
        None => OutputFolder::create_numbered(&runs_folder().join(&prepared.recipe.name), &stamp()),
    };
    let folder = folder.map_err(advise)?;
    let root = folder.path();
    // What the same command found before stays until there is more.
    if !root.join(FILE).is_file() {
        write_json(&root.join(FILE), &json!({ "by": by, "runs": names }))?;
    }

    let stop = interrupt::asked(STOPPING, None)?;
    quiet_when_out_of_memory();
    let mut reports = Vec::new();
    for (number, member) in members.iter().enumerate() {
        messages::note(format_args!("run      {} of {}: {}", number + 1, members.len(), member.name));
        match train_member(
            prepared.with(member.recipe.clone()),
            &root.join(&member.name),
            args.dry_run,
            device_name,
            args.report_to.as_ref(),
            &stop,
        )? {
            (Done::Well, Some(report)) => reports.push(report),
            (Done::Well, None) => {}
            (done, _) => {
                let on = messages::Text::from("then go on with the other runs by the same command and");
                messages::note(on.then(format_args!("  --output {}", shell::argument(root))));
                return Ok(done);
            }
        }
    }
    if args.dry_run {
        return Ok(Done::Well);
    }
    let scores = Scores::of(&reports);
    write_json(&root.join(FILE), &scores.json(&by, &members, &reports))?;
    scores.print(&by, &members, &reports, root)
}

/// The field or setting that differs, and the runs.
fn members(args: &Args, prepared: &Prepared) -> Result<(String, Vec<Member>)> {
    let recipe = &prepared.recipe;
    let Some(field) = &args.cv else {
        let count = args.seeds.unwrap_or(1);
        let seeds = recipe.seed..recipe.seed.saturating_add(count);
        // One split: what differs is training alone.
        let split_seed = Some(recipe.split_seed.unwrap_or(recipe.seed));
        let member = |seed: u64| Member {
            name: format!("seed-{seed}"),
            value: seed.to_string(),
            recipe: Recipe { seed, split_seed, ..recipe.clone() },
        };
        return Ok(("seed".to_owned(), seeds.map(member).collect()));
    };
    let mut values = prepared.dataset.groups(field)?;
    values.sort_by(|a, b| match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    });
    values.dedup();
    if values.len() < 2 {
        return Err(usage(format_args!(
            "every clip has one value of `{field}`: --cv needs a field with several"
        )));
    }
    let width = values.len().to_string().len();
    let member = |(place, value): (usize, &String)| {
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let value_in_name: String = value.chars().map(safe).take(40).collect();
        // Numbered, because two values may differ in what a folder's name cannot hold.
        let name = format!("{:0width$}-{}", place + 1, value_in_name);
        let split_by = SplitBy::Fold(field.clone(), value.clone());
        Member { name, value: value.clone(), recipe: Recipe { split_by, ..recipe.clone() } }
    };
    Ok((field.clone(), values.iter().enumerate().map(member).collect()))
}

/// What the runs say together.
struct Scores {
    accuracy: Option<MeanInterval>,
    macro_f1: Option<MeanInterval>,
    /// Of clips of several classes.
    mean_average_precision: Option<MeanInterval>,
    correct: u64,
    clips: u64,
}

impl Scores {
    fn of(reports: &[EvaluationReport]) -> Scores {
        let of = |score: fn(&EvaluationReport) -> f64| {
            MeanInterval::new(&reports.iter().map(score).collect::<Vec<_>>())
        };
        let correct = reports.iter().map(EvaluationReport::correct).sum();
        let clips = reports.iter().map(|report| report.n).sum();
        let map: Vec<f64> = reports.iter().filter_map(EvaluationReport::mean_average_precision).collect();
        let mean_average_precision =
            reports.iter().all(EvaluationReport::is_multi_label).then(|| MeanInterval::new(&map)).flatten();
        Scores {
            accuracy: of(|it| it.accuracy),
            macro_f1: of(|it| it.macro_f1),
            mean_average_precision,
            correct,
            clips,
        }
    }

    fn json(&self, by: &str, members: &[Member], reports: &[EvaluationReport]) -> Value {
        let runs = members.iter().zip(reports).map(|(member, report)| {
            json!({
                "run": member.name,
                by: member.value,
                "n": report.n,
                "accuracy": report.accuracy,
                "macro_f1": report.macro_f1,
                "loss": report.loss,
            })
        });
        let summary = |score: &Option<MeanInterval>| {
            score
                .as_ref()
                .map(|it| json!({ "mean": it.mean, "deviation": it.deviation, "interval": it.interval }))
        };
        let mut json = json!({
            "by": by,
            "runs": runs.collect::<Vec<_>>(),
            "accuracy": summary(&self.accuracy),
            "macro_f1": summary(&self.macro_f1),
        });
        if self.mean_average_precision.is_some() {
            json["mean_average_precision"] = json!(summary(&self.mean_average_precision));
        }
        if by != "seed" {
            let accuracy = self.correct as f64 / self.clips.max(1) as f64;
            let interval = wilson_interval(self.correct, self.clips);
            json["all_clips"] = json!({ "n": self.clips, "accuracy": accuracy, "interval": interval });
        }
        json
    }

    fn print(&self, by: &str, members: &[Member], reports: &[EvaluationReport], root: &Path) -> Result<Done> {
        let mut out = stdout::stdout();
        let rows = members.iter().zip(reports).map(|(member, report)| {
            let [accuracy, f1, loss] =
                [report.accuracy, report.macro_f1, report.loss].map(|score| format!("{score:.4}"));
            [member.value.clone(), report.n.to_string(), accuracy, f1, loss]
        });
        let by = escape(by);
        writeln!(out, "{}\n", columns::numeric([&*by, "clips", "accuracy", "macro F1", "eval loss"], rows))?;
        let scores = [
            ("mAP", &self.mean_average_precision),
            ("accuracy", &self.accuracy),
            ("macro F1", &self.macro_f1),
        ];
        for (name, score) in scores {
            if let Some(MeanInterval { mean, deviation, interval: [low, high] }) = score {
                writeln!(
                    out,
                    "{name} of {} runs: mean {mean:.4}, standard deviation {deviation:.4}, 95 % interval of the mean {low:.3} to \
                     {high:.3}",
                    reports.len()
                )?;
            }
        }
        if by != "seed" && self.clips > 0 {
            let [low, high] = wilson_interval(self.correct, self.clips);
            let accuracy = self.correct as f64 / self.clips as f64;
            let clips = self.clips;
            writeln!(
                out,
                "accuracy over all {clips} clips, each held out once: {accuracy:.4} (95 % interval {low:.3} to {high:.3})"
            )?;
        }
        writeln!(out, "\nruns     {}", escape(&root.display().to_string()))?;
        Ok(Done::Well)
    }
}
