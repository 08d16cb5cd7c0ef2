//! `earmark sweep`: a run for each combination of settings, and which was best.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::slice;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use clap::Args as ClapArgs;
use earmark_train::{EpochRecord, EvaluationReport, OutputFolder, RunSummary, Setting, ValFromTrain, Values};
use serde_json::{Value, json};

use crate::args::audio::AudioArgs;
use crate::args::dataset::dataset_name;
use crate::args::device::DeviceArgs;
use crate::args::hub::HubArgs;
use crate::args::training::recipe::RecipeArgs;
use crate::args::training::run::{advise, has_diverged, runs_folder};
use crate::commands::train::arguments::Args;
use crate::commands::train::member::{train_member, write_json};
use crate::commands::train::one::{STOPPING, quiet_when_out_of_memory};
use crate::commands::train::start::{Prepared, prepare};
use crate::exit::{Done, usage};
use crate::interrupt;
use crate::output::escape::escape;
use crate::output::{columns, messages, stdout};

const EXAMPLES: &str = "\
Examples:
  # six runs: three learning rates, two seeds each
  earmark sweep presets/gtzan.toml --set lr=1e-5,5e-5,1e-4 --set seed=1,2
  # on your own recordings; short runs, and clips of the training part choose
  earmark sweep runs/first/recipe.toml --data recordings --set epochs=3 \\
    --set val_from_train=0.1 --set \"freeze=feature-encoder;backbone\"
  # what it would train, without training
  earmark sweep presets/esc50.toml --set lr=1e-4,3e-4 --dry-run";

/// Train once for each combination of settings, and rank the runs.
///
/// The runs are trained one after the other, each in a folder of its own below the output folder. The same command goes on where it
/// stopped: finished runs are read, an interrupted one is resumed, and values may be added. They are ranked by the accuracy of
/// their best epoch on the clips that choose the epoch (then by the loss); the score on the held-out clips stands beside it.
/// With val_from_train in the recipe those are other clips, so that the choice does not flatter the score. With several values of
/// seed the other settings are ranked by the mean over seeds. sweep.json has the table.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct SweepArgs {
    /// TOML file of settings that all runs share, such as one of presets/ or a run's recipe.toml. It need not have all of them.
    #[arg(value_name = "RECIPE")]
    recipe: PathBuf,

    /// Values of a key of recipe.toml, separated by commas; by semicolons where a value is text or may itself have commas, as model,
    /// freeze and adam_betas. Can be repeated: every combination is trained.
    #[arg(long, value_name = "KEY=A,B,...", required = true, value_parser = parse_axis)]
    set: Vec<Axis>,

    /// Folder of clips [default: the recipe's data].
    #[arg(long, value_name = "DIR", conflicts_with = "dataset", help_heading = "Data")]
    data: Option<PathBuf>,

    /// Dataset by name [default: the recipe's].
    #[arg(long, value_name = "NAME[:CONFIG]", value_parser = dataset_name(), hide_possible_values = true, help_heading = "Data")]
    dataset: Option<String>,

    /// Folder for the runs [default: runs/NAME-sweep].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Check every combination and write its recipe.toml and split.json, but train nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    hub: HubArgs,
}

/// A setting and the values that it takes.
#[derive(Debug, Clone)]
struct Axis {
    setting: &'static Setting,
    values: Vec<String>,
}

/// What the folder of the runs holds beside them.
const FILE: &str = "sweep.json";

/// Settings by which the model or the clips are opened.
const OPENED_BY: &[&str] = &["model", "label_column", "fields", "split", "split_by", "augment_noise"];

/// `KEY=A,B,…` of `--set`.
fn parse_axis(text: &str) -> Result<Axis, String> {
    let (key, values) = text.split_once('=').ok_or("expected KEY=A,B, such as lr=1e-5,5e-5")?;
    let key = key.trim();
    let setting = Setting::find(key).map_err(|why| why.to_string())?;
    if matches!(setting.values, Values::Resolved) {
        return Err(format!("`{key}` cannot be set: the run finds it out"));
    }
    let separator = match values.contains(';') {
        true => ';',
        // One value, which has commas or is any text.
        false if setting.check(values.trim()).is_ok() => ';',
        false => ',',
    };
    let values: Vec<String> = values.split(separator).map(|value| value.trim().to_owned()).collect();
    for (place, value) in values.iter().enumerate() {
        setting.check(value).map_err(|why| why.to_string())?;
        if values[..place].contains(value) {
            return Err(format!("`{key}` has the value {value} twice"));
        }
    }
    Ok(Axis { setting, values })
}

