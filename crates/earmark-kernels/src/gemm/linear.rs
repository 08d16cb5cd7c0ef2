//! A linear layer: a product, and what follows it while its rows are in cache.

use pulp::Arch;
use rayon::prelude::*;

use crate::gemm::matrix::{Matrix, MatrixMut};
use crate::pointwise::activation::Activation;

/// What is done with a product before it is written for good: `out = activation([out +] product + bias)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added to every row.
    pub bias: Option<&'a [f32]>,
    /// Done last.
    pub activation: Activation,
    /// Whether the product is added to what `out` holds, as a residual connection does, instead of replacing it.
    pub accumulate: bool,
}

impl Epilogue<'_> {
    /// For columns `first..` of the output, the rows of one tile of it.
    pub(crate) fn finish(&self, arch: Arch, first: usize, tile: &mut MatrixMut) {
        if self.bias.is_none() && self.activation == Activation::None {
            return;
        }
        for i in 0..tile.rows() {
            let row = tile.row_mut(i);
            let bias = self.bias.map(|bias| &bias[first..first + row.len()]);
            self.activation.apply_with(arch, row, bias);
        }
    }

    #[track_caller]
    pub(crate) fn check(&self, columns: usize) {
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), columns, "one bias to every column of the output");
        }
    }
}

/// `out = activation([out +] x · weight + bias)`.
///
/// - `x`: `[m, k]`
/// - `weight`: `[k, n]`; one that PyTorch stores, `[n, k]`, is given [`transposed`](Matrix::transposed), which is a tenth
///   slower, and a third where `m` is small
/// - `out`: `[m, n]`
///
/// # Panics
///
/// If the shapes do not fit together.
pub fn linear(x: Matrix, weight: Matrix, epilogue: Epilogue, out: &mut [f32]) {
    let (rows, columns) = (x.rows(), weight.columns());
    assert_eq!(x.columns(), weight.rows(), "the weight has a row for every column of x");
    epilogue.check(columns);
    if rows * columns == 0 {
        assert!(out.is_empty(), "the elements of a matrix [{rows}, {columns}]");
        return;
    }
    product_into(MatrixMut::row_major(out, rows, columns), x, weight, epilogue);
}

/// [`linear`] into any matrix that is not empty, tile by tile.
pub(crate) fn product_into(out: MatrixMut, x: Matrix, weight: Matrix, epilogue: Epilogue) {
    let arch = Arch::new();
    let [tall, wide] = tile(x.rows(), weight.columns(), rayon::current_num_threads());
    out.into_tiles(tall, wide).into_par_iter().for_each_init(Vec::new, |memory, mut tile| {
        let x = x.block(tile.rows, 0..x.columns());
        let mut weight = weight.block(0..weight.rows(), tile.columns.clone());
        // Columns far apart share cache sets, in which gemm's own packing gets stuck: 1499x3072x768 ran at 150 GFLOP/s
        // without this copy and at 202 with it. Below about these sizes the copy costs more than it saves.
        if weight.is_transposed() && weight.rows() >= 1024 && x.rows() >= 64 {
            weight = weight.row_major_copy(memory);
        }
        tile.matrix.product(1.0, x, weight, epilogue.accumulate);
        epilogue.finish(arch, tile.columns.start, &mut tile.matrix);
    });
}

