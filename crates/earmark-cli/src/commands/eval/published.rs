//! Published models on the datasets that they are quoted for, by name.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Result, bail};
use earmark_train::EvaluationReport;

use super::args::ScoreArgs;
use crate::exit::{Done, usage};
use crate::output::columns;
use crate::output::{messages, stdout};

/// A published model, and the clips that it is scored on.
#[derive(Debug, PartialEq)]
pub(super) struct Published {
    pub(super) name: &'static str,
    model: &'static str,
    /// The clips that it is quoted for.
    protocol: &'static str,
    /// What a score of it means, where it is not what it seems.
    remark: Option<&'static str>,
}

/// Every evaluation that has a name.
const PUBLISHED: [Published; 5] = [
    Published {
        name: "minds14",
        model: "anton-l/xtreme_s_xlsr_300m_minds14",
        protocol: "minds14:en-AU",
        // XTREME-S divides the same recordings; the dataset itself has one split.
        remark: Some(
            "the model was trained on XTREME-S's part of MINDS-14, so it may have been trained on some of these clips",
        ),
    },
    Published {
        name: "speech-commands",
        model: "MIT/ast-finetuned-speech-commands-v2",
        protocol: "speech-commands:official-test",
        remark: None,
    },
    Published {
        name: "fleurs",
        model: "sanchit-gandhi/whisper-medium-fleurs-lang-id",
        protocol: "fleurs:all",
        remark: None,
    },
    Published { name: "esc50", model: "laion/clap-htsat-unfused", protocol: "esc50:folds", remark: None },
    Published {
        name: "gtzan",
        model: "sanchit-gandhi/distilhubert-finetuned-gtzan",
        protocol: "gtzan:course",
        remark: None,
    },
];

/// Those that the person named: one, or all of them.
pub(super) fn named(run: Option<&Path>) -> Option<&'static [Published]> {
    let name = run?.as_os_str();
    let known = PUBLISHED.iter().position(|it| OsStr::new(it.name) == name);
    let known = known.map(|at| &PUBLISHED[at..=at]);
    let known = known.or((name == "all").then_some(&PUBLISHED[..]))?;
    if Path::new(name).join("recipe.toml").is_file() {
        let name = name.display();
        messages::note(format_args!("`{name}` is also a run folder here; to score that, write `./{name}`"));
    }
    Some(known)
}

impl Published {
    /// The flags that it stands for. Of several evaluations each has a folder of its own.
    fn args(&self, args: &ScoreArgs, is_one_of_many: bool) -> ScoreArgs {
        let below = |output: &std::path::PathBuf| {
            if is_one_of_many { output.join(self.name) } else { output.clone() }
        };
        // A template is for the CLAP model among them.
        let is_for_others = is_one_of_many && self.name != "esc50";
        let (template, labels_as_is) =
            if is_for_others { (Vec::new(), false) } else { (args.template.clone(), args.labels_as_is) };
        ScoreArgs {
            run: None,
            model: Some(self.model.to_owned()),
            protocol: Some(args.protocol.clone().unwrap_or_else(|| self.protocol.to_owned())),
            any_count: args.protocol.is_none(),
            output: args.output.as_ref().map(below),
            template,
            labels_as_is,
            ..args.clone()
        }
    }
}

/// Runs evaluations one after another; of several, one table is printed in the end. One that fails does not keep the others from
/// running.
pub(super) fn run(
    evaluations: &[Published],
    args: &ScoreArgs,
    mut score: impl FnMut(&ScoreArgs) -> Result<(Done, Option<EvaluationReport>)>,
) -> Result<Done> {
    let many = evaluations.len() > 1;
    if let Some(protocol) = &args.protocol
        && evaluations.iter().any(|it| protocol.split(':').next() != Some(it.name))
    {
        return Err(usage(format_args!(
            "`{protocol}` is no protocol of `{}`: `earmark data protocols` lists those of each dataset",
            evaluations[0].name
        )));
    }
    let (mut ended, mut rows, mut failed) = (Done::Well, Vec::new(), 0);
    for it in evaluations {
        let flags = it.args(args, many);
        let protocol = flags.protocol.as_deref().unwrap_or(it.protocol);
        messages::note(format_args!("model    {}, on `{protocol}`", it.model));
        it.remark.iter().for_each(|remark| messages::warning(*remark));
        let done = score(&flags);
        let row = match done {
            Err(error) if !many => return Err(error),
            Err(error) => {
                messages::error(messages::failure(&error));
                failed += 1;
                ended = Done::InPart;
                row(it, None)
            }
            Ok((Done::Interrupted, _)) => return Ok(Done::Interrupted),
            Ok((done, report)) => {
                if done != Done::Well {
                    ended = done;
                }
                row(it, report.as_ref())
            }
        };
        rows.push(row);
    }
    if many && failed == evaluations.len() {
        bail!("none of the evaluations could be run");
    }
    if many {
        use std::io::Write as _;
        let header = ["evaluation", "accuracy", "95 % interval", "macro F1", "clips"];
        writeln!(stdout::stdout(), "\n{}", columns::numeric(header, rows))?;
    }
    Ok(ended)
}

fn row(it: &Published, report: Option<&EvaluationReport>) -> [String; 5] {
    let name = it.name.to_owned();
    match report {
        None => [name, "–".to_owned(), "–".to_owned(), "–".to_owned(), "–".to_owned()],
        Some(report) => {
            let [low, high] = report.accuracy_interval;
            [
                name,
                format!("{:.4}", report.accuracy),
                format!("{low:.3} to {high:.3}"),
                format!("{:.4}", report.macro_f1),
                report.n.to_string(),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use earmark_data::Protocol;
    use earmark_hub::Repo;

    use super::*;

    #[test]
    fn every_name_stands_for_a_model_and_a_published_part_of_a_dataset() {
        for it in &PUBLISHED {
            Repo::model(it.model).unwrap();
            let protocol = Protocol::find(it.protocol).unwrap();
            assert!(protocol.name.starts_with(it.name) && protocol.needed_field().is_none(), "{it:?}");
            assert_eq!(named(Some(Path::new(it.name))), Some(std::slice::from_ref(it)));
        }
        assert_eq!(named(Some(Path::new("all"))).unwrap().len(), PUBLISHED.len());
        assert!(named(Some(Path::new("./gtzan"))).is_none() && named(None).is_none());
    }
}
