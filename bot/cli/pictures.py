"""
Write the picture of an answer to a file: SVG as it is, PNG by way of a rasteriser.

What the picture shows is decided in `graph/pictures`; here are files, fonts and their errors.
"""

import os
import tempfile
from pathlib import Path

from graph.errors import BadInputError, UnavailableError
from graph.pictures.svg import MONO, SANS, blast_radius_svg
from graph.queries.blast_radius import BlastRadius

ZOOM = 2.0  # sharp on screens of double density

_PROBE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="30">'
    '<text x="4" y="20" font-size="14" font-family="{font}">{text}</text></svg>'
)


def write_svg(answer: BlastRadius, file: Path) -> None:
    """
    Draw `answer` into `file`, which is replaced.

    Raises:
        BadInputError: the file cannot be written.
    """
    _write(blast_radius_svg(answer).encode(), file)


def write_png(answer: BlastRadius, file: Path) -> None:
    """
    Draw `answer` into `file` as PNG with the fonts of this machine.

    Raises:
        BadInputError: the file cannot be written.
        UnavailableError: there is no rasteriser, or no font that it could write names with.
    """
    _write(png(blast_radius_svg(answer)), file)


def png(svg: str) -> bytes:
    """
    Turn SVG text into a PNG of twice its size, with the fonts of this machine.

    Raises:
        UnavailableError: there is no rasteriser, or no font that it could write names with.
    """
    try:
        import resvg_py  # noqa: PLC0415 - a picture is optional, the command line is not
    except ImportError:
        raise UnavailableError(
            "A PNG needs the package resvg_py, which is not installed here.",
            do_now="Use --svg FILE, which needs nothing, or run: pip install resvg_py",
        ) from None
    for font in (SANS, MONO):
        written, blank = (
            bytes(resvg_py.svg_to_bytes(svg_string=_PROBE.format(font=font, text=text)))
            for text in ("Key", "")
        )
        if written == blank:
            raise UnavailableError(
                "This machine has no font that a PNG could be written with.",
                means="The picture would have boxes without names, so none was made.",
                do_now="Install DejaVu Sans, Liberation Sans or Noto Sans (Debian: apt-get install "
                "fonts-dejavu-core), or use --svg FILE.",
            )
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM))


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
