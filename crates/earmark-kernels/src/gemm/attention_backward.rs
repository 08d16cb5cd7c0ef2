//! The gradients of scaled dot-product attention.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::gemm::attention::{Attended, Attention, BLOCK, Head};
use crate::gemm::matrix::{Matrix, MatrixMut, Tile};
use crate::simd::LEAST;

/// Gradients with respect to the operands of an [`attention`](crate::attention()), like them.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionGradient {
    /// `[batch, queries, heads * width]`
    pub q: Vec<f32>,
    /// `[batch, keys, heads * width]`
    pub k: Vec<f32>,
    /// Like that of the keys.
    pub v: Vec<f32>,
}

/// Turns the gradient with respect to `out`, the output of an [`attention`](crate::attention()), into those with respect to its
/// queries, keys and values. Weights are computed again, for 96 queries at a time, so that none need be kept.
///
/// There is no gradient with respect to the bias.
///
/// - `out`, `gradient`: `[batch, queries, heads * width]`
///
/// Each thread keeps `768 * keys` bytes.
///
/// # Panics
///
/// If the lengths do not fit together.
pub fn attention_backward(
    shape: Attention,
    attended: Attended,
    out: &[f32],
    gradient: &[f32],
) -> AttentionGradient {
    shape.check(attended, out);
    assert_eq!(gradient.len(), out.len(), "a gradient for every output of an attention");
    let Attended { q, k, v, .. } = attended;
    let [mut of_q, mut of_k, mut of_v] = [q, k, v].map(|x| vec![0.0; x.len()]);
    if !(q.is_empty() || k.is_empty()) {
        let arch = Arch::new();
        let of_heads = heads(shape, &mut of_q, shape.queries)
            .into_par_iter()
            .zip(heads(shape, &mut of_k, shape.keys))
            .zip(heads(shape, &mut of_v, shape.keys));
        let scratch = || [0; 2].map(|_| vec![[0.0; BLOCK]; shape.keys]);
        of_heads.for_each_init(scratch, |scratch, (((head, of_q), (_, of_k)), (_, of_v))| {
            of_head(arch, head, attended, [out, gradient], [of_q, of_k, of_v], scratch);
        });
    }
    AttentionGradient { q: of_q, k: of_k, v: of_v }
}

/// The part `[positions, width]` of each head of each sequence.
fn heads(shape: Attention, x: &mut [f32], positions: usize) -> Vec<(Head, MatrixMut<'_>)> {
    let columns = shape.heads * shape.width;
    x.chunks_exact_mut(positions * columns)
        .enumerate()
        .flat_map(|(sequence, x)| {
            let tiles = MatrixMut::row_major(x, positions, columns).into_tiles(positions, shape.width);
            let heads = tiles.into_iter().enumerate();
            heads.map(move |(head, tile)| (Head { shape, sequence, head }, tile.matrix))
        })
        .collect()
}

fn of_head(
    arch: Arch,
    head: Head,
    attended: Attended,
    [out, gradient]: [&[f32]; 2],
    [of_q, mut of_k, mut of_v]: [MatrixMut; 3],
    [weights, of_weights]: &mut [Vec<[f32; BLOCK]>; 2],
) {
    let Attention { keys, width, scale, .. } = head.shape;
    for Tile { rows, matrix: mut of_q, .. } in of_q.into_tiles(BLOCK, width) {
        let queries = rows.len();
        let part = |x| head.queries(x).block(rows.clone(), 0..width);
        let [q, out, gradient] = [attended.q, out, gradient].map(part);

        let sums = head.weigh(arch, attended, rows.clone(), weights);
        MatrixMut::column_major(of_weights, queries, keys).product(
            1.0,
            gradient,
            head.keys(attended.v).transposed(),
            false,
        );
        head.drop(arch, attended.dropout, rows.start, of_weights);
        // What the gradients of a query's weights come to, each by its weight: their sum over the keys, without going over them.
        let mut along = [0.0; BLOCK];
        for (row, along) in along[..queries].iter_mut().enumerate() {
            *along = out.row_dot(gradient, row);
        }
        arch.dispatch(Softmax { weights, of_weights, sums: &sums, along: &along });
        let of_scores = Matrix::new(of_weights.as_flattened(), [queries, keys], [1, BLOCK]);
        of_q.product(scale, of_scores, head.keys(attended.k), false);
        of_k.product(scale, of_scores.transposed(), q, true);
        head.drop(arch, attended.dropout, rows.start, weights);
        let weights = Matrix::new(weights.as_flattened(), [queries, keys], [1, BLOCK]);
        of_v.product(1.0, weights.transposed(), gradient, true);
    }
}

