//! Progress bars on stderr, one set for the whole process, and lines above them.

use std::io::{self, Write as _};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use earmark_hub::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};

use crate::output::escape::escape;
use crate::output::stdout;

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
/// Those that may be on the screen.
static DRAWN: Mutex<Vec<WeakProgressBar>> = Mutex::new(Vec::new());

/// Held while a [`LiveBar`] is drawn, and while a line is written that must not stand behind one.
static TERMINAL: Mutex<()> = Mutex::new(());

fn terminal() -> MutexGuard<'static, ()> {
    TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No bar is drawn from now on.
pub(crate) fn hide() {
    BARS.set_draw_target(ProgressDrawTarget::hidden());
}

/// As [`hide`], and takes the bars off the screen; it waits for nobody.
pub(crate) fn end() {
    let _terminal = TERMINAL.try_lock();
    let _ = BARS.clear();
    hide();
}

/// Runs `write`, which writes to stdout, with the bars off the screen if that is the same terminal.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    if !stdout::stdout().is_terminal() || !is_drawn() {
        return write();
    }
    // Not `MultiProgress::suspend`, which panics where the terminal is gone.
    let _terminal = terminal();
    let _ = BARS.clear();
    write()
}

/// Writes a line to stderr, with the bars out of its way. One that cannot be written is dropped.
#[allow(clippy::disallowed_methods, reason = "this is what `messages` writes by")]
pub(crate) fn above(line: &str) {
    // Not `suspend`, which panics where the terminal is gone.
    let _ = match is_drawn() {
        false => io::stderr().write_all(line.as_bytes()),
        true => {
            let _terminal = terminal();
            BARS.println(line.trim_end())
        }
    };
}

/// Whether a bar is on the screen.
fn is_drawn() -> bool {
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    drawn.retain(|bar| bar.upgrade().is_some_and(|bar| !bar.is_finished()));
    !drawn.is_empty()
}

/// A bar on stderr; nothing at all when stderr is no terminal, or everything is hidden.
pub(crate) fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = BARS.add(ProgressBar::new(length)).with_style(style(template));
    if !BARS.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
        DRAWN.lock().unwrap_or_else(PoisonError::into_inner).push(bar.downgrade());
    }
    bar
}

/// A bar that is brought up to date a few times a second until it is dropped.
///
/// It is drawn by a thread of its own and nowhere else, so that [`aside`] can keep it off what is written to stdout.
pub(crate) struct LiveBar(ProgressBar);

impl LiveBar {
    /// `update` sets length, position and message. `None` where no bars are drawn.
    pub(crate) fn start(template: &str, update: impl Fn(&ProgressBar) + Send + 'static) -> Option<LiveBar> {
        if BARS.is_hidden() {
            return None;
        }
        let bar = BARS.add(ProgressBar::new(1)).with_style(style(template));
        DRAWN.lock().unwrap_or_else(PoisonError::into_inner).push(bar.downgrade());
        thread::spawn({
            let bar = bar.clone();
            move || {
                loop {
                    {
                        let _terminal = terminal();
                        if bar.is_finished() {
                            break;
                        }
                        update(&bar);
                        bar.tick();
                    }
                    thread::sleep(Duration::from_millis(200));
                }
            }
        });
        Some(LiveBar(bar))
    }
}

impl Drop for LiveBar {
    fn drop(&mut self) {
        let _terminal = terminal();
        self.0.finish_and_clear();
    }
}

pub(crate) fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the templates are fixed and valid");
    style.progress_chars("━╸─")
}

/// A bar for each file that comes from the Hub.
#[derive(Debug, Default)]
pub(crate) struct Downloads(Mutex<Option<ProgressBar>>);

impl Downloads {
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        // A panic elsewhere does not make a progress bar wrong.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Downloads {
    fn started(&self, file: &str, total: Option<u64>) {
        let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        let bar = bar(total.unwrap_or(0), template).with_prefix(escape(file).into_owned());
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
