// The way into correcting: the button, the volume on the scan's grid, the tools.

import { byId } from "../dom.js";
import { linkKernel } from "./kernel.js";
import { listenToPanel } from "./panel.js";
import { isUnsaved, onEdited, openClasses } from "./session.js";
import { measureSoon } from "../lesions.js";
import { change, facts, state } from "../state.js";
import { drawStrip } from "../strip.js";
import { focusActive, views } from "../slice-view.js";

// `renew` makes the views again where the volume has got another size, `refill` the controls.
export function prepareEditing(renew, refill) {
  byId("edit").addEventListener("click", async (event) => {
    await toggleEditing(renew, refill);
    focusActive(event);
  });
  listenToPanel();
  onEdited(() => views.forEach(drawStrip));
  onEdited(measureSoon);
  addEventListener("beforeunload", (event) => isUnsaved() && event.preventDefault());
  if (facts.editing) toggleEditing(renew, refill);
}

let opening = null; // done once, however often the button is clicked

async function toggleEditing(renew, refill) {
  if (state.editing) {
    change({ editing: false, tool: "look" });
    return;
  }
  opening ??= openTools(renew, refill);
  await opening;
  change({ editing: true });
  views.forEach(drawStrip);
  measureSoon();
}

async function openTools(renew, refill) {
  const resized = await openClasses();
  if (!facts.has.label && !facts.has.mask) {
    facts.has.mask = true;
    state.show = "mask";
    refill();
  }
  if (resized) renew();
  await linkKernel();
}
