//! `POST /api/decode`: a sound as a WAV, for a page whose browser cannot play its format.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use earmark_audio::{DecodeOptions, WavFormat, decode_bytes, wav_bytes};

use crate::app::App;
use crate::error::Refusal;
use crate::memory::Room;
use crate::options::Limits;
use crate::routes::api::Upload;
use crate::routes::ask::in_turn;
use crate::routes::running::counted;
use crate::routes::schemas::{Refusals, SoundFile, SoundForm, Unclassified};

/// A sound as a WAV of 16-bit samples, mixed to mono as for the model, at the sound's own rate.
#[utoipa::path(
    post,
    path = "/api/decode",
    request_body(content(
        (SoundForm = "multipart/form-data"),
        (SoundFile = "application/octet-stream"),
        (SoundFile = "audio/*"),
    )),
    responses(
        (status = 200, description = "The WAV", body = SoundFile, content_type = "audio/wav"),
        Unclassified,
        Refusals,
    ),
)]
pub(crate) async fn decode(
    State(app): State<Arc<App>>,
    Extension(room): Extension<Arc<Room>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Upload { sound, room, .. } = Upload::read(request, room).await?;
    let max_duration = longest(&app.options.limits);
    let options = DecodeOptions { max_duration, ..app.model.audio().decode.clone() };
    let unusable = |error| Refusal::unusable(earmark_error::chain(&error));
    let decode = move |_: &_| {
        let _room = room;
        let decoded = decode_bytes(sound, &options).map_err(unusable)?;
        wav_bytes(&decoded.waveform, WavFormat::Pcm16).map_err(unusable)
    };
    let wav = in_turn(&app, |_| (), decode).await?;
    Ok(([(header::CONTENT_TYPE, "audio/wav")], counted(&app, wav)?).into_response())
}

/// So long that the answer is no larger than the largest request. The decoder counts at most 48,000 samples a second.
fn longest(limits: &Limits) -> Duration {
    limits.duration.min(Duration::from_secs_f64(limits.body as f64 / (2.0 * 48_000.0)))
}
