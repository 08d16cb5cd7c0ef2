//! Strided views of slices, their tiles, and the one product that is taken of them.
//!
//! All `unsafe` code of the crate is here. It rests on two invariants, which the constructors check and nothing else
//! can break: every element of a view lies in memory that the view borrows, and the elements of a [`MatrixMut`] are
//! all different.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use gemm::Parallelism;

/// Numbers in a cache line.
pub(crate) const LINE: usize = 16;

/// A matrix that borrows its elements from a slice: element `(i, j)` is `data[i * row_stride + j * column_stride]`.
///
/// Rows may overlap (the frames of a convolution do), and a stride may be 0 (a row repeated).
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The matrix `[rows, columns]` over `data` with these strides, in elements.
    ///
    /// # Panics
    ///
    /// If an element would lie beyond the end of `data`.
    pub fn new(
        data: &'a [f32],
        [rows, columns]: [usize; 2],
        [row_stride, column_stride]: [usize; 2],
    ) -> Self {
        let needed = extent([rows, columns], [row_stride, column_stride]);
        assert!(
            needed <= data.len(),
            "a matrix [{rows}, {columns}] with strides [{row_stride}, {column_stride}] needs {needed} elements \
             and there are {}",
            data.len()
        );
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// The matrix `[rows, columns]` whose rows follow one another in `data`.
    ///
    /// # Panics
    ///
    /// If `data` has not exactly that many elements.
    pub fn row_major(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "the elements of a matrix [{rows}, {columns}]");
        Self::new(data, [rows, columns], [columns, 1])
    }

    /// The same elements with rows and columns exchanged: how PyTorch's `[out, in]` becomes `[in, out]`.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether its columns, and not its rows, are contiguous.
    pub(crate) fn is_transposed(&self) -> bool {
        self.row_stride == 1 && self.column_stride != 1
    }

    /// The sum of the products of the elements of one row with those of the same row of another matrix.
    pub(crate) fn row_dot(self, other: Matrix, row: usize) -> f32 {
        assert!(
            row < self.rows.min(other.rows) && self.columns == other.columns,
            "row {row} of two matrices alike"
        );
        let of = |it: &Matrix<'_>, column| it.data[row * it.row_stride + column * it.column_stride];
        (0..self.columns).map(|column| of(&self, column) * of(&other, column)).sum()
    }

    /// Hands over its rows, though its columns are contiguous: through blocks that take whole cache lines.
    ///
    /// For one that [is transposed](Self::is_transposed) or has one column, and not more than [`LINE`].
    pub(crate) fn for_each_row(self, mut take: impl FnMut(usize, &[f32])) {
        assert!(self.columns <= LINE && self.row_stride == 1, "a few contiguous columns");
        for start in (0..self.rows).step_by(LINE) {
            let length = LINE.min(self.rows - start);
            let mut block = [[0.0; LINE]; LINE];
            for column in 0..self.columns {
                let line = &self.data[column * self.column_stride + start..][..length];
                block.iter_mut().zip(line).for_each(|(row, &x)| row[column] = x);
            }
            for (row, x) in (start..).zip(&block[..length]) {
                take(row, &x[..self.columns]);
            }
        }
    }

    /// A row-major copy of one that [is transposed](Self::is_transposed), kept in `memory`.
    pub(crate) fn row_major_copy(self, memory: &mut Vec<f32>) -> Matrix<'_> {
        memory.resize(self.rows * self.columns, 0.0);
        for start in (0..self.columns).step_by(LINE) {
            let some = start..(start + LINE).min(self.columns);
            self.block(0..self.rows, some).for_each_row(|row, x| {
                memory[row * self.columns + start..][..x.len()].copy_from_slice(x);
            });
        }
        Matrix::row_major(memory, self.rows, self.columns)
    }

    /// One element.
    #[cfg(test)]
    pub(crate) fn at(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.row_stride + column * self.column_stride]
    }

    /// The part of it with these rows and these columns.
    pub(crate) fn block(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.end <= self.rows && columns.end <= self.columns, "a block of a matrix lies inside it");
        let shape = [rows.len(), columns.len()];
        let start = rows.start * self.row_stride + columns.start * self.column_stride;
        // An empty block may start behind the last element.
        let data = self.data.get(start..).unwrap_or_default();
        Self::new(data, shape, [self.row_stride, self.column_stride])
    }
}

