"""A figure that a notebook shows; imports matplotlib, and is imported when one is made."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure that belongs to no window, and shows itself as the value of a notebook's cell."""

    def _repr_png_(self) -> bytes:
        """The picture as PNG, as IPython asks for it."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
