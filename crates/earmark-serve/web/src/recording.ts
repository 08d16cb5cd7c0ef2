/** The buttons that record: a level, a clock, stop, discard, and again. */

import { byId, reason, show, tell } from "./dom";
import * as microphone from "./microphone";
import { clock } from "./numbers";

/** Longest recording, in seconds. */
const LONGEST = 600;

export function start(take: (blob: Blob, name: string) => void, fail: (text: string) => void): void {
  let blocks: Float32Array[] = [];
  let samples = 0;
  let open: microphone.Microphone | undefined;

  function end(keep: boolean): void {
    const rate = open?.rate;
    open?.stop();
    const recorded = blocks;
    [open, blocks, samples] = [undefined, [], 0];
    show(byId("recording"), false);
    show(byId("sources"), true);
    byId("record").focus();
    if (!keep || rate === undefined) return;
    if (recorded.length === 0) return fail("Nothing was recorded: the microphone gave no sound.");
    take(microphone.wav(recorded, rate), `recording ${new Date().toTimeString().slice(0, 8).replaceAll(":", ".")}.wav`);
  }

  function block(rate: number, block: Float32Array): void {
    // One that comes late belongs to the recording before.
    if (open === undefined) return;
    blocks.push(block);
    samples += block.length;
    byId<HTMLMeterElement>("level").value = microphone.level(block);
    tell(byId("recording-time"), clock(samples / rate));
    if (samples / rate >= LONGEST) end(true);
  }

  byId("record").addEventListener("click", async () => {
    const button = byId<HTMLButtonElement>("record");
    fail("");
    button.disabled = true;
    try {
      open = await microphone.open(block);
      tell(byId("recording-time"), clock(0));
      show(byId("recording"), true);
      show(byId("sources"), false);
      byId("stop").focus();
    } catch (error) {
      fail(reason(error));
    } finally {
      button.disabled = false;
    }
  });
  byId("stop").addEventListener("click", () => end(true));
  byId("discard").addEventListener("click", () => end(false));
}
