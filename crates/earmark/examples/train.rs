//! Trains a small new network on a folder whose sub-folders are the classes, and classifies one of the clips with it.
//!
//! ```sh
//! cargo run --release -p earmark --features train --example train -- recordings runs/first
//! ```

use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use earmark::prelude::*;
use earmark::train::{Event, Job, Outcome, OutputFolder, Recipe, Start, preset, sample, train};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().context("which folder has the clips?")?;
    let output = arguments.next().context("which folder is the run's?")?;

    let dataset = AudioDataset::open(&data, None)?;
    let clip = dataset.clips.first().context("no clips")?.path.clone();
    let recipe = Recipe { dataset: dataset.name.clone(), epochs: 3, ..sample() };
    let network = preset("sample").context("no such network")?;
    let start = Start::Scratch(Box::new(network));
    let job = Job::new(recipe, start, dataset, OutputFolder::create_run(output)?);

    let on_event = |event: &Event<'_>| match event {
        Event::Started(plan) => {
            println!("{} clips, {} held out, {} steps", plan.train, plan.test, plan.steps);
        }
        Event::Epoch(epoch) => println!(
            "epoch {}  train loss {:.3}  eval loss {:.3}  accuracy {:.3}",
            epoch.epoch, epoch.train_loss, epoch.record.eval_loss, epoch.record.eval_accuracy
        ),
        _ => {}
    };
    let Outcome::Finished(run) = train(&job, &on_event, &AtomicBool::new(false))? else { bail!("stopped") };
    println!("{} is the best, epoch {}", run.model.display(), run.best_epoch);

    let classifier = AudioClassifier::open(&run.model, &Device::flex())?;
    println!("{} is {}", clip.display(), classifier.classify(&clip)?[0].label);
    Ok(())
}
