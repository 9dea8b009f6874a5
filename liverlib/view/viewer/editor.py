"""The editor that `edit` returns: the slice browser's page, and the mask that it sends back.

Core widgets only, those of ipywidgets 7.7 and 8. The page lives in an iframe of an `HTML` widget.
A hidden `Textarea` beside it carries the mask: the page writes into it as a hand would, and the
widget brings the text to Python. So it needs no JavaScript of its own in the notebook.
"""

from pathlib import Path

import ipywidgets as widgets

from liverlib.io.volume import Volume

from .page import SliceBrowser
from .scan_grid import received_mask


class Editor(widgets.VBox):
    """A page to correct a mask in; `mask` is what was painted there, on the scan's own grid.

    `save` writes the page as a file, which needs neither Python nor a network: there, the mask
    comes back as a NIfTI file.
    """

    def __init__(self, mask: Volume, page: SliceBrowser):
        self.page, self._mask, self._text = page, mask, ""
        self.sent = widgets.Textarea(continuous_update=False, layout=widgets.Layout(display="none"))
        super().__init__([widgets.HTML(page._repr_html_()), self.sent])
        self.add_class("liverlib-editor")  # by this the page finds the text beside it

    @property
    def mask(self) -> Volume:
        """The mask as it is in the page now, uint8: 0 background, 1 liver, 2 tumour.

        Raises `LiverlibError` where what came from the page is no mask of the scan.
        """
        text = self.sent.value
        if text != self._text:
            self._mask = received_mask(text, self._mask.grid, self._mask.name)
            self._text = text
        return self._mask

    def save(self, path: str | Path) -> Path:
        """Writes the page with the mask as it was given, for work without a kernel."""
        return self.page.save(path)
