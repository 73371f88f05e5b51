"""A figure that notebooks display. Imports matplotlib, so it is imported lazily."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure without a window that notebooks display as the value of a cell."""

    def _repr_png_(self) -> bytes:
        """The figure as PNG, for IPython's display."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