/// The rows and columns of the output that one task takes.
///
/// A tile of 504 by 256 stays in a core's second cache until it is finished, and repays the packing of its columns of the
/// weight. Narrower tiles cost nothing, lower ones do: with 128 rows the products of DistilHuBERT are a tenth slower.
fn tile(rows: usize, columns: usize, threads: usize) -> [usize; 2] {
    if rows == 1 {
        // Bound by reading the weight, which goes best in long rows.
        return [1, columns.div_ceil(threads).next_multiple_of(16)];
    }
    let [mut tall, mut wide] = [504, 256];
    let tiles = |tall, wide| rows.div_ceil(tall) * columns.div_ceil(wide);
    while tiles(tall, wide) < 4 * threads && wide > 64 {
        wide /= 2;
    }
    while tiles(tall, wide) < 2 * threads && tall > 126 {
        tall /= 2;
    }
    [rows.div_ceil(rows.div_ceil(tall)), wide] // As even as they can be.
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{noise, worst};

    fn reference(x: Matrix, weight: Matrix, at: impl Fn(&Matrix, usize, usize) -> f64) -> Vec<f64> {
        let mut out = Vec::new();
        for i in 0..x.rows() {
            for j in 0..weight.columns() {
                out.push((0..x.columns()).map(|k| at(&x, i, k) * at(&weight, k, j)).sum());
            }
        }
        out
    }

    fn at(matrix: &Matrix, row: usize, column: usize) -> f64 {
        matrix.at(row, column).into()
    }

    #[test]
    fn products_match_f64_for_either_storage() {
        let mut most: f64 = 0.0;
        for (m, k, n) in [
            (1, 1, 1),
            (1, 768, 64),
            (2, 3, 1),
            (50, 17, 33),
            (7, 300, 701),
            (601, 31, 130),
            (65, 1031, 35),
            (64, 1024, 16),
            (3, 0, 5),
        ] {
            let (x, weight, bias) = (noise(1, m * k), noise(2, k * n), noise(3, n));
            let x = Matrix::row_major(&x, m, k);
            for weight in [Matrix::row_major(&weight, k, n), Matrix::row_major(&weight, n, k).transposed()] {
                let exact = reference(x, weight, at);
                for (bias, accumulate) in
                    [(None, false), (Some(&bias), false), (None, true), (Some(&bias), true)]
                {
                    let mut out = noise(4, m * n);
                    let exact: Vec<f64> = exact
                        .iter()
                        .zip(&out)
                        .enumerate()
                        .map(|(i, (exact, &out))| {
                            let sum = exact
                                + bias.map_or(0.0, |bias| f64::from(bias[i % n]))
                                + if accumulate { f64::from(out) } else { 0.0 };
                            sum.max(0.0)
                        })
                        .collect();
                    let bias = bias.map(|bias| &bias[..]);
                    let epilogue = Epilogue { bias, activation: Activation::Relu, accumulate };
                    linear(x, weight, epilogue, &mut out);
                    let error = worst(&out, &exact) / (k as f64).sqrt().max(1.0);
                    most = most.max(error);
                    assert!(error < 2e-6, "{m} {k} {n}: {error:e}");
                }
            }
        }
        println!("worst difference over sqrt(k): {most:e}"); // Measured 1.1e-6.
    }

    #[test]
    fn rows_may_overlap_and_strides_may_be_zero() {
        let (x, weight) = (noise(1, 100), noise(2, 12 * 5));
        let mut out = vec![f32::NAN; 30 * 5];
        let frames = Matrix::new(&x, [30, 12], [3, 1]);
        let weight = Matrix::row_major(&weight, 12, 5);
        linear(frames, weight, Epilogue::default(), &mut out);
        assert!(worst(&out, &reference(frames, weight, at)) < 1e-6);
        let repeated = Matrix::new(&x, [30, 12], [0, 1]);
        linear(repeated, weight, Epilogue::default(), &mut out);
        assert_eq!(out[..5], out[145..]);
    }

    #[test]
    #[should_panic(expected = "the weight has a row for every column of x")]
    fn a_weight_of_the_wrong_side_is_refused() {
        let (x, weight) = ([0.0; 6], [0.0; 6]);
        let x = Matrix::row_major(&x, 2, 3);
        linear(x, Matrix::row_major(&weight, 2, 3), Epilogue::default(), &mut [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "needs 13 elements and there are 12")]
    fn a_view_that_reaches_too_far_is_refused() {
        let _ = Matrix::new(&[0.0; 12], [2, 3], [10, 1]);
    }

    #[test]
    #[should_panic(expected = "the elements of a matrix [2, 2]")]
    fn an_output_of_another_size_is_refused() {
        let x = [0.0; 4];
        let x = Matrix::row_major(&x, 2, 2);
        linear(x, x, Epilogue::default(), &mut [0.0; 5]);
    }
}
