//! When a device has no memory for a batch, it is computed in halves.

use std::any::Any;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};

/// Folds `compute` over pieces of `0..clips`, none longer than `most`, in order, from what `start` gives.
///
/// When a device runs out of memory over a piece, `most` falls to half of its length, `free` releases what the piece left there,
/// and the fold starts again; a single clip that does not fit gives `None`. Backends report a full device by a panic; any other
/// panic is passed on.
pub(crate) fn within_memory<T>(
    clips: usize,
    most: &mut usize,
    start: impl Fn() -> T,
    free: impl Fn(),
    mut compute: impl FnMut(T, Range<usize>) -> T,
) -> Option<T> {
    loop {
        let (mut done, mut full) = (Some(start()), None);
        for from in (0..clips).step_by(*most) {
            let piece = from..(from + *most).min(clips);
            let (length, before) = (piece.len(), done.take());
            let before = before.expect("put back after each piece");
            match panic::catch_unwind(AssertUnwindSafe(|| compute(before, piece))) {
                Ok(value) => done = Some(value),
                Err(cause) if is_out_of_memory(cause.as_ref()) => {
                    full = Some(length);
                    break;
                }
                Err(cause) => panic::resume_unwind(cause),
            }
        }
        match full {
            None => return done,
            Some(0 | 1) => return None,
            Some(length) => {
                *most = length.div_ceil(2);
                drop(done);
                free();
            }
        }
    }
}

/// Whether a panic says that a device's memory is full. Training then goes on with smaller batches, so the panic need not be
/// printed.
pub fn is_out_of_memory(panic: &(dyn Any + Send)) -> bool {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.is_some_and(|text| {
        let text = text.to_ascii_lowercase();
        ["out of memory", "out_of_memory", "outofmemory"].iter().any(|phrase| text.contains(phrase))
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The pieces that a device with room for so many clips computes.
    fn pieces(clips: usize, most: &mut usize, room: usize) -> Option<Vec<Range<usize>>> {
        // What a piece that did not fit left behind takes up room until it is freed.
        let left = Cell::new(0);
        within_memory(
            clips,
            most,
            Vec::new,
            || left.set(0),
            |mut done, piece| {
                left.set(left.get() + piece.len());
                assert!(left.get() <= room, "CUDA out of memory. Tried to allocate 2.00 GiB");
                left.set(0);
                done.push(piece);
                done
            },
        )
    }

    #[test]
    fn a_batch_that_fits_is_computed_whole() {
        let mut most = 8;
        assert_eq!(pieces(8, &mut most, 8).unwrap().len(), 1);
        assert_eq!(most, 8);
    }

    #[test]
    fn a_batch_that_does_not_fit_is_halved_until_it_does_and_stays_so() {
        let mut most = 8;
        assert_eq!(pieces(8, &mut most, 3).unwrap(), [0..2, 2..4, 4..6, 6..8]);
        assert_eq!(most, 2);
        assert_eq!(pieces(3, &mut most, 3).unwrap(), [0..2, 2..3]);
    }

    #[test]
    fn a_single_clip_that_does_not_fit_ends_it() {
        assert_eq!(pieces(4, &mut 4, 0), None);
    }

    #[test]
    #[should_panic(expected = "a bug")]
    fn any_other_panic_is_passed_on() {
        within_memory(4, &mut 4, || (), || (), |(), _| panic!("a bug"));
    }
}
