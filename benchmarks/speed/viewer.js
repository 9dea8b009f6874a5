// Runs in every frame before anything else. A sample is the time from the input's own time stamp
// to the end of the frame that shows what came of it (a message posted while drawing is delivered
// after it). For pictures made by the kernel, that is the frame after the new image was decoded.
window.samples = [];
window.firstPainted = null;
let pressed = null;
for (const kind of ["keydown", "pointerdown"]) {
  addEventListener(kind, (event) => { pressed = event.timeStamp; }, true);
}
function shown() {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    window.firstPainted ??= performance.timeOrigin + performance.now();
    if (pressed === null) return;
    samples.push(performance.now() - pressed);
    pressed = null;
  };
  channel.port2.postMessage(null);
}
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...args) {
  put.apply(this, args);
  shown();
};
new MutationObserver((changes) => {
  for (const change of changes) {
    const added = [...change.addedNodes].filter((node) => node.querySelectorAll);
    const inside = added.flatMap((node) => [node, ...node.querySelectorAll("img")]);
    for (const image of change.type === "attributes" ? [change.target] : inside) {
      if (image.tagName === "IMG" && image.closest(".jp-OutputArea")) {
        image.decode().then(() => requestAnimationFrame(shown), () => {});
      }
    }
  }
}).observe(document, { subtree: true, childList: true, attributeFilter: ["src"] });
