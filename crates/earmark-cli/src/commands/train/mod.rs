//! `earmark train`: one run, or several of one recipe.

mod arguments; // Read first: what can be asked for.
mod start;
mod one;
mod series;

use anyhow::Result;

use crate::exit::Done;
use crate::interrupt;
use crate::upload::background::Pusher;

pub(crate) use arguments::Args;

pub(crate) fn run(args: &Args) -> Result<Done> {
    // First of all: hours of training should not end at a token that may not write.
    let check = |repo: &String| Pusher::check(&args.hub, repo, args.hub_private);
    let target = args.push_to_hub.as_ref().map(check).transpose()?;
    let (device, device_name) = args.device.choose()?;
    if args.seeds.is_some() || args.cv.is_some() {
        return series::run(args, device, &device_name);
    }
    let job = match &args.resume {
        Some(run) => start::resume(run.as_deref(), args, device)?,
        None => start::start(args, device, &device_name)?,
    };
    let stop = interrupt::asked(one::STOPPING, None)?;
    one::quiet_when_out_of_memory();
    let (done, finished) = one::train(&job, args.dry_run, &device_name, target, &stop)?;
    if let Some(finished) = finished {
        one::print_finished(&job, &finished)?;
    }
    Ok(done)
}
