use std::fmt;
use std::str::FromStr;

use earmark_models::Part;

/// The parts of a network that a run leaves as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Freeze(Vec<Frozen>);

/// A part of a network that is not trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frozen {
    /// The convolutions over samples: `freeze_feature_encoder()` of the reference.
    FeatureEncoder,
    /// All but the classification head: `freeze_base_model()` of the reference.
    Backbone,
    /// The transformer layers from the first to the second, both included.
    Layers(usize, usize),
}

impl Freeze {
    pub(crate) const FORM: &str = "feature-encoder, backbone or layers:A-B, or several joined by commas";

    /// What it names, in order.
    pub fn parts(&self) -> &[Frozen] {
        &self.0
    }

    /// Whether a part of a network is frozen.
    pub(crate) fn freezes(&self, part: Part) -> bool {
        self.0.iter().any(|frozen| match (*frozen, part) {
            (Frozen::FeatureEncoder, part) => part == Part::FeatureEncoder,
            (Frozen::Backbone, part) => part != Part::Head,
            (Frozen::Layers(first, last), Part::Layer(layer)) => (first..=last).contains(&layer),
            (Frozen::Layers(..), _) => false,
        })
    }

    /// Why a network with these parts cannot be frozen so: the end of a sentence that begins with the setting.
    pub(crate) fn refusal(&self, parts: &[Part]) -> Option<String> {
        let layers =
            parts.iter().filter_map(|part| if let Part::Layer(n) = part { Some(n + 1) } else { None });
        let layers = layers.max().unwrap_or(0);
        self.0.iter().find_map(|frozen| match *frozen {
            Frozen::FeatureEncoder if !parts.contains(&Part::FeatureEncoder) => Some(
                "is feature-encoder, but the model has no convolutions over samples; backbone freezes all but its head"
                    .to_owned(),
            ),
            Frozen::Layers(_, last) if last >= layers => {
                Some(format!("is {frozen}, but the last of the model's {layers} layers is {}", layers.saturating_sub(1)))
            }
            _ => None,
        })
    }
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frozen::FeatureEncoder => f.write_str("feature-encoder"),
            Frozen::Backbone => f.write_str("backbone"),
            Frozen::Layers(first, last) => write!(f, "layers:{first}-{last}"),
        }
    }
}

impl FromStr for Frozen {
    type Err = String;

    fn from_str(text: &str) -> Result<Frozen, String> {
        let layers = || {
            let range = text.strip_prefix("layers:")?;
            // One layer is a range, too.
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(Frozen::Layers(first, last))
        };
        match text {
            "feature-encoder" => Ok(Frozen::FeatureEncoder),
            "backbone" => Ok(Frozen::Backbone),
            _ => layers().ok_or_else(|| format!("expected {}", Freeze::FORM)),
        }
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Freeze {
    type Err = String;

    fn from_str(text: &str) -> Result<Freeze, String> {
        if text.is_empty() {
            return Ok(Freeze::default());
        }
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Freeze)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frozen_is_read_as_it_is_written() {
        for text in ["", "backbone", "feature-encoder,layers:0-5", "layers:0-0,layers:3-4"] {
            assert_eq!(text.parse::<Freeze>().unwrap().to_string(), text);
        }
        assert_eq!("layers:3".parse::<Freeze>().unwrap().to_string(), "layers:3-3");
        for text in ["head", "layers", "layers:", "layers:5-0", "layers:a-b", "layers:-1", "backbone,", ","] {
            assert!(text.parse::<Freeze>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_that_a_model_lacks_is_refused() {
        let parts = [Part::Embeddings, Part::Layer(0), Part::Layer(1), Part::Head];
        let refusal = |text: &str| text.parse::<Freeze>().unwrap().refusal(&parts);
        assert_eq!(refusal("backbone,layers:0-1"), None);
        assert!(refusal("feature-encoder").unwrap().contains("no convolutions over samples"));
        assert_eq!(
            refusal("layers:1-5").unwrap(),
            "is layers:1-5, but the last of the model's 2 layers is 1"
        );
        let freeze: Freeze = "layers:1-1".parse().unwrap();
        assert_eq!(parts.map(|part| freeze.freezes(part)), [false, false, true, false]);
        let freeze: Freeze = "backbone".parse().unwrap();
        assert_eq!(parts.map(|part| freeze.freezes(part)), [true, true, true, false]);
    }
}
