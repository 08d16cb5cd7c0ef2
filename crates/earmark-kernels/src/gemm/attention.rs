//! Scaled dot-product attention.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::gemm::matrix::{Matrix, MatrixMut, Tile};
use crate::pointwise::dropout::Dropout;
use crate::simd::exp;

/// Queries that one task takes, side by side: six of the longest vectors. With 1214 keys 64 took 2 to 9 % longer.
pub(super) const BLOCK: usize = 96;

/// Queries whose softmax is taken together, their maxima and sums in registers.
const STRIP: usize = 16;

/// The shape of an attention. The heads of one position lie side by side: a row has `heads * width` numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Sequences, which do not see one another.
    pub batch: usize,
    /// Positions of the queries, and of the output.
    pub queries: usize,
    /// Positions of the keys and values: as many as queries, unless another sequence is attended to.
    pub keys: usize,
    /// Heads, each on its own share of the columns.
    pub heads: usize,
    /// Columns of one head.
    pub width: usize,
    /// What scores are multiplied by: `1 / sqrt(width)`, unless the queries were scaled before.
    pub scale: f32,
}

/// Numbers added to the scores, one for `[batch, head, query, key]`.
#[derive(Debug, Clone, Copy)]
pub struct Bias<'a> {
    /// The numbers.
    pub data: &'a [f32],
    /// How far apart they lie along each of the four axes; 0 along an axis where they are the same.
    pub strides: [usize; 4],
}

/// What is attended with, to and over.
#[derive(Debug, Clone, Copy)]
pub struct Attended<'a> {
    /// Queries `[batch, queries, heads * width]`.
    pub q: &'a [f32],
    /// Keys `[batch, keys, heads * width]`.
    pub k: &'a [f32],
    /// Values, like the keys.
    pub v: &'a [f32],
    /// Of the scores.
    pub bias: Option<Bias<'a>>,
    /// Of the weights, which softmax makes of the scores.
    pub dropout: Option<Dropout>,
}

/// `out = dropout(softmax(q kᵀ · scale + bias)) v`, for every sequence and head.
///
/// - `out`: like `q`
///
/// A key whose bias is -∞, or so far below that of the best that `exp` of the difference is no normal number, weighs
/// exactly nothing. A query all of whose biases are -∞ gives NaN, as in PyTorch; a finite bias never does. Without keys
/// the result is 0.
///
/// Scores are kept for 96 queries at a time on each thread: `384 * keys` bytes.
///
/// # Panics
///
/// If the lengths do not fit together.
pub fn attention(shape: Attention, attended: Attended, out: &mut [f32]) {
    shape.check(attended, out);
    let Attention { queries, keys, heads, width, .. } = shape;
    if out.is_empty() {
        return;
    }
    if keys == 0 {
        return out.fill(0.0);
    }

    let arch = Arch::new();
    let columns = heads * width;
    let tiles: Vec<_> = out
        .chunks_exact_mut(queries * columns)
        .enumerate()
        .flat_map(|(sequence, out)| {
            let tiles = MatrixMut::row_major(out, queries, columns).into_tiles(BLOCK, width);
            tiles.into_iter().map(move |Tile { rows, columns, matrix }| {
                (Head { shape, sequence, head: columns.start / width }, rows, matrix)
            })
        })
        .collect();
    let scratch = || vec![[0.0; BLOCK]; keys];
    tiles.into_par_iter().for_each_init(scratch, |weights, (head, rows, mut out)| {
        let sums = head.weigh(arch, attended, rows.clone(), weights);
        head.drop(arch, attended.dropout, rows.start, weights);
        let weights = Matrix::new(weights.as_flattened(), [rows.len(), keys], [1, BLOCK]);
        out.product(1.0, weights, head.keys(attended.v), false);
        for (row, sum) in sums.iter().take(rows.len()).enumerate() {
            out.row_mut(row).iter_mut().for_each(|x| *x /= sum);
        }
    });
}

impl Attention {
    /// `out` is the output, or its gradient.
    #[track_caller]
    pub(super) fn check(self, attended: Attended, out: &[f32]) {
        let columns = self.heads * self.width;
        let [queries, keys] = [self.queries, self.keys].map(|positions| self.batch * positions * columns);
        assert_eq!([attended.q.len(), out.len()], [queries; 2], "the queries and the output of {self:?}");
        assert_eq!([attended.k.len(), attended.v.len()], [keys; 2], "the keys and the values of {self:?}");
        attended.dropout.into_iter().for_each(Dropout::check);
    }
}

/// One head of one sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) shape: Attention,
    pub(super) sequence: usize,
    pub(super) head: usize,
}

