//! `earmark sweep`: every combination once, ranked, and gone on with.

use crate::work_dir::{Ran, WorkDir, signal, wait_until};

const SWEEP: &str = "sweep recipe.toml --data data --set lr=1e-3,1e-2 --set seed=1,2 --output swept";

fn with_recipe() -> WorkDir {
    let place = WorkDir::with_clips();
    let text = "model = \"scratch:tiny.json\"\nepochs = 1\nbatch_size = 4\ntest_size = 0.25\n";
    place.write("recipe.toml", text);
    place
}

#[test]
fn every_combination_is_trained_once_and_ranked() {
    let place = with_recipe();
    let first = place.run(SWEEP);
    first.says(
        0,
        &["run      1 of 4: lr=1e-3_seed=1", "run      4 of 4: lr=1e-2_seed=2", "flatters the first"],
    );
    let table = place.json("swept/sweep.json");
    let runs = table["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    let score = |run: &serde_json::Value| {
        (run["eval_accuracy"].as_f64().unwrap(), -run["eval_loss"].as_f64().unwrap())
    };
    assert!(runs.is_sorted_by(|a, b| score(a) >= score(b)), "{table}");
    for run in runs {
        let folder = format!("swept/{}", run["run"].as_str().unwrap());
        let recipe = place.read(&format!("{folder}/recipe.toml"));
        let settings = &run["settings"];
        let lr: f64 = settings["lr"].as_str().unwrap().parse().unwrap();
        assert!(recipe.contains(&format!("lr = {lr}\n")), "{recipe}");
        assert!(recipe.contains(&format!("seed = {}\n", settings["seed"].as_str().unwrap())), "{recipe}");
        let report = place.json(&format!("{folder}/report.json"));
        assert_eq!(run["held_out"]["accuracy"], report["accuracy"]);
    }
    let means = table["means_over_seeds"].as_array().unwrap();
    assert_eq!(means.len(), 2);
    let of_first: Vec<f64> = runs
        .iter()
        .filter(|run| means[0]["settings"] == format!("lr={}", run["settings"]["lr"].as_str().unwrap()))
        .map(|run| score(run).0)
        .collect();
    assert_eq!(means[0]["eval_accuracy"].as_f64().unwrap(), (of_first[0] + of_first[1]) / 2.0);
    assert!(first.out.contains("mean over seeds"), "{}", first.out);

    let again = place.run(SWEEP);
    again.says(0, &["finished before"]);
    assert_eq!(again.out, first.out);
    // A value more trains that alone.
    let more = place.run(&SWEEP.replace("lr=1e-3,", "lr=1e-4,1e-3,"));
    more.says(0, &["run      6 of 6"]);
    assert_eq!(more.err.matches("finished before").count(), 4, "{}", more.err);
}

#[test]
fn a_second_value_leaves_the_runs_of_the_first_and_a_dry_run_the_table() {
    let place = with_recipe();
    let one = "sweep recipe.toml --data data --set lr=1e-3 --set seed=1 --output swept";
    place.run(one).well();
    let table = place.read("swept/sweep.json");
    place.run(&format!("{one} --dry-run")).well();
    assert_eq!(place.read("swept/sweep.json"), table);
    place.run(&one.replace("seed=1", "seed=1,2")).says(0, &["run      2 of 2", "finished before"]);
}

#[test]
fn a_wrong_key_or_value_is_named_before_anything_is_trained() {
    let place = with_recipe();
    for (with, why) in [
        ("--set lrr=1,2", "did you mean `lr`"),
        ("--set epochs=1,few", "expected a whole number"),
        ("--set lr=1,1", "has the value 1 twice"),
        ("--set lr", "expected KEY=A,B"),
        ("--set data=a,b", "`data` cannot be set"),
        ("--set lr=1 --set lr=2", "`lr` is set twice"),
    ] {
        place.run(&format!("sweep recipe.toml --data data {with} --output swept")).says(2, &[why]);
    }
    place
        .run("sweep recipe.toml --data data --set lr=1 --set val_from_train=0.2,fold --output swept")
        .says(1, &["`val_from_train` is fold", "with val_from_train=fold"]);
    place.run("sweep none.toml --set lr=1 --output swept").says(1, &["none.toml"]);
    assert!(!place.path("swept").exists());
}

#[test]
fn a_run_that_diverges_is_last_and_the_others_are_trained() {
    let place = with_recipe();
    place
        .run("sweep recipe.toml --data data --set lr=1e30,1e-3 --set schedule=constant --set epochs=3 --output swept")
        .says(3, &["run      2 of 2"]);
    let table = place.json("swept/sweep.json");
    assert_eq!(
        (&table["runs"][0]["run"], &table["runs"][1]["diverged"]),
        (&"lr=1e-3_schedule=constant_epochs=3".into(), &true.into())
    );
}

#[cfg(unix)]
#[test]
fn a_sweep_that_was_ended_goes_on_with_the_run_that_it_was_in() {
    let place = with_recipe();
    let command = SWEEP.replace("--set seed=1,2", "--set epochs=40");
    let child = place.start(&command);
    wait_until("a checkpoint", || {
        place.path("swept/lr=1e-3_epochs=40").is_dir()
            && place.list("swept/lr=1e-3_epochs=40").iter().any(|name| name.starts_with("checkpoint-"))
    });
    signal(&child, "TERM");
    Ran::end_of(child).says(143, &["stopped after step", "by the same command"]);
    place.run(&command).says(0, &["run      1 of 2", "resumed  after step", "run      2 of 2"]);
    assert!(place.path("swept/lr=1e-2_epochs=40/model").exists());
}
