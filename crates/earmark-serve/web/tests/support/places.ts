/** Where the tests find the repository's files and the command. */

import { fileURLToPath } from "node:url";

const root = new URL("../../../../../", import.meta.url);

/** Tiny checkpoints and clips. */
export const GOLDEN = fileURLToPath(new URL("tests/golden", root));
/** Short sounds in every format. */
export const SOUNDS = fileURLToPath(new URL("crates/earmark-audio/tests/golden", root));
/** The command under test. */
export const EARMARK = process.env["EARMARK"] ?? fileURLToPath(new URL("target/release/earmark", root));
/** The browser. */
export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
