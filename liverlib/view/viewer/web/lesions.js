// The list of lesions: a click on one goes there.

import { byId, element } from "./dom.js";
import { compares, facts, moveTo } from "./state.js";

export function listLesions() {
  if (!facts.lesions.length) return;
  const headings = ["lesion", "ml", "mm across", ...(compares ? ["covered"] : [])];
  const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)));
  const body = element("tbody", {}, ...facts.lesions.map(lesionRow));
  const caption = element("caption", {}, facts.lesions_note);
  byId("lesions").append(element("table", {}, caption, element("thead", {}, head), body));
  byId("lesions").hidden = false;
}

function lesionRow(lesion) {
  const button = element("button", { type: "button" }, lesion.name);
  const cells = lesion.cells.map((text) => element("td", {}, text));
  const row = element("tr", {}, element("td", {}, button), ...cells);
  button.setAttribute("aria-label", `go to lesion ${lesion.name}, ${lesion.cells.join(", ")}`);
  button.addEventListener("click", () => {
    byId("lesions").querySelector(".here")?.classList.remove("here");
    row.className = "here";
    moveTo(lesion.at.slice());
  });
  return row;
}
