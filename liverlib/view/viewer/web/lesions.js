// The list of lesions: a click on one goes there. While a mask is corrected, it is measured anew.

import { byId, element } from "./dom.js";
import { session } from "./edit/session.js";
import { fitFrame } from "./layout.js";
import { measureTable } from "./measure/lesion-table.js";
import { compares, facts, moveTo, volume } from "./state.js";

const MOST = 200; // rows
const PAUSE = 120; // ms after a step, so that quick strokes are measured together

export function listLesions() {
  if (!facts.lesions.length) return;
  const headings = ["lesion", "ml", "mm across", ...(compares ? ["covered"] : [])];
  fillTable(headings, facts.lesions, facts.lesions_note);
}

let waiting = 0;

// Measures the corrected mask soon, by the definitions of a report's table.
export function measureSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(listMeasured, PAUSE);
}

function listMeasured() {
  const { affine, levels, spacing_known: known } = facts;
  const table = measureTable(volume, session.edit.shift, { affine, levels, known });
  const { lesions } = table;
  const rows = lesions.slice(0, MOST).map((lesion, n) => ({
    name: String(n + 1),
    at: volume.stride.map((step, axis) => Math.floor(lesion.at / step) % volume.shape[axis]),
    cells: [
      text(lesion.ml, 1), text(lesion.longest_axial_mm, 0), text(lesion.longest_mm, 0),
      text(lesion.mean_hu, 0), text(lesion.to_surface_mm, 0),
    ],
  }));
  const headings = ["lesion", "ml", "axial mm", "mm across", "HU", "mm to surface"];
  const more = lesions.length > MOST ? ` (the ${MOST} largest)` : "";
  fillTable(headings, rows, `${lesions.length} in the corrected mask${more}`);
  const burden = table.burden === null ? "unknown" : `${(100 * table.burden).toFixed(1)} %`;
  const [liver, tumour] = [text(table.liver_ml, 0), text(table.tumour_ml, 1)];
  byId("volumes").textContent = `liver ${liver} ml · tumour ${tumour} ml · burden ${burden}`;
}

function text(value, digits) {
  if (value === null) return "unknown";
  const least = 0.5 / 10 ** digits;
  return digits && value < least ? `< ${2 * least}` : value.toFixed(digits).replace(/^-0$/, "0");
}

function fillTable(headings, lesions, note) {
  const head = element("tr", {}, ...headings.map((name) => element("th", { scope: "col" }, name)));
  const body = element("tbody", {}, ...lesions.map(lesionRow));
  const caption = element("caption", {}, note);
  const table = element("table", {}, caption, element("thead", {}, head), body);
  byId("lesions").replaceChildren(table);
  byId("lesions").hidden = false;
  fitFrame();
}

function lesionRow(lesion) {
  const button = element("button", { type: "button" }, lesion.name);
  const cells = lesion.cells.map((cell) => element("td", {}, cell));
  const row = element("tr", {}, element("td", {}, button), ...cells);
  button.setAttribute("aria-label", `go to lesion ${lesion.name}, ${lesion.cells.join(", ")}`);
  button.addEventListener("click", () => {
    byId("lesions").querySelector(".here")?.classList.remove("here");
    row.className = "here";
    moveTo(lesion.at.slice());
  });
  return row;
}
