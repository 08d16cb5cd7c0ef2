use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::label_set::{LabelId, LabelSet};

/// One class a clip may belong to, with its score. As JSON: `{"label": "dog", "score": 0.93}`, and where classes have codes
/// `{"label": "english", "code": "en", "score": 0.93}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The name of the class.
    pub label: String,
    /// Its code, where classes have codes: see [`LabelSet::with_codes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its score: a probability or a logit, by [`Scores`](crate::Scores).
    pub score: f32,
}

/// How many predictions to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopK {
    /// This many, or all of them when there are fewer.
    N(usize),
    /// Every class.
    All,
}

/// The best classes from high to low; equal scores keep the order of their ids.
///
/// NaN comes first, as in `torch.topk`: at the end of the list it would be cut off.
///
/// # Panics
/// When there is not one score for each label: scores and labels of two different models.
pub fn top_k(scores: &[f32], labels: &LabelSet, k: TopK) -> Vec<Prediction> {
    assert_eq!(scores.len(), labels.len(), "one score for each label");
    let mut ranked: Vec<_> = (0..labels.len()).map(LabelId::new).zip(scores.iter().copied()).collect();
    ranked.sort_by(|&(_, a), &(_, b)| from_high_to_low(a, b)); // stable: ties stay in id order
    let keep = match k {
        TopK::N(n) => n,
        TopK::All => usize::MAX,
    };
    let prediction = |(id, score)| {
        let code = labels.code(id).map(str::to_owned);
        Prediction { label: labels[id].to_owned(), code, score }
    };
    ranked.into_iter().take(keep).map(prediction).collect()
}

fn from_high_to_low(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> LabelSet {
        LabelSet::from_names(["a", "b", "c", "d"]).unwrap()
    }

    fn names(predictions: &[Prediction]) -> Vec<&str> {
        predictions.iter().map(|p| p.label.as_str()).collect()
    }

    #[test]
    fn predictions_run_from_high_to_low() {
        let all = top_k(&[0.1, 0.4, 0.2, 0.3], &labels(), TopK::All);
        assert_eq!(names(&all), ["b", "d", "c", "a"]);
        assert_eq!(all[0].score, 0.4);
    }

    #[test]
    fn ties_keep_the_order_of_their_ids() {
        let all = top_k(&[0.0, 0.5, -0.0, 0.5], &labels(), TopK::All);
        assert_eq!(names(&all), ["b", "d", "a", "c"]);
    }

    #[test]
    fn asking_for_more_than_there_are_gives_all() {
        let scores = [0.1, 0.4, 0.2, 0.3];
        assert_eq!(top_k(&scores, &labels(), TopK::N(99)), top_k(&scores, &labels(), TopK::All));
        assert_eq!(names(&top_k(&scores, &labels(), TopK::N(2))), ["b", "d"]);
        assert!(top_k(&scores, &labels(), TopK::N(0)).is_empty());
    }

    #[test]
    fn a_score_that_is_not_a_number_comes_first() {
        let all = top_k(&[0.1, f32::INFINITY, f32::NAN, -f32::NAN], &labels(), TopK::All);
        assert_eq!(names(&all), ["c", "d", "b", "a"]);
    }

    #[test]
    fn a_prediction_is_written_with_its_label_first() {
        let prediction = Prediction { label: "dog".into(), code: None, score: 0.93 };
        assert_eq!(serde_json::to_string(&prediction).unwrap(), r#"{"label":"dog","score":0.93}"#);
    }

    #[test]
    fn a_class_with_a_code_is_predicted_with_it() {
        let labels = LabelSet::from_names(["english", "german"]).unwrap().with_codes(["en", "de"]);
        let best = top_k(&[0.25, 0.75], &labels, TopK::N(1));
        let json = serde_json::to_string(&best).unwrap();
        assert_eq!(json, r#"[{"label":"german","code":"de","score":0.75}]"#);
        assert_eq!(serde_json::from_str::<Vec<Prediction>>(&json).unwrap(), best);
    }
}
