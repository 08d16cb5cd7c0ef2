use crate::artifacts::figures::svg::PROMINENT;

/// A bar from 0 to `value`, and a line over its interval, as wide as a cell of a table. The numbers are said to stand beside it: to
/// those who do not see it, it is not there.
pub(crate) fn bar_svg(value: f64, interval: [f64; 2]) -> String {
    const WIDTH: f64 = 120.0;
    let along = |share: f64| WIDTH * share.clamp(0.0, 1.0) + 1.0;
    let [low, high] = interval.map(along);
    let end = along(value);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"bar\" aria-hidden=\"true\" width=\"122\" height=\"14\" \
         viewBox=\"0 0 122 14\">\
         <path stroke=\"currentColor\" stroke-opacity=\"0.25\" d=\"M1 .5v13M121 .5v13\"/>\
         <path fill=\"{PROMINENT}\" fill-opacity=\"0.55\" d=\"M1 3H{end:.1}v8H1z\"/>\
         <path fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.4\" d=\"M{low:.1} 7H{high:.1}M{low:.1} 4v6M{high:.1} 4v6\"/>\
         </svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_ends_at_the_value_and_the_line_at_the_interval() {
        let svg = bar_svg(0.5, [0.25, 0.75]);
        assert!(svg.contains("M1 3H61.0v8H1z") && svg.contains("M31.0 7H91.0"), "{svg}");
        let beyond = bar_svg(9.0, [-1.0, 7.0]);
        assert!(beyond.contains("M1 3H121.0") && beyond.contains("M1.0 7H121.0"), "{beyond}");
    }
}
