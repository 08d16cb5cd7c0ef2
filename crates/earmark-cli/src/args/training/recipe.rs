//! The arguments of a recipe, built from `Recipe::SETTINGS`: their names, help texts and values are written there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use earmark_train::{Recipe, Setting, Values};

use crate::args::training::training_data::Source;

/// What the arguments change in a recipe.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecipeArgs {
    /// `--recipe`.
    pub(crate) file: Option<PathBuf>,
    chosen: Vec<Chosen>,
    /// `--batch-size auto`.
    pub(crate) finds_batch_size: bool,
}

/// A setting that an argument gives a value.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) setting: &'static Setting,
    pub(crate) value: String,
    /// The argument, such as `--lr` or `--set lr`.
    pub(crate) argument: String,
}

/// Settings about the data and the model, which are listed beside the arguments that choose those.
const WHAT: &[&str] = &[
    "label_column",
    "multi_label",
    "fields",
    "split",
    "split_by",
    "val_from_train",
    "new_head",
    "skip_bad",
    "check",
];

/// Settings with arguments elsewhere: --model and --from-scratch, and what other commands have, too.
const ELSEWHERE: &[&str] = &["model", "resampler", "downmix"];

/// The setting whose value may be found by taking steps, and the value that says so.
const BATCH_SIZE: &str = "batch_size";
const AUTO: &str = "auto";

/// The settings that have an argument of their own here.
fn settings() -> impl Iterator<Item = &'static Setting> {
    Recipe::SETTINGS
        .iter()
        .filter(|setting| !matches!(setting.values, Values::Resolved) && !ELSEWHERE.contains(&setting.key))
}

/// `batch-size`, for `batch_size`. clap keeps the names of arguments by reference.
fn long(setting: &Setting) -> &'static str {
    static NAMES: LazyLock<BTreeMap<&str, String>> =
        LazyLock::new(|| settings().map(|setting| (setting.key, setting.key.replace('_', "-"))).collect());
    &NAMES[setting.key]
}

/// Whether the setting is switched on by its bare name.
fn is_bare(setting: &Setting) -> bool {
    matches!(setting.values, Values::Switch) && setting.get(&earmark_train::gtzan()) == "false"
}

/// The help text, with the value that a recipe has.
fn help(setting: &Setting, recipe: &Recipe) -> String {
    let text = match setting.key {
        BATCH_SIZE => {
            "Clips per batch; auto takes the largest power of two that memory has room for, by trying"
        }
        _ => setting.help.trim_end_matches('.'),
    };
    let default = setting.get(recipe);
    let default = match default.parse::<f64>() {
        Ok(number) if number != 0.0 && number.abs() < 0.01 => format!("{number:e}"),
        _ => default,
    };
    // Which split is the usual one depends on the dataset.
    let varies = matches!(setting.values, Values::Form(_) | Values::List(_));
    match is_bare(setting) || default.is_empty() || varies {
        true => text.to_owned(),
        // In place of the default that a new recipe has.
        false => format!("{} [default: {default}]", text.split(" [default").next().unwrap_or_default()),
    }
}

fn argument(setting: &'static Setting, recipe: &Recipe) -> Arg {
    let heading = if WHAT.contains(&setting.key) { "Model and data" } else { "Training" };
    let arg = Arg::new(setting.key).long(long(setting)).help(help(setting, recipe)).help_heading(heading);
    if is_bare(setting) {
        return arg.action(ArgAction::SetTrue);
    }
    let check =
        move |text: &str| setting.check(text).map(|()| text.to_owned()).map_err(|why| why.to_string());
    let arg = arg.value_name(setting.value_name);
    if setting.key == BATCH_SIZE {
        let or_auto = move |text: &str| if text == AUTO { Ok(text.to_owned()) } else { check(text) };
        return arg.value_name("N|auto").value_parser(or_auto);
    }
    match setting.values {
        Values::List(_) => arg.value_parser(check).action(ArgAction::Append),
        Values::Names(names) => arg.value_parser(PossibleValuesParser::new(names().into_iter().map(spelled))),
        Values::Switch => arg.value_parser(PossibleValuesParser::new(["true", "false"])),
        _ => arg.value_parser(check),
    }
}

/// A name with its other spelling: f16 for fp16, as --dtype has it.
fn spelled(name: &'static str) -> PossibleValue {
    let value = PossibleValue::new(name);
    match name {
        "fp32" => value.alias("f32"),
        "fp16" => value.alias("f16"),
        _ => value,
    }
}

/// `KEY=VALUE` of `--set`.
fn parse_set(text: &str) -> Result<Chosen, String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as adam_betas=0.9,0.98")?;
    let (key, value) = (key.trim(), value.trim());
    let setting = Setting::find(key).map_err(|why| why.to_string())?;
    if matches!(setting.values, Values::Resolved) {
        return Err(format!("`{key}` cannot be set: the run finds it out"));
    }
    setting.check(value).map_err(|why| why.to_string())?;
    Ok(Chosen { setting, value: value.to_owned(), argument: format!("--set {key}") })
}

