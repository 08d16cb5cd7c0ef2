use crate::artifacts::figures::svg::{OTHER, PROMINENT, Svg};
use crate::evaluate::report::Confidences;

const LEFT: f64 = 46.0;
const WIDTH: f64 = 270.0;
const HEIGHT: f64 = 105.0;
const GAP: f64 = 44.0;

/// Draws how many clips were classified with which confidence: those that are right above, those that are wrong below, each in a scale
/// of its own.
pub(crate) fn confidences_svg(confidences: &Confidences) -> String {
    let mut svg = Svg::open(
        LEFT + WIDTH + 14.0,
        26.0 + 2.0 * HEIGHT + GAP + 40.0,
        "Clips by confidence: those classified correctly above, the others below",
    );
    panel(&mut svg, 26.0, "right", &confidences.right, PROMINENT);
    panel(&mut svg, 26.0 + HEIGHT + GAP, "wrong", &confidences.wrong, OTHER);
    let below = (LEFT + WIDTH / 2.0, 26.0 + 2.0 * HEIGHT + GAP + 34.0);
    svg.text(below, r#"text-anchor="middle" font-size="12""#, "confidence");
    svg.close()
}

fn panel(svg: &mut Svg, top: f64, name: &str, counts: &[u64], colour: &str) {
    let all = counts.iter().copied().fold(0, u64::saturating_add);
    let most = counts.iter().copied().max().unwrap_or(0);
    let bottom = top + HEIGHT;
    let clips = if all == 1 { "1 clip".to_owned() } else { format!("{all} clips") };
    svg.text((LEFT, top - 8.0), r#"font-size="12" font-weight="600""#, &format!("{name}: {clips}"));
    svg.push(format!(r#"<path stroke="currentColor" stroke-opacity="0.15" d="M{LEFT} {top:.1}h{WIDTH}"/>"#));
    if most > 0 {
        svg.text((LEFT - 6.0, top + 4.0), r#"text-anchor="end" font-size="11""#, &most.to_string());
    }
    svg.text((LEFT - 6.0, bottom + 4.0), r#"text-anchor="end" font-size="11""#, "0");
    let bin = WIDTH / counts.len().max(1) as f64;
    for (place, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        let (x, height) = (LEFT + bin * place as f64, (HEIGHT * count as f64 / most as f64).max(1.0));
        let bound = |place: usize| place as f64 / counts.len() as f64;
        let (from, to) = (bound(place), bound(place + 1));
        svg.push(format!("<g><title>{from:.2} to {to:.2}: {count} {name}</title>"));
        let (y, width) = (bottom - height, bin - 1.0);
        let square = format!(r#"x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}""#);
        svg.push(format!(r#"<rect {square} fill="{colour}"/></g>"#));
    }
    svg.push(format!(
        r#"<path stroke="currentColor" stroke-opacity="0.6" d="M{LEFT} {bottom:.1}h{WIDTH}"/>"#
    ));
    for tick in 0..=5 {
        let value = f64::from(tick) / 5.0;
        let at = (LEFT + WIDTH * value, bottom + 16.0);
        svg.text(at, r#"text-anchor="middle" font-size="11""#, &format!("{value:.1}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_and_wrong_clips_have_a_bar_each_and_empty_bins_none() {
        let svg = confidences_svg(&Confidences { right: vec![0, 3, 6, 0], wrong: vec![1, 0, 0, 0] });
        for text in ["0.25 to 0.50: 3 right", "0.50 to 0.75: 6 right", "0.00 to 0.25: 1 wrong"] {
            assert!(svg.contains(&format!("<title>{text}</title>")), "{text}");
        }
        assert_eq!(svg.matches("<rect x=").count(), 3, "{svg}");
        assert!(svg.contains(">right: 9 clips<") && svg.contains(">wrong: 1 clip<"));
    }

    #[test]
    fn no_clips_have_no_bars() {
        let svg = confidences_svg(&Confidences { right: vec![], wrong: vec![0, 0] });
        assert!(!svg.contains("<rect x=") && !svg.contains("NaN"), "{svg}");
    }
}
