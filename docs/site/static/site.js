// A slice browser is loaded when it comes into view: on a slow line the first is there sooner than
// with loading="lazy", which loads what lies below, too.
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    target.src = target.dataset.src;
    seen.unobserve(target);
  }
});

// What scrolls sideways can be scrolled by keys.
function makeReachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper, .output")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe[data-src]")) seen.observe(frame);
  makeReachable();
});
addEventListener("resize", makeReachable);
