//! How much memory this process takes, and how much it may take. Linux tells; other systems do not here.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr as _;

/// The largest resident set since [`reset_peak`], in bytes.
pub(crate) fn peak() -> Option<u64> {
    kib_of("/proc/self/status", "VmHWM:")
}

/// The resident set now, in bytes.
pub(crate) fn resident() -> Option<u64> {
    kib_of("/proc/self/status", "VmRSS:")
}

/// Lets [`peak`] begin anew.
pub(crate) fn reset_peak() -> io::Result<()> {
    // proc_pid_clear_refs(5).
    fs::write("/proc/self/clear_refs", "5")
}

/// What this process could hold in all: what it holds, and what the machine and its container have free.
pub(crate) fn available() -> Option<u64> {
    let free = kib_of("/proc/meminfo", "MemAvailable:")?;
    Some(resident()? + free.min(free_of_groups().unwrap_or(u64::MAX)))
}

/// What the control groups of this process have free, the least of them: those of a container, a job of Slurm, a unit of systemd.
/// `None` where none has a limit, or they are of version 1.
fn free_of_groups() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let free = |folder: &Path| {
        let number = |name: &str| u64::from_str(fs::read_to_string(folder.join(name)).ok()?.trim()).ok();
        // `max` where there is no limit.
        Some(number("memory.max")?.saturating_sub(number("memory.current")?))
    };
    let root = Path::new("/sys/fs/cgroup");
    let folder = root.join(group);
    folder.ancestors().take_while(|folder| folder.starts_with(root)).filter_map(free).min()
}

fn kib_of(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn the_peak_is_that_of_what_was_held_since_it_was_reset() {
        // Other tests run beside this one, and free and take memory of their own: what is held here outweighs them.
        const HELD: usize = 1 << 28;
        drop(black_box(vec![1_u8; HELD]));
        reset_peak().unwrap();
        let before = peak().unwrap();
        let held = black_box(vec![1_u8; HELD]);
        assert!(peak().unwrap() > before + HELD as u64 / 2, "{before}");
        assert!(available().unwrap() > resident().unwrap());
        drop(held);
    }
}
