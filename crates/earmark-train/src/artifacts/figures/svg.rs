//! An SVG is a picture of its own and, inlined in a page, takes on the page's colours: ink is `currentColor`, shades are opacities
//! over whatever lies beneath, and the sheet of class `paper` can be hidden.

const INK: &str = "#1f2328";
pub(crate) const PAPER: &str = "#ffffff";
/// What is looked for, and what is set against it: both keep their contrast on white and on near-black.
pub(crate) const PROMINENT: &str = "#4a8fd4";
pub(crate) const OTHER: &str = "#d9730d";

/// Across and down.
pub(crate) type Point = (f64, f64);

/// A picture being written, an element a line.
pub(crate) struct Svg {
    text: String,
}

impl Svg {
    pub(crate) fn open(width: f64, height: f64, title: &str) -> Self {
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

    pub(crate) fn push(&mut self, element: impl AsRef<str>) {
        self.text.push_str(element.as_ref());
        self.text.push('\n');
    }

    /// `style` is a row of attributes; `content` is escaped here.
    pub(crate) fn text(&mut self, (x, y): Point, style: &str, content: &str) {
        self.push(format!(r#"<text x="{x:.1}" y="{y:.1}" {style}>{}</text>"#, escape(content)));
    }

    pub(crate) fn close(mut self) -> String {
        self.push("</svg>");
        self.text
    }
}

/// Names beyond this many characters are cut in figures.
const LONGEST_NAME: usize = 32;

pub(crate) fn shorten(label: &str) -> String {
    if label.chars().count() <= LONGEST_NAME {
        return label.to_owned();
    }
    label.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// A generous guess: SVG leaves the font to the viewer.
pub(crate) fn text_width(text: &str, font: f64) -> f64 {
    // From Hangul Jamo on, most scripts are about as wide as they are high.
    font * text.chars().map(|c| if c < '\u{1100}' { 0.6 } else { 1.0 }).sum::<f64>()
}

/// Text as it may stand in HTML and XML, also between double quotes.
pub(crate) fn escape(text: &str) -> String {
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

/// 1, 2 or 5 times a power of ten, so that four to ten steps reach `most`.
pub(crate) fn tick_step(most: f64) -> f64 {
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
pub(crate) fn tick_label(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return format!("{value:.0e}");
    }
    let label = format!("{value:.3}");
    label.trim_end_matches('0').trim_end_matches('.').to_owned()
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (most, step) in [(1.0, 0.2), (10.0, 2.0), (1.386, 0.2), (50.0, 10.0), (7e-4, 1e-4), (3.9, 0.5)] {
            assert!((tick_step(most) / step - 1.0).abs() < 1e-12, "{most}: {}", tick_step(most));
        }
        assert_eq!(tick_label(0.1 + 0.2), "0.3");
        assert_eq!(tick_label(1e-4), "1e-4");
    }
}
