//! Pushes or fetches one file, and prints the seconds and the largest resident memory in MB (on Linux) that it took.
//!
//! `transfer push|fetch OWNER/NAME FILE`, with the Hub, the cache and the token of the environment; `FILE` is a local path for `push`.
use std::path::Path;
use std::time::Instant;

use earmark_hub::{Hub, Push, Repo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, repo, file] = &arguments[..] else { return Err("transfer push|fetch OWNER/NAME FILE".into()) };
    let (hub, repo, begun) = (Hub::from_env()?, Repo::model(repo)?, Instant::now());
    if what == "push" {
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = vec![(name, file.into())];
        hub.push(&Push { repo, files, message: "Upload".to_owned(), private: false, create_pr: false })?;
    } else {
        println!("{}", hub.fetch(&repo, file)?.display());
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds:.2} {}", peak_memory().map_or_else(|| "?".to_owned(), |mb| mb.to_string()));
    Ok(())
}

fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}