impl Matrix<'_> {
    /// Adds it to the first lanes of `columns`, each of which holds a column of another matrix.
    pub(crate) fn add_to_columns<const N: usize>(self, columns: &mut [[f32; N]]) {
        assert!(columns.len() == self.columns && self.rows <= N, "a column for each column of a matrix");
        for (j, column) in columns.iter_mut().enumerate() {
            for (i, x) in column[..self.rows].iter_mut().enumerate() {
                *x += self.data[i * self.row_stride + j * self.column_stride];
            }
        }
    }
}

/// A matrix that can be written to. Its elements are all different, and no other live view reaches them.
pub(crate) struct MatrixMut<'a> {
    first: *mut f32,
    shape: [usize; 2],
    strides: [usize; 2],
    elements: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is as good as the `&mut [f32]` that it was made from (or its share of one, see `into_tiles`), which is
// `Send`: no other view reaches its elements.
unsafe impl Send for MatrixMut<'_> {}

/// Part of a matrix, and where in it that part lies.
pub(crate) struct Tile<'a> {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
    pub(crate) matrix: MatrixMut<'a>,
}

impl<'a> MatrixMut<'a> {
    /// The matrix `[rows, columns]` whose rows follow one another in `data`.
    pub(crate) fn row_major(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "the elements of a matrix [{rows}, {columns}]");
        Self::spread(data, rows, columns, columns)
    }

    /// The matrix `[rows, columns]` whose rows begin `row_stride` apart in `data`, and do not overlap.
    pub(crate) fn spread(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(columns <= row_stride, "rows of {columns} overlap at a stride of {row_stride}");
        assert!(extent([rows, columns], [row_stride, 1]) <= data.len(), "a matrix lies in its memory");
        let first = data.as_mut_ptr();
        Self { first, shape: [rows, columns], strides: [row_stride, 1], elements: PhantomData }
    }

    /// The matrix `[rows, columns]` whose columns lie in the first `rows` elements of each of `data`.
    pub(crate) fn column_major<const N: usize>(
        data: &'a mut [[f32; N]],
        rows: usize,
        columns: usize,
    ) -> Self {
        assert!(rows <= N && columns == data.len(), "columns of {N} hold a matrix [{rows}, {columns}]");
        let first = data.as_flattened_mut().as_mut_ptr();
        Self { first, shape: [rows, columns], strides: [1, N], elements: PhantomData }
    }

    /// Cuts it into tiles of `rows` by `columns`, fewer at the end, so that several threads can write to it.
    pub(crate) fn into_tiles(self, rows: usize, columns: usize) -> Vec<Tile<'a>> {
        let [row_starts, column_starts] =
            [(0..self.shape[0]).step_by(rows), (0..self.shape[1]).step_by(columns)];
        row_starts
            .flat_map(|row| column_starts.clone().map(move |column| (row, column)))
            .map(|(row, column)| {
                let rows = row..(row + rows).min(self.shape[0]);
                let columns = column..(column + columns).min(self.shape[1]);
                // SAFETY: `row` and `column` are inside, so this is the address of one of the matrix' own elements.
                let first = unsafe { self.first.add(row * self.strides[0] + column * self.strides[1]) };
                // The tiles are disjoint sets of `(i, j)` and `self` is gone, so the invariants hold for each.
                let shape = [rows.len(), columns.len()];
                let matrix = MatrixMut { first, shape, strides: self.strides, elements: PhantomData };
                Tile { rows, columns, matrix }
            })
            .collect()
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.shape[0]
    }

    /// One row of a row-major matrix.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let [rows, columns] = self.shape;
        assert!(row < rows && self.strides[1] == 1, "row {row} of a row-major matrix of {rows} rows");
        // SAFETY: with a column stride of 1 these are the elements `(row, 0..columns)`, which are inside, and the borrow
        // of `self` is held for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(row * self.strides[0]), columns) }
    }

    /// `self = scale · left · right`, added to what is there where `accumulate`. On the calling thread alone.
    pub(crate) fn product(&mut self, scale: f32, left: Matrix, right: Matrix, accumulate: bool) {
        let [rows, columns] = self.shape;
        let depth = left.columns;
        assert_eq!([left.rows, right.rows, right.columns], [rows, depth, columns], "the shapes of a product");
        let stride = |stride: usize| isize::try_from(stride).expect("a slice is shorter than isize::MAX");
        // SAFETY: the shapes agree (above), so gemm reads the elements of `left` and `right` and reads and writes those
        // of `self`, all of which are inside what the views borrow. `self` is borrowed mutably, so neither operand
        // overlaps it.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                depth,
                self.first,
                stride(self.strides[1]),
                stride(self.strides[0]),
                accumulate,
                left.data.as_ptr(),
                stride(left.column_stride),
                stride(left.row_stride),
                right.data.as_ptr(),
                stride(right.column_stride),
                stride(right.row_stride),
                1.0,
                scale,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

/// How many elements a matrix reaches over.
fn extent(shape: [usize; 2], strides: [usize; 2]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    let last = |axis: usize| (shape[axis] - 1).checked_mul(strides[axis]);
    let last = last(0).zip(last(1)).and_then(|(row, column)| row.checked_add(column)?.checked_add(1));
    last.expect("the extent of a matrix fits a usize")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_a_matrix_cut_up() {
        for [rows, columns, tall, wide] in
            [[1, 1, 9, 9], [7, 5, 3, 2], [6, 4, 3, 4], [0, 3, 2, 2], [3, 0, 2, 2]]
        {
            let mut data = vec![0.0; rows * columns];
            for mut tile in MatrixMut::row_major(&mut data, rows, columns).into_tiles(tall, wide) {
                assert_eq!(tile.matrix.rows(), tile.rows.len());
                for (i, row) in tile.rows.clone().enumerate() {
                    for (x, column) in tile.matrix.row_mut(i).iter_mut().zip(tile.columns.clone()) {
                        *x += (row * columns + column) as f32 + 1.0;
                    }
                }
            }
            assert!(data.iter().enumerate().all(|(i, &x)| x == i as f32 + 1.0), "{data:?}");
        }
    }

    #[test]
    fn a_block_is_the_part_it_names() {
        let data: Vec<f32> = (0..35).map(|i| i as f32).collect();
        let block = Matrix::row_major(&data, 5, 7).transposed().block(2..4, 1..5);
        assert_eq!([block.at(0, 0), block.at(1, 3)], [9.0, 31.0]);
        assert_eq!(Matrix::row_major(&data, 5, 7).block(5..5, 0..7).rows(), 0);
    }

    #[test]
    fn a_row_major_copy_has_the_same_elements() {
        for [rows, columns] in [[1, 2], [16, 16], [35, 47], [100, 1]] {
            let data: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let matrix = Matrix::row_major(&data, columns, rows).transposed();
            let mut memory = vec![f32::NAN; 3000];
            let copy = matrix.row_major_copy(&mut memory);
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                assert_eq!(copy.at(row, column), (column * rows + row) as f32);
            }
        }
    }

    #[test]
    #[should_panic(expected = "overlap at a stride of 3")]
    fn overlapping_rows_cannot_be_written() {
        let _ = MatrixMut::spread(&mut [0.0; 9], 2, 4, 3);
    }
}
