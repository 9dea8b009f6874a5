"""The slice browser of ipywidgets that `browse` returns, for work that is coupled to Python.

Every picture is asked of Python: NumPy makes the slice (`slices.render_slice`), PNG carries it into
an `Image`; no matplotlib in the loop. Core widgets only, those of ipywidgets 7.7 and 8.
"""

import html

import ipywidgets as widgets
import numpy as np

from liverlib.io.volume import CLASSES, Volume

from ..slices import (
    PLANES,
    SHOW,
    WINDOWS,
    hex_colour,
    largest_slice,
    legend,
    letters,
    pixel_aspect,
    png,
    render_slice,
)

SHOWN_AS = {"label": "reference", "mask": "prediction", "both": "both", "difference": "difference"}


class Browse(widgets.VBox):
    """A slice and its controls: `slice`, `plane`, `show`, `window`, `opacity`, … are widgets.

    Setting the value of one of them draws `picture` anew.
    """

    def __init__(self, scan: Volume, label: Volume | None, mask: Volume | None, plane: str):
        self.scan, self.label, self.mask = scan, label, mask
        self._make_controls(plane)
        self._make_buttons()
        # Without the layout, a notebook stretches the picture to its own width.
        self.picture = widgets.Image(
            format="png", layout=widgets.Layout(align_self="flex-start", max_width="100%")
        )
        self.caption = widgets.HTML()
        for name in ("slice", "show", "opacity", "outline", "hounsfield", "liver", "tumour"):
            getattr(self, name).observe(self._draw, "value")
        self.plane.observe(self._turn, "value")
        self.window.observe(self._preset, "value")
        rows = [
            [self.plane, self.window, self.hounsfield],
            [self.slice, self.play, self.previous, self.largest, self.next],
            [self.show, self.opacity, self.liver, self.tumour, self.outline],
        ]
        wrap = widgets.Layout(flex_flow="row wrap")
        super().__init__(
            [*(widgets.HBox(r, layout=wrap) for r in rows), self.picture, self.caption]
        )
        self._preset()
        self._turn()

    def _make_controls(self, plane: str) -> None:
        has = [self.label is not None, self.mask is not None]
        possible = [has[0], has[1], all(has), all(has)]
        shows = [(SHOWN_AS[s], s) for s, can in zip(SHOW, possible, strict=True) if can]
        self.plane = widgets.ToggleButtons(options=["axial", "coronal", "sagittal"], value=plane)
        self.plane.style.button_width = "6em"
        self.window = widgets.Dropdown(
            options=[*WINDOWS, "own"], value="soft tissue", description="window"
        )
        self.show = widgets.Dropdown(
            options=shows or [("scan", "label")], disabled=not shows, description="show"
        )
        if all(has):
            self.show.value = "both"
        self.slice = widgets.IntSlider(description="slice", continuous_update=True)
        self.opacity = widgets.FloatSlider(
            value=0.4, min=0, max=1, step=0.05, description="opacity"
        )
        self.hounsfield = widgets.IntRangeSlider(
            value=(-160, 240), min=-1400, max=1500, step=10, description="HU"
        )
        self.liver, self.tumour, self.outline = (
            widgets.Checkbox(value=value, description=name, indent=False)
            for name, value in (("liver", True), ("tumour", True), ("outline", False))
        )
        self.hounsfield.layout.width = "26em"  # both ends are written beside it
        for box in (self.liver, self.tumour, self.outline):
            box.layout.width, box.disabled = "6em", not shows

    def _make_buttons(self) -> None:
        self.play = widgets.Play(interval=100, description="play")
        widgets.jslink((self.play, "value"), (self.slice, "value"))
        self.previous = widgets.Button(description="◀ tumour", tooltip="previous slice with tumour")
        self.next = widgets.Button(description="tumour ▶", tooltip="next slice with tumour")
        self.largest = widgets.Button(description="largest tumour")
        tumours = [v.voxels == 2 for v in (self.label, self.mask) if v is not None]
        self._tumour = np.logical_or.reduce(tumours) if tumours else np.zeros((1, 1, 1), bool)
        for button, direction in ((self.previous, -1), (self.next, 1), (self.largest, 0)):
            button.layout.width = "9em"
            button.disabled = not self._tumour.any()
            button.on_click(lambda _, direction=direction: self._jump(direction))

    def _jump(self, direction: int) -> None:
        """To the tumour's previous (-1) or next (1) slice, or to its largest (0)."""
        axis = PLANES[self.plane.value]
        counts = np.count_nonzero(self._tumour, axis=tuple(a for a in range(3) if a != axis))
        slices = np.flatnonzero(counts)
        before, after = slices[slices < self.slice.value], slices[slices > self.slice.value]
        if direction == 0:
            self.slice.value = int(counts.argmax())
        elif direction < 0 and before.size:
            self.slice.value = int(before[-1])
        elif direction > 0 and after.size:
            self.slice.value = int(after[0])

    def _turn(self, _: object = None) -> None:
        """To another plane: the slider gets its slices, and goes to the largest tumour."""
        plane = self.plane.value
        slices = self.scan.voxels.shape[PLANES[plane]]
        self.slice.max = self.play.max = slices - 1
        classes = self.mask if self.label is None else self.label
        self.slice.value = slices // 2 if classes is None else largest_slice(classes, plane)
        self._draw()

    def _preset(self, _: object = None) -> None:
        if self.window.value in WINDOWS:
            width, level = WINDOWS[self.window.value]
            self.hounsfield.value = (level - width // 2, level + width // 2)

    def _draw(self, _: object = None) -> None:
        low, high = self.hounsfield.value
        if (high - low, (high + low) / 2) != WINDOWS.get(self.window.value):
            self.window.value = "own"
        plane = self.plane.value
        classes = tuple(c for c in (1, 2) if getattr(self, CLASSES[c]).value)
        rgb = render_slice(
            self.scan,
            plane,
            self.slice.value,
            label=self.label,
            mask=self.mask,
            show=self.show.value,
            window=(max(high - low, 1), (high + low) / 2),
            opacity=self.opacity.value,
            contour=self.outline.value,
            classes=classes,
        )
        self.picture.value = png(rgb, pixel_aspect(self.scan.grid, plane), 400)
        self.caption.value = self._caption(plane, classes)

    def _caption(self, plane: str, classes: tuple[int, ...]) -> str:
        sides = letters(plane)
        orientation = f"{sides['left']} on the left, {sides['top']} up"
        colours = () if self.show.disabled else legend(self.show.value, classes)
        swatches = "".join(f' <b style="color:{hex_colour(c)}">■</b> {c}' for c in colours)
        return f"{html.escape(self.scan.name)} · {orientation} ·{swatches}"