impl Head {
    /// Its queries, or what is like them: `[queries, width]`.
    pub(super) fn queries(self, x: &[f32]) -> Matrix<'_> {
        self.part(x, self.shape.queries)
    }

    /// Its keys, or what is like them: `[keys, width]`.
    pub(super) fn keys(self, x: &[f32]) -> Matrix<'_> {
        self.part(x, self.shape.keys)
    }

    fn part(self, x: &[f32], positions: usize) -> Matrix<'_> {
        let Attention { heads, width, .. } = self.shape;
        let size = positions * heads * width;
        Matrix::row_major(&x[self.sequence * size..][..size], positions, heads * width)
            .block(0..positions, self.head * width..(self.head + 1) * width)
    }

    /// What each key weighs for each of the queries `rows`, not yet divided by their sums, which are returned.
    pub(super) fn weigh(
        self,
        arch: Arch,
        Attended { q, k, bias, .. }: Attended,
        rows: Range<usize>,
        weights: &mut [[f32; BLOCK]],
    ) -> [f32; BLOCK] {
        let Attention { queries, keys, width, scale, .. } = self.shape;
        let q = self.queries(q).block(rows.clone(), 0..width);
        MatrixMut::column_major(weights, rows.len(), keys).product(
            scale,
            q,
            self.keys(k).transposed(),
            false,
        );
        if let Some(Bias { data, strides }) = bias {
            let start = self.sequence * strides[0] + self.head * strides[1];
            let bias =
                Matrix::new(data.get(start..).unwrap_or_default(), [queries, keys], [strides[2], strides[3]]);
            bias.block(rows.clone(), 0..keys).add_to_columns(weights);
        }
        arch.dispatch(Softmax { scores: weights, queries: rows.len() })
    }

    /// Drops weights of the block of queries that begins with `query`, or their gradients: the same of both.
    pub(super) fn drop(
        self,
        arch: Arch,
        dropout: Option<Dropout>,
        query: usize,
        weights: &mut [[f32; BLOCK]],
    ) {
        if let Some(dropout) = dropout {
            let head = self.sequence * self.shape.heads + self.head;
            let block = head * self.shape.queries.div_ceil(BLOCK) + query / BLOCK;
            dropout.apply(arch, block as u64, weights.as_flattened_mut());
        }
    }
}

