use std::sync::Mutex;
use std::time::Duration;

use earmark_hub::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on stderr; nothing at all when stderr is no terminal or `quiet`.
pub(crate) fn bar(length: u64, template: &str, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(template).expect("the templates are fixed and valid");
    let bar = ProgressBar::with_draw_target(Some(length), target).with_style(style.progress_chars("━╸─"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A line above the bar, on stderr; also when the bar itself is not drawn.
pub(crate) fn say(bar: &ProgressBar, line: &str) {
    bar.suspend(|| eprintln!("{line}"));
}

/// A bar for each file that comes from the Hub.
#[derive(Debug, Default)]
pub(crate) struct Downloads(Mutex<Option<ProgressBar>>);

impl Downloads {
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        // A panic elsewhere does not make a progress bar wrong.
        act(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Progress for Downloads {
    fn started(&self, file: &str, total: Option<u64>) {
        let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        let bar = bar(total.unwrap_or(0), template, false).with_prefix(file.to_owned());
        self.with(|slot| *slot = Some(bar));
    }

    fn advanced(&self, bytes: u64) {
        self.with(|slot| slot.iter().for_each(|bar| bar.inc(bytes)));
    }

    fn finished(&self) {
        self.with(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}
