//! Figures: a confusion matrix and the curves of a run as SVG, and the matrix as pixels for TensorBoard.
//!
//! An SVG is a picture of its own and, inlined in `report.html`, takes on the page's colours: ink is
//! `currentColor`, shades are opacities over whatever lies beneath, and the sheet of class `paper` can be hidden.

use std::f64::consts::FRAC_1_SQRT_2;

use earmark_eval::{ConfusionMatrix, wilson_interval};

use crate::evaluate::records::{EpochRecord, StepRecord};

const INK: &str = "#1f2328";
const PAPER: &str = "#ffffff";
const BLUE: &str = "#08519c";
const BLUE_RGB: [u8; 3] = [0x08, 0x51, 0x9c];
/// Curves: both keep their contrast on white and on near-black.
const TRAINING: &str = "#4a8fd4";
const EVALUATION: &str = "#d9730d";

/// Draws a confusion matrix: actual classes as rows from top to bottom, predicted ones as columns.
///
/// A cell is shaded by its share of the row, so that a rare class reads like a common one, and shows its count; an
/// empty cell is a zero. The cells shrink as classes get more, to some 2 500 pixels for a hundred, and hovering a cell
/// names its classes. `labels` are the class names in id order.
///
/// # Panics
///
/// When there is not one label per class.
pub fn confusion_svg(labels: &[String], matrix: &ConfusionMatrix) -> String {
    assert_eq!(labels.len(), matrix.classes(), "one label per class");
    let names: Vec<String> = labels.iter().map(|label| shorten(label)).collect();
    let grid = Grid::new(&names, matrix);
    let title = accuracy_line(matrix);
    let heading = text_width(&title, 14.0).max(text_width(KEY, 11.0)) + 8.0;
    let width = heading.max(grid.left + grid.side) + 12.0;
    let height = Grid::TOP + grid.side + grid.below + 24.0;

    let mut svg = Svg::open(width, height, &format!("Confusion matrix. {title}"));
    svg.text((8.0, 20.0), r#"font-size="14" font-weight="600""#, &title);
    svg.text((8.0, 38.0), r#"font-size="11" fill-opacity="0.7""#, KEY);
    grid.cells(&mut svg, labels, matrix);
    grid.lines(&mut svg, names.len());
    grid.names(&mut svg, &names);
    let centred = r#"text-anchor="middle" font-size="12""#;
    let middle = Grid::TOP + grid.side / 2.0;
    let turned = format!(r#"{centred} transform="rotate(-90 16 {middle:.1})""#);
    svg.text((16.0, middle), &turned, "actual");
    svg.text((grid.left + grid.side / 2.0, height - 8.0), centred, "predicted");
    svg.close()
}

const KEY: &str = "Shaded by share of the row (actual class); an empty cell is a zero.";

fn accuracy_line(matrix: &ConfusionMatrix) -> String {
    let (correct, total) = (matrix.correct(), matrix.total());
    let [low, high] = wilson_interval(correct, total).map(|bound| 100.0 * bound);
    let percent = 100.0 * matrix.accuracy();
    format!("Accuracy {percent:.1} % ({correct} of {total}; 95 % interval {low:.1} to {high:.1} %)")
}

/// Where the cells and names of a confusion matrix lie.
struct Grid {
    font: f64,
    cell: f64,
    left: f64,
    side: f64,
    /// Whether the names of the columns slant, and the room they take.
    slanted: bool,
    below: f64,
}

impl Grid {
    const TOP: f64 = 52.0;

    fn new(names: &[String], matrix: &ConfusionMatrix) -> Self {
        let classes = names.len();
        let font = if classes <= 20 { 12.0 } else { 9.0 };
        let largest = matrix.rows().iter().flatten().max().copied().unwrap_or(0);
        let roomy = if classes <= 12 { 40.0 } else { 2.0 * font };
        let cell = (text_width(&largest.to_string(), font) + 6.0).max(roomy).ceil();
        let longest = names.iter().map(|name| text_width(name, font)).fold(0.0, f64::max);
        // Names lie level while every one fits its column.
        let slanted = longest > cell - 4.0;
        let level = font + 8.0;
        // A name at 45° reaches down by sin 45° of its length.
        let below = if slanted { (longest + font) * FRAC_1_SQRT_2 + 6.0 } else { level };
        Self { font, cell, left: longest + 36.0, side: cell * classes as f64, slanted, below }
    }

    fn cells(&self, svg: &mut Svg, labels: &[String], matrix: &ConfusionMatrix) {
        let Self { font, cell, .. } = self;
        for (actual, row) in matrix.rows().iter().enumerate() {
            let support = row.iter().copied().fold(0, u64::saturating_add);
            for (predicted, &count) in row.iter().enumerate().filter(|&(_, &count)| count > 0) {
                let x = self.left + cell * predicted as f64;
                let y = Self::TOP + cell * actual as f64;
                let share = count as f64 / support as f64;
                let (truth, answer) = (escape(&labels[actual]), escape(&labels[predicted]));
                svg.push(format!("<g><title>{truth} classified as {answer}: {count} of {support}</title>"));
                let depth = shade(share);
                let square = format!(r#"x="{x:.1}" y="{y:.1}" width="{cell}" height="{cell}""#);
                svg.push(format!(r#"<rect {square} fill="{BLUE}" fill-opacity="{depth:.3}"/>"#));
                // Beyond two thirds the shade is dark on any page; below, the page's own ink is the safe choice.
                let ink = if share > 0.66 { PAPER } else { "currentColor" };
                let style = format!(r#"text-anchor="middle" font-size="{font}" fill="{ink}""#);
                svg.text((x + cell / 2.0, y + cell / 2.0 + font * 0.36), &style, &count.to_string());
                svg.push("</g>");
            }
        }
    }

    fn lines(&self, svg: &mut Svg, classes: usize) {
        let Self { left, side, cell, .. } = self;
        let mut path = String::new();
        for line in 0..=classes {
            let (x, y) = (left + cell * line as f64, Self::TOP + cell * line as f64);
            path += &format!("M{x:.1} {}v{side}M{left:.1} {y:.1}h{side}", Self::TOP);
        }
        svg.push(format!(r#"<path fill="none" stroke="currentColor" stroke-opacity="0.18" d="{path}"/>"#));
    }

    fn names(&self, svg: &mut Svg, names: &[String]) {
        let font = self.font;
        let size = format!(r#"font-size="{font}""#);
        for (class, name) in names.iter().enumerate() {
            let middle = self.cell * (class as f64 + 0.5);
            let beside = (self.left - 6.0, Self::TOP + middle + font * 0.36);
            svg.text(beside, &format!(r#"{size} text-anchor="end""#), name);
            let (x, y) = (self.left + middle, Self::TOP + self.side + 6.0);
            if self.slanted {
                let (x, y) = (x + font * 0.3, y + font * 0.5);
                let style = format!(r#"{size} text-anchor="end" transform="rotate(-45 {x:.1} {y:.1})""#);
                svg.text((x, y), &style, name);
            } else {
                svg.text((x, y + font * 0.7), &format!(r#"{size} text-anchor="middle""#), name);
            }
        }
    }
}

/// How much blue a cell holds. Even one clip of a thousand leaves a mark.
fn shade(share: f64) -> f64 {
    0.06 + 0.94 * share
}

/// The cells of [`confusion_svg`] as a square PNG of 8-bit RGB pixels, and its side: no names and no counts, but
/// TensorBoard can show it for every epoch.
pub(crate) fn confusion_png(matrix: &ConfusionMatrix) -> (u32, Vec<u8>) {
    let classes = matrix.classes();
    let cell = (480 / classes.max(1)).clamp(1, 40);
    let side = (cell * classes).max(1);
    let mut pixels = Vec::with_capacity(side * side * 3);
    for row in matrix.rows() {
        let support = row.iter().copied().fold(0, u64::saturating_add);
        let mut line = Vec::with_capacity(side * 3);
        for &count in row {
            let depth = if count == 0 { 0.0 } else { shade(count as f64 / support as f64) };
            let pixel = BLUE_RGB.map(|blue| (255.0 + depth * (f64::from(blue) - 255.0)).round() as u8);
            line.extend(pixel.repeat(cell));
        }
        pixels.extend(line.repeat(cell));
    }
    pixels.resize(side * side * 3, 255); // without classes: one white pixel
    let side = u32::try_from(side).expect("a matrix that fits memory is less than 2^32 wide");

    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels))
        .expect("as many pixels as announced, written to memory");
    (side, file)
}

/// Draws the curves of a run over epochs: train and eval loss to the left, accuracy on the held-out clips to the right.
///
/// The evaluation after optimizer step `best` is ringed. Values that are not finite leave a gap.
pub fn curves_svg(steps: &[StepRecord], epochs: &[EpochRecord], best: Option<u64>) -> String {
    let training: Vec<Point> = thin(steps.iter().map(|record| (record.epoch, record.loss)).collect());
    let losses: Vec<Point> = epochs.iter().map(|record| (record.epoch, record.eval_loss)).collect();
    let accuracies: Vec<Point> = epochs.iter().map(|record| (record.epoch, record.eval_accuracy)).collect();
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
    let panel = Panel::draw(&mut svg, 432.0, last, 1.0, "Accuracy");
    panel.curve(&mut svg, &accuracies, EVALUATION);
    panel.dots(&mut svg, &accuracies, best);
    svg.close()
}

/// Epoch and value, or across and down.
type Point = (f64, f64);

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

/// 1, 2 or 5 times a power of ten, so that four to ten steps reach `most`.
fn tick_step(most: f64) -> f64 {
    let power = 10_f64.powf((most / 4.0).log10().floor());
    let times = most / 4.0 / power;
    power
        * if times >= 5.0 {
            5.0
        } else if times >= 2.0 {
            2.0
        } else {
            1.0
        }
}

/// At most three decimals, without trailing zeros; tiny and huge values in scientific notation.
fn tick_label(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return format!("{value:.0e}");
    }
    let label = format!("{value:.3}");
    label.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A picture being written, an element a line.
struct Svg {
    text: String,
}

impl Svg {
    fn open(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self { text: String::new() };
        let size = format!(r#"width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}""#);
        let style = format!(
            r#"color="{INK}" fill="currentColor" font-family="system-ui, 'DejaVu Sans', sans-serif""#
        );
        svg.push(format!(r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} {style}>"#));
        svg.push(format!("<title>{}</title>", escape(title)));
        svg.push(format!(r#"<rect class="paper" width="100%" height="100%" fill="{PAPER}"/>"#));
        svg
    }

    fn push(&mut self, element: impl AsRef<str>) {
        self.text.push_str(element.as_ref());
        self.text.push('\n');
    }

    /// `style` is a row of attributes; `content` is escaped here.
    fn text(&mut self, (x, y): Point, style: &str, content: &str) {
        self.push(format!(r#"<text x="{x:.1}" y="{y:.1}" {style}>{}</text>"#, escape(content)));
    }

    fn close(mut self) -> String {
        self.push("</svg>");
        self.text
    }
}

/// Names beyond this many characters are cut in figures.
const LONGEST_NAME: usize = 32;

fn shorten(label: &str) -> String {
    if label.chars().count() <= LONGEST_NAME {
        return label.to_owned();
    }
    label.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// A generous guess: SVG leaves the font to the viewer.
fn text_width(text: &str, font: f64) -> f64 {
    // From Hangul Jamo on, most scripts are about as wide as they are high.
    font * text.chars().map(|c| if c < '\u{1100}' { 0.6 } else { 1.0 }).sum::<f64>()
}

/// Text as it may stand in HTML and XML, also between double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no way to write these, not even escaped.
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn attribute(element: &str, name: &str) -> f64 {
        let value = element.split_once(&format!(" {name}=\"")).unwrap().1;
        value.split('"').next().unwrap().parse().unwrap()
    }

    /// The rectangle of the cell whose hover text starts with `hover`.
    fn cell<'a>(svg: &'a str, hover: &str) -> &'a str {
        let title = format!("<g><title>{hover}");
        svg.lines()
            .skip_while(|line| !line.starts_with(&title))
            .find(|line| line.starts_with("<rect"))
            .unwrap()
    }

    #[test]
    fn rows_are_actual_and_columns_predicted_with_the_first_class_at_the_top_left() {
        let matrix = ConfusionMatrix::from_pairs(2, [(0, 0), (0, 1), (0, 1), (1, 1)]);
        let svg = confusion_svg(&labels(&["cat", "dog"]), &matrix);
        let hit = cell(&svg, "cat classified as cat: 1 of 3");
        let miss = cell(&svg, "cat classified as dog: 2 of 3");
        let other = cell(&svg, "dog classified as dog: 1 of 1");
        assert_eq!(attribute(hit, "y"), attribute(miss, "y"));
        assert_eq!(attribute(miss, "x"), attribute(other, "x"));
        assert!(attribute(hit, "x") < attribute(miss, "x") && attribute(hit, "y") < attribute(other, "y"));
        assert!(!svg.contains("dog classified as cat"), "a zero has a cell");
    }

    #[test]
    fn counts_on_dark_cells_are_light() {
        let matrix = ConfusionMatrix::from_pairs(2, [(0, 0), (1, 0), (1, 1)]);
        let svg = confusion_svg(&labels(&["cat", "dog"]), &matrix);
        let ink = |hover| {
            let count = svg.lines().skip_while(|line| !line.contains(hover)).nth(2).unwrap();
            count.contains(PAPER)
        };
        assert!(ink("cat classified as cat") && !ink("dog classified as cat"));
    }

    #[test]
    fn a_hundred_classes_fit_a_screen_and_shrink_no_count_out_of_its_cell() {
        let names: Vec<String> = (0..102).map(|class| format!("language number {class}")).collect();
        let matrix = ConfusionMatrix::from_pairs(102, (0..102).flat_map(|class| vec![(class, class); 1234]));
        let svg = confusion_svg(&names, &matrix);
        assert!(attribute(svg.lines().next().unwrap(), "width") < 3500.0);
        assert!(attribute(cell(&svg, "language"), "width") >= text_width("1234", 9.0));
    }

    #[test]
    fn names_are_escaped_and_long_ones_cut() {
        let hostile = "<script>alert('&\"')</script>\0 and a very long rest of the name";
        let svg = confusion_svg(&labels(&[hostile]), &ConfusionMatrix::from_pairs(1, [(0, 0)]));
        assert!(!svg.contains("<script") && !svg.contains('\0'));
        assert!(
            svg.contains(">&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;\u{fffd} a…</text>"),
            "{svg}"
        );
    }

    #[test]
    fn nothing_to_draw_is_drawn_without_numbers_that_are_none() {
        let matrix = confusion_svg(&[], &ConfusionMatrix::new(0));
        let curves = curves_svg(&[], &[], None);
        assert_eq!(confusion_png(&ConfusionMatrix::new(0)).0, 1);
        for svg in [matrix, curves] {
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.ends_with("</svg>\n"));
        }
    }

    #[test]
    fn pixels_show_rows_as_actual_classes() {
        let matrix = ConfusionMatrix::from_pairs(2, [(0, 0), (0, 1), (1, 1)]);
        let (side, file) = confusion_png(&matrix);
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, side), (80, 80, 80));
        let at = |x: usize, y: usize| pixels[(y * 80 + x) * 3..][..3].to_owned();
        assert_eq!(at(79, 79), BLUE_RGB);
        assert_eq!(at(0, 79), [255; 3]);
        assert_eq!(at(39, 39), at(40, 0));
        assert_eq!(at(0, 0), [124, 163, 203]); // half of the row: 53 % blue over white
    }

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
        let record =
            |step, eval_accuracy| EpochRecord { step, epoch: step as f64, eval_loss: 1.0, eval_accuracy };
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
    fn ticks_are_round_and_few() {
        for (most, step) in [(1.0, 0.2), (10.0, 2.0), (1.386, 0.2), (50.0, 10.0), (7e-4, 1e-4), (3.9, 0.5)] {
            assert!((tick_step(most) / step - 1.0).abs() < 1e-12, "{most}: {}", tick_step(most));
        }
        assert_eq!(tick_label(0.1 + 0.2), "0.3");
        assert_eq!(tick_label(1e-4), "1e-4");
    }
}
