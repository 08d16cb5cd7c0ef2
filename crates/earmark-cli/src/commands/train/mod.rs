//! `earmark train`: one run, or several of one recipe. `earmark sweep`: several recipes.

mod arguments; // Read first: what can be asked for.
mod start;
mod one;
mod report_to;
mod member;
mod series;
mod sweep;

use anyhow::Result;

use crate::exit::{Done, usage};
use crate::interrupt;
use crate::upload::background::Pusher;

pub(crate) use arguments::Args;
pub(crate) use sweep::{SweepArgs, run as sweep};

pub(crate) fn run(args: &Args) -> Result<Done> {
    // First of all: hours of training should not end at a token that may not write.
    let check = |repo: &String| Pusher::check(&args.hub, repo, args.hub_private);
    let target = args.push_to_hub.as_ref().map(check).transpose()?;
    let (device, device_name) = args.device.choose()?;
    if args.memory_limit.is_some() && !args.recipe.finds_batch_size {
        return Err(usage("--memory-limit is for --batch-size auto: add that, or leave it out"));
    }
    let one_new_run = args.seeds.is_none() && args.cv.is_none() && args.resume.is_none();
    if args.recipe.finds_batch_size && !one_new_run {
        return Err(usage(
            "--batch-size auto is for one new run: a resumed run keeps its recipe, and several runs share one; give a number",
        ));
    }
    if args.seeds.is_some() || args.cv.is_some() {
        return series::run(args, device, &device_name);
    }
    let mut job = match &args.resume {
        Some(run) => start::resume(run.as_deref(), args, device)?,
        None => start::start(args, device, &device_name)?,
    };
    let stop = interrupt::asked(one::STOPPING, None)?;
    one::quiet_when_out_of_memory();
    if args.recipe.finds_batch_size {
        match one::find_batch_size(&job, args.memory_limit, &stop)? {
            Some(clips) => job.recipe.batch_size = clips,
            None => return Ok(Done::Interrupted),
        }
    }
    let (done, finished) =
        one::train(&job, args.dry_run, &device_name, target, args.report_to.as_ref(), &stop)?;
    if let Some(finished) = finished {
        one::print_finished(&job, &finished)?;
    }
    Ok(done)
}