/// One of the runs.
struct Member {
    /// The folder's name.
    name: String,
    /// Its value of each axis.
    values: Vec<String>,
    prepared: Prepared,
}

/// How a run ended, as it is ranked.
struct Entry<'a> {
    member: &'a Member,
    /// The epoch that was chosen, and the model's scores; `None` where the loss was no number any more.
    ended: Option<(EpochRecord, EvaluationReport)>,
}

pub(crate) fn run(args: &SweepArgs) -> Result<Done> {
    for (place, axis) in args.set.iter().enumerate() {
        if args.set[..place].iter().any(|earlier| earlier.setting.key == axis.setting.key) {
            let key = axis.setting.key;
            return Err(usage(format_args!("`{key}` is set twice: give all of its values at once")));
        }
    }
    let (device, device_name) = args.device.choose()?;
    let members = members(args, &device, &device_name)?;
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let usual = runs_folder().join(format!("{}-sweep", members[0].prepared.recipe.name));
    let folder = OutputFolder::create_or_resume(args.output.as_ref().unwrap_or(&usual), FILE, &names);
    let folder = folder.map_err(advise)?;
    let root = folder.path();
    // What an earlier sweep found stays until there is more.
    if !root.join(FILE).is_file() {
        write_json(&root.join(FILE), &json!({ "set": sets(args), "runs": names }))?;
    }

    let stop = interrupt::asked(STOPPING, None)?;
    quiet_when_out_of_memory();
    let mut entries = Vec::new();
    for (number, member) in members.iter().enumerate() {
        messages::note(format_args!("run      {} of {}: {}", number + 1, members.len(), member.name));
        let run = root.join(&member.name);
        let ended = match train_member(member.prepared.clone(), &run, args.dry_run, &device_name, None, &stop)
        {
            Ok((Done::Well, Some(report))) => {
                let summary = RunSummary::read(&run)?;
                let best = summary.best().cloned();
                Some((best.with_context(|| format!("`{}` has no epoch", run.display()))?, report))
            }
            Ok((Done::Well, None)) => continue,
            Ok((done, _)) => {
                messages::note("then go on with the other runs by the same command");
                return Ok(done);
            }
            Err(error) if has_diverged(&error) => {
                messages::warning(messages::failure(&error));
                None
            }
            Err(error) => return Err(error),
        };
        entries.push(Entry { member, ended });
    }
    if args.dry_run {
        return Ok(Done::Well);
    }
    entries.sort_by(|a, b| order(a.score(), b.score()));
    write_json(&root.join(FILE), &json(args, &entries))?;
    print(args, &entries, root)
}

/// Every combination, the last setting changing first; all of them can be trained.
fn members(args: &SweepArgs, device: &Device, device_name: &str) -> Result<Vec<Member>> {
    let mut combinations = vec![Vec::new()];
    for axis in &args.set {
        let with = |before: &Vec<String>| {
            axis.values
                .iter()
                .map(|value| [before.as_slice(), slice::from_ref(value)].concat())
                .collect::<Vec<_>>()
        };
        combinations = combinations.iter().flat_map(with).collect();
    }
    let differs = |axis: &Axis| axis.values.len() > 1 && OPENED_BY.contains(&axis.setting.key);
    let opens_anew = args.set.iter().any(differs);
    let mut members: Vec<Member> = Vec::new();
    for values in combinations {
        let prepared = match members.first() {
            Some(first) if !opens_anew => {
                let mut recipe = first.prepared.recipe.clone();
                for (axis, value) in args.set.iter().zip(&values) {
                    axis.setting.set(&mut recipe, value)?;
                }
                first.prepared.with(recipe)
            }
            _ => prepare(&args.to_train(&values), device.clone(), device_name)?,
        };
        prepared.recipe.validate().with_context(|| format!("with {}", shown(args, &values)))?;
        members.push(Member { name: folder_name(args, &values, &members), values, prepared });
    }
    Ok(members)
}