impl Args for RecipeArgs {
    fn augment_args(command: Command) -> Command {
        let usual = earmark_train::gtzan();
        let command = settings().fold(command, |command, setting| command.arg(argument(setting, &usual)));
        let args = [
            Arg::new("dropout-off")
                .long("dropout-off")
                .action(ArgAction::SetTrue)
                .help("Same as --dropout false"),
            Arg::new("recipe")
                .long("recipe")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Start from the settings of a TOML file, such as a run's recipe.toml; other arguments override them")
                .long_help(
                    "Start from the settings of a TOML file, such as a run's recipe.toml; other arguments override them. The \
                     file may hold some settings only. Its model and dataset are used at the commits it holds, unless you choose \
                     others; the device and the name of the run are always new",
                ),
            Arg::new("set")
                .long("set")
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .value_parser(parse_set)
                .help("Set any key of recipe.toml; can be repeated"),
        ];
        command.args(args.map(|arg| arg.help_heading("Training")))
    }

    fn augment_args_for_update(command: Command) -> Command {
        RecipeArgs::augment_args(command)
    }
}

impl FromArgMatches for RecipeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = RecipeArgs { file: matches.get_one("recipe").cloned(), ..RecipeArgs::default() };
        for setting in settings() {
            let value = match is_bare(setting) {
                true => matches.get_flag(setting.key).then(|| "true".to_owned()),
                false => matches
                    .get_many::<String>(setting.key)
                    .map(|values| values.map(String::as_str).collect::<Vec<_>>().join(",")),
            };
            if setting.key == BATCH_SIZE && value.as_deref() == Some(AUTO) {
                args.finds_batch_size = true;
            } else if let Some(value) = value {
                args.chosen.push(Chosen { setting, value, argument: format!("--{}", long(setting)) });
            }
        }
        if matches.get_flag("dropout-off") {
            args.choose("dropout", "false", "--dropout-off");
        }
        args.chosen.extend(matches.get_many::<Chosen>("set").into_iter().flatten().cloned());
        args.check_once().map_err(|why| clap::Error::raw(ErrorKind::ArgumentConflict, why + "\n"))?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = RecipeArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl RecipeArgs {
    /// Those of a file alone.
    pub(crate) fn of_file(file: &Path) -> RecipeArgs {
        RecipeArgs { file: Some(file.to_path_buf()), ..RecipeArgs::default() }
    }

    /// Adds the value that an argument from elsewhere gives to a setting.
    pub(crate) fn choose(&mut self, key: &str, value: &str, argument: &str) {
        let setting = Setting::find(key).expect("the key of a setting");
        self.chosen.push(Chosen { setting, value: value.to_owned(), argument: argument.to_owned() });
    }

    /// The argument that gives this setting a value, if one does.
    pub(crate) fn find(&self, key: &str) -> Option<&Chosen> {
        self.chosen.iter().find(|chosen| chosen.setting.key == key)
    }

    /// Refuses two values for one setting.
    pub(crate) fn check_once(&self) -> Result<(), String> {
        for (place, chosen) in self.chosen.iter().enumerate() {
            let earlier = self.chosen[..place].iter().find(|it| it.setting.key == chosen.setting.key);
            if let Some(earlier) = earlier {
                let (key, first, second) = (chosen.setting.key, &earlier.argument, &chosen.argument);
                return Err(format!("`{key}` is set twice, by {first} and by {second}"));
            }
        }
        Ok(())
    }

    /// Changes the settings that are chosen.
    pub(crate) fn apply(&self, recipe: &mut Recipe) {
        for Chosen { setting, value, .. } in &self.chosen {
            setting.set(recipe, value).expect("a value was checked when it was parsed");
        }
    }
}

/// The recipe that a run begins with before arguments change it, and the keys that a file gives: a preset, and over it the settings
/// of a file. `is_sample` is whether the arguments choose the built-in sample; else the file does, or nothing.
pub(crate) fn begin(
    is_sample: Option<bool>,
    file: Option<&Path>,
) -> Result<(Recipe, Vec<&'static str>), earmark_train::Error> {
    let over = |preset: Recipe| {
        let mut recipe = preset.clone();
        let keys = file.map(|file| recipe.apply_file(file)).transpose()?.unwrap_or_default();
        // A new run has a name and a version of its own.
        Ok((Recipe { name: preset.name, earmark: preset.earmark, ..recipe }, keys))
    };
    let usual = over(earmark_train::gtzan())?;
    let is_sample = is_sample.unwrap_or_else(|| Source::of_recipe(&usual.0) == Source::Sample);
    if is_sample { over(earmark_train::sample()) } else { Ok(usual) }
}

/// Lets `earmark train … --help` show the values of the recipe that its arguments begin with.
pub(crate) fn show_defaults(command: Command, args: &[OsString]) -> Result<Command, earmark_train::Error> {
    let has = |name: &str| args.iter().any(|arg| arg == name);
    if !has("train") || !(has("--help") || has("-h")) {
        return Ok(command);
    }
    let value = |name: &str| {
        let joined = |arg: &OsString| {
            let (flag, value) = arg.to_str()?.split_once('=')?;
            (flag == name).then(|| OsString::from(value))
        };
        let place = args.iter().position(|arg| arg == name);
        place.and_then(|place| args.get(place + 1).cloned()).or_else(|| args.iter().find_map(joined))
    };
    let is_sample = match (has("--sample"), value("--dataset"), value("--data")) {
        (false, None, None) => None,
        (sample, dataset, _) => Some(sample || dataset.is_some_and(|name| name == "sample")),
    };
    let (recipe, _) = begin(is_sample, value("--recipe").as_deref().map(Path::new))?;
    Ok(command.mut_subcommand("train", |train| {
        let show = |train: Command, setting: &'static Setting| {
            train.mut_arg(setting.key, |arg| arg.help(help(setting, &recipe)))
        };
        settings().fold(train, show)
    }))
}
