//! Which clips an epoch trains on, in which order.

use std::cmp::Reverse;

use earmark_data::{Clip, torch_randperm};

use crate::recipe::{Recipe, Sampling};

/// The clips of an epoch, of those in `train`: a function of the seed and the epoch, and of the clips' lengths where they count.
pub(crate) fn order_of_epoch(
    recipe: &Recipe,
    epoch: u64,
    clips: &[Clip],
    train: &[usize],
    length: impl Fn(usize) -> usize,
) -> Vec<usize> {
    let seed = recipe.seed.wrapping_add(epoch);
    match recipe.sampling {
        Sampling::Random => shuffled(train, seed),
        Sampling::Balanced => shuffled(&balanced(epoch, recipe.seed, clips, train), seed),
        Sampling::GroupByLength => {
            let step = recipe.batch_size * recipe.gradient_accumulation_steps;
            grouped(shuffled(train, seed), step, length)
        }
    }
}

/// `get_length_grouped_indices` of transformers 5.23.0: megabatches of up to fifty steps, each from the longest clip to the shortest,
/// and the longest of all first, so that a batch that memory has no room for comes at once.
fn grouped(mut rows: Vec<usize>, step: usize, length: impl Fn(usize) -> usize) -> Vec<usize> {
    let megabatch = step * (rows.len() / (step * 4)).clamp(1, 50);
    rows.chunks_mut(megabatch).for_each(|rows| rows.sort_by_key(|&row| Reverse(length(row))));
    let firsts = (0..rows.len()).step_by(megabatch);
    // The first of equals.
    let longest = firsts.rev().max_by_key(|&first| length(rows[first]));
    if let Some(longest) = longest {
        rows.swap(0, longest);
    }
    rows
}

fn shuffled(rows: &[usize], seed: u64) -> Vec<usize> {
    torch_randperm(rows.len(), seed).into_iter().map(|place| rows[place]).collect()
}

/// As many clips, of every class equally often, but for a remainder that goes to other classes in each epoch.
///
/// A class goes through its clips in a random order, and begins again in another one: over the epochs each of its clips is used as
/// often as any other, but for one time.
fn balanced(epoch: u64, seed: u64, clips: &[Clip], train: &[usize]) -> Vec<usize> {
    let classes = train.iter().map(|&row| clips[row].label.index() + 1).max().unwrap_or(0);
    let mut of_class = vec![Vec::new(); classes];
    for &row in train {
        of_class[clips[row].label.index()].push(row);
    }
    of_class.retain(|rows| !rows.is_empty());
    let classes = of_class.len() as u64;
    let draws = train.len() as u64;
    let mut drawn = Vec::with_capacity(train.len());
    for (class, rows) in of_class.iter().enumerate() {
        let class = class as u64;
        // Draw number n of all epochs belongs to class n modulo the classes: these are the class's own draws before and after.
        let before = |draw: u64| (draw + classes - 1 - class) / classes;
        let (first, last) = (before(epoch * draws), before((epoch + 1) * draws));
        let mut round = None;
        for draw in first..last {
            let (number, place) = (draw / rows.len() as u64, (draw % rows.len() as u64) as usize);
            if round.as_ref().is_none_or(|(of, _)| *of != number) {
                let seed = mixed([seed, class, number]);
                round = Some((number, shuffled(rows, seed)));
            }
            drawn.extend(round.as_ref().map(|(_, order)| order[place]));
        }
    }
    drawn
}

/// A seed of 32 bits, all that [`torch_randperm`] looks at, from these numbers: FNV-1a, a number at a time.
fn mixed(numbers: [u64; 3]) -> u64 {
    numbers.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, number| {
        let hash = (hash ^ number).wrapping_mul(0x0100_0000_01b3);
        hash ^ (hash >> 29)
    }) >> 32
}

#[cfg(test)]
mod tests {
    use earmark_labels::LabelId;

    use super::*;

    /// Nine clips of class 0, two of class 1 and three of class 3.
    fn clips() -> Vec<Clip> {
        let classes = [0, 0, 0, 1, 0, 3, 0, 0, 3, 1, 0, 0, 3, 0];
        let clip = |(row, class): (usize, &usize)| {
            Clip::new(format!("{row}"), format!("{row}.wav"), LabelId::new(*class))
        };
        classes.iter().enumerate().map(clip).collect()
    }

    fn recipe(sampling: Sampling) -> Recipe {
        Recipe { sampling, seed: 7, ..Recipe::new("name", "model", "data") }
    }

    #[test]
    fn a_random_epoch_is_the_trainers() {
        let train = [4, 2, 9, 1];
        let order = order_of_epoch(&recipe(Sampling::Random), 3, &clips(), &train, |_| 0);
        assert_eq!(order, torch_randperm(4, 10).into_iter().map(|i| train[i]).collect::<Vec<_>>());
    }

    /// `get_length_grouped_indices(lengths, 2, generator=torch.Generator().manual_seed(10))` of transformers 5.23.0.
    #[test]
    fn an_epoch_that_is_grouped_by_length_is_the_trainers() {
        let lengths = [5, 3, 9, 9, 1, 7, 2, 8, 4, 6, 9, 3, 5, 5, 2, 1, 7, 8, 6, 4, 3, 2, 9];
        let recipe = Recipe { batch_size: 2, ..recipe(Sampling::GroupByLength) };
        let train: Vec<usize> = (0..lengths.len()).collect();
        let order = order_of_epoch(&recipe, 3, &[], &train, |row| lengths[row]);
        let want = [10, 2, 0, 20, 7, 16, 19, 15, 22, 5, 9, 18, 3, 17, 13, 11, 12, 8, 6, 21, 1, 14, 4];
        assert_eq!(order, want);
    }

    #[test]
    fn a_balanced_epoch_has_every_class_equally_often_and_all_epochs_every_clip() {
        let (clips, train): (_, Vec<usize>) = (clips(), (0..14).collect());
        let recipe = recipe(Sampling::Balanced);
        let (mut per_class, mut per_clip) = ([0; 4], [0_u64; 14]);
        for epoch in 0..27 {
            let order = order_of_epoch(&recipe, epoch, &clips, &train, |_| 0);
            assert_eq!(order, order_of_epoch(&recipe, epoch, &clips, &train, |_| 0));
            assert_eq!(order.len(), 14);
            let mut now = [0; 4];
            for row in order {
                now[clips[row].label.index()] += 1;
                per_clip[row] += 1;
            }
            assert!([0, 1, 3].iter().all(|&class| (4..=5).contains(&now[class])), "{now:?}");
            per_class.iter_mut().zip(now).for_each(|(all, now)| *all += now);
        }
        assert_eq!(per_class, [126, 126, 0, 126]);
        for (row, used) in per_clip.iter().enumerate() {
            let of_class = clips.iter().filter(|clip| clip.label == clips[row].label).count() as u64;
            assert!((126 / of_class..=126_u64.div_ceil(of_class)).contains(used), "{per_clip:?}");
        }
    }
}
