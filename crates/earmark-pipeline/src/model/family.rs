use std::path::Path;

use earmark_config::{Family, family};

/// The family of the model in a folder, if its `config.json` names one that can be run: whoever opens the model says what is wrong
/// with it.
pub fn family_of(dir: &Path) -> Option<&'static Family> {
    let config = earmark_config::object(&earmark_config::read(&dir.join("config.json")).ok()?).ok()?;
    family(config.get("model_type")?.as_str()?)
}
