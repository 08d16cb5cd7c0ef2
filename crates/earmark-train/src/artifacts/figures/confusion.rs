use std::f64::consts::FRAC_1_SQRT_2;

use earmark_eval::ConfusionMatrix;

use crate::artifacts::figures::svg::{PAPER, Svg, escape, shorten, text_width};

const BLUE: &str = "#08519c";
const BLUE_RGB: [u8; 3] = [0x08, 0x51, 0x9c];

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
    let percent = 100.0 * matrix.accuracy();
    // No interval: that depends on which clips belong together.
    format!("Accuracy {percent:.1} % ({correct} of {total})")
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
    fn nothing_to_draw_is_drawn_without_numbers_that_are_none() {
        let svg = confusion_svg(&[], &ConfusionMatrix::new(0));
        assert_eq!(confusion_png(&ConfusionMatrix::new(0)).0, 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
    }
}
