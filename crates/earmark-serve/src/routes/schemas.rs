//! What the OpenAPI document says of bodies that are no JSON, and of refusals.

use utoipa::{IntoResponses, ToSchema};

use crate::error::ErrorBody;

/// The bytes of a sound file: WAV, Wave64, AU, AIFF, CAF, FLAC, MP3, AAC, Ogg, MP4/M4A, Matroska/WebM.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SoundFile(Vec<u8>);

/// A form with a sound file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SoundForm {
    /// The sound file; its name is the `path` of the answer.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Refusals of every address.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum Refusals {
    /// A token or a password is missing or wrong.
    #[response(status = 401)]
    Unauthorised(ErrorBody),
    /// The request names a host that is not this server, or comes from a page of another site.
    #[response(status = 403)]
    Forbidden(ErrorBody),
}

/// Refusals of addresses that a number is part of.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum Missing {
    /// There is nothing of that number.
    #[response(status = 404)]
    NotFound(ErrorBody),
}

/// Refusals of a sound that is to be classified.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum Unclassified {
    /// A parameter is wrong, or the body is empty or no form with `file`.
    #[response(status = 400)]
    BadRequest(ErrorBody),
    /// The body did not arrive in time.
    #[response(status = 408)]
    Timeout(ErrorBody),
    /// The body is larger than the server accepts.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body is compressed, JSON, or several parts that are no form.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
    /// The body is no sound, or one that the model cannot take: too short, or longer than the server accepts.
    #[response(status = 422)]
    Unusable(ErrorBody),
    /// The server failed.
    #[response(status = 500)]
    Internal(ErrorBody),
    /// Too many requests wait, or the time of this one is over; `Retry-After` says when to try again.
    #[response(status = 503)]
    Busy(ErrorBody),
}
