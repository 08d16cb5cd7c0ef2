//! L-BFGS (Liu and Nocedal, 1989). Not argmin's: it asks for the value and for the gradient in two calls, and the products that
//! both are made of are all the work there is.

use std::collections::VecDeque;

/// Steps that are remembered; SciPy's default.
const MEMORY: usize = 10;
/// Shortenings of one step; a convex function that does not fall by then is at its lowest to the last digit.
const SHORTENINGS: usize = 40;
/// Armijo's share of the decrease that the gradient promises.
const DECREASE: f64 = 1e-4;

/// When a minimisation ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    /// No part of the gradient is larger.
    pub(super) gradient: f64,
    pub(super) steps: usize,
}

/// Minimises a convex function from `start` on. `function` gives its value and its gradient.
pub(super) fn minimise(
    start: Vec<f64>,
    until: Until,
    mut function: impl FnMut(&[f64]) -> (f64, Vec<f64>),
) -> Vec<f64> {
    let mut point = start;
    let (mut value, mut gradient) = function(&point);
    let mut pairs: VecDeque<Pair> = VecDeque::new();
    for _ in 0..until.steps {
        if gradient.iter().all(|g| g.abs() <= until.gradient) {
            break;
        }
        let mut direction = descent(&gradient, &pairs);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            // What was remembered misleads: steepest descent.
            pairs.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = dot(&direction, &gradient);
        }
        // Without a remembered step nothing tells how far to go.
        let mut step = if pairs.is_empty() { 1.0 / (-slope).sqrt().max(1.0) } else { 1.0 };
        let mut next = None;
        for _ in 0..SHORTENINGS {
            let there: Vec<f64> = point.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
            let (found, slopes) = function(&there);
            if found <= value + DECREASE * step * slope {
                next = Some((there, found, slopes));
                break;
            }
            step /= 2.0;
        }
        let Some((there, found, slopes)) = next else { break };
        let moved: Vec<f64> = there.iter().zip(&point).map(|(a, b)| a - b).collect();
        let changed: Vec<f64> = slopes.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&moved, &changed);
        if curvature > f64::EPSILON * dot(&changed, &changed) {
            pairs.truncate(MEMORY - 1);
            pairs.push_front(Pair { moved, changed, curvature });
        }
        (point, value, gradient) = (there, found, slopes);
    }
    point
}

/// A step, and how it changed the gradient.
struct Pair {
    moved: Vec<f64>,
    changed: Vec<f64>,
    /// Their product.
    curvature: f64,
}

/// The two loops: the gradient times the approximate inverse of the Hessian, downwards.
fn descent(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let share = dot(&pair.moved, &direction) / pair.curvature;
        add(&mut direction, -share, &pair.changed);
        shares.push(share);
    }
    if let Some(newest) = pairs.front() {
        let scale = newest.curvature / dot(&newest.changed, &newest.changed);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for (pair, share) in pairs.iter().zip(shares).rev() {
        let back = dot(&pair.changed, &direction) / pair.curvature;
        add(&mut direction, share - back, &pair.moved);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += times * what);
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: Until = Until { gradient: 1e-9, steps: 200 };

    #[test]
    fn the_lowest_point_of_an_uneven_bowl_is_found() {
        let weights: Vec<f64> = (0..30).map(|i| 10f64.powf(f64::from(i) / 15.0)).collect();
        let mut calls = 0;
        let found = minimise(vec![3.0; 30], UNTIL, |x| {
            calls += 1;
            let off: Vec<f64> = x.iter().enumerate().map(|(i, x)| x - i as f64).collect();
            let value = off.iter().zip(&weights).map(|(off, weight)| weight * off * off / 2.0).sum();
            (value, off.iter().zip(&weights).map(|(off, weight)| weight * off).collect())
        });
        assert!(found.iter().enumerate().all(|(i, x)| (x - i as f64).abs() < 1e-8), "{found:?}");
        assert!(calls < 150, "{calls} calls");
    }

    #[test]
    fn a_start_at_the_lowest_point_is_kept() {
        let mut calls = 0;
        let found = minimise(vec![1.0, 2.0], UNTIL, |x| {
            calls += 1;
            ((x[0] - 1.0).powi(2) + (x[1] - 2.0).powi(2), vec![2.0 * (x[0] - 1.0), 2.0 * (x[1] - 2.0)])
        });
        assert_eq!((found, calls), (vec![1.0, 2.0], 1));
    }
}
