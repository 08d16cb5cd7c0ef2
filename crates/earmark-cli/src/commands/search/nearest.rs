//! The rows that are nearest to a query.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use anyhow::{Result, bail};
use earmark_data::VectorRow;

/// The rows with the highest cosine similarity so far.
pub(super) struct Nearest {
    query: Vec<f32>,
    most: usize,
    /// The worst on top.
    hits: BinaryHeap<Reverse<Hit>>,
}

/// A row that is near.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) cosine: f64,
    /// Its number in the table.
    pub(super) row: usize,
    pub(super) path: String,
    pub(super) span: Option<(f64, f64)>,
}

impl Nearest {
    pub(super) fn to(query: &[f32], most: usize) -> Nearest {
        Nearest { query: query.to_vec(), most, hits: BinaryHeap::new() }
    }

    /// How many numbers the query has.
    pub(super) fn width(&self) -> usize {
        self.query.len()
    }

    /// Keeps the row if it is among the nearest. One that is as near as an earlier one comes after it.
    pub(super) fn offer(&mut self, row: usize, found: &VectorRow) -> Result<()> {
        if found.vector.len() != self.query.len() {
            bail!("they differ in length");
        }
        let cosine = cosine(&self.query, &found.vector);
        let is_full = self.hits.len() >= self.most;
        if is_full && self.hits.peek().is_some_and(|Reverse(worst)| cosine <= worst.cosine) {
            return Ok(());
        }
        if is_full {
            self.hits.pop();
        }
        self.hits.push(Reverse(Hit { cosine, row, path: found.path.clone(), span: found.span }));
        Ok(())
    }

    /// The nearest first.
    pub(super) fn into_sorted(self) -> Vec<Hit> {
        self.hits.into_sorted_vec().into_iter().map(|Reverse(hit)| hit).collect()
    }
}

/// The cosine of the angle between two vectors of one length; 0 where one of them is all zeros.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum() };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}

/// By how near it is; of two as near, the earlier row.
impl Ord for Hit {
    fn cmp(&self, other: &Hit) -> Ordering {
        self.cosine.total_cmp(&other.cosine).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Hit) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Hit) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Hit {}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str, vector: &[f32]) -> VectorRow {
        VectorRow { path: path.to_owned(), span: None, vector: vector.to_vec() }
    }

    #[test]
    fn the_nearest_come_first_ties_in_the_order_of_the_table_and_zeros_are_unrelated() {
        let rows = [
            row("opposite", &[-3.0, 0.0]),
            row("diagonal", &[1.0, 1.0]),
            row("same", &[0.5, 0.0]),
            row("diagonal too", &[2.0, -2.0]),
            row("zeros", &[0.0, 0.0]),
        ];
        let found = |most| {
            let mut nearest = Nearest::to(&[2.0, 0.0], most);
            rows.iter().enumerate().for_each(|(number, row)| nearest.offer(number, row).unwrap());
            nearest
                .into_sorted()
                .into_iter()
                .map(|hit| (hit.path, (hit.cosine * 1e4).round()))
                .collect::<Vec<_>>()
        };
        let all = [
            ("same", 10000.0),
            ("diagonal", 7071.0),
            ("diagonal too", 7071.0),
            ("zeros", 0.0),
            ("opposite", -10000.0),
        ];
        let all = all.map(|(path, cosine)| (path.to_owned(), cosine));
        assert_eq!(found(9), all);
        for most in 1..5 {
            assert_eq!(found(most), all[..most], "{most}");
        }
    }

    #[test]
    fn a_vector_of_another_length_is_refused() {
        assert!(Nearest::to(&[1.0], 1).offer(0, &row("wide", &[1.0, 2.0])).is_err());
    }
}
