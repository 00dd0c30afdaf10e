"""
Write the picture of an answer to a file: SVG as it is, PNG by way of a rasteriser.

What the picture shows is decided in `graph/pictures`; here are files, fonts and their errors.
"""

import os
import tempfile
from pathlib import Path

import resvg_py
import ttf_opensans

from graph.errors import BadInputError
from graph.pictures.svg import blast_radius_svg
from graph.queries.blast_radius import BlastRadius

ZOOM = 2.0  # sharp on screens of double density
# A slim image has no font at all: names would be missing from the picture.
FONTS = Path(ttf_opensans.__file__).parent / "ttf"


def write_svg(answer: BlastRadius, file: Path) -> None:
    """
    Draw `answer` into `file`, which is replaced.

    Raises:
        BadInputError: the file cannot be written.
    """
    _write(blast_radius_svg(answer).encode(), file)


def write_png(answer: BlastRadius, file: Path) -> None:
    """
    Draw `answer` into `file` as PNG.

    Raises:
        BadInputError: the file cannot be written.
    """
    _write(png(blast_radius_svg(answer)), file)


def png(svg: str) -> bytes:
    """Turn SVG text into a PNG of twice its size, with fonts of this machine or else Open Sans."""
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            zoom=ZOOM,
            font_dirs=[str(FONTS)],
            sans_serif_family="Open Sans",
            monospace_family="Open Sans",
        )
    )


def _write(content: bytes, file: Path) -> None:
    """Replace the file as a whole: half a picture is never seen."""
    beside = ""
    try:
        if file.exists() and not file.is_file():  # a device or a pipe is written, not replaced
            file.write_bytes(content)
            return
        handle, beside = tempfile.mkstemp(dir=file.parent, prefix=".picture-")
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        Path(beside).chmod(0o644)
        Path(beside).replace(file)
    except OSError as error:
        if beside:
            Path(beside).unlink(missing_ok=True)
        raise BadInputError(
            f"{file} could not be written: {error.strerror}.",
            means="No picture was made.",
            do_now="Name a file in a folder that exists and that you may write to.",
        ) from None
