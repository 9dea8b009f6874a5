// The mask to the notebook's kernel: into the hidden text of a widget beside this page's frame.
//
// See editor.py. Without such a text (a file, a report), nothing happens. Other views of the editor
// write into the same text: what they sent is taken up, so that no view overwrites it.

import { deflate, inflate, toBase64 } from "./mask-file.js";
import { maskPart, onEdited, replaceMask, session } from "./session.js";
import { change } from "../state.js";
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

let known = ""; // the text that this page has sent or taken up last
let waiting = 0;

// Takes up what this editor has sent before, and sends from now on.
export async function linkKernel() {
  let text = findText();
  if (!text && !window.frameElement?.closest(".liverlib-editor")) return;
  for (let n = 0; !text && n < PATIENCE; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    text = findText();
  }
  if (!text) return;
  await takeUp(text);
  // Whoever comes back from another view sees what was painted there.
  addEventListener("focus", takeUpAgain);
  document.documentElement.addEventListener("pointerenter", takeUpAgain);
  onEdited(() => {
    clearTimeout(waiting);
    waiting = setTimeout(send, PAUSE);
  });
}

// Returns whether there was anything new.
async function takeUp(text) {
  const value = text?.value;
  if (!value || value === known) return false;
  const [first, size, packed] = value.split(";");
  const [from, length] = [first, size].map((numbers) => numbers.split(",").map(Number));
  const values = await inflate(fromBase64(packed));
  if (value === known) return false; // taken up meanwhile
  known = value;
  replaceMask({ first: from, size: length, values });
  clearTimeout(waiting); // this is no step to be sent
  return true;
}

async function takeUpAgain() {
  if (!(await takeUp(findText()))) return;
  change({ editNote: "Another view of this editor has changed the mask: it is shown here now." });
}

async function send() {
  const { edit } = session;
  const { version } = edit;
  const { first, size, values } = maskPart(false);
  const packed = toBase64(await deflate([values]));
  const text = findText();
  // What was painted or taken up meanwhile is newer.
  if (!text || edit !== session.edit || version !== edit.version) return;
  if (text.value && text.value !== known) {
    await takeUpAgain();
    return;
  }
  known = text.value = `${first.join(",")};${size.join(",")};${packed}`;
  const { Event } = text.ownerDocument.defaultView;
  text.dispatchEvent(new Event("change", { bubbles: true }));
  session.saved = version;
}
