// The way into correcting: the button, the volume on the scan's grid, the tools.

import { byId } from "../dom.js";
import { linkKernel } from "./kernel.js";
import { listenToPanel } from "./panel.js";
import { onEdited, openClasses, session } from "./session.js";
import { measureSoon } from "../lesions.js";
import { change, facts, state } from "../state.js";
import { drawStrip } from "../strip.js";
import { views } from "../slice-view.js";

// `renew` makes the views again where the volume has got another size, `refill` the controls.
export function prepareEditing(renew, refill) {
  byId("edit").addEventListener("click", () => toggleEditing(renew, refill));
  listenToPanel();
  onEdited(() => views.forEach(drawStrip));
  onEdited(measureSoon);
  addEventListener("beforeunload", (event) => session.unsaved && event.preventDefault());
  if (facts.editing) toggleEditing(renew, refill);
}

async function toggleEditing(renew, refill) {
  if (state.editing) {
    change({ editing: false, tool: "look" });
    return;
  }
  if (!session.edit) {
    const resized = await openClasses();
    if (!facts.has.label && !facts.has.mask) {
      facts.has.mask = true;
      state.show = "mask";
      refill();
    }
    if (resized) renew();
    await linkKernel();
  }
  change({ editing: true });
  views.forEach(drawStrip);
  measureSoon();
}
