//! `POST /api/decode`: a sound as a WAV, for a page whose browser cannot play its format.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use earmark_audio::{DecodeOptions, WavFormat, decode_bytes, wav_bytes};
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::error::Refusal;
use crate::options::Limits;
use crate::routes::api::{Upload, room};
use crate::routes::ask::in_turn;

/// Answers with 16-bit samples, mixed to mono as for the model, at the sound's own rate.
pub(crate) async fn decode(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let Upload { sound, memory, .. } = Upload::read(request, &app).await?;
    let max_duration = longest(&app.options.limits);
    let options = DecodeOptions { max_duration, ..app.model.audio().decode.clone() };
    let unusable = |error| Refusal::unusable(earmark_error::chain(&error));
    let decode = move |_: &_| {
        let _memory = memory;
        let decoded = decode_bytes(sound, &options).map_err(unusable)?;
        wav_bytes(&decoded.waveform, WavFormat::Pcm16).map_err(unusable)
    };
    let wav = in_turn(&app, |_| (), decode).await?;
    let room = room(&app, wav.len()).await?;
    let body = Bytes::from_owner(Held { wav, room });
    Ok(([(header::CONTENT_TYPE, "audio/wav")], body).into_response())
}

/// So long that the answer is no larger than the largest request. The decoder counts at most 48,000 samples a second.
fn longest(limits: &Limits) -> Duration {
    limits.duration.min(Duration::from_secs_f64(limits.body as f64 / (2.0 * 48_000.0)))
}

/// An answer, and room for it until it is sent.
struct Held {
    wav: Vec<u8>,
    #[expect(dead_code, reason = "dropped with the answer")]
    room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.wav
    }
}
