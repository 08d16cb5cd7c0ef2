use std::path::Path;

use earmark_config::{Family, family};

/// The family of the model in a folder; `None` if its `config.json` cannot be read or the family is not supported. Opening the
/// model then gives the error.
pub fn family_of(dir: &Path) -> Option<&'static Family> {
    let config = earmark_config::object(&earmark_config::read(&dir.join("config.json")).ok()?).ok()?;
    family(config.get("model_type")?.as_str()?)
}
