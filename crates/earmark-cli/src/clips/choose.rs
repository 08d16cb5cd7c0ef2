//! Which sounds become clips.

use std::collections::BTreeMap;

use earmark_data::permutation;
use earmark_labels::TopK;

use crate::clips::sounds::Sound;

/// Windows that touch may overlap by this much in a table with rounded times, in seconds.
const ROUNDING: f64 = 1e-3;

/// How many sounds of a label become clips, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Those with the highest scores.
    Top(TopK),
    /// From each of so many equal bins of scores between 0 and 1 at most `each`, drawn at random.
    Bins { bins: usize, each: usize, seed: u64 },
}

/// Of sounds of one label in one recording that overlap keeps those with the higher scores. They come out by recording,
/// then label, then score.
pub(crate) fn without_overlaps(mut sounds: Vec<Sound>) -> Vec<Sound> {
    let place = |sound: &Sound| (sound.recording, sound.label);
    sounds.sort_by(|a, b| {
        place(a).cmp(&place(b)).then(b.rank().total_cmp(&a.rank())).then(a.start.total_cmp(&b.start))
    });
    let mut kept = Vec::new();
    for group in sounds.chunk_by(|a, b| place(a) == place(b)) {
        // By the bits of their starts, which are ordered as the numbers are: no start is negative.
        let mut taken: BTreeMap<u64, f64> = BTreeMap::new();
        for sound in group {
            // Adding zero makes one of a negative zero.
            let at = (sound.start + 0.0).to_bits();
            let before = taken.range(..=at).next_back().is_some_and(|(_, end)| *end > sound.start + ROUNDING);
            let after = taken
                .range(at..)
                .next()
                .is_some_and(|(start, _)| f64::from_bits(*start) < sound.end - ROUNDING);
            if !before && !after {
                taken.insert(at, sound.end);
                kept.push(*sound);
            }
        }
    }
    kept
}

/// The chosen sounds: by label, then from the highest score to the lowest, then by recording and time.
///
/// # Errors
/// With bins, the first sound without a score between 0 and 1.
pub(crate) fn choose(mut sounds: Vec<Sound>, choice: Choice) -> Result<Vec<Sound>, Sound> {
    sounds.sort_by(|a, b| {
        a.label
            .cmp(&b.label)
            .then(b.rank().total_cmp(&a.rank()))
            .then(a.recording.cmp(&b.recording))
            .then(a.start.total_cmp(&b.start))
    });
    let mut chosen = Vec::new();
    for of_label in sounds.chunk_by(|a, b| a.label == b.label) {
        match choice {
            Choice::Top(TopK::All) => chosen.extend_from_slice(of_label),
            Choice::Top(TopK::N(n)) => chosen.extend_from_slice(&of_label[..of_label.len().min(n)]),
            Choice::Bins { bins, each, seed } => chosen.extend(binned(of_label, bins, each, seed)?),
        }
    }
    Ok(chosen)
}

fn binned(sounds: &[Sound], bins: usize, each: usize, seed: u64) -> Result<Vec<Sound>, Sound> {
    let mut full = vec![0; bins];
    let mut drawn = Vec::new();
    for place in permutation(sounds.len(), seed) {
        let sound = sounds[place];
        let score = sound.score.filter(|score| (0.0..=1.0).contains(score)).ok_or(sound)?;
        // 1 belongs to the last bin.
        let bin = ((f64::from(score) * bins as f64) as usize).min(bins - 1);
        if full[bin] < each {
            full[bin] += 1;
            drawn.push(place);
        }
    }
    drawn.sort_unstable();
    Ok(drawn.into_iter().map(|place| sounds[place]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(label: usize, start: f64, end: f64, score: f32) -> Sound {
        Sound { recording: 0, label, start, end, score: Some(score) }
    }

    #[test]
    fn of_overlapping_sounds_of_a_label_the_best_is_kept() {
        let sounds = vec![
            sound(0, 0.0, 3.0, 0.5),
            sound(0, 1.0, 4.0, 0.9),
            sound(0, 2.0, 5.0, 0.7),
            sound(0, 4.0, 7.0, 0.6), // touches the best
            sound(1, 1.5, 4.5, 0.1), // of another label
            Sound { recording: 1, ..sound(0, 1.0, 4.0, 0.2) },
            sound(0, 6.9995, 9.0, 0.3), // overlaps by a rounding
            sound(0, 0.0, 90.0, 0.05),  // holds all of them
        ];
        let kept: Vec<f32> = without_overlaps(sounds).iter().map(Sound::rank).collect();
        assert_eq!(kept, [0.9, 0.6, 0.3, 0.1, 0.2]);
    }

    #[test]
    fn each_label_has_its_best_and_a_mark_of_a_person_is_the_best() {
        let marked = Sound { score: None, ..sound(0, 9.0, 10.0, 0.0) };
        let sounds = vec![sound(1, 0.0, 1.0, 0.2), sound(0, 1.0, 2.0, 0.3), sound(0, 3.0, 4.0, 0.8), marked];
        let best = choose(sounds.clone(), Choice::Top(TopK::N(2))).unwrap();
        assert_eq!(best, [marked, sounds[2], sounds[0]]);
        assert_eq!(choose(sounds.clone(), Choice::Top(TopK::All)).unwrap().len(), 4);
        assert_eq!(choose(sounds, Choice::Bins { bins: 2, each: 1, seed: 0 }), Err(marked));
    }

    #[test]
    fn bins_are_drawn_from_evenly_and_the_same_for_the_same_seed() {
        let sounds: Vec<Sound> =
            (0..=100u8).map(|n| sound(0, f64::from(n), f64::from(n) + 1.0, f32::from(n) / 100.0)).collect();
        let draw = |seed| choose(sounds.clone(), Choice::Bins { bins: 4, each: 3, seed }).unwrap();
        let drawn = draw(7);
        for bin in 0..4u8 {
            let (from, to) = (f32::from(bin) / 4.0, f32::from(bin + 1) / 4.0);
            let inside = drawn.iter().filter(|it| it.rank() >= from && (it.rank() < to || bin == 3));
            assert_eq!(inside.count(), 3, "{from} to {to}");
        }
        assert_eq!(draw(7), drawn);
        assert_ne!(draw(8), drawn);
        let everything = choose(sounds.clone(), Choice::Bins { bins: 4, each: 1000, seed: 7 }).unwrap();
        assert_eq!(everything.len(), sounds.len());
    }
}
