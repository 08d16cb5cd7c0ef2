use std::path::Path;

use earmark_error::Context as _;
use serde::{Deserialize, Serialize};

use crate::calibration::method::Method;
use crate::calibration::platt::Platt;
use crate::error::{Error, ErrorKind, Task};

/// `calibration.json`, which lies beside a model and which the reference ignores: how its logits become calibrated probabilities, what that
/// was fitted on, and what it was worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The fit.
    #[serde(flatten)]
    pub method: Method,
    /// The labels of the model, in class order.
    pub labels: Vec<String>,
    /// What it was fitted on.
    pub fitted_on: FittedOn,
    /// Before, on clips that it was not fitted on.
    pub before: Quality,
    /// After, on the same clips.
    pub after: Quality,
}

/// The clips of a fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FittedOn {
    /// The model: a Hub id with its revision, or a folder.
    pub model: String,
    /// The dataset, with its configuration.
    pub dataset: String,
    /// The split the clips are of.
    pub split: String,
    /// How many they were.
    pub clips: u64,
}

/// How good probabilities are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Clips it was measured on.
    pub clips: u64,
    /// Expected calibration error; for a sigmoid the mean of the classes' own.
    pub ece: f64,
    /// Mean loss in nats.
    pub log_loss: f64,
}

impl Calibration {
    /// The name of the file in a model's folder.
    pub const FILE: &str = "calibration.json";

    /// Reads and checks a calibration for a model with these labels.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Json`] names the key; [`ErrorKind::OutOfRange`] for a temperature or a fit that is no number;
    /// [`ErrorKind::Labels`] when it was fitted for other labels.
    pub fn read(path: impl AsRef<Path>, labels: &[String]) -> Result<Self, Error> {
        /// 32 MB: hundreds of times what a model of 500 labels needs.
        const LIMIT: u64 = 32 << 20;
        let path = path.as_ref();
        let read = || -> Result<Self, ErrorKind> {
            let text = earmark_fs::read_to_string(path, LIMIT)?;
            let calibration: Self = serde_json::from_str(&text).map_err(ErrorKind::Json)?;
            calibration.checked(labels)?;
            Ok(calibration)
        };
        read().with_context(|| Task::Read(path))
    }

    /// Writes it as a whole or not at all, over a file that is there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; those of [`read`](Self::read) for a calibration that could not be read back.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let write = || -> Result<(), ErrorKind> {
            self.checked(&self.labels)?;
            let mut json = serde_json::to_string_pretty(self).map_err(ErrorKind::Json)?;
            json.push('\n');
            Ok(earmark_fs::write(path, json.as_bytes())?)
        };
        write().with_context(|| Task::Write(path))
    }

    fn checked(&self, labels: &[String]) -> Result<(), ErrorKind> {
        if self.labels.len() != labels.len() {
            let (its, the) = (self.labels.len(), labels.len());
            return Err(labels_differ(&format!("it is for {its} labels, the model has {the}")));
        }
        if let Some(class) = (0..labels.len()).find(|&class| self.labels[class] != labels[class]) {
            let (its, the) = (&self.labels[class], &labels[class]);
            return Err(labels_differ(&format!(
                "its label {class} is `{its}`, that of the model is `{the}`"
            )));
        }
        match &self.method {
            Method::Temperature { temperature } => in_range("temperature", *temperature, *temperature > 0.0),
            Method::Platt { classes } if classes.len() != labels.len() => {
                let (its, the) = (classes.len(), labels.len());
                Err(labels_differ(&format!("it has fits for {its} classes and {the} labels")))
            }
            Method::Platt { classes } => {
                for (class, fit) in classes.iter().enumerate() {
                    let Platt { slope, intercept } = fit.unwrap_or(Platt::IDENTITY);
                    in_range(&format!("classes[{class}].slope"), slope, true)?;
                    in_range(&format!("classes[{class}].intercept"), intercept, true)?;
                }
                Ok(())
            }
        }
    }
}

fn labels_differ(problem: &str) -> ErrorKind {
    ErrorKind::Labels { problem: format!("{problem}; fit it anew for this model") }
}

fn in_range(key: &str, value: f64, inside: bool) -> Result<(), ErrorKind> {
    if inside && value.is_finite() {
        return Ok(());
    }
    let expected = if inside { "a finite number" } else { "a number above 0" };
    Err(ErrorKind::OutOfRange { key: key.to_owned(), value, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(method: Method) -> Calibration {
        let labels = ["hiss", "hum"].map(str::to_owned).to_vec();
        let fitted_on = FittedOn {
            model: "runs/a/model".into(),
            dataset: "sample".into(),
            split: "test".into(),
            clips: 12,
        };
        let quality = Quality { clips: 8, ece: 0.1, log_loss: 0.5 };
        Calibration { method, labels, fitted_on, before: quality, after: quality }
    }

    fn refused(text: &str, labels: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Calibration::FILE);
        std::fs::write(&path, text).unwrap();
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        let error = Calibration::read(&path, &labels).unwrap_err();
        earmark_error::chain(&error).replace(&*earmark_fs::text(folder.path()), "")
    }

    #[test]
    fn a_calibration_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Calibration::FILE);
        let platt = Platt { slope: 0.1 + 0.2, intercept: -1.0 / 3.0 };
        for method in [
            Method::Temperature { temperature: 1.0 / 3.0 },
            Method::Platt { classes: vec![Some(platt), None] },
        ] {
            let written = calibration(method);
            written.write(&path).unwrap();
            assert_eq!(Calibration::read(&path, &written.labels).unwrap(), written);
        }
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((&json["method"], &json["classes"][1]), (&"platt".into(), &serde_json::Value::Null));
        assert!(calibration(Method::Temperature { temperature: f64::NAN }).write(&path).is_err());
    }

    #[test]
    fn a_calibration_that_does_not_fit_the_model_is_refused_by_what_differs() {
        let text = |temperature: f64| {
            let calibration = calibration(Method::Temperature { temperature: 1.0 });
            let text = serde_json::to_string(&calibration).unwrap();
            text.replace("\"temperature\":1.0", &format!("\"temperature\":{temperature:?}"))
        };
        assert_eq!(
            refused(&text(1.0), &["hum", "hiss"]),
            "cannot read `/calibration.json`: its label 0 is `hiss`, that of the model is `hum`; fit it anew for this model"
        );
        assert!(refused(&text(1.0), &["hiss"]).contains("it is for 2 labels, the model has 1"));
        assert!(
            refused(&text(0.0), &["hiss", "hum"]).ends_with("temperature is 0, expected a number above 0")
        );
        assert!(refused("{}", &["hiss"]).contains("it is not a calibration"));
        assert!(refused(&text(1.0).replace("temperature\"", "guess\""), &["hiss"]).contains("guess"));
    }
}
