/// Mean and standard deviation of each column, as scikit-learn's `StandardScaler` has them.
#[derive(Debug, Clone)]
pub(crate) struct Standardiser {
    pub(crate) mean: Vec<f64>,
    /// 1 for a column that does not vary.
    pub(crate) scale: Vec<f64>,
}

impl Standardiser {
    /// Of rows of one length, at least one.
    pub(crate) fn of(rows: &[&[f32]]) -> Standardiser {
        let (count, width) = (rows.len() as f64, rows[0].len());
        let mut mean = vec![0.0; width];
        for row in rows {
            row.iter().zip(&mut mean).for_each(|(&x, sum)| *sum += f64::from(x));
        }
        mean.iter_mut().for_each(|sum| *sum /= count);
        let mut variance = vec![0.0; width];
        for row in rows {
            let columns = row.iter().zip(&mean).zip(&mut variance);
            columns.for_each(|((&x, mean), sum)| *sum += (f64::from(x) - mean).powi(2));
        }
        let scale = variance.iter().zip(&mean).map(|(sum, mean)| {
            let variance = sum / count;
            // What rounding makes of a constant; scikit-learn 1.9, `_is_constant_feature`.
            let noise = count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2);
            if variance <= noise { 1.0 } else { variance.sqrt() }
        });
        Standardiser { scale: scale.collect(), mean }
    }

    pub(crate) fn apply<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        row.iter().zip(&self.mean).zip(&self.scale).map(|((&x, mean), scale)| (f64::from(x) - mean) / scale)
    }
}
