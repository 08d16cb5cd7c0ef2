//! Warnings of the library as records of Python's `logging`.

use std::fmt::{Debug, Write as _};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

/// Passes events on to the logger `earmark` from now on. One that another extension of this process passes on already stays where it is.
pub(crate) fn to_python() {
    let _ = tracing::subscriber::set_global_default(Registry::default().with(ToPython));
}

struct ToPython;

impl<S: Subscriber> Layer<S> for ToPython {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("earmark")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let method = if *event.metadata().level() == Level::ERROR { "error" } else { "warning" };
        Python::attach(|py| {
            let logger = py.import("logging").and_then(|it| it.call_method1("getLogger", ("earmark",)));
            let logged = logger
                .and_then(|it| it.call_method1(method, ("%s", format!("{}{}", text.message, text.fields))));
            if let Err(error) = logged {
                error.write_unraisable(py, None);
            }
        });
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            // Writing to a string does not fail.
            let _ = write!(self.fields, ", {}: {value:?}", field.name());
        }
    }
}