impl SweepArgs {
    /// The arguments of `earmark train` for a run.
    fn to_train(&self, values: &[String]) -> Args {
        let mut recipe = RecipeArgs::of_file(&self.recipe);
        for (Axis { setting, .. }, value) in self.set.iter().zip(values) {
            recipe.choose(setting.key, value, &format!("--set {}", setting.key));
        }
        Args {
            model: None,
            from_scratch: None,
            data: self.data.clone(),
            dataset: self.dataset.clone(),
            sample: false,
            recipe,
            audio: AudioArgs::default(),
            output: None,
            resume: None,
            seeds: None,
            cv: None,
            dry_run: self.dry_run,
            report_to: None,
            memory_limit: None,
            device: self.device.clone(),
            hub: self.hub.clone(),
            push_to_hub: None,
            hub_private: false,
        }
    }
}

/// The settings that differ, as people read them.
fn shown(args: &SweepArgs, values: &[String]) -> String {
    let several = args.set.iter().zip(values).filter(|(axis, _)| axis.values.len() > 1);
    let shown: Vec<String> = several.map(|(axis, value)| format!("{}={value}", axis.setting.key)).collect();
    if shown.is_empty() { "the recipe".to_owned() } else { shown.join(" ") }
}

fn folder_name(args: &SweepArgs, values: &[String], others: &[Member]) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._=-".contains(c) { c } else { '-' };
    // Of all settings, so that a value that is added to one leaves the other runs their names.
    let all: Vec<String> =
        args.set.iter().zip(values).map(|(axis, value)| format!("{}={value}", axis.setting.key)).collect();
    let name: String = all.join("_").chars().map(safe).take(120).collect();
    // Two values may differ in what a folder's name cannot hold.
    let names = std::iter::once(name.clone()).chain((2..).map(|n: u64| format!("{name}-{n}")));
    names.into_iter().find(|name| others.iter().all(|other| other.name != *name)).unwrap_or(name)
}

impl Entry<'_> {
    /// Accuracy, or the mean average precision of clips of several classes, and loss on the clips that choose.
    fn score(&self) -> Option<(f64, f64)> {
        self.ended.as_ref().map(|(best, _)| (best.score(), best.eval_loss))
    }
}

/// The score by which epochs and runs are chosen, on the held-out clips.
fn held_out(report: &EvaluationReport) -> f64 {
    match report.is_multi_label() {
        true => report.mean_average_precision().unwrap_or(0.0),
        false => report.accuracy,
    }
}

