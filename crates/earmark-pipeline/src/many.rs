//! Many sounds, or the windows of a recording, a batch at a time.

use std::collections::VecDeque;
use std::iter;

use earmark_audio::Waveform;
use rayon::prelude::*;

use crate::error::Error;
use crate::forward::BATCH_CLIPS;
use crate::sound::{DecodedSound, Sound};
use crate::windows::{Window, WindowIter};

/// The model's answer for each sound, in order: decoded on all threads, and the features of one batch held at a time.
pub(crate) fn of_sounds<S: Into<Sound>, F: Send, A>(
    sounds: impl IntoIterator<Item = S>,
    decode: impl Fn(Sound) -> Result<DecodedSound, Error> + Sync,
    features: impl Fn(&Waveform) -> Result<F, Error> + Sync,
    answers: impl Fn(Vec<F>) -> Vec<Result<A, Error>>,
) -> Vec<Result<A, Error>> {
    let mut sounds = sounds.into_iter().map(Into::into);
    let mut all = Vec::with_capacity(sounds.size_hint().0);
    loop {
        let batch: Vec<Sound> = sounds.by_ref().take(BATCH_CLIPS).collect();
        if batch.is_empty() {
            return all;
        }
        let names: Vec<String> = batch.iter().map(Sound::name).collect();
        let extracted: Vec<Result<F, Error>> = batch
            .into_par_iter()
            .zip(&names)
            .map(|(sound, name)| features(&decode(sound)?.waveform).map_err(|error| error.about(name)))
            .collect();
        let mut clips = Vec::new();
        let extracted: Vec<Result<(), Error>> =
            extracted.into_iter().map(|it| it.map(|it| clips.push(it))).collect();
        let mut answered = answers(clips).into_iter();
        for (extracted, name) in extracted.into_iter().zip(&names) {
            all.push(extracted.and_then(|()| {
                answered.next().expect("one answer a clip").map_err(|error| error.about(name))
            }));
        }
    }
}

/// The answer for each window, in order; `answers` gets a batch of windows at a time.
pub(crate) fn of_windows<A>(
    mut windows: WindowIter,
    answers: impl Fn(Vec<Waveform>) -> Vec<Result<A, Error>>,
) -> impl Iterator<Item = Result<(Window, A), Error>> {
    let mut ready = VecDeque::new();
    iter::from_fn(move || {
        if ready.is_empty() {
            let (mut places, mut clips, mut broken) = (Vec::new(), Vec::new(), None);
            for span in windows.by_ref().take(BATCH_CLIPS) {
                match span {
                    Ok(span) => {
                        places.push(span.window);
                        clips.push(span.waveform);
                    }
                    Err(error) => broken = Some(error),
                }
            }
            for (place, answer) in places.into_iter().zip(answers(clips)) {
                let name = || format!("the window at {:.1} s of {}", place.start, windows.origin());
                ready.push_back(answer.map(|it| (place, it)).map_err(|error| error.about(&name())));
            }
            ready.extend(broken.map(Err));
        }
        ready.pop_front()
    })
}
