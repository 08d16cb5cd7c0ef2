/** The microphone as samples: blocks of mono float32. */

export interface Microphone {
  rate: number;
  stop(): void;
}

/** Why there is no microphone, in a sentence for people. */
function reason(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The browser was not allowed to use the microphone: allow it beside the address, and try again.";
  if (name === "NotFoundError") return "There is no microphone.";
  if (navigator.mediaDevices === undefined) return "Browsers give the microphone only to pages on https:// or localhost.";
  return `The microphone cannot be used: ${error instanceof Error ? error.message : String(error)}`;
}

/**
 * Opens the microphone at its own rate, without the browser's processing of speech. `block` gets the rate and the samples as they
 * come.
 */
export async function open(block: (rate: number, samples: Float32Array) => void): Promise<Microphone> {
  let stream: MediaStream | undefined;
  let context: AudioContext | undefined;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    void context?.close();
  };
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    // The device's own rate, where the browser tells it; Firefox takes no other, and does not tell.
    const { sampleRate } = stream.getAudioTracks()[0]?.getSettings() ?? {};
    context = new AudioContext(sampleRate === undefined ? {} : { sampleRate });
    const rate = context.sampleRate;
    await context.audioWorklet.addModule("recorder.worklet.js");
    const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = (event: MessageEvent<Float32Array>) => block(rate, event.data);
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
    return { rate, stop };
  } catch (error) {
    stop();
    throw new Error(reason(error));
  }
}

/** The loudest sample on a scale for a meter: 60 dB down is nothing. */
export function level(samples: Float32Array): number {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return Math.max(0, Math.min(1, 1 + Math.log10(Math.max(peak, 1e-6)) / 3));
}

/** A 16-bit WAV of mono samples. */
export function wav(blocks: Float32Array[], rate: number): Blob {
  const count = blocks.reduce((sum, block) => sum + block.length, 0);
  const bytes = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at: number, word: string) => [...word].forEach((letter, i) => bytes.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, rate, true);
  bytes.setUint32(28, 2 * rate, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  text(36, "data");
  bytes.setUint32(40, 2 * count, true);
  let at = 44;
  for (const block of blocks) {
    for (const sample of block) {
      bytes.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      at += 2;
    }
  }
  return new Blob([bytes.buffer as ArrayBuffer], { type: "audio/wav" });
}
