// The slice browser: shows the volume that is in this page. Plain JavaScript, nothing is loaded.
//
// These are ES modules; bundle.py joins them into the one script of the page.

import { fillControls, listenToControls, refreshControls } from "./controls.js";
import { byId } from "./dom.js";
import { listenToInput } from "./input.js";
import { arrange, fitFrame } from "./layout.js";
import { listLesions } from "./lesions.js";
import { draw, makeViews, refreshViews, views } from "./slice-view.js";
import { change, connect, facts, state, volume } from "./state.js";
import { drawStrip } from "./strip.js";
import { watchTheme } from "./theme.js";
import { decodeVolume, fromBase64 } from "./volume.js";

function takeVoxels() {
  const packed = fromBase64(byId("voxels").textContent);
  byId("voxels").remove(); // megabytes of text that nothing needs any more
  return decodeVolume(packed, facts.shape, facts.has.label || facts.has.mask);
}

function refresh() {
  refreshViews();
  refreshControls();
}

function showPage() {
  document.querySelector("main").hidden = false;
  connect(draw, refresh);
  makeViews();
  fillControls();
  listLesions();
  refresh();
  arrange();
  draw();
  views.forEach(drawStrip);
}

function listen() {
  listenToInput();
  listenToControls();
  new ResizeObserver(arrange).observe(byId("views"));
  new ResizeObserver(fitFrame).observe(document.body);
}

async function start() {
  watchTheme();
  try {
    Object.assign(volume, await takeVoxels());
  } catch (error) {
    const advice = "A current Chrome, Edge, Firefox or Safari can.";
    byId("message").textContent = `The slices cannot be shown: ${error.message}. ${advice}`;
    byId("message").hidden = false;
    return;
  }
  showPage();
  listen();
  window.sliceBrowser = { state, change, draw, arrange, views }; // for tests, and for the curious
}

start();
