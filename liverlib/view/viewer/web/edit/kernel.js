// The mask to the notebook's kernel: into the hidden text of a widget beside this page's frame.
//
// See editor.py. Without such a text (a file, a report), nothing happens.

import { deflate, inflate, toBase64 } from "./mask-file.js";
import { maskPart, onEdited, replaceMask, session } from "./session.js";
import { fromBase64 } from "../volume.js";

const PAUSE = 300; // ms after a step, so that quick strokes are sent together
const PATIENCE = 100; // times that the text is looked for, 50 ms apart: it may come later

function findText() {
  try {
    return window.frameElement?.closest(".liverlib-editor")?.querySelector("textarea");
  } catch {
    return null; // a host of another origin
  }
}

// Takes up what this editor has sent before, and sends from now on.
export async function linkKernel() {
  let text = findText();
  if (!text && !window.frameElement?.closest(".liverlib-editor")) return;
  for (let n = 0; !text && n < PATIENCE; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    text = findText();
  }
  if (!text) return;
  if (text.value) await restore(text.value);
  let waiting = 0;
  onEdited(() => {
    clearTimeout(waiting);
    waiting = setTimeout(send, PAUSE);
  });
}

async function restore(text) {
  const [first, size, packed] = text.split(";");
  const [from, length] = [first, size].map((numbers) => numbers.split(",").map(Number));
  replaceMask({ first: from, size: length, values: await inflate(fromBase64(packed)) });
}

async function send() {
  const { first, size, values } = maskPart(false);
  const packed = toBase64(await deflate([values]));
  const text = findText();
  if (!text) return;
  text.value = `${first.join(",")};${size.join(",")};${packed}`;
  const { Event } = text.ownerDocument.defaultView;
  text.dispatchEvent(new Event("change", { bubbles: true }));
  session.unsaved = false;
}
