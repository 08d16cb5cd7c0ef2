//! What is written for people and programs.

pub(crate) mod results; // The results of a job,
pub(crate) mod tables; // and tables as files;

pub(crate) mod columns; // text for people,
pub(crate) mod report;
pub(crate) mod training;
pub(crate) mod pace;
pub(crate) mod clock;
pub(crate) mod count;
pub(crate) mod width;
pub(crate) mod escape;
pub(crate) mod shell;

pub(crate) mod messages; // and the two streams.
pub(crate) mod causes;
pub(crate) mod progress;
pub(crate) mod stdout;
