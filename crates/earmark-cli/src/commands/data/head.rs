use std::io::Write as _;

use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};
use earmark_audio::DecodeOptions;
use serde_json::{Value, json};

use crate::args::dataset::{Named, NamedArgs};
use crate::datasets::clips::Clips;
use crate::exit::Done;
use crate::output::causes::brief;
use crate::output::escape::escape;
use crate::output::{messages, stdout};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    dataset: NamedArgs,

    /// Clips to print.
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    n: usize,

    /// Clips to skip first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,

    /// Stream only the clips that are printed, instead of downloading the whole dataset first.
    #[arg(long)]
    stream: bool,

    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Jsonl,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let hub = &args.dataset.hub;
    let named = args.dataset.named()?;
    let (labels, clips) = if args.stream || matches!(named, Named::Local(_) | Named::Sample) {
        named.stream(&args.dataset.which, hub)?
    } else {
        // Whole first, as every later command then has it.
        let dataset = named.open(&args.dataset.which, hub)?;
        (dataset.labels.clone(), Clips::of(dataset))
    };
    let mut out = stdout::stdout();
    let mut done = Done::Well;
    for example in clips.skip(args.skip).take(args.n) {
        let example = example?;
        let label = example.label.and_then(|id| labels.name(id));
        let audio = match example.decode(&DecodeOptions::default()) {
            Ok(decoded) => {
                let (samples, rate) = (decoded.waveform.samples(), decoded.waveform.rate().hz());
                // As few digits as tell them apart: as 64-bit numbers they would be longer than they are exact.
                let first: Vec<Value> = samples
                    .iter()
                    .take(3)
                    .filter_map(|x| serde_json::from_str(&x.to_string()).ok())
                    .collect();
                json!({"sampling_rate": rate, "samples": samples.len(), "duration": samples.len() as f64 / f64::from(rate), "first": first})
            }
            Err(problem) => {
                done = Done::InPart;
                let line = brief(&problem);
                messages::error(line.as_str());
                json!({"error": line})
            }
        };
        match args.format {
            Format::Jsonl => {
                let row = json!({
                    "name": example.name, "label": label, "label_id": example.label.map(|id| id.index()), "audio": audio,
                    "fields": example.fields,
                });
                writeln!(out, "{row}")?;
            }
            Format::Text => {
                writeln!(out, "{}", escape(&example.name))?;
                let id = example.label.map(|id| id.index().to_string()).unwrap_or_default();
                writeln!(out, "  {:<20} {} ({id})", "label", escape(label.unwrap_or("not known")))?;
                if let Some(rate) = audio.get("sampling_rate") {
                    let first: Vec<String> =
                        audio["first"].as_array().into_iter().flatten().map(Value::to_string).collect();
                    writeln!(
                        out,
                        "  {:<20} {:.3} s at {rate} Hz, first samples {}",
                        "audio",
                        audio["duration"].as_f64().unwrap_or_default(),
                        first.join(" ")
                    )?;
                }
                for (name, value) in &example.fields {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    writeln!(out, "  {:<20} {}", escape(name), escape(&text))?;
                }
            }
        }
    }
    Ok(done)
}
