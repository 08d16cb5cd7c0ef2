use earmark_eval::{Reliability, ReliabilityBin, wilson_interval};

use crate::artifacts::figures::svg::{PROMINENT, Point, Svg};

const LEFT: f64 = 46.0;
const TOP: f64 = 14.0;
const SIDE: f64 = 270.0;

/// Draws a reliability diagram: a dot for each bin at its mean confidence and its accuracy, with the 95 % Wilson interval of that, and a
/// dashed line where the two are equal.
pub(crate) fn reliability_svg(reliability: &Reliability) -> String {
    let title =
        format!("Accuracy over confidence, in {} bins of about as many clips each", reliability.bins.len());
    let mut svg = Svg::open(LEFT + SIDE + 14.0, TOP + SIDE + 42.0, &title);
    axes(&mut svg);
    let from = place((0.0, 0.0));
    let to = place((1.0, 1.0));
    let dashed = r#"stroke="currentColor" stroke-opacity="0.6" stroke-dasharray="5 4""#;
    svg.push(format!(r#"<path {dashed} d="M{:.1} {:.1}L{:.1} {:.1}"/>"#, from.0, from.1, to.0, to.1));
    let centres: Vec<Point> =
        reliability.bins.iter().map(|bin| place((bin.confidence, bin.accuracy))).collect();
    let line: String = centres
        .iter()
        .enumerate()
        .map(|(bin, (x, y))| format!("{}{x:.1} {y:.1}", if bin == 0 { 'M' } else { 'L' }))
        .collect();
    svg.push(format!(r#"<path fill="none" stroke="{PROMINENT}" stroke-width="1.2" d="{line}"/>"#));
    for (bin, (x, y)) in reliability.bins.iter().zip(centres) {
        dot(&mut svg, bin, x, y);
    }
    svg.close()
}

fn dot(svg: &mut Svg, bin: &ReliabilityBin, x: f64, y: f64) {
    let ReliabilityBin { clips, confidence, accuracy, .. } = bin;
    let right = (accuracy * *clips as f64).round() as u64;
    let [low, high] = wilson_interval(right, *clips);
    let [top, bottom] = [high, low].map(|bound| place((0.0, bound)).1);
    svg.push(format!(
        "<g><title>confidence {confidence:.3}, accuracy {accuracy:.3}: {right} of {clips} clips right</title>"
    ));
    svg.push(format!(
        r#"<path stroke="{PROMINENT}" stroke-opacity="0.7" d="M{x:.1} {top:.1}V{bottom:.1}"/>"#
    ));
    svg.push(format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{PROMINENT}"/></g>"#));
}

fn axes(svg: &mut Svg) {
    for tick in 0..=5 {
        let value = f64::from(tick) / 5.0;
        let (x, y) = place((value, value));
        let (bottom, label) = (TOP + SIDE, format!("{value:.1}"));
        let lines = format!("M{LEFT} {y:.1}h{SIDE}M{x:.1} {TOP}v{SIDE}");
        svg.push(format!(r#"<path stroke="currentColor" stroke-opacity="0.15" d="{lines}"/>"#));
        svg.text((LEFT - 6.0, y + 4.0), r#"text-anchor="end" font-size="11""#, &label);
        svg.text((x, bottom + 16.0), r#"text-anchor="middle" font-size="11""#, &label);
    }
    let middle = TOP + SIDE / 2.0;
    let turned = format!(r#"text-anchor="middle" font-size="12" transform="rotate(-90 13 {middle:.1})""#);
    svg.text((13.0, middle), &turned, "accuracy");
    let below = (LEFT + SIDE / 2.0, TOP + SIDE + 34.0);
    svg.text(below, r#"text-anchor="middle" font-size="12""#, "confidence");
}

fn place((confidence, accuracy): Point) -> Point {
    (LEFT + SIDE * confidence.clamp(0.0, 1.0), TOP + SIDE * (1.0 - accuracy.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bin_is_a_dot_at_its_confidence_and_accuracy() {
        let confidence = [0.5; 4].into_iter().chain([1.0; 4]).collect::<Vec<_>>();
        let right = [true, true, false, false, true, true, true, true];
        let svg = reliability_svg(&Reliability::new(&confidence, &right, 2).unwrap());
        assert!(svg.contains("<title>confidence 0.500, accuracy 0.500: 2 of 4 clips right</title>"), "{svg}");
        let middle = format!(r#"cx="{:.1}" cy="{:.1}""#, LEFT + SIDE / 2.0, TOP + SIDE / 2.0);
        let corner = format!(r#"cx="{:.1}" cy="{TOP:.1}""#, LEFT + SIDE);
        assert!(svg.contains(&middle) && svg.contains(&corner), "{svg}");
    }

    #[test]
    fn numbers_of_a_file_that_are_none_stay_on_the_sheet() {
        let bin =
            ReliabilityBin { clips: 3, confidence: f64::MAX, accuracy: -5.0, lowest: 0.0, highest: 0.0 };
        let svg = reliability_svg(&Reliability { bins: vec![bin] });
        assert!(svg.contains(&format!(r#"cx="{:.1}" cy="{:.1}""#, LEFT + SIDE, TOP + SIDE)), "{svg}");
        assert!(reliability_svg(&Reliability { bins: vec![] }).ends_with("</svg>\n"));
    }
}
