// The mask as a NIfTI file, on the scan's own grid and in its orientation.

import { element } from "../dom.js";
import { deflate, toStored } from "./mask-file.js";
import { maskPart, session } from "./session.js";
import { facts } from "../state.js";
import { fromBase64 } from "../volume.js";

export async function saveMask() {
  const { name, header, axes } = facts.scan;
  const { version } = session.edit;
  const voxels = toStored(maskPart(true), axes);
  const bytes = await deflate([fromBase64(header), voxels]);
  const file = `${(name || "scan").replace(/[^\p{L}\p{N}_-]+/gu, "_")}_mask.nii.gz`;
  const blob = new Blob([bytes], { type: "application/gzip" });
  const link = element("a", { href: URL.createObjectURL(blob), download: file });
  link.click();
  session.saved = version;
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
