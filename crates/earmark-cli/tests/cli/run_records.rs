//! What is kept and shown of runs: `earmark runs`, the report, the closing lines of `train` and `eval`.

use std::fs;
use std::sync::OnceLock;

use earmark_testkit::tone;

use crate::work_dir::{Ran, WorkDir};

/// Three steps an epoch. No step changes a weight, so that every epoch is as accurate as the first.
const STILL: &str =
    "train --data data --from-scratch tiny.json --epochs 2 --batch-size 4 --test-size 0.25 --lr 0";

/// Two runs that differ in their seed, `one` and `two`, and a dry run, `plan`; they are only read.
fn runs() -> &'static (WorkDir, Ran) {
    static RUNS: OnceLock<(WorkDir, Ran)> = OnceLock::new();
    RUNS.get_or_init(|| {
        let place = WorkDir::with_clips();
        let ran = place.run(&format!("{STILL} --output all/one -v"));
        ran.says(0, &[]);
        place.run(&format!("{STILL} --seed 7 --output all/two")).says(0, &[]);
        place.run(&format!("{STILL} --output all/plan --dry-run")).says(0, &[]);
        (place, ran)
    })
}

mod list {
    use super::*;

    #[test]
    fn each_run_has_a_line_the_newest_first_with_its_best_accuracy_and_its_state() {
        let (place, _) = runs();
        let said = place.run("runs all");
        let lines: Vec<&str> = said.well().out.lines().collect();
        assert_eq!(lines.len(), 4, "{}", said.out);
        for (line, words) in lines[1..].iter().zip([
            ["all/plan", "–", "0/6", "dry run"],
            ["all/two", "(epoch 1)", "6/6", "finished"],
            ["all/one", "(epoch 1)", "6/6", "finished"],
        ]) {
            assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line}");
            assert!(line.contains("scratch:tiny.json") && line.contains("data"), "{line}");
        }
    }

    #[test]
    fn json_has_what_the_table_has_and_the_report() {
        let (place, _) = runs();
        let runs: serde_json::Value = place.run("runs all/one --json").well().out.parse().unwrap();
        let run = &runs[0];
        assert_eq!((&run["run"], &run["state"]), (&"all/one".into(), &"finished".into()));
        assert_eq!((&run["train_clips"], &run["held_out_clips"]), (&9.into(), &3.into()));
        assert_eq!(run["report"]["accuracy"], run["best"]["eval_accuracy"]);
        assert!(run["command"].as_str().unwrap().contains("train --data data"), "{run}");
        assert!(run["began"].as_str().unwrap().ends_with('Z') && run["seconds"].as_f64().unwrap() > 0.0);
    }

    #[test]
    fn a_run_that_was_killed_can_be_resumed_and_a_broken_one_is_named_beside_the_others() {
        let place = WorkDir::with_clips();
        for run in ["killed", "lost", "broken", "good"] {
            place.run(&format!("{STILL} --output all/{run}")).says(0, &[]);
        }
        for file in ["killed/report.json", "lost/report.json"] {
            fs::remove_file(place.path(format!("all/{file}"))).unwrap();
        }
        // Half a line, as a process that was killed leaves it.
        let log = place.read("all/killed/metrics.jsonl");
        place.write("all/killed/metrics.jsonl", log + "{\"step\": 9");
        for checkpoint in place.list("all/lost").iter().filter(|name| name.starts_with("checkpoint-")) {
            fs::remove_dir_all(place.path(format!("all/lost/{checkpoint}"))).unwrap();
        }
        place.write("all/broken/metrics.jsonl", "{}\nno JSON\n");
        let said = place.run("runs all");
        said.says(3, &["warning: cannot read `all/broken/metrics.jsonl`"]);
        let state = |run: &str| said.out.lines().find(|line| line.contains(run)).unwrap();
        assert!(state("killed").contains("6/6") && state("killed").contains("resumable"), "{}", said.out);
        assert!(
            state("lost").contains("nothing saved") && state("good").contains("finished"),
            "{}",
            said.out
        );
    }

    #[test]
    fn a_folder_without_runs_is_an_error_where_it_was_named_and_none_where_it_was_not() {
        let place = WorkDir::with_clips();
        assert_eq!(place.run("runs").says(0, &["no run in `runs`"]).out, "");
        assert_eq!(place.run("runs --json").well().out.trim(), "[]");
        place.run("runs data").says(1, &["no run in `data`"]);
    }

    #[test]
    fn a_comparison_shows_the_settings_that_differ_and_whether_the_clips_do() {
        let (place, _) = runs();
        let said = place.run("runs diff all/one all/two");
        said.says(0, &["held out other clips"]);
        let line = |name: &str| said.out.lines().find(|line| line.trim_start().starts_with(name));
        let seed: Vec<&str> = line("seed").unwrap().split_whitespace().collect();
        assert_eq!(seed, ["seed", "42", "7"]);
        assert!(line("epochs").is_none() && line("lr").is_none(), "{}", said.out);
        assert!(line("accuracy").is_some() && line("training time").is_some(), "{}", said.out);

        let said = place.run("runs diff all/one all/plan --json");
        let both: serde_json::Value = said.well().out.parse().unwrap();
        assert_eq!((&both["same_held_out_clips"], &both["settings"]), (&true.into(), &serde_json::json!([])));
        assert_eq!(both["b"]["state"], "dry run");
        place.run("runs diff all/one data").says(1, &["`data` is not a run folder"]);
    }
}

