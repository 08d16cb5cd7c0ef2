use crate::artifacts::figures::svg::{OTHER, PROMINENT, Point, Svg, tick_label, tick_step};
use crate::evaluate::records::{EpochRecord, StepRecord};

const TRAINING: &str = PROMINENT;
const EVALUATION: &str = OTHER;

/// Draws the curves of a run over epochs: train and eval loss to the left, accuracy or mAP on the held-out clips to the right.
///
/// The evaluation after optimizer step `best` is ringed. Values that are not finite leave a gap.
pub fn curves_svg(steps: &[StepRecord], epochs: &[EpochRecord], best: Option<u64>) -> String {
    let training: Vec<Point> = thin(steps.iter().map(|record| (record.epoch, record.loss)).collect());
    let losses: Vec<Point> = epochs.iter().map(|record| (record.epoch, record.eval_loss)).collect();
    let accuracies: Vec<Point> = epochs.iter().map(|record| (record.epoch, record.score())).collect();
    let best = epochs.iter().position(|record| Some(record.step) == best);
    let last = greatest(training.iter().chain(&losses).map(|&(epoch, _)| epoch));
    let most = greatest(training.iter().chain(&losses).map(|&(_, loss)| loss));

    let mut svg = Svg::open(760.0, 280.0, "Loss and accuracy over the epochs of the run");
    let panel = Panel::draw(&mut svg, 48.0, last, most, "Loss");
    panel.curve(&mut svg, &training, TRAINING);
    panel.curve(&mut svg, &losses, EVALUATION);
    panel.dots(&mut svg, &losses, best);
    svg.text((110.0, 22.0), &format!(r#"font-size="12" fill="{TRAINING}""#), "train loss");
    svg.text((184.0, 22.0), &format!(r#"font-size="12" fill="{EVALUATION}""#), "eval loss");
    let is_multi_label = epochs.iter().any(|record| record.multi_label.is_some());
    let score = if is_multi_label { "Mean average precision" } else { "Accuracy" };
    let panel = Panel::draw(&mut svg, 432.0, last, 1.0, score);
    panel.curve(&mut svg, &accuracies, EVALUATION);
    panel.dots(&mut svg, &accuracies, best);
    svg.close()
}

/// At most a few hundred points: means over neighbours, as a screen would show no more.
fn thin(points: Vec<Point>) -> Vec<Point> {
    const MOST: usize = 400;
    if points.len() <= MOST {
        return points;
    }
    let mean = |chunk: &[Point]| {
        let (x, y) = chunk.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (x / chunk.len() as f64, y / chunk.len() as f64)
    };
    points.chunks(points.len().div_ceil(MOST)).map(mean).collect()
}

fn greatest(values: impl Iterator<Item = f64>) -> f64 {
    let greatest = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
    if greatest > 0.0 { greatest } else { 1.0 }
}

/// One pair of axes, both from zero.
struct Panel {
    left: f64,
    x_end: f64,
    y_end: f64,
}

impl Panel {
    const WIDTH: f64 = 312.0;
    const TOP: f64 = 36.0;
    const HEIGHT: f64 = 196.0;

    fn draw(svg: &mut Svg, left: f64, x_most: f64, y_most: f64, title: &str) -> Self {
        let (x_step, y_step) = (tick_step(x_most).max(1.0), tick_step(y_most));
        let y_ticks = (y_most / y_step - 1e-9).ceil();
        let panel = Self { left, x_end: x_most, y_end: y_ticks * y_step };
        let (width, bottom) = (Self::WIDTH, Self::TOP + Self::HEIGHT);
        svg.text((left, 22.0), r#"font-size="13" font-weight="600""#, title);
        for tick in 0..=y_ticks as usize {
            let value = tick as f64 * y_step;
            let (_, y) = panel.place((0.0, value));
            let line = format!("M{left} {y:.1}h{width}");
            svg.push(format!(r#"<path stroke="currentColor" stroke-opacity="0.18" d="{line}"/>"#));
            svg.text((left - 6.0, y + 4.0), r#"text-anchor="end" font-size="11""#, &tick_label(value));
        }
        for tick in 0..=(x_most / x_step + 1e-9) as usize {
            let value = tick as f64 * x_step;
            let (x, _) = panel.place((value, 0.0));
            svg.text((x, bottom + 16.0), r#"text-anchor="middle" font-size="11""#, &tick_label(value));
        }
        let below = (left + width / 2.0, bottom + 34.0);
        svg.text(below, r#"text-anchor="middle" font-size="12""#, "epoch");
        panel
    }

    fn place(&self, (x, y): Point) -> Point {
        let along = self.left + x / self.x_end * Self::WIDTH;
        (along, Self::TOP + (1.0 - y / self.y_end) * Self::HEIGHT)
    }

    fn curve(&self, svg: &mut Svg, points: &[Point], colour: &str) {
        let mut path = String::new();
        let mut pen = 'M';
        for &point in points {
            let (x, y) = self.place(point);
            if x.is_finite() && y.is_finite() {
                path += &format!("{pen}{x:.1} {y:.1}");
                pen = 'L';
            } else {
                pen = 'M';
            }
        }
        svg.push(format!(r#"<path fill="none" stroke="{colour}" stroke-width="1.6" d="{path}"/>"#));
    }

    fn dots(&self, svg: &mut Svg, points: &[Point], ringed: Option<usize>) {
        for (index, &(epoch, value)) in points.iter().enumerate() {
            let (x, y) = self.place((epoch, value));
            if !(x.is_finite() && y.is_finite()) {
                continue;
            }
            let (at, hover) = (format!(r#"cx="{x:.1}" cy="{y:.1}""#), tick_label(epoch));
            let hover = format!("epoch {hover}: {value:.4}");
            svg.push(format!(r#"<circle {at} r="3" fill="{EVALUATION}"><title>{hover}</title></circle>"#));
            if Some(index) == ringed {
                let style = r#"r="6" fill="none" stroke="currentColor""#;
                svg.push(format!("<circle {at} {style}><title>best, {hover}</title></circle>"));
            }
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverged_loss_leaves_a_gap() {
        let steps = [1.0, f64::NAN, 2.0, 1.5].iter().zip(1..).map(|(&loss, step)| StepRecord {
            step,
            epoch: step as f64,
            loss,
            lr: 0.0,
            grad_norm: f64::INFINITY,
        });
        let svg = curves_svg(&steps.collect::<Vec<_>>(), &[], None);
        let curve = svg.lines().find(|line| line.contains(TRAINING)).unwrap();
        assert_eq!((curve.matches('M').count(), curve.matches('L').count()), (2, 1), "{curve}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn the_best_evaluation_is_ringed() {
        let record = |step, eval_accuracy| EpochRecord {
            step,
            epoch: step as f64,
            eval_loss: 1.0,
            eval_accuracy,
            multi_label: None,
        };
        let svg = curves_svg(&[], &[record(1, 0.25), record(2, 0.75), record(3, 0.5)], Some(2));
        assert_eq!(svg.matches("<title>best, epoch 2: 0.7500</title>").count(), 1);
        assert_eq!(svg.matches("<title>best, ").count(), 2, "one in each panel");
    }

    #[test]
    fn a_long_run_is_thinned_to_means() {
        let points: Vec<Point> = (0..100_000).map(|step| (f64::from(step), 3.0)).collect();
        let thinned = thin(points);
        assert!(thinned.len() <= 400);
        assert!(thinned.iter().all(|&(_, loss)| loss == 3.0));
        assert!(thinned.is_sorted());
    }

    #[test]
    fn nothing_to_draw_is_drawn_without_numbers_that_are_none() {
        let svg = curves_svg(&[], &[], None);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
    }
}