/// Divides the weights by their sums, and turns gradients with respect to them into those with respect to the scores.
struct Softmax<'a> {
    weights: &'a mut [[f32; BLOCK]],
    of_weights: &'a mut [[f32; BLOCK]],
    sums: &'a [f32; BLOCK],
    along: &'a [f32; BLOCK],
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let scales = self.sums.map(f32::recip);
        for (weights, gradients) in self.weights.iter_mut().zip(self.of_weights) {
            for lane in 0..BLOCK {
                let weight = weights[lane] * scales[lane];
                weights[lane] = if weight < LEAST { 0.0 } else { weight };
                gradients[lane] = weights[lane] * (gradients[lane] - self.along[lane]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::attention::{Bias, attention};
    use crate::pointwise::dropout::Dropout;
    use crate::testing::{noise, worst};

    /// By the definition, in f64, with the weights that `kept` multiplies.
    fn reference(
        shape: Attention,
        [q, k, v, gradient]: [&[f32]; 4],
        bias: impl Fn([usize; 3]) -> f64,
        kept: impl Fn([usize; 4]) -> f64,
    ) -> [Vec<f64>; 3] {
        let Attention { batch, queries, keys, heads, width, scale } = shape;
        let place = |row, head, column| (row * heads + head) * width + column;
        let mut found = [q, k, v].map(|x| vec![0.0; x.len()]);
        for b in 0..batch {
            for (head, query) in (0..heads).flat_map(|head| (0..queries).map(move |query| (head, query))) {
                let of_query = |column| place(b * queries + query, head, column);
                let of_key = |key, column| place(b * keys + key, head, column);
                let dot = |x: &[f32], key, y: &[f32]| -> f64 {
                    (0..width).map(|c| f64::from(x[of_query(c)]) * f64::from(y[of_key(key, c)])).sum()
                };
                let scores: Vec<f64> =
                    (0..keys).map(|key| dot(q, key, k) * f64::from(scale) + bias([b, query, key])).collect();
                let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - best).exp()).sum();
                let weights: Vec<f64> = scores.iter().map(|score| (score - best).exp() / sum).collect();
                let of_weights: Vec<f64> =
                    (0..keys).map(|key| dot(gradient, key, v) * kept([b, head, query, key])).collect();
                let along: f64 = weights.iter().zip(&of_weights).map(|(a, b)| a * b).sum();
                for key in 0..keys {
                    let of_score = weights[key] * (of_weights[key] - along) * f64::from(scale);
                    for c in 0..width {
                        let [at_query, at_key] = [of_query(c), of_key(key, c)];
                        found[0][at_query] += of_score * f64::from(k[at_key]);
                        found[1][at_key] += of_score * f64::from(q[at_query]);
                        found[2][at_key] +=
                            weights[key] * kept([b, head, query, key]) * f64::from(gradient[at_query]);
                    }
                }
            }
        }
        found
    }

    const SHAPES: [[usize; 5]; 7] = [
        [1, 1, 1, 1, 1],
        [2, 3, 3, 1, 64],
        [2, 97, 97, 3, 24],
        [1, 200, 200, 2, 32],
        [1, 1, 300, 4, 16],
        [3, 110, 17, 2, 7],
        [1, 33, 1500, 1, 64],
    ];

    fn of([batch, queries, keys, heads, width]: [usize; 5]) -> Attention {
        Attention { batch, queries, keys, heads, width, scale: 1.0 / (width as f32).sqrt() }
    }

    fn inputs(shape: Attention) -> [Vec<f32>; 4] {
        let row = shape.heads * shape.width;
        let [queries, keys] = [shape.queries, shape.keys].map(|positions| shape.batch * positions * row);
        let q = noise(1, queries).iter().map(|x| 4.0 * x).collect();
        [q, noise(2, keys), noise(3, keys), noise(4, queries)]
    }

    /// Which weights a dropout keeps, and what it multiplies them by: with keys that score alike and values that are those of a
    /// unit matrix, the output is the weights.
    fn kept(shape: Attention, dropout: Dropout) -> Vec<f32> {
        let Attention { batch, queries, keys, heads, .. } = shape;
        let shape = Attention { width: keys, ..shape };
        let nothing = |positions: usize| vec![0.0; batch * positions * heads * keys];
        let (q, k, mut v) = (nothing(queries), nothing(keys), nothing(keys));
        for (row, x) in v.chunks_exact_mut(keys).enumerate() {
            x[row / heads % keys] = keys as f32;
        }
        let mut out = nothing(queries);
        attention(shape, Attended { q: &q, k: &k, v: &v, bias: None, dropout: Some(dropout) }, &mut out);
        out
    }

    #[test]
    fn gradients_match_f64() {
        let mut most: f64 = 0.0;
        for shape in SHAPES.map(of) {
            let [q, k, v, gradient] = inputs(shape);
            let dropouts = [None, Some(Dropout { keep: 0.75, seed: 5 })];
            for (dropout, masked) in [(0, false), (0, true), (1, true)] {
                let dropout = dropouts[dropout];
                let Attention { batch, queries, keys, heads, .. } = shape;
                let data: Vec<f32> = (0..batch * keys)
                    .map(|place| if masked && place % keys > keys / 2 { -3e4 } else { 0.0 })
                    .collect();
                let bias = Bias { data: &data, strides: [keys, 0, 0, 1] };
                let attended = Attended { q: &q, k: &k, v: &v, bias: Some(bias), dropout };
                let mut out = vec![f32::NAN; q.len()];
                attention(shape, attended, &mut out);
                let found = attention_backward(shape, attended, &out, &gradient);

                let mask =
                    dropout.filter(|_| batch * heads * queries * keys < 100_000).map(|it| kept(shape, it));
                if dropout.is_some() && mask.is_none() {
                    continue;
                }
                let kept = |[b, head, query, key]: [usize; 4]| {
                    let place = ((b * queries + query) * heads + head) * keys + key;
                    mask.as_ref().map_or(1.0, |mask| f64::from(mask[place]))
                };
                let exact = reference(
                    shape,
                    [&q, &k, &v, &gradient],
                    |[b, _, key]| f64::from(data[b * keys + key]),
                    kept,
                );
                for (found, exact) in [found.q, found.k, found.v].iter().zip(&exact) {
                    let largest = exact.iter().fold(1.0, |largest: f64, x| largest.max(x.abs()));
                    most = most.max(worst(found, exact) / largest);
                }
            }
        }
        println!("worst difference: {most:e}");
        assert!(most < 2e-6, "{most:e}");
    }

    #[test]
    fn a_key_that_nobody_attends_to_has_a_gradient_of_exactly_nothing() {
        let shape = of([1, 100, 60, 2, 8]);
        let [q, k, v, gradient] = inputs(shape);
        // Their weights are 1e-26 at most.
        let bias: Vec<f32> = (0..60).map(|key| if key < 50 { 0.0 } else { -70.0 }).collect();
        let bias = Some(Bias { data: &bias, strides: [0, 0, 0, 1] });
        let attended = Attended { q: &q, k: &k, v: &v, bias, dropout: None };
        let mut out = vec![0.0; q.len()];
        attention(shape, attended, &mut out);
        let AttentionGradient { k, v, .. } = attention_backward(shape, attended, &out, &gradient);
        for of_keys in [k, v] {
            assert!(of_keys[..50 * 16].iter().all(|&x| x != 0.0));
            assert!(of_keys[50 * 16..].iter().all(|&x| x == 0.0));
        }
    }

    #[test]
    #[should_panic(expected = "a gradient for every output")]
    fn too_short_a_gradient_is_refused() {
        let attended = Attended { q: &[0.0; 8], k: &[0.0; 8], v: &[0.0; 8], bias: None, dropout: None };
        attention_backward(of([1, 2, 2, 1, 4]), attended, &[0.0; 8], &[0.0; 7]);
    }
}