/// Turns the scores of [`BLOCK`] queries, one row to a key, into weights; returns what their sums are.
struct Softmax<'a> {
    scores: &'a mut [[f32; BLOCK]],
    queries: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = [f32; BLOCK];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f32; BLOCK] {
        let Self { scores, queries } = self;
        let mut sums = [0.0; BLOCK];
        for (strip, sums) in
            sums.as_chunks_mut::<STRIP>().0.iter_mut().enumerate().take(queries.div_ceil(STRIP))
        {
            let mut best = [f32::NEG_INFINITY; STRIP];
            for row in &*scores {
                for (best, &score) in best.iter_mut().zip(&row.as_chunks::<STRIP>().0[strip]) {
                    *best = if *best > score { *best } else { score };
                }
            }
            let mut local = [0.0; STRIP];
            for row in &mut *scores {
                let row = &mut row.as_chunks_mut::<STRIP>().0[strip];
                for lane in 0..STRIP {
                    row[lane] = exp::<S>(row[lane] - best[lane]);
                    local[lane] += row[lane];
                }
            }
            *sums = local;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, noise, worst};

    fn reference(
        shape: Attention,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        bias: impl Fn([usize; 4]) -> f64,
    ) -> Vec<f64> {
        let Attention { batch, queries, keys, heads, width, scale } = shape;
        let at = |x: &[f32], row, head, column| f64::from(x[(row * heads + head) * width + column]);
        let mut out = vec![0.0; q.len()];
        for (b, head, query) in (0..batch)
            .flat_map(|b| (0..heads).flat_map(move |head| (0..queries).map(move |query| (b, head, query))))
        {
            let scores: Vec<f64> = (0..keys)
                .map(|key| {
                    let dot: f64 = (0..width)
                        .map(|c| at(q, b * queries + query, head, c) * at(k, b * keys + key, head, c))
                        .sum();
                    dot * f64::from(scale) + bias([b, head, query, key])
                })
                .collect();
            let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - best).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for c in 0..width {
                let total: f64 =
                    weights.iter().enumerate().map(|(key, w)| w * at(v, b * keys + key, head, c)).sum();
                out[((b * queries + query) * heads + head) * width + c] = total / sum;
            }
        }
        out
    }

    fn shape(batch: usize, queries: usize, keys: usize, heads: usize, width: usize) -> Attention {
        Attention { batch, queries, keys, heads, width, scale: 1.0 / (width as f32).sqrt() }
    }

    fn inputs(shape: Attention) -> [Vec<f32>; 4] {
        let row = shape.heads * shape.width;
        let keys = shape.batch * shape.keys * row;
        let queries = shape.batch * shape.queries * row;
        // Scores up to about 10.
        let q = noise(1, queries).iter().map(|x| 4.0 * x).collect();
        [q, noise(2, keys), noise(3, keys), vec![f32::NAN; queries]]
    }

    fn attended<'a>(q: &'a [f32], k: &'a [f32], v: &'a [f32], bias: Option<Bias<'a>>) -> Attended<'a> {
        Attended { q, k, v, bias, dropout: None }
    }

    #[test]
    fn averages_match_f64() {
        let mut most: f64 = 0.0;
        for shape in [
            shape(1, 1, 1, 1, 1),
            shape(2, 3, 3, 1, 64),
            shape(1, 64, 64, 2, 32),
            shape(2, 65, 65, 3, 24),
            shape(1, 131, 131, 2, 64),
            shape(1, 1, 300, 4, 64),
            shape(3, 70, 17, 2, 7),
            shape(1, 33, 2500, 1, 64),
        ] {
            let [q, k, v, mut out] = inputs(shape);
            attention(shape, attended(&q, &k, &v, None), &mut out);
            let error = worst(&out, &reference(shape, &q, &k, &v, |_| 0.0));
            most = most.max(error);
            assert!(error < 1e-6, "{shape:?}: {error:e}");

            // A full bias, and one that is the same for all queries of a batch.
            let [batch, heads, queries, keys] = [shape.batch, shape.heads, shape.queries, shape.keys];
            let full = noise(4, batch * heads * queries * keys);
            for strides in [[heads * queries * keys, queries * keys, keys, 1], [keys, 0, 0, 1], [0, 1, 0, 0]]
            {
                out.fill(f32::NAN);
                let bias = Bias { data: &full, strides };
                attention(shape, attended(&q, &k, &v, Some(bias)), &mut out);
                let at = |index: [usize; 4]| {
                    f64::from(full[index.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>()])
                };
                let error = worst(&out, &reference(shape, &q, &k, &v, at));
                most = most.max(error);
                assert!(error < 1e-6, "{shape:?} {strides:?}: {error:e}");
            }
        }
        println!("worst difference: {most:e}"); // Measured 5.7e-7.
    }

    #[test]
    fn masked_keys_weigh_exactly_nothing() {
        let shape = shape(1, 70, 40, 2, 8);
        let [q, k, mut v, mut out] = inputs(shape);
        for mask in [-3e4, f32::NEG_INFINITY] {
            let bias: Vec<f32> = (0..40).map(|key| if key < 25 { 0.0 } else { mask }).collect();
            let bias = Some(Bias { data: &bias, strides: [0, 0, 0, 1] });
            attention(shape, attended(&q, &k, &v, bias), &mut out);
            let before = out.clone();
            v[25 * 16..].fill(1e30);
            attention(shape, attended(&q, &k, &v, bias), &mut out);
            assert_eq!(before, out);
        }
    }

    #[test]
    fn a_query_whose_keys_are_all_masked_gives_their_average_and_no_nan() {
        let shape = shape(1, 5, 30, 1, 8);
        let [_, k, v, mut out] = inputs(shape);
        let q = vec![0.0; 40];
        for mask in [-3e4, f32::MIN] {
            let bias = Bias { data: &[mask], strides: [0; 4] };
            attention(shape, attended(&q, &k, &v, Some(bias)), &mut out);
            assert!(worst(&out, &reference(shape, &q, &k, &v, |_| 0.0)) < 1e-6);
        }
    }

    #[test]
    fn weights_match_f64_on_every_instruction_set() {
        for (name, arch) in instruction_sets() {
            // Differences from the best of 0 to -88, and one more.
            let mut scores: Vec<[f32; BLOCK]> = (0..1000)
                .map(|key| std::array::from_fn(|lane| -(key as f32) * 0.088 - lane as f32 * 1e-4))
                .collect();
            scores[0] = [0.0; BLOCK];
            let before = scores.clone();
            let sums = arch.dispatch(Softmax { scores: &mut scores, queries: BLOCK });
            let mut worst: f64 = 0.0;
            for (before, after) in before.iter().zip(&scores) {
                for (&before, &after) in before.iter().zip(after) {
                    let exact = f64::from(before).exp();
                    if before < -87.33 {
                        assert_eq!(after, 0.0, "{name}: {before}");
                    } else {
                        worst = worst.max((f64::from(after) / exact - 1.0).abs() / f64::from(f32::EPSILON));
                    }
                }
            }
            let sum: f64 = before.iter().map(|row| f64::from(row[BLOCK - 1]).exp()).sum();
            assert!((f64::from(sums[BLOCK - 1]) / sum - 1.0).abs() < 1e-6, "{name}");
            println!("{name}: {worst:.2} epsilon");
            assert!(worst < 0.9, "{name}: {worst:.2} epsilon"); // Measured 0.68.
        }
    }

    #[test]
    #[should_panic(expected = "the keys and the values of")]
    fn too_few_keys_are_refused() {
        let shape = shape(1, 2, 3, 1, 4);
        attention(shape, attended(&[0.0; 8], &[0.0; 8], &[0.0; 12], None), &mut [0.0; 8]);
    }
}
