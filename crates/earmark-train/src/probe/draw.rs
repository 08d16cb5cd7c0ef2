//! Which rows a probe learns from, and the folds that its strength is chosen by.

use std::collections::BTreeMap;

use earmark_data::permutation;

/// So many rows of each class, drawn by the seed, ascending; `rows` are those to draw from, and `labels` has each row's class.
///
/// # Errors
/// A class with fewer rows, and how many it has.
pub fn draw_per_class(
    rows: &[usize],
    labels: &[usize],
    count: usize,
    seed: u64,
) -> Result<Vec<usize>, (usize, usize)> {
    let mut drawn = Vec::new();
    for (class, rows) in by_class(rows, labels) {
        if rows.len() < count {
            return Err((class, rows.len()));
        }
        // A class of its own order, or the first of each would be drawn together.
        let order = permutation(rows.len(), seed.wrapping_add((class as u64).wrapping_mul(0x9e37_79b9)));
        drawn.extend(order.into_iter().take(count).map(|place| rows[place]));
    }
    drawn.sort_unstable();
    Ok(drawn)
}

/// Folds for rows of these classes, five at most, in which each class is spread evenly. Rows of one group are in one fold; rows
/// without a group stand alone.
pub fn stratified_folds(labels: &[usize], groups: &[Option<String>], seed: u64) -> Vec<usize> {
    const MOST: usize = 5;
    let groups: Vec<String> = groups
        .iter()
        .enumerate()
        .map(|(row, group)| {
            group.as_ref().map_or_else(|| format!("row {row}"), |group| format!("group {group}"))
        })
        .collect();
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    groups.iter().enumerate().for_each(|(row, group)| members.entry(group).or_default().push(row));
    let count = members.len().min(MOST);
    let mut folds = vec![0; labels.len()];
    let Some(classes) = labels.iter().max().map(|last| last + 1) else { return folds };
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let mut order: Vec<&Vec<usize>> =
        permutation(members.len(), seed).into_iter().map(|place| &members[place]).collect();
    // The large ones first, while there is room to even them out.
    order.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
    let mut held = vec![vec![0_usize; classes]; count];
    for rows in order {
        // Where there are the fewest of its classes; of these the smallest fold.
        let crowd = |fold: &usize| {
            let alike: usize = rows.iter().map(|&row| held[*fold][labels[row]]).sum();
            (alike, held[*fold].iter().sum::<usize>(), *fold)
        };
        let fold = (0..count).min_by_key(crowd).expect("there is a fold");
        for &row in rows {
            held[fold][labels[row]] += 1;
            folds[row] = fold;
        }
    }
    folds
}

fn by_class(rows: &[usize], labels: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    rows.iter().for_each(|&row| classes.entry(labels[row]).or_default().push(row));
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_gives_as_many_rows_and_another_seed_others() {
        let labels: Vec<usize> = (0..60).map(|row| row % 3).collect();
        let rows: Vec<usize> = (0..60).filter(|row| row % 5 != 0).collect();
        let drawn = draw_per_class(&rows, &labels, 4, 7).unwrap();
        let of = |class| drawn.iter().filter(|&&row| labels[row] == class).count();
        assert_eq!([0, 1, 2].map(of), [4; 3]);
        assert!(drawn.iter().all(|row| row % 5 != 0) && drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(draw_per_class(&rows, &labels, 4, 7).unwrap(), drawn);
        assert_ne!(draw_per_class(&rows, &labels, 4, 8).unwrap(), drawn);
        assert_eq!(draw_per_class(&rows, &labels, 17, 7), Err((0, 16)));
    }

    #[test]
    fn folds_keep_groups_together_and_spread_the_classes() {
        let labels: Vec<usize> = (0..80).map(|row| row / 20).collect();
        let alone = stratified_folds(&labels, &vec![None; 80], 3);
        for fold in 0..5 {
            for class in 0..4 {
                let held = (0..80).filter(|&row| alone[row] == fold && labels[row] == class).count();
                assert_eq!(held, 4, "fold {fold}, class {class}");
            }
        }
        let groups: Vec<Option<String>> = (0..80).map(|row| Some((row / 4).to_string())).collect();
        let grouped = stratified_folds(&labels, &groups, 3);
        assert!(grouped.chunks(4).all(|rows| rows.iter().all(|fold| *fold == rows[0])));
        assert_eq!(
            (0..5).map(|fold| grouped.iter().filter(|it| **it == fold).count()).collect::<Vec<_>>(),
            [16; 5]
        );
        let two: Vec<Option<String>> = (0..80).map(|row| Some((row % 2).to_string())).collect();
        assert_eq!(stratified_folds(&labels, &two, 3).iter().max(), Some(&1));
    }
}
