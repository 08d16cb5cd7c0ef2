/// Where in a network a visitor or a mapper is: burn tells it of each module that it enters and leaves.
#[derive(Default)]
pub(crate) struct ModulePath {
    /// The fields on the way.
    pub(crate) names: Vec<String>,
    /// What holds each of them, as burn calls it: `Struct:Linear`.
    pub(crate) containers: Vec<String>,
}

impl ModulePath {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        // The reference knows no variants: they are no part of a checkpoint's key.
        if !container.starts_with("Enum:") {
            self.names.push(name.to_owned());
        }
        self.containers.push(container.to_owned());
    }

    pub(crate) fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.names.pop();
        }
        self.containers.pop();
    }

    /// The fields, joined by dots.
    pub(crate) fn joined(&self) -> String {
        self.names.join(".")
    }

    /// The innermost container.
    pub(crate) fn container(&self) -> &str {
        self.containers.last().map_or("", String::as_str)
    }
}