mod report {
    use super::*;

    #[test]
    fn the_page_tells_one_run_from_another_and_lists_the_wrong_clips() {
        let (place, ran) = runs();
        let pages = ["one", "two"].map(|run| place.read(&format!("all/{run}/report.html")));
        for (page, run) in pages.iter().zip(["one", "two"]) {
            assert!(page.contains(&format!("<h1>tiny-data, run {run}</h1>")), "{page}");
            assert!(page.contains("<dt>Clips</dt><dd>9 train, 3 held-out, 3 classes</dd>"), "{page}");
            for fact in ["Trained", "Duration", "Command", "Machine", "Device", "Model", "Dataset", "earmark"]
            {
                assert!(page.contains(&format!("<dt>{fact}</dt><dd>")), "{fact}");
            }
        }
        assert!(pages[1].contains("--lr 0 --seed 7 --output all/two</dd>"), "{}", pages[1]);
        // A network that learns nothing is wrong about some of three classes.
        let wrong = place.json("all/one/split.json")["test"].as_array().unwrap().clone();
        let listed =
            wrong.iter().filter(|clip| pages[0].contains(&format!("<td>{}</td>", clip.as_str().unwrap())));
        let accuracy = place.json("all/one/report.json")["accuracy"].as_f64().unwrap();
        assert_eq!(listed.count(), (3.0 * (1.0 - accuracy)).round() as usize);
        assert!(ran.err.contains("time     waiting for batches"), "{}", ran.err);
    }

    #[test]
    fn equal_epochs_are_mentioned_in_the_closing_line_only_where_there_are_some() {
        let (place, ran) = runs();
        assert!(ran.out.contains("best     epoch 1, the earliest of 2 with this accuracy\n"), "{}", ran.out);
        let said = place.run(&format!("{} --output single", STILL.replace("--epochs 2", "--epochs 1")));
        assert!(said.well().out.contains("best     epoch 1\n"), "{}", said.out);
        assert!(!said.err.contains("time "), "only -v tells where the time went: {}", said.err);
    }

