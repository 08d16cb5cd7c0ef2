use std::io::Write as _;

/// Where two arrays differ most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worst {
    /// Position in the flattened arrays.
    pub index: usize,
    /// The absolute difference there; not a number when either side is not.
    pub difference: f32,
}

/// The largest absolute difference; a value that is not a number counts as the worst of all.
///
/// Panics when the lengths differ.
#[track_caller]
pub fn worst_difference(got: &[f32], want: &[f32]) -> Worst {
    assert_eq!(got.len(), want.len(), "lengths differ");
    let mut worst = Worst { index: 0, difference: 0.0 };
    for (index, (g, w)) in got.iter().zip(want).enumerate() {
        let difference = (g - w).abs();
        if difference > worst.difference || difference.is_nan() {
            worst = Worst { index, difference };
            if difference.is_nan() {
                break;
            }
        }
    }
    worst
}

/// Asserts that `got` equals `want` within `tolerance` everywhere, and returns the worst difference seen.
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], want: &[f32], tolerance: f32) -> f32 {
    assert_eq!(got.len(), want.len(), "{what}: {} values, expected {}", got.len(), want.len());
    let Worst { index, difference } = worst_difference(got, want);
    note_difference(what, difference.into());
    assert!(
        difference <= tolerance,
        "{what}: off by {difference:e} at {index} (got {}, expected {}), allowed {tolerance:e}",
        got[index],
        want[index],
    );
    difference
}

/// Adds a line to the file that `EARMARK_WORST` names, if it does: the test, what was compared, how far it was off. So the
/// differences in the docs are measured.
pub fn note_difference(what: &str, difference: f64) {
    let Some(path) = std::env::var_os("EARMARK_WORST") else { return };
    let thread = std::thread::current();
    let line = format!("{difference:e}\t{}\t{what}\n", thread.name().unwrap_or_default());
    let file = std::fs::File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("EARMARK_WORST names a file to write to");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_is_never_close() {
        let caught = std::panic::catch_unwind(|| assert_close("x", &[f32::NAN], &[0.0], 1.0));
        assert!(caught.is_err());
    }

    #[test]
    fn the_worst_place_is_named() {
        let worst = worst_difference(&[0.0, 1.0, 2.0], &[0.0, 1.5, 2.25]);
        assert_eq!(worst, Worst { index: 1, difference: 0.5 });
    }
}
