//! Clips in two halves, so that a fit is measured on clips that it has not seen.

use anyhow::{Context as _, Result};
use earmark_data::{Split, TestSize, group_split};

/// What tells whether clips belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// Clips of one recording, speaker or artist.
    Named(String),
    /// A clip by itself, by the hash of its sound: a dataset may have a sound twice.
    Sound([u8; 32]),
}

/// The rows to fit on, and those to measure on. Groups are on one side.
pub(super) fn halves(groups: &[Group], seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    let doing = "cannot hold out half of the clips to measure the calibration on: score more of them";
    let Split { train, test } = group_split(groups, TestSize::Fraction(0.5), seed).context(doing)?;
    Ok((train, test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_and_a_sound_that_is_there_twice_are_on_one_side() {
        let named = |name: &str| Group::Named(name.to_owned());
        let groups: Vec<Group> = (0..40u8)
            .map(|clip| {
                if clip < 20 {
                    named(&format!("recording {}", clip % 7))
                } else {
                    Group::Sound([clip / 2; 32])
                }
            })
            .collect();
        for seed in 0..20 {
            let (fit, measure) = halves(&groups, seed).unwrap();
            let mut all = [fit.clone(), measure.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..40).collect::<Vec<_>>());
            assert!(fit.len() >= 15 && measure.len() >= 20, "{} and {}", fit.len(), measure.len());
            assert!(fit.iter().all(|&row| measure.iter().all(|&other| groups[row] != groups[other])));
        }
        assert_ne!(halves(&groups, 1).unwrap(), halves(&groups, 2).unwrap());
    }

    #[test]
    fn clips_that_cannot_be_divided_are_refused() {
        let one = Group::Sound([0; 32]);
        assert!(halves(&[], 42).is_err() && halves(std::slice::from_ref(&one), 42).is_err());
        assert!(halves(&[one.clone(), one], 42).is_err());
    }
}