    #[test]
    fn a_class_without_held_out_clips_has_dashes_and_a_warning_that_offers_a_stratified_split() {
        let place = WorkDir::with_clips();
        place.clip("data/whale/0.wav", tone(80.0, 0.3, 16_000));
        // One of thirteen clips: the only one of its class is trained on.
        let seed = (0..9).find(|seed| {
            let run = format!("plan-{seed}");
            place.run(&format!("{STILL} --seed {seed} --output {run} --dry-run")).says(0, &[]);
            !place.json(&format!("{run}/split.json"))["test"].to_string().contains("whale")
        });
        let said = place.run(&format!("{STILL} --seed {} --output run", seed.unwrap()));
        let advice = ["no clip of", "`whale`", "is held out", "--split-by stratified"];
        said.says(0, &advice);
        let eval = place.run("eval run");
        eval.says(0, &advice);
        for out in [&said.out, &eval.out] {
            let row = out.lines().find(|line| line.trim_start().starts_with("whale")).unwrap();
            assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["whale", "–", "–", "–", "0"]);
            assert!(out.contains(" of 4 classes"), "{out}");
        }
        assert!(
            place.read("run/report.html").contains("<td>whale</td><td>–</td><td>–</td><td>–</td><td>0</td>")
        );
        assert_eq!(place.json("run/report.json")["per_class"][3]["f1"], 0.0);
    }
}

mod eval {
    use super::*;

    #[test]
    fn the_first_wrong_clips_are_printed_with_where_all_of_them_are() {
        let (place, _) = runs();
        let said = place.run("eval all/one -v");
        said.says(0, &["time     opening model and dataset"]);
        let (_, wrong) = said.out.split_once("wrongly classified, the highest score first:").unwrap();
        let clip = wrong.lines().nth(2).unwrap().split_whitespace().collect::<Vec<_>>();
        let [path, actual, predicted, score] = clip[..] else { panic!("{wrong}") };
        assert!(path.starts_with(actual) && actual != predicted && score.parse::<f32>().unwrap() > 0.0);
        assert!(wrong.contains("pass -o DIR"), "{wrong}");
        let said = place.run("eval all/one -o scores");
        assert!(said.well().out.contains("every clip is in scores/predictions.parquet"), "{}", said.out);
    }
}

mod model {
    use super::*;

    #[test]
    fn a_run_is_taken_for_its_model_wherever_a_model_is() {
        let (place, _) = runs();
        for command in [
            "classify data/rain/0.wav --model all/one -v",
            "embed data/rain/0.wav --model all/one -o rain.npy -v",
            "features data/rain/0.wav --model all/one -o rain.safetensors",
            "eval --model all/one --data data --split all -v",
            "inspect all/one",
            "train --data data --model all/one --epochs 1 --output again -v",
        ] {
            let said = place.run(command);
            said.well();
            if command.ends_with("-v") {
                said.says(0, &["model    all/one/model, of the run `all/one`"]);
            }
        }
        assert!(!place.run("classify data/rain/0.wav --model all/one").well().err.contains("of the run"));
        place
            .run("classify data/rain/0.wav --model all/plan")
            .says(1, &["`all/plan` has no model yet", "earmark train --resume all/plan"]);
    }
}

mod data {
    use super::*;

    #[test]
    fn a_file_with_two_labels_is_named_with_both_in_training_and_evaluation() {
        let place = WorkDir::with_clips();
        fs::copy(place.path("data/bell/0.wav"), place.path("data/siren/doorbell.wav")).unwrap();
        let warning = "`bell/0.wav` and `siren/doorbell.wav` are the same file, labelled `bell` and `siren`";
        place.run(&format!("{STILL} --output run")).says(0, &[warning]);
        place.run("eval --model run --data data --split all").says(0, &[warning]);
    }

    #[test]
    fn a_test_size_that_leaves_no_clips_is_refused_with_the_numbers() {
        let place = WorkDir::with_clips();
        let train = "train --data data --from-scratch tiny.json --dry-run";
        for size in ["0", "1.5", "-1", "nan", "half", "50%"] {
            for command in [train, "eval --model model --data data"] {
                let words = ["--test-size", size, "above 0 and below 1, or a whole number of clips"];
                place.run(&format!("{command} --test-size {size}")).says(2, &words);
            }
        }
        place.clip("data/whale/0.wav", tone(80.0, 0.3, 16_000));
        place.run(&format!("{train} --split-by stratified")).says(1, &["`whale` has only 1 clip"]);
        fs::remove_dir_all(place.path("data/whale")).unwrap();
        for size in ["12", "0.99", "1000"] {
            let words = ["cannot split", size, "choose another --test-size"];
            place.run(&format!("{train} --test-size {size}")).says(1, &words);
        }
    }
}