/// What the score is called, in a table and in JSON.
fn score_names(entries: &[Entry<'_>]) -> (&'static str, &'static str) {
    let multi_label =
        |entry: &Entry<'_>| entry.ended.as_ref().is_some_and(|(_, report)| report.is_multi_label());
    if entries.iter().any(multi_label) { ("mAP", "map") } else { ("accuracy", "accuracy") }
}

/// The better one first: more accurate, then with less loss; a run without a score is last.
fn order(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Ordering {
    match (a, b) {
        (Some((accuracy, loss)), Some((other, other_loss))) => {
            other.total_cmp(&accuracy).then(loss.total_cmp(&other_loss))
        }
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// The settings without the seed, with their runs' mean scores, best first; empty unless there are several seeds.
fn means(args: &SweepArgs, entries: &[Entry<'_>]) -> Vec<(String, usize, [f64; 3])> {
    let Some(seed) = args.set.iter().position(|axis| axis.setting.key == "seed" && axis.values.len() > 1)
    else {
        return Vec::new();
    };
    let mut groups: BTreeMap<String, Vec<[f64; 3]>> = BTreeMap::new();
    for Entry { member, ended } in entries {
        let several = |place: &usize| *place != seed && args.set[*place].values.len() > 1;
        let words = (0..args.set.len()).filter(several);
        let words = words.map(|place| format!("{}={}", args.set[place].setting.key, member.values[place]));
        let name = words.collect::<Vec<_>>().join(" ");
        let name = if name.is_empty() { "the recipe".to_owned() } else { name };
        let scores = match ended {
            Some((best, report)) => [best.score(), best.eval_loss, held_out(report)],
            // A seed that fails counts against its settings.
            None => [0.0, f64::INFINITY, 0.0],
        };
        groups.entry(name).or_default().push(scores);
    }
    let mean = |(name, runs): (String, Vec<[f64; 3]>)| {
        let of = |score: usize| runs.iter().map(|run| run[score]).sum::<f64>() / runs.len() as f64;
        (name, runs.len(), [of(0), of(1), of(2)])
    };
    let mut means: Vec<_> = groups.into_iter().map(mean).collect();
    means.sort_by(|(.., a), (.., b)| order(Some((a[0], a[1])), Some((b[0], b[1]))));
    means
}

fn sets(args: &SweepArgs) -> Value {
    args.set.iter().map(|axis| (axis.setting.key.to_owned(), json!(axis.values))).collect()
}

fn json(args: &SweepArgs, entries: &[Entry<'_>]) -> Value {
    let (_, name) = score_names(entries);
    let runs = entries.iter().enumerate().map(|(place, Entry { member, ended })| {
        let of = args.set.iter().zip(&member.values);
        let settings: Value = of.map(|(axis, value)| (axis.setting.key.to_owned(), json!(value))).collect();
        let mut run = json!({ "rank": place + 1, "run": member.name, "settings": settings });
        match ended {
            Some((best, report)) => {
                run["best_epoch"] = json!(best.epoch);
                run[format!("eval_{name}")] = json!(best.score());
                run["eval_loss"] = json!(best.eval_loss);
                run["held_out"] = json!({
                    "n": report.n,
                    name: held_out(report),
                    "macro_f1": report.macro_f1,
                    "loss": report.loss,
                });
            }
            None => run["diverged"] = json!(true),
        }
        run
    });
    let mut json = json!({ "set": sets(args), "runs": runs.collect::<Vec<_>>() });
    let means = means(args, entries);
    if !means.is_empty() {
        let mean = |(settings, runs, [score, loss, held_out]): &(String, usize, [f64; 3])| {
            json!({
                "settings": settings,
                "runs": runs,
                format!("eval_{name}"): score,
                "eval_loss": loss.is_finite().then_some(loss),
                format!("held_out_{name}"): held_out,
            })
        };
        json["means_over_seeds"] = means.iter().map(mean).collect();
    }
    json
}

fn print(args: &SweepArgs, entries: &[Entry<'_>], root: &Path) -> Result<Done> {
    let four = |score: f64| format!("{score:.4}");
    let mut out = stdout::stdout();
    let rows = entries.iter().map(|Entry { member, ended }| {
        let name = shown(args, &member.values);
        match ended {
            Some((best, report)) => [
                name,
                format!("{:.0}", best.epoch),
                four(best.score()),
                four(best.eval_loss),
                four(held_out(report)),
                four(report.macro_f1),
            ],
            None => {
                let none = || "-".to_owned();
                [name, "diverged".to_owned(), none(), none(), none(), none()]
            }
        }
    });
    let (name, _) = score_names(entries);
    let (eval, on_held_out) = (format!("eval {name}"), format!("held-out {name}"));
    let header = ["settings", "epoch", &eval, "eval loss", &on_held_out, "macro F1"];
    writeln!(out, "{}\n", columns::numeric(header, rows))?;
    let means = means(args, entries);
    if !means.is_empty() {
        let rows = means.into_iter().map(|(name, runs, [accuracy, loss, held_out])| {
            [name, runs.to_string(), four(accuracy), four(loss), four(held_out)]
        });
        let header = ["mean over seeds", "runs", &eval, "eval loss", &on_held_out];
        writeln!(out, "{}\n", columns::numeric(header, rows))?;
    }
    let chosen_by_held_out =
        entries.iter().any(|it| it.member.prepared.recipe.val_from_train == ValFromTrain::None);
    if chosen_by_held_out && entries.len() > 1 {
        messages::note(
            "the held-out clips also rank the runs, which flatters the first; --set val_from_train=0.1 lets others rank them",
        );
    }
    let shown = |path: &Path| escape(&path.display().to_string()).into_owned();
    if let Some(Entry { member, ended: Some(_) }) = entries.first() {
        writeln!(out, "best     {}", shown(&root.join(&member.name)))?;
    }
    writeln!(out, "runs     {}", shown(root))?;
    let all_ended = entries.iter().all(|entry| entry.ended.is_some());
    Ok(if all_ended { Done::Well } else { Done::InPart })
}
