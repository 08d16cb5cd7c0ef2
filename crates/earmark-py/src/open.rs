//! A model by its folder or its name on the Hub.

use earmark::hub::{Hub, HubBuilder, Repo};
use earmark::{Device, Error, FromPretrained};
use pyo3::prelude::*;

use crate::errors::exception;
use crate::threads;

/// How the Hub is reached: as the environment says, unless one of these is given. A dict in Python.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct HubSettings {
    pub(crate) revision: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) cache_dir: Option<String>,
    pub(crate) offline: bool,
}

impl HubSettings {
    pub(crate) fn hub(&self) -> Result<Hub, earmark::hub::Error> {
        let mut builder = HubBuilder::from_env()?;
        if let Some(token) = &self.token {
            builder = builder.token(token);
        }
        if let Some(folder) = &self.cache_dir {
            builder = builder.cache_dir(folder);
        }
        if self.offline {
            builder = builder.offline(true);
        }
        builder.build()
    }

    /// The name with its revision.
    pub(crate) fn name(&self, model: &str) -> String {
        match &self.revision {
            Some(revision) => format!("{model}@{revision}"),
            None => model.to_owned(),
        }
    }

    pub(crate) fn repo(&self, model: &str) -> Result<Repo, Error> {
        Ok(Repo::model(&self.name(model))?)
    }
}

/// Opens the model of any of the three kinds.
pub(crate) fn open<M: FromPretrained + Send>(py: Python<'_>, model: &str, hub: &HubSettings) -> PyResult<M> {
    let opened = threads::run(py, || -> Result<M, Error> {
        match std::path::Path::new(model).is_dir() {
            true => M::from_pretrained(model),
            false => M::from_hub(&hub.hub()?, &hub.name(model), &Device::flex()),
        }
    })?;
    opened.map_err(|error| exception(&error))
}
